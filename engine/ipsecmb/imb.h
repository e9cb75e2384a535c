/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The C side of engine ipsecmb: a worker takes the requests of a batch as Go
 * has them, gives them to libipsec-mb in bursts of the same kind, and writes
 * their statuses. It keeps nothing of a request once vc_worker_run returns.
 */
#ifndef VCRYPTO_IMB_H
#define VCRYPTO_IMB_H

#include <stddef.h>
#include <stdint.h>

/* A slice, as Go lays it out. */
struct vc_slice {
	uint8_t *p;
	int64_t len;
	int64_t cap;
};

/*
 * engine.Request, as Go lays it out. c_unsafe.go has the compiler check each
 * offset.
 */
struct vc_request {
	uintptr_t type;             /* which implementation of engine.Session */
	struct vc_session **session; /* a Go session, whose first word is ours */
	struct vc_slice src, dst;
	uint8_t iv[16];
	union {
		struct {
			uint8_t iv_len;
			uint8_t tag_len;
			uint8_t op;
			uint8_t status;
		};
		uint32_t bytes; /* all of these, the first in the lowest bits */
	};
	uintptr_t owner[2];
	uint8_t tag[16];
	int64_t n;
	struct vc_slice aad;
};

/* Go does not see into a union. */
enum {
	VC_OFFSET_IV_LEN = offsetof(struct vc_request, iv_len),
	VC_OFFSET_TAG_LEN = offsetof(struct vc_request, tag_len),
	VC_OFFSET_STATUS = offsetof(struct vc_request, status),
};

/* engine.Status */
enum {
	VC_OK = 1,
	VC_FAILED,
	VC_BAD_REQUEST,
	VC_NOT_SUPPORTED,
	VC_BAD_TAG,
};

/* What a session does. Those up to VC_LAST_LANES share lanes. */
enum vc_kind {
	VC_CBC_ENC,
	VC_HMAC,
	VC_SHA,
	VC_CMAC,
	VC_CCM,
	VC_LAST_LANES = VC_CCM,
	VC_CBC_DEC,
	VC_CTR,
	VC_ECB,
	VC_GCM,
	VC_CHACHA_POLY,
	VC_KINDS,
};

/* Hashes, of VC_SHA and VC_HMAC. */
enum vc_hash { VC_SHA1, VC_SHA224, VC_SHA256, VC_SHA384, VC_SHA512, VC_HASHES };

struct vc_session;
struct vc_worker;
struct vc_pool;

/* Is there what the library needs? 0, or one of its error numbers. */
int vc_probe(void);
const char *vc_strerror(int err);
const char *vc_version(void);

/*
 * The pool holds sessions in memory of its own that is locked, kept out of
 * core files, and zeroed when a session is closed. Calls of one pool must not
 * overlap.
 */
struct vc_pool *vc_pool_open(int *err);
void vc_pool_close(struct vc_pool *p);

/*
 * Open a session. Parameters were checked: kind, and for it key_len, hash and
 * tag_len. Returns NULL if there is no memory.
 */
struct vc_session *vc_session_open(struct vc_pool *p, int kind, int encrypt,
				   int hash, int tag_len, const uint8_t *key,
				   size_t key_len);
void vc_session_close(struct vc_pool *p, struct vc_session *s);

/* What a Go session names once it is closed. */
extern struct vc_session vc_closed;

/*
 * A worker for batches of up to depth requests. type is what request.type of
 * our sessions is.
 */
struct vc_worker *vc_worker_open(uint32_t depth, uintptr_t type, int *err);
void vc_worker_close(struct vc_worker *w);

/*
 * Do the n requests, n up to depth, that the array of pointers at reqs names.
 * Without flush, requests that would leave a lane empty are left out: of each
 * algorithm that works in lanes, the last n % VC_LANES. Returns the number of
 * those done. If this is n they were done in order; if not, vc_worker_order
 * has n indices: first of those done, then of those left out, the latter in
 * order.
 */
uint32_t vc_worker_run(struct vc_worker *w, uintptr_t reqs, uint32_t n, int flush);
const uint32_t *vc_worker_order(struct vc_worker *w);

/* The most lanes that any implementation in the library has. */
#define VC_LANES 16

#endif
