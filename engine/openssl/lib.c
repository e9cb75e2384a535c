// SPDX-License-Identifier: Apache-2.0

//go:build openssl

/* ENGINEs are deprecated, but the way to some hardware; OpenSSL 4.0 has none. */
#define OPENSSL_SUPPRESS_DEPRECATED

#include "session.h"

#include <pthread.h>
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
/*
 * What an ENGINE does for us by being the default one. Ciphers are asked for by
 * name. Random numbers and hashes stay OpenSSL's: there is nothing to gain, and
 * qatengine's SHA-3, without its hardware, is wrong from the second message on.
 */
#define METHODS (ENGINE_METHOD_RSA | ENGINE_METHOD_EC | \
		 ENGINE_METHOD_PKEY_METHS | ENGINE_METHOD_PKEY_ASN1_METHS)

/*
 * The process has one ENGINE, from when it is first asked for to its end: keys
 * find theirs only as the default one, and not all ENGINEs begin again well.
 */
static struct {
	pthread_mutex_t mu;
	ENGINE *e;
	char *name;
} the_engine = {.mu = PTHREAD_MUTEX_INITIALIZER};

static ENGINE *engine_load(const char *name)
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

static ENGINE *engine_open(const char *name, char *err, size_t err_size)
{
	ENGINE *e = NULL;

	pthread_mutex_lock(&the_engine.mu);
	if (!the_engine.e) {
		the_engine.e = engine_load(name);
		if (the_engine.e)
			the_engine.name = OPENSSL_strdup(name);
		else
			why(err, err_size, "loading the ENGINE", name);
		e = the_engine.e;
	} else if (the_engine.name && strcmp(the_engine.name, name) == 0) {
		e = the_engine.e;
	} else {
		snprintf(err, err_size, "not the ENGINE %s: this process has another already", name);
	}
	pthread_mutex_unlock(&the_engine.mu);
	return e;
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
		l->engine = engine_open(o->engine, err, err_size);
		if (!l->engine)
			goto fail;
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

EVP_CIPHER *vco_cipher_fetch(struct vco_lib *l, const char *name, void **impl)
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
