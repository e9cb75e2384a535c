// SPDX-License-Identifier: Apache-2.0

//go:build openssl

/* ENGINEs are deprecated, but the way to some hardware; OpenSSL 4.0 has none. */
#define OPENSSL_SUPPRESS_DEPRECATED

#include "session.h"

#include <stdio.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/opensslv.h>
#if OPENSSL_VERSION_MAJOR < 4 && !defined(OPENSSL_NO_ENGINE)
#include <openssl/engine.h>
#define HAVE_ENGINE 1
#endif

const char *vco_version(void)
{
	return OpenSSL_version(OPENSSL_VERSION);
}

/* why puts what failed, and OpenSSL's reason, into err. */
static void why(char *err, size_t size, const char *what, const char *name)
{
	char reason[256] = "no reason given";
	unsigned long e = ERR_peek_error();

	if (e)
		ERR_error_string_n(e, reason, sizeof(reason));
	snprintf(err, size, "%s %s: %s", what, name, reason);
	ERR_clear_error();
}

#ifdef HAVE_ENGINE
/* What an ENGINE may do for us. Random numbers stay OpenSSL's. */
#define METHODS (ENGINE_METHOD_ALL & ~ENGINE_METHOD_RAND)

static ENGINE *engine_open(const char *name)
{
	ENGINE *e;

	OPENSSL_init_crypto(OPENSSL_INIT_ENGINE_DYNAMIC, NULL);
	if (strchr(name, '/')) {
		e = ENGINE_by_id("dynamic");
		if (e && (!ENGINE_ctrl_cmd_string(e, "SO_PATH", name, 0) ||
			  !ENGINE_ctrl_cmd_string(e, "LOAD", NULL, 0))) {
			ENGINE_free(e);
			e = NULL;
		}
	} else {
		e = ENGINE_by_id(name);
	}
	if (!e)
		return NULL;
	/* Keys find an ENGINE only as the default one. */
	if (!ENGINE_init(e)) {
		ENGINE_free(e);
		return NULL;
	}
	if (!ENGINE_set_default(e, METHODS)) {
		ENGINE_finish(e);
		ENGINE_free(e);
		return NULL;
	}
	return e;
}

static void engine_close(ENGINE *e)
{
	ENGINE_unregister_RSA(e);
	ENGINE_unregister_EC(e);
	ENGINE_unregister_DH(e);
	ENGINE_unregister_DSA(e);
	ENGINE_unregister_ciphers(e);
	ENGINE_unregister_digests(e);
	ENGINE_unregister_pkey_meths(e);
	ENGINE_unregister_pkey_asn1_meths(e);
	ENGINE_finish(e);
	ENGINE_free(e);
}
#endif

struct vco_lib *vco_open(const struct vco_options *o, char *err, size_t err_size)
{
	struct vco_lib *l = OPENSSL_zalloc(sizeof(*l));

	ERR_clear_error();
	if (!l || !(l->ctx = OSSL_LIB_CTX_new())) {
		why(err, err_size, "no memory for", "a library context");
		goto fail;
	}
	if (o->config && !OSSL_LIB_CTX_load_config(l->ctx, o->config)) {
		why(err, err_size, "reading the configuration", o->config);
		goto fail;
	}
	if (o->properties && !(l->properties = OPENSSL_strdup(o->properties))) {
		why(err, err_size, "no memory for", o->properties);
		goto fail;
	}
	/* Once any provider is loaded the default one no longer comes by itself. */
	if (!(l->base = OSSL_PROVIDER_load(l->ctx, "default"))) {
		why(err, err_size, "loading the provider", "default");
		goto fail;
	}
	if (o->provider && !(l->provider = OSSL_PROVIDER_load(l->ctx, o->provider))) {
		why(err, err_size, "loading the provider", o->provider);
		goto fail;
	}
	if (o->engine) {
#ifdef HAVE_ENGINE
		l->engine = engine_open(o->engine);
		if (!l->engine) {
			why(err, err_size, "loading the ENGINE", o->engine);
			goto fail;
		}
#else
		snprintf(err, err_size, "this OpenSSL has no ENGINEs, so not %s: use a provider", o->engine);
		goto fail;
#endif
	}
	return l;
fail:
	vco_close(l);
	return NULL;
}

void vco_close(struct vco_lib *l)
{
	if (!l)
		return;
#ifdef HAVE_ENGINE
	if (l->engine)
		engine_close(l->engine);
#endif
	OSSL_PROVIDER_unload(l->provider);
	OSSL_PROVIDER_unload(l->base);
	OSSL_LIB_CTX_free(l->ctx);
	OPENSSL_free(l->properties);
	OPENSSL_free(l);
}

void vco_thread_end(struct vco_lib *l)
{
	OPENSSL_thread_stop_ex(l->ctx);
}

/*
 * The cipher of a name. An ENGINE's must be asked for by the cipher's number;
 * impl is the ENGINE then.
 */
