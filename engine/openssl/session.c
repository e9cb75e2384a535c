// SPDX-License-Identifier: Apache-2.0

//go:build openssl

#include "session.h"

#include <string.h>

#include <openssl/err.h>

static int cipher_open(struct vco_session *s, const char *name, const uint8_t *key, size_t key_len)
{
	if (key_len > sizeof(s->key))
		return VCO_BAD_KEY;
	s->cipher = vco_cipher_fetch(s->lib, name, &s->impl);
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
	OPENSSL_free(s->modulus);
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
