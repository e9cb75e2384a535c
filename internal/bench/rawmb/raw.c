// SPDX-License-Identifier: Apache-2.0

//go:build ipsecmb

#include "raw.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NO_COMPAT_IMB_API_053
#include <intel-ipsec-mb.h>

#define BURST 256 /* measured: larger bursts are faster, down to the size of L1 */

#define MAX_PIECE 65520

struct key {
	union {
		struct {
			uint32_t enc[60] __attribute__((aligned(16)));
			uint32_t dec[60] __attribute__((aligned(16)));
		};
		struct {
			uint8_t ipad[64], opad[64];
		};
		struct gcm_key_data gcm;
	};
} __attribute__((aligned(64)));

struct request {
	const uint8_t *src;
	uint8_t *dst;
	size_t len;
	const struct key *key;
	uint8_t iv[16];
	uint8_t tag[32];
};

struct raw {
	enum raw_kind kind;
	int decrypt;
	uint32_t depth;
	size_t key_len, tag_len;
	IMB_MGR *mgr;
	struct key *keys;
	struct request *reqs;
	struct gcm_context_data ctx;
	IMB_JOB jobs[BURST] __attribute__((aligned(64)));
};

static void expand(struct raw *r, struct key *k, const uint8_t *key)
{
	uint8_t pad[64];
	IMB_MGR *m = r->mgr;

	switch (r->kind) {
	case RAW_GCM:
		(r->key_len == 16 ? m->gcm128_pre : r->key_len == 24 ? m->gcm192_pre : m->gcm256_pre)(key, &k->gcm);
		break;
	case RAW_HMAC_SHA256: /* keys up to a block */
		for (int i = 0; i < 64; i++)
			pad[i] = 0x36 ^ ((size_t)i < r->key_len ? key[i] : 0);
		IMB_SHA256_ONE_BLOCK(m, pad, k->ipad);
		for (int i = 0; i < 64; i++)
			pad[i] ^= 0x36 ^ 0x5c;
		IMB_SHA256_ONE_BLOCK(m, pad, k->opad);
		break;
	case RAW_SHA256:
		break;
	default:
		(r->key_len == 16 ? m->keyexp_128 : r->key_len == 24 ? m->keyexp_192 : m->keyexp_256)(key, k->enc, k->dec);
	}
}

struct raw *raw_open(enum raw_kind kind, int decrypt, uint32_t depth, size_t size, size_t tag_len,
		     uint8_t *src, uint8_t *dst, const uint8_t *keys, size_t key_len, uint32_t n_keys)
{
	struct raw *r = NULL;

	if (posix_memalign((void **)&r, 64, sizeof(*r)))
		return NULL;
	memset(r, 0, sizeof(*r));
	r->kind = kind;
	r->decrypt = decrypt;
	r->depth = depth;
	r->key_len = key_len;
	r->tag_len = tag_len;
	r->mgr = alloc_mb_mgr(0);
	r->reqs = aligned_alloc(64, (depth * sizeof(*r->reqs) + 63) / 64 * 64);
	r->keys = aligned_alloc(64, n_keys * sizeof(*r->keys));
	if (!r->mgr || !r->reqs || !r->keys) {
		raw_close(r);
		return NULL;
	}
	init_mb_mgr_auto(r->mgr, NULL);
	if (imb_get_errno(r->mgr)) {
		raw_close(r);
		return NULL;
	}
	for (uint32_t i = 0; i < n_keys; i++)
		expand(r, &r->keys[i], keys + i * key_len);
	memset(r->reqs, 0, depth * sizeof(*r->reqs));
	for (uint32_t i = 0; i < depth; i++) {
		struct request *q = &r->reqs[i];

		q->src = src + i * size;
		q->dst = dst + i * size;
		q->len = size;
		q->key = &r->keys[i % n_keys];
		q->iv[0] = (uint8_t)i;
	}
	for (uint32_t i = 0; i < BURST; i++)
		r->jobs[i].iv_len_in_bytes = 16;
	return r;
}

/*
 * CBC and CTR: the library's burst of ciphers. It takes no more of a message
 * that CBC encrypts than MAX_PIECE bytes; the rest goes into further bursts.
 */
static uint32_t ciphers(struct raw *r, struct request *q, uint32_t n)
{
	const size_t most = r->kind == RAW_CBC && !r->decrypt ? MAX_PIECE : SIZE_MAX;
	IMB_JOB *j = r->jobs;
	uint32_t done = n;

	for (size_t off = 0; off < q->len && done == n; off += most) {
		size_t len = q->len - off < most ? q->len - off : most;

		for (uint32_t i = 0; i < n; i++) {
			j[i].enc_keys = q[i].key->enc;
			j[i].dec_keys = q[i].key->dec;
			j[i].src = q[i].src + off;
			j[i].dst = q[i].dst + off;
			j[i].msg_len_to_cipher_in_bytes = len;
			j[i].iv = off ? q[i].dst + off - 16 : q[i].iv;
		}
		done = IMB_SUBMIT_CIPHER_BURST_NOCHECK(r->mgr, j, n,
			r->kind == RAW_CTR ? IMB_CIPHER_CNTR : IMB_CIPHER_CBC,
			r->decrypt ? IMB_DIR_DECRYPT : IMB_DIR_ENCRYPT, r->key_len);
		if (most == SIZE_MAX)
			break;
	}
	return done;
}