static EVP_CIPHER *cipher_fetch(struct vco_lib *l, const char *name, void **impl)
{
	EVP_CIPHER *c = EVP_CIPHER_fetch(l->ctx, name, l->properties);

#ifdef HAVE_ENGINE
	const EVP_CIPHER *known = l->engine ? EVP_get_cipherbyname(name) : NULL;

	if (known && ENGINE_get_cipher(l->engine, EVP_CIPHER_get_nid(known))) {
		EVP_CIPHER_free(c);
		*impl = l->engine;
		return (EVP_CIPHER *)known; /* static: not freed */
	}
#endif
	*impl = NULL;
	return c;
}

static int cipher_open(struct vco_session *s, const char *name, const uint8_t *key, size_t key_len)
{
	if (key_len > sizeof(s->key))
		return VCO_BAD_KEY;
	s->cipher = cipher_fetch(s->lib, name, &s->impl);
	if (!s->cipher)
		return VCO_NO_ALGORITHM;
	if ((size_t)EVP_CIPHER_get_key_length(s->cipher) != key_len)
		return VCO_BAD_KEY;
	memcpy(s->key, key, key_len);
	s->key_len = (uint32_t)key_len;
	return 0;
}

static int mac_open(struct vco_session *s, const char *name, const uint8_t *key, size_t key_len)
{
	const int hmac = s->kind == VCO_HMAC;
	EVP_MAC *mac = EVP_MAC_fetch(s->lib->ctx, hmac ? "HMAC" : "CMAC", s->lib->properties);
	OSSL_PARAM params[3], *p = params;

	if (!mac)
		return VCO_NO_ALGORITHM;
	s->mac = EVP_MAC_CTX_new(mac);
	EVP_MAC_free(mac); /* the context has it */
	if (!s->mac)
		return VCO_NO_MEMORY;
	*p++ = OSSL_PARAM_construct_utf8_string(hmac ? "digest" : "cipher", (char *)name, 0);
	if (s->lib->properties)
		*p++ = OSSL_PARAM_construct_utf8_string("properties", s->lib->properties, 0);
	*p = OSSL_PARAM_construct_end();
	if (!EVP_MAC_CTX_set_params(s->mac, params))
		return VCO_NO_ALGORITHM;
	/* No key is not the same as one of no bytes. */
	if (!EVP_MAC_init(s->mac, key_len ? key : (const uint8_t *)"", key_len, NULL))
		return VCO_BAD_KEY;
	s->tag_len = (uint8_t)EVP_MAC_CTX_get_mac_size(s->mac);
	return 0;
}

/* Lengths are C ints in many of the library's calls; larger ones are cut. */
#define ONE_CALL_MAX 0x7fffffff

/* NIST SP 800-38D section 5.2.1.1, RFC 8439 section 2.8: bytes */
#define GCM_MAX (((UINT64_C(1) << 39) - 256) / 8)
#define CHACHA_MAX ((UINT64_C(1) << 38) - 64)

/* NIST SP 800-38E: at most 2^20 blocks in a data unit */
#define XTS_MAX (16 << 20)

#define AES_BLOCK 16 /* FIPS 197: bytes */

int vco_session_open(struct vco_lib *l, int kind, const char *name, int encrypt, int tag_len,
		     int private, const uint8_t *key, size_t key_len, struct vco_session **out)
{
	struct vco_session *s = OPENSSL_zalloc(sizeof(*s));
	struct vco_ctx *c;
	int err;

	if (!s)
		return VCO_NO_MEMORY;
	ERR_clear_error();
	s->lib = l;
	s->kind = (uint8_t)kind;
	s->encrypt = encrypt != 0;
	s->tag_len = (uint8_t)tag_len;
	s->private = private != 0;
	s->max_len = INT64_MAX;
	switch (kind) {
	case VCO_ECB:
	case VCO_CBC:
		s->block_mask = AES_BLOCK - 1;
		s->iv_len = kind == VCO_ECB ? 0 : AES_BLOCK;
		err = cipher_open(s, name, key, key_len);
		break;
	case VCO_CTR:
		s->iv_len = AES_BLOCK;
		err = cipher_open(s, name, key, key_len);
		break;
	case VCO_XTS:
		s->iv_len = AES_BLOCK;
		s->min_len = AES_BLOCK;
		s->max_len = XTS_MAX;
		err = cipher_open(s, name, key, key_len);
		break;
	case VCO_GCM:
		s->max_len = GCM_MAX;
		err = cipher_open(s, name, key, key_len);
		break;
	case VCO_CHACHA_POLY:
		s->iv_len = 12; /* RFC 8439 section 2.8 */
		s->max_len = CHACHA_MAX;
		err = cipher_open(s, name, key, key_len);
		break;
	case VCO_CCM:
		s->max_len = ONE_CALL_MAX;
		err = cipher_open(s, name, key, key_len);
		break;
	case VCO_HASH:
	case VCO_XOF:
		s->md = EVP_MD_fetch(l->ctx, name, l->properties);
		err = s->md ? 0 : VCO_NO_ALGORITHM;
		if (s->md && kind == VCO_HASH)
			s->tag_len = (uint8_t)EVP_MD_get_size(s->md);
		break;
	case VCO_HMAC:
	case VCO_CMAC:
		err = mac_open(s, name, key, key_len);
		break;
	default:
		err = vco_pk_open(s, name, key, key_len);
	}
	/* A first context, as the library may refuse the key only now. */
	if (!err && kind < VCO_RSA_RAW) {
		c = vco_ctx_new(s, 0);
		if (c)
			vco_put(s, 0, c);
		else
			err = VCO_BAD_KEY;
	}
	ERR_clear_error();
	if (err) {
		vco_session_close(s);
		return err;
	}
	*out = s;
	return 0;
}

