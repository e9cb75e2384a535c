/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The C side of engine openssl. A worker hands over the requests of a batch as
 * Go has them; what is symmetric is done before vco_run returns, what is not
 * is left for vco_pk_run, which the pool's threads call.
 */
#ifndef VCRYPTO_OSSL_H
#define VCRYPTO_OSSL_H

#include <stddef.h>
#include <stdint.h>

/* A slice, as Go lays it out. */
struct vco_slice {
	uint8_t *p;
	int64_t len;
	int64_t cap;
};

/*
 * engine.Request, as Go lays it out. c_unsafe.go has the compiler check each
 * offset.
 */
struct vco_request {
	uintptr_t type;               /* which implementation of engine.Session */
	struct vco_session **session; /* a Go session, whose first word is ours */
	struct vco_slice src, dst;
	uint8_t iv[16];
	uint8_t iv_len;
	uint8_t tag_len;
	uint8_t op;
	uint8_t status;
	uintptr_t owner[2];
	uint8_t tag[16];
	int64_t n;
	struct vco_slice aad;
};

/* engine.Status */
enum {
	VCO_PENDING,
	VCO_OK,
	VCO_FAILED,
	VCO_BAD_REQUEST,
	VCO_NOT_SUPPORTED,
	VCO_BAD_TAG,
	VCO_BAD_SIGNATURE,
};

/* engine.Op */
enum { VCO_ENCRYPT = 1, VCO_DECRYPT, VCO_SIGN, VCO_VERIFY };

/* What a session does. */
enum vco_kind {
	VCO_ECB,
	VCO_CBC,
	VCO_CTR,
	VCO_XTS,
	VCO_HASH,
	VCO_XOF,
	VCO_HMAC,
	VCO_CMAC,
	VCO_GCM,
	VCO_CCM,
	VCO_CHACHA_POLY,
	VCO_RSA_RAW,
	VCO_RSA_PKCS1,
	VCO_ECDSA,
};

/* Why a session is refused. */
enum vco_error {
	VCO_NO_ALGORITHM = 1, /* no provider has it */
	VCO_BAD_KEY,
	VCO_KEY_SIZE, /* a key, but of a size that is not taken */
	VCO_NO_MEMORY,
};

/* Sizes of RSA keys that are taken, in bits; the largest in bytes. */
#define VCO_RSA_MIN_BITS 512
#define VCO_RSA_MAX_BITS 8192
#define VCO_RSA_MAX (VCO_RSA_MAX_BITS / 8)

/* The most requests that share a call of vco_pk_run. */
#define VCO_PK_BATCH 16

struct vco_lib;
struct vco_session;

/* What the library is opened with. Strings may be NULL. */
struct vco_options {
	const char *config;     /* a file in OpenSSL's format */
	const char *provider;   /* loaded beside the default one */
	const char *properties; /* of what algorithms are fetched by */
	const char *engine;     /* an ENGINE's id, or the path of its file */
};

/* The version of the library that is there when the program runs. */
const char *vco_version(void);

/*
 * Open the library: a context of our own, with its own providers. Returns NULL
 * and says why in err.
 */
struct vco_lib *vco_open(const struct vco_options *o, char *err, size_t err_size);
void vco_close(struct vco_lib *l);

/*
 * Open a session. name is the algorithm's in OpenSSL's terms: of an HMAC the
 * hash's, of a CMAC the cipher's, of ECDSA the curve's; of RSA that of the
 * hash in DigestInfo, NULL for none. Kind, key length (but of RSA and ECDSA)
 * and tag_len were checked. Returns 0 or an enum vco_error. Any thread.
 */
int vco_session_open(struct vco_lib *l, int kind, const char *name, int encrypt, int tag_len,
		     int private, const uint8_t *key, size_t key_len, struct vco_session **out);
void vco_session_close(struct vco_session *s);

/*
 * Do the n requests that the array of pointers at reqs names, in order. type is
 * what request.type of our sessions is. Returns the number of those with a
 * public-key session: they are left VCO_PENDING.
 */
uint32_t vco_run(uintptr_t type, uintptr_t reqs, uint32_t n);

/*
 * Do n requests, at most VCO_PK_BATCH, of public-key sessions: one after the
 * other, or, if async is set, as asynchronous jobs, so that an ENGINE or a
 * provider that hands them to hardware has all of them at once.
 */
void vco_pk_run(uintptr_t reqs, uint32_t n, int async);

/* A thread that called vco_pk_run ends. */
void vco_thread_end(struct vco_lib *l);

#endif