/* The same a job at a time, which is how the library is used at its plainest. */
static uint32_t cipher_jobs(struct raw *r, struct request *q, uint32_t n)
{
	const int cbc = r->kind == RAW_CBC_JOBS;
	const size_t most = cbc && !r->decrypt ? MAX_PIECE : SIZE_MAX;
	uint32_t done = n;
	IMB_JOB *j;

	for (size_t off = 0; off < q->len && done == n; off += most) {
		done = 0;
		for (uint32_t i = 0; i < n; i++) {
			j = IMB_GET_NEXT_JOB(r->mgr);
			j->cipher_mode = cbc ? IMB_CIPHER_CBC : IMB_CIPHER_CNTR;
			j->cipher_direction = r->decrypt ? IMB_DIR_DECRYPT : IMB_DIR_ENCRYPT;
			j->chain_order = r->decrypt ? IMB_ORDER_HASH_CIPHER : IMB_ORDER_CIPHER_HASH;
			j->hash_alg = IMB_AUTH_NULL;
			j->enc_keys = q[i].key->enc;
			j->dec_keys = q[i].key->dec;
			j->key_len_in_bytes = r->key_len;
			j->src = q[i].src + off;
			j->dst = q[i].dst + off;
			j->cipher_start_src_offset_in_bytes = 0;
			j->msg_len_to_cipher_in_bytes = q[i].len - off < most ? q[i].len - off : most;
			j->iv = off ? q[i].dst + off - 16 : q[i].iv;
			j->iv_len_in_bytes = 16;
			for (j = IMB_SUBMIT_JOB(r->mgr); j; j = IMB_GET_COMPLETED_JOB(r->mgr))
				done += j->status == IMB_STATUS_COMPLETED;
		}
		while ((j = IMB_FLUSH_JOB(r->mgr)))
			done += j->status == IMB_STATUS_COMPLETED;
		if (most == SIZE_MAX)
			break;
	}
	return done;
}

static uint32_t hmacs(struct raw *r, struct request *q, uint32_t n)
{
	IMB_JOB *j = r->jobs;

	for (uint32_t i = 0; i < n; i++) {
		j[i].src = q[i].src;
		j[i].msg_len_to_hash_in_bytes = q[i].len;
		j[i].auth_tag_output = q[i].tag;
		j[i].auth_tag_output_len_in_bytes = 32;
		j[i].hash_alg = IMB_AUTH_HMAC_SHA_256;
		j[i].u.HMAC._hashed_auth_key_xor_ipad = q[i].key->ipad;
		j[i].u.HMAC._hashed_auth_key_xor_opad = q[i].key->opad;
	}
	return IMB_SUBMIT_HASH_BURST_NOCHECK(r->mgr, j, n, IMB_AUTH_HMAC_SHA_256);
}

/* GCM: one message after the other. */
static uint32_t gcms(struct raw *r, struct request *q, uint32_t n)
{
	IMB_MGR *m = r->mgr;
	aes_gcm_enc_dec_t f = r->decrypt ?
		(r->key_len == 16 ? m->gcm128_dec : r->key_len == 24 ? m->gcm192_dec : m->gcm256_dec) :
		(r->key_len == 16 ? m->gcm128_enc : r->key_len == 24 ? m->gcm192_enc : m->gcm256_enc);

	for (uint32_t i = 0; i < n; i++)
		f(&q[i].key->gcm, &r->ctx, q[i].dst, q[i].src, q[i].len, q[i].iv, q[i].iv, 0, q[i].tag, r->tag_len);
	return n;
}

/* SHA-256: jobs, the only interface with lanes for it in all versions. */
static uint32_t shas(struct raw *r, struct request *q, uint32_t n)
{
	uint32_t done = 0;
	IMB_JOB *j;

	for (uint32_t i = 0; i < n; i++) {
		j = IMB_GET_NEXT_JOB(r->mgr);
		j->cipher_direction = IMB_DIR_ENCRYPT;
		j->chain_order = IMB_ORDER_HASH_CIPHER;
		j->cipher_mode = IMB_CIPHER_NULL;
		j->hash_alg = IMB_AUTH_SHA_256;
		j->src = q[i].src;
		j->hash_start_src_offset_in_bytes = 0;
		j->msg_len_to_hash_in_bytes = q[i].len;
		j->auth_tag_output = q[i].tag;
		j->auth_tag_output_len_in_bytes = 32;
		for (j = IMB_SUBMIT_JOB_NOCHECK(r->mgr); j; j = IMB_GET_COMPLETED_JOB(r->mgr))
			done += j->status == IMB_STATUS_COMPLETED;
	}
	while ((j = IMB_FLUSH_JOB(r->mgr)))
		done += j->status == IMB_STATUS_COMPLETED;
	return done;
}

static int64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

int64_t raw_run(struct raw *r, uint32_t n)
{
	uint32_t (*const burst[])(struct raw *, struct request *, uint32_t) = {
		[RAW_CBC] = ciphers, [RAW_CTR] = ciphers, [RAW_GCM] = gcms,
		[RAW_HMAC_SHA256] = hmacs, [RAW_SHA256] = shas,
		[RAW_CBC_JOBS] = cipher_jobs, [RAW_CTR_JOBS] = cipher_jobs,
	};
	int64_t start = now();

	while (n--) {
		for (uint32_t i = 0, m; i < r->depth; i += m) {
			m = r->depth - i < BURST ? r->depth - i : BURST;
			if (burst[r->kind](r, r->reqs + i, m) != m)
				return -1;
		}
	}
	return now() - start;
}

void raw_close(struct raw *r)
{
	if (r->mgr)
		free_mb_mgr(r->mgr);
	free(r->reqs);
	free(r->keys);
	free(r);
}