void vco_session_close(struct vco_session *s)
{
	for (int op = 0; op < OPS; op++)
		for (int i = 0; i < SPARES; i++)
			vco_ctx_free(s, atomic_exchange(&s->spare[op][i], NULL));
	if (!s->impl)
		EVP_CIPHER_free(s->cipher);
	EVP_MD_free(s->md);
	EVP_MAC_CTX_free(s->mac);
	EVP_PKEY_free(s->pkey);
	OPENSSL_clear_free(s, sizeof(*s));
}

static int cipher_ctx_init(struct vco_session *s, struct vco_ctx *c)
{
	const EVP_CIPHER *cipher = s->cipher;

	if (!EVP_CipherInit_ex(c->cipher, cipher, s->impl, NULL, NULL, s->encrypt))
		return 0;
	switch (s->kind) {
	case VCO_ECB:
	case VCO_CBC:
		if (!EVP_CIPHER_CTX_set_padding(c->cipher, 0))
			return 0;
		/*
		 * The provider has noted it. With this flag it would be told
		 * again for every IV, a fifth of a short request's time.
		 */
		if (!s->impl)
			EVP_CIPHER_CTX_clear_flags(c->cipher, EVP_CIPH_NO_PADDING);
		break;
	case VCO_CCM:
		/* The tag's length is part of the first block. */
		if (!EVP_CIPHER_CTX_ctrl(c->cipher, EVP_CTRL_AEAD_SET_TAG, s->tag_len, NULL))
			return 0;
		break;
	}
	return EVP_CipherInit_ex(c->cipher, NULL, NULL, s->key, NULL, s->encrypt);
}

struct vco_ctx *vco_ctx_new(struct vco_session *s, int op)
{
	struct vco_ctx *c = OPENSSL_zalloc(sizeof(*c));
	int ok;

	if (!c)
		return NULL;
	switch (s->kind) {
	case VCO_HASH:
	case VCO_XOF:
		c->md = EVP_MD_CTX_new();
		ok = c->md && EVP_DigestInit_ex2(c->md, s->md, NULL);
		break;
	case VCO_HMAC:
	case VCO_CMAC:
		c->mac = EVP_MAC_CTX_dup(s->mac);
		ok = c->mac != NULL;
		break;
	case VCO_RSA_RAW:
	case VCO_RSA_PKCS1:
	case VCO_ECDSA:
		ok = vco_pk_ctx_init(s, op, c);
		break;
	default:
		c->cipher = EVP_CIPHER_CTX_new();
		ok = c->cipher && cipher_ctx_init(s, c);
	}
	if (!ok) {
		vco_ctx_free(s, c);
		ERR_clear_error();
		return NULL;
	}
	return c;
}

void vco_ctx_free(struct vco_session *s, struct vco_ctx *c)
{
	if (!c)
		return;
	/* Each of these zeroes what it frees. */
	switch (s->kind) {
	case VCO_HASH:
	case VCO_XOF:
		EVP_MD_CTX_free(c->md);
		break;
	case VCO_HMAC:
	case VCO_CMAC:
		EVP_MAC_CTX_free(c->mac);
		break;
	case VCO_RSA_RAW:
	case VCO_RSA_PKCS1:
	case VCO_ECDSA:
		EVP_PKEY_CTX_free(c->pkey);
		break;
	default:
		EVP_CIPHER_CTX_free(c->cipher);
	}
	OPENSSL_free(c);
}

struct vco_ctx *vco_take(struct vco_session *s, int op)
{
	for (int i = 0; i < SPARES; i++) {
		_Atomic(struct vco_ctx *) *slot = &s->spare[op][i];

		if (!atomic_load_explicit(slot, memory_order_relaxed))
			continue;

		struct vco_ctx *c = atomic_exchange_explicit(slot, NULL, memory_order_acq_rel);

		if (c)
			return c;
	}
	return vco_ctx_new(s, op);
}

void vco_put(struct vco_session *s, int op, struct vco_ctx *c)
{
	for (int i = 0; i < SPARES; i++) {
		struct vco_ctx *none = NULL;

		if (atomic_compare_exchange_strong_explicit(&s->spare[op][i], &none, c,
							    memory_order_acq_rel,
							    memory_order_relaxed))
			return;
	}
	vco_ctx_free(s, c);
}
