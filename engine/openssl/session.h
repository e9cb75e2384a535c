/* SPDX-License-Identifier: Apache-2.0 */

/* What sessions are made of, and what the C files share. */
#ifndef VCRYPTO_OSSL_SESSION_H
#define VCRYPTO_OSSL_SESSION_H

#include "ossl.h"

#include <stdatomic.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/provider.h>

/* Contexts a session keeps for the next user: one a worker, mostly. */
#define SPARES 8

/* Public-key sessions keep them by operation. */
#define OPS 4

/* The longest key of a symmetric session but an HMAC's: AES-256-XTS. */
#define KEY_MAX 64

struct vco_lib {
	OSSL_LIB_CTX *ctx;
	OSSL_PROVIDER *base, *provider;
	char *properties;
	void *engine; /* an ENGINE, or NULL */
};

/* A context is one operation at work. */
struct vco_ctx {
	union {
		EVP_CIPHER_CTX *cipher;
		EVP_MD_CTX *md;
		EVP_MAC_CTX *mac;
		EVP_PKEY_CTX *pkey;
	};
	uint8_t iv_len; /* what an AEAD's is set to */
};

struct vco_session {
	uint8_t kind; /* enum vco_kind */
	uint8_t encrypt;
	uint8_t iv_len;
	uint8_t tag_len; /* of an AEAD's tag, of a whole hash or MAC */
	uint8_t private;
	uint32_t key_len;
	uint32_t size; /* of RSA's modulus, of ECDSA's longest signature, bytes */
	uint32_t min_len, block_mask;
	uint64_t max_len;

	struct vco_lib *lib;
	EVP_CIPHER *cipher;
	void *impl; /* the ENGINE that has the cipher, or NULL */
	EVP_MD *md;
	EVP_MAC_CTX *mac; /* keyed; others are copies */
	EVP_PKEY *pkey;
	uint8_t *modulus; /* of RSA, size bytes */
	_Atomic(struct vco_ctx *) spare[OPS][SPARES];

	uint8_t key[KEY_MAX]; /* to key new contexts */
};

/*
 * vco_take gives a context to the caller alone, NULL if there is no memory (or
 * OpenSSL refuses). op is 0 but for public-key sessions, where it is VCO_OP-1.
 */
struct vco_ctx *vco_take(struct vco_session *s, int op);
void vco_put(struct vco_session *s, int op, struct vco_ctx *c);
void vco_ctx_free(struct vco_session *s, struct vco_ctx *c);

/* vco_ctx_new makes one; the second does for public-key sessions. */
struct vco_ctx *vco_ctx_new(struct vco_session *s, int op);
int vco_pk_ctx_init(struct vco_session *s, int op, struct vco_ctx *c);

/*
 * The cipher of a name, NULL if there is none. An ENGINE's must be asked for by
 * the cipher's number; impl is the ENGINE then, and the cipher is not freed.
 */
EVP_CIPHER *vco_cipher_fetch(struct vco_lib *l, const char *name, void **impl);

/* vco_pk_open does vco_session_open's work for public-key sessions. */
int vco_pk_open(struct vco_session *s, const char *name, const uint8_t *key, size_t key_len);

#endif
