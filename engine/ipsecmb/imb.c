// SPDX-License-Identifier: Apache-2.0

//go:build ipsecmb

#include "session.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/*
 * Requests of one class can share a burst: they have kind, direction and size
 * of key or hash in common.
 */
#define CLASSES 64

/* The most jobs in a burst: the more, the less often lanes run empty. */
#define BURST 256

/* Where no lanes are, jobs that stay in L1 matter more. */
#define SMALL_BURST 32

_Static_assert(BURST <= IMB_MAX_JOBS, "a burst fits the library's queue");

_Static_assert(MAX_BLOCKS16 == 0xfff0, "a mask tells what fits");

/* iv_len and status, of the bytes that they are in. */
#define IV_AND_STATUS 0xff0000ff
#define IV_16_AND_OK (VC_OK << 24 | IMB_AES_BLOCK_SIZE)

/* What a Go session names after its end. Nothing shares its class. */
struct vc_session vc_closed = {.kind = VC_KINDS, .class = UINT8_MAX};

/* The requests of a class, as a list of indices. */
struct list {
	uint32_t head, tail, n;
};

struct vc_worker {
	IMB_MGR *mgr;
	uintptr_t type;
	uint32_t depth;

	uint32_t *order; /* depth */
	uint32_t *next;  /* depth: the lists' links */
	struct list lists[CLASSES];
	uint8_t touched[CLASSES]; /* classes with lists that are not empty */

	uint32_t ids[BURST]; /* indices of the requests of a burst */
	uint64_t off[BURST]; /* how far they are */
	uint8_t ivs[BURST][IMB_AES_BLOCK_SIZE];
	uint8_t tags[BURST][IMB_SHA512_DIGEST_SIZE_IN_BYTES];
	struct gcm_context_data gcm;
	aes_gcm_enc_dec_t gcm_one[2][3]; /* by direction and size of key */
	IMB_JOB jobs[BURST] __attribute__((aligned(64)));
};

static struct vc_request *at(uintptr_t reqs, uint32_t i)
{
	return ((struct vc_request **)reqs)[i];
}

/* session_of returns the session of a request, NULL if it is not ours. */
static inline struct vc_session *session_of(const struct vc_worker *w, const struct vc_request *r)
{
	return r->type == w->type && *r->session != &vc_closed ? *r->session : NULL;
}

/* fits checks a cipher's request but for what only its kind must meet. */
static inline int fits(const struct vc_session *s, const struct vc_request *r)
{
	uint64_t len = (uint64_t)r->src.len;

	return len == (uint64_t)r->dst.len && r->iv_len == s->iv_len &&
	       (len & s->block_mask) == 0;
}

/* The library counts in the last 32 of a counter's 128 bits. */
static inline uint64_t counter(const uint8_t *iv)
{
	uint32_t c;

	memcpy(&c, iv + 12, sizeof(c));
	return __builtin_bswap32(c);
}

/* Does it stay in them until the end? */
static inline int counter_wraps(const struct vc_request *r)
{
	uint64_t blocks = ((uint64_t)r->src.len + IMB_AES_BLOCK_SIZE - 1) / IMB_AES_BLOCK_SIZE;

	return counter(r->iv) + blocks > UINT64_C(1) << 32;
}

/* add_counter adds blocks to a counter, in all its bits. */
static void add_counter(uint8_t *sum, const uint8_t *iv, uint64_t blocks)
{
	uint64_t hi, lo;

	memcpy(&hi, iv, 8);
	memcpy(&lo, iv + 8, 8);
	hi = __builtin_bswap64(hi);
	lo = __builtin_bswap64(lo) + blocks;
	hi = __builtin_bswap64(hi + (lo < blocks));
	lo = __builtin_bswap64(lo);
	memcpy(sum, &hi, 8);
	memcpy(sum + 8, &lo, 8);
}

static int bad_aead(const struct vc_session *s, const struct vc_request *r)
{
	if (r->src.len != r->dst.len || r->tag_len != s->tag_len)
		return 1;
	switch (s->kind) {
	case VC_GCM:
		return r->iv_len == 0 || r->iv_len > sizeof(r->iv);
	case VC_CCM:
		return r->iv_len < CCM_MIN_IV || r->iv_len > CCM_MAX_IV;
	default:
		return r->iv_len != s->iv_len;
	}
}

/* Dst of nothing may be NULL, which the library does not take. */
static uint8_t nowhere[64];

static inline uint8_t *some(uint8_t *p)
{
	return p ? p : nowhere;
}

/*
 * check returns the status with which a request ends at once, or 0 if there is
 * work to do.
 */
static int check(const struct vc_session *s, struct vc_request *r)
{
	uint64_t len = (uint64_t)r->src.len;

	switch (s->kind) {
	case VC_CBC_ENC:
	case VC_CBC_DEC:
	case VC_ECB:
	case VC_CTR:
		if (!fits(s, r))
			return VC_BAD_REQUEST;
		if (len == 0)
			return VC_OK;
		break;
	case VC_HMAC:
	case VC_CMAC:
		if (r->iv_len != 0 || r->dst.len < 1 || r->dst.len > s->tag_len)
			return VC_BAD_REQUEST;
		if (len == 0 && s->kind == VC_HMAC) {
			memcpy(r->dst.p, s->hmac.empty, r->dst.len);
			return VC_OK;
		}
		break;
	case VC_SHA:
		if (r->iv_len != 0 || r->dst.len != s->tag_len)
			return VC_BAD_REQUEST;
		break;
	default:
		if (bad_aead(s, r))
			return VC_BAD_REQUEST;
		if (s->kind == VC_CCM && r->aad.len > CCM_MAX_AAD)
			return VC_NOT_SUPPORTED;
	}
	return len > s->max_len ? VC_NOT_SUPPORTED : 0;
}

/* same compares in a time that does not depend on what differs. */
static inline int same(const uint8_t *a, const uint8_t *b, size_t n)
{
	uint64_t d = 0, x, y;

	for (; n >= sizeof(x); n -= sizeof(x), a += sizeof(x), b += sizeof(x)) {
		memcpy(&x, a, sizeof(x));
		memcpy(&y, b, sizeof(y));
		d |= x ^ y;
	}
	while (n--)
		d |= (uint64_t)(*a++ ^ *b++);
	return d == 0;
}

/* finish gives a request its result. tag is what was computed. */
static void finish(const struct vc_session *s, struct vc_request *r, const uint8_t *tag)
{
	r->status = VC_OK;
	switch (s->kind) {
	case VC_HMAC:
	case VC_SHA:
	case VC_CMAC:
		memcpy(r->dst.p, tag, r->dst.len);
		break;
	case VC_GCM:
	case VC_CCM:
	case VC_CHACHA_POLY:
		if (s->encrypt) {
			memcpy(r->tag, tag, s->tag_len);
		} else if (!same(r->tag, tag, s->tag_len)) {
			if (r->dst.len > 0)
				memset(r->dst.p, 0, r->dst.len);
			r->status = VC_BAD_TAG;
		}
		break;
	default:
		break;
	}
}

/* fill_cipher makes a job for the burst of a cipher. */
static inline void fill_cipher(IMB_JOB *j, const struct vc_session *s, struct vc_request *r)
{
	j->enc_keys = s->aes.enc;
	j->dec_keys = s->aes.dec;
	j->src = r->src.p;
	j->dst = r->dst.p;
	j->msg_len_to_cipher_in_bytes = (uint64_t)r->src.len;
	j->iv = r->iv;
}

static inline uint32_t cipher_burst(struct vc_worker *w, const struct vc_session *s, uint32_t n)
{
	IMB_CIPHER_MODE mode = s->kind == VC_CTR ? IMB_CIPHER_CNTR : IMB_CIPHER_CBC;
	IMB_CIPHER_DIRECTION dir = s->kind == VC_CBC_DEC ? IMB_DIR_DECRYPT : IMB_DIR_ENCRYPT;

	return IMB_SUBMIT_CIPHER_BURST_NOCHECK(w->mgr, w->jobs, n, mode, dir, s->key_len);
}

/*
 * piece makes a job of what is left of a request after off bytes, as much as
 * the library takes at a time, and returns the length. The IV of what follows
 * is the ciphertext before it, or the counter after it.
 */
static uint64_t piece(IMB_JOB *j, const struct vc_session *s, struct vc_request *r, uint64_t off, uint8_t *iv)
{
	uint64_t len = (uint64_t)r->src.len - off;

	fill_cipher(j, s, r);
	j->src += off;
	j->dst += off;
	if (s->kind == VC_CBC_ENC) {
		if (off > 0)
			j->iv = r->dst.p + off - IMB_AES_BLOCK_SIZE;
		if (len > MAX_BLOCKS16)
			len = MAX_BLOCKS16;
	} else if (s->kind == VC_CTR) {
		uint64_t fit;

		add_counter(iv, r->iv, off / IMB_AES_BLOCK_SIZE);
		fit = ((UINT64_C(1) << 32) - counter(iv)) * IMB_AES_BLOCK_SIZE;
		if (len > fit)
			len = fit;
		j->iv = iv;
	}
	j->msg_len_to_cipher_in_bytes = len;
	return len;
}

/*
 * run_ciphers does the requests w->ids[:n] of one class: in one go, or if some
 * are longer than what the library takes, in as many as it needs, each with a
 * piece of every request that is not done.
 */
static void run_ciphers(struct vc_worker *w, const struct vc_session *s, uintptr_t reqs, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		at(reqs, w->ids[i])->status = VC_OK;
		w->off[i] = 0;
	}
	while (n > 0) {
		uint32_t left = 0;

		for (uint32_t i = 0; i < n; i++) {
			struct vc_request *r = at(reqs, w->ids[i]);

			w->jobs[i].status = IMB_STATUS_BEING_PROCESSED;
			w->off[i] += piece(&w->jobs[i], *r->session, r, w->off[i], w->ivs[i]);
		}
		cipher_burst(w, s, n);
		for (uint32_t i = 0; i < n; i++) {
			struct vc_request *r = at(reqs, w->ids[i]);

			if (w->jobs[i].status != IMB_STATUS_COMPLETED) {
				r->status = VC_FAILED;
			} else if (w->off[i] < (uint64_t)r->src.len) {
				w->ids[left] = w->ids[i];
				w->off[left++] = w->off[i];
			}
		}
		n = left;
	}
}

static const IMB_HASH_ALG hmacs[VC_HASHES] = {
	IMB_AUTH_HMAC_SHA_1, IMB_AUTH_HMAC_SHA_224, IMB_AUTH_HMAC_SHA_256,
	IMB_AUTH_HMAC_SHA_384, IMB_AUTH_HMAC_SHA_512,
};

static const IMB_HASH_ALG shas[VC_HASHES] = {
	IMB_AUTH_SHA_1, IMB_AUTH_SHA_224, IMB_AUTH_SHA_256,
	IMB_AUTH_SHA_384, IMB_AUTH_SHA_512,
};

static void run_hmacs(struct vc_worker *w, const struct vc_session *s, uintptr_t reqs, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		struct vc_request *r = at(reqs, w->ids[i]);
		const struct vc_session *rs = *r->session;
		IMB_JOB *j = &w->jobs[i];

		j->status = IMB_STATUS_BEING_PROCESSED;
		j->src = r->src.p;
		j->msg_len_to_hash_in_bytes = (uint64_t)r->src.len;
		j->auth_tag_output = w->tags[i];
		j->auth_tag_output_len_in_bytes = rs->tag_len;
		j->hash_alg = hmacs[rs->hash];
		j->u.HMAC._hashed_auth_key_xor_ipad = rs->hmac.ipad;
		j->u.HMAC._hashed_auth_key_xor_opad = rs->hmac.opad;
	}
	IMB_SUBMIT_HASH_BURST_NOCHECK(w->mgr, w->jobs, n, hmacs[s->hash]);
	for (uint32_t i = 0; i < n; i++) {
		struct vc_request *r = at(reqs, w->ids[i]);

		if (w->jobs[i].status != IMB_STATUS_COMPLETED)
			r->status = VC_FAILED;
		else
			finish(*r->session, r, w->tags[i]);
	}
}

/* run_gcm does a request at once: GCM needs no company. */
static void run_gcm(struct vc_worker *w, const struct vc_session *s, struct vc_request *r)
{
	IMB_MGR *m = w->mgr;
	uint32_t k = s->key_len / 8 - 2; /* 0, 1, 2 */
	uint8_t *src = some(r->src.p), *dst = some(r->dst.p), *aad = some(r->aad.p);
	uint8_t computed[IMB_MAX_TAG_LEN];
	uint8_t *tag = s->encrypt ? r->tag : computed;

	if (r->iv_len == IMB_GCM_IV_DATA_LEN) {
		w->gcm_one[s->encrypt][k](&s->gcm, &w->gcm, dst, src, r->src.len, r->iv,
					  aad, r->aad.len, tag, s->tag_len);
	} else {
		aes_gcm_init_var_iv_t init[3] = {
			m->gcm128_init_var_iv, m->gcm192_init_var_iv, m->gcm256_init_var_iv,
		};
		aes_gcm_enc_dec_update_t update[2][3] = {
			{m->gcm128_dec_update, m->gcm192_dec_update, m->gcm256_dec_update},
			{m->gcm128_enc_update, m->gcm192_enc_update, m->gcm256_enc_update},
		};
		aes_gcm_enc_dec_finalize_t final[2][3] = {
			{m->gcm128_dec_finalize, m->gcm192_dec_finalize, m->gcm256_dec_finalize},
			{m->gcm128_enc_finalize, m->gcm192_enc_finalize, m->gcm256_enc_finalize},
		};

		init[k](&s->gcm, &w->gcm, r->iv, r->iv_len, aad, r->aad.len);
		if (r->src.len > 0)
			update[s->encrypt][k](&s->gcm, &w->gcm, dst, src, r->src.len);
		final[s->encrypt][k](&s->gcm, &w->gcm, tag, s->tag_len);
	}
	if (s->encrypt)
		r->status = VC_OK;
	else
		finish(s, r, tag);
}

/* fill_job makes a job for the library's queue of jobs of all kinds. */
static void fill_job(IMB_JOB *j, const struct vc_session *s, struct vc_request *r, uint8_t *tag)
{
	uint64_t len = (uint64_t)r->src.len;

	j->cipher_direction = s->encrypt ? IMB_DIR_ENCRYPT : IMB_DIR_DECRYPT;
	j->chain_order = s->encrypt ? IMB_ORDER_CIPHER_HASH : IMB_ORDER_HASH_CIPHER;
	j->cipher_mode = IMB_CIPHER_NULL;
	j->hash_alg = IMB_AUTH_NULL;
	j->key_len_in_bytes = s->key_len;
	j->src = some(r->src.p);
	j->dst = some(r->dst.p);
	j->cipher_start_src_offset_in_bytes = 0;
	j->msg_len_to_cipher_in_bytes = len;
	j->hash_start_src_offset_in_bytes = 0;
	j->msg_len_to_hash_in_bytes = len;
	j->iv = r->iv;
	j->iv_len_in_bytes = r->iv_len;
	j->auth_tag_output = tag;
	j->auth_tag_output_len_in_bytes = s->tag_len;
	switch (s->kind) {
	case VC_SHA:
		j->hash_alg = shas[s->hash];
		j->chain_order = IMB_ORDER_HASH_CIPHER;
		break;
	case VC_CMAC:
		j->hash_alg = s->key_len == IMB_KEY_128_BYTES ? IMB_AUTH_AES_CMAC : IMB_AUTH_AES_CMAC_256;
		j->chain_order = IMB_ORDER_HASH_CIPHER;
		j->u.CMAC._key_expanded = s->aes.enc;
		j->u.CMAC._skey1 = s->aes.subkey1;
		j->u.CMAC._skey2 = s->aes.subkey2;
		break;
	case VC_CCM:
		/* CCM is MAC, then encrypt. */
		j->cipher_mode = IMB_CIPHER_CCM;
		j->hash_alg = IMB_AUTH_AES_CCM;
		j->chain_order = s->encrypt ? IMB_ORDER_HASH_CIPHER : IMB_ORDER_CIPHER_HASH;
		j->enc_keys = s->aes.enc;
		j->dec_keys = s->aes.enc;
		j->u.CCM.aad = some(r->aad.p);
		j->u.CCM.aad_len_in_bytes = (uint64_t)r->aad.len;
		break;
	case VC_CHACHA_POLY:
		j->cipher_mode = IMB_CIPHER_CHACHA20_POLY1305;
		j->hash_alg = IMB_AUTH_CHACHA20_POLY1305;
		j->enc_keys = s->chacha;
		j->dec_keys = s->chacha;
		j->u.CHACHA20_POLY1305.aad = some(r->aad.p);
		j->u.CHACHA20_POLY1305.aad_len_in_bytes = (uint64_t)r->aad.len;
		j->u.CHACHA20_POLY1305.ctx = NULL;
		break;
	}
}

/* The request of a job and the place of its tag, in what a job has for us. */
static void job_ended(struct vc_worker *w, uintptr_t reqs, IMB_JOB *j)
{
	uint32_t i = (uint32_t)(uintptr_t)j->user_data;
	struct vc_request *r = at(reqs, w->ids[i]);

	if (j->status != IMB_STATUS_COMPLETED)
		r->status = VC_FAILED;
	else
		finish(*r->session, r, w->tags[i]);
}

/*
 * run_jobs does the requests w->ids[:n] through the library's queue of jobs,
 * which is empty before and after.
 */
static void run_jobs(struct vc_worker *w, uintptr_t reqs, uint32_t n)
{
	IMB_JOB *j;

	for (uint32_t i = 0; i < n; i++) {
		struct vc_request *r = at(reqs, w->ids[i]);

		j = IMB_GET_NEXT_JOB(w->mgr);
		fill_job(j, *r->session, r, w->tags[i]);
		j->user_data = (void *)(uintptr_t)i;
		r->status = VC_FAILED; /* unless it comes back */
		for (j = IMB_SUBMIT_JOB_NOCHECK(w->mgr); j; j = IMB_GET_COMPLETED_JOB(w->mgr))
			job_ended(w, reqs, j);
	}
	while ((j = IMB_FLUSH_JOB(w->mgr)))
		job_ended(w, reqs, j);
}

/* run_ecb does a request at once, in pieces that the library takes. */
static void run_ecb(struct vc_worker *w, const struct vc_session *s, struct vc_request *r)
{
	uint64_t len = (uint64_t)r->src.len;

	r->status = VC_OK;
	for (uint64_t off = 0, m; off < len; off += m) {
		IMB_JOB *j = IMB_GET_NEXT_JOB(w->mgr);

		m = len - off < MAX_BLOCKS16 ? len - off : MAX_BLOCKS16;
		fill_job(j, s, r, w->tags[0]);
		j->cipher_mode = IMB_CIPHER_ECB;
		j->enc_keys = s->aes.enc;
		j->dec_keys = s->aes.dec;
		j->src += off;
		j->dst += off;
		j->msg_len_to_cipher_in_bytes = m;
		j = IMB_SUBMIT_JOB_NOCHECK(w->mgr);
		if (!j)
			j = IMB_FLUSH_JOB(w->mgr);
		if (!j || j->status != IMB_STATUS_COMPLETED)
			r->status = VC_FAILED;
	}
}

/* run_burst does the requests w->ids[:n], all of the class of s. */
static void run_burst(struct vc_worker *w, const struct vc_session *s, uintptr_t reqs, uint32_t n)
{
	switch (s->kind) {
	case VC_CBC_ENC:
	case VC_CBC_DEC:
	case VC_CTR:
		run_ciphers(w, s, reqs, n);
		break;
	case VC_HMAC:
		run_hmacs(w, s, reqs, n);
		break;
	default:
		run_jobs(w, reqs, n);
	}
}

/*
 * fill_burst makes jobs of m requests of the class of first, a cipher's. If it
 * returns 0, one of them is of another class or ends without work. This loop is
 * what a short request costs beyond the library: it gathers what tells without
 * branches, as it all but never does, and it does not write a status that is
 * there from the last time.
 */
static inline __attribute__((always_inline)) int
fill_burst(IMB_JOB *j, struct vc_request **rs, uint32_t m, uintptr_t type,
	   const struct vc_session *first, const enum vc_kind kind)
{
	/* Bits that no length has that fits. */
	const uint64_t mask = kind == VC_CTR ? 0 : kind == VC_CBC_DEC ? 15 : ~(uint64_t)MAX_BLOCKS16;
	uint64_t odd, less = 0;

	if (__builtin_expect((*rs)->type != type, 0))
		return 0;

	/* A burst that is not the batch's first begins with any session. */
	struct vc_session **const usual = (*rs)->session;
	const struct vc_session *const mine = *usual;

	odd = (uint64_t)(mine->class ^ first->class);
	for (struct vc_request **end = rs + m; rs < end; rs++, j++) {
		struct vc_request *r = *rs;
		const struct vc_session *s = mine;

		if (__builtin_expect(r->type != type, 0))
			return 0;
		if (r->session != usual) {
			s = *r->session;
			odd |= (uint64_t)(s->class ^ first->class);
		}

		const uint64_t len = (uint64_t)r->src.len;

		odd |= (len & mask) | (len ^ (uint64_t)r->dst.len);
		less |= len - 1; /* negative for none */
		if (kind == VC_CTR)
			odd |= (uint64_t)counter_wraps(r);
		if (kind == VC_CBC_DEC)
			j->dec_keys = s->aes.dec;
		else
			j->enc_keys = s->aes.enc;
		j->src = r->src.p;
		j->dst = r->dst.p;
		j->msg_len_to_cipher_in_bytes = len;
		j->iv = r->iv;
		if (__builtin_expect((r->bytes & IV_AND_STATUS) != IV_16_AND_OK, 0)) {
			odd |= (uint64_t)(r->iv_len ^ IMB_AES_BLOCK_SIZE);
			r->status = VC_OK;
		}
	}
	return odd == 0 && (int64_t)less >= 0;
}

typedef int fill_fn(IMB_JOB *, struct vc_request **, uint32_t, uintptr_t, const struct vc_session *);

static __attribute__((noinline)) int
fill_cbc_enc(IMB_JOB *j, struct vc_request **rs, uint32_t m, uintptr_t type, const struct vc_session *first)
{
	return fill_burst(j, rs, m, type, first, VC_CBC_ENC);
}

static __attribute__((noinline)) int
fill_cbc_dec(IMB_JOB *j, struct vc_request **rs, uint32_t m, uintptr_t type, const struct vc_session *first)
{
	return fill_burst(j, rs, m, type, first, VC_CBC_DEC);
}

static __attribute__((noinline)) int
fill_ctr(IMB_JOB *j, struct vc_request **rs, uint32_t m, uintptr_t type, const struct vc_session *first)
{
	return fill_burst(j, rs, m, type, first, VC_CTR);
}

/*
 * ciphers_same does requests from the front as long as all are of one class of
 * ciphers, that of first, and returns how many.
 */
static uint32_t ciphers_same(struct vc_worker *w, const struct vc_session *first, struct vc_request **rs, uint32_t n)
{
	const uint32_t burst = first->kind == VC_CBC_ENC ? BURST : SMALL_BURST;
	fill_fn *const fill = first->kind == VC_CBC_ENC ? fill_cbc_enc :
			      first->kind == VC_CBC_DEC ? fill_cbc_dec : fill_ctr;
	uint32_t done = 0;

	while (done < n) {
		uint32_t m = n - done < burst ? n - done : burst;

		if (!fill(w->jobs, rs + done, m, w->type, first))
			return done;
		if (__builtin_expect(cipher_burst(w, first, m) != m, 0)) {
			/* It never is, with arguments checked. */
			for (uint32_t i = 0; i < m; i++)
				rs[done + i]->status = VC_FAILED;
		}
		done += m;
	}
	return done;
}

/* gcm_same does the same for GCM with the usual nonce. */
static uint32_t gcm_same(struct vc_worker *w, const struct vc_session *first, struct vc_request **rs, uint32_t n)
{
	aes_gcm_enc_dec_t f = w->gcm_one[first->encrypt][first->key_len / 8 - 2];
	uint8_t computed[IMB_MAX_TAG_LEN];

	for (uint32_t i = 0; i < n; i++) {
		struct vc_request *r = rs[i];
		const struct vc_session *s = session_of(w, r);

		if (!s || s->class != first->class || r->iv_len != IMB_GCM_IV_DATA_LEN ||
		    r->src.len != r->dst.len || r->tag_len != s->tag_len ||
		    (uint64_t)r->src.len > s->max_len)
			return i;
		f(&s->gcm, &w->gcm, some(r->dst.p), some(r->src.p), r->src.len, r->iv, some(r->aad.p),
		  r->aad.len, first->encrypt ? r->tag : computed, s->tag_len);
		r->status = VC_OK;
		if (!first->encrypt && !same(r->tag, computed, s->tag_len))
			finish(s, r, computed);
	}
	return n;
}

/*
 * digests reports whether r is a request of the class of first, a hash's or a
 * MAC's, for a whole result.
 */
static inline int digests(const struct vc_worker *w, const struct vc_session *first, const struct vc_request *r)
{
	const struct vc_session *s = session_of(w, r);
	uint64_t len = (uint64_t)r->src.len;

	return s && s->class == first->class && r->iv_len == 0 && r->dst.len == s->tag_len &&
	       len > 0 && len <= s->max_len;
}

/* hmac_same does the same for an HMAC. */
static uint32_t hmac_same(struct vc_worker *w, const struct vc_session *first, struct vc_request **rs, uint32_t n)
{
	const IMB_HASH_ALG alg = hmacs[first->hash];
	uint32_t done = 0, m;

	for (; done < n; done += m) {
		for (m = 0; m < BURST && done + m < n; m++) {
			struct vc_request *r = rs[done + m];
			IMB_JOB *j = &w->jobs[m];

			if (!digests(w, first, r))
				break;

			const struct vc_session *s = *r->session;

			j->src = r->src.p;
			j->msg_len_to_hash_in_bytes = (uint64_t)r->src.len;
			j->auth_tag_output = r->dst.p;
			j->auth_tag_output_len_in_bytes = s->tag_len;
			j->hash_alg = alg;
			j->u.HMAC._hashed_auth_key_xor_ipad = s->hmac.ipad;
			j->u.HMAC._hashed_auth_key_xor_opad = s->hmac.opad;
			r->status = VC_OK;
		}
		if (m == 0)
			break;
		if (__builtin_expect(IMB_SUBMIT_HASH_BURST_NOCHECK(w->mgr, w->jobs, m, alg) != m, 0)) {
			for (uint32_t i = 0; i < m; i++)
				rs[done + i]->status = VC_FAILED;
		}
	}
	return done;
}

/* sha_ended looks at a job that comes back from the library's queue. */
static inline void sha_ended(IMB_JOB *j)
{
	if (__builtin_expect(j->status != IMB_STATUS_COMPLETED, 0))
		((struct vc_request *)j->user_data)->status = VC_FAILED;
}

/* sha_same does the same for a hash. The library's queue is empty before and after. */
static uint32_t sha_same(struct vc_worker *w, const struct vc_session *first, struct vc_request **rs, uint32_t n)
{
	const IMB_HASH_ALG alg = shas[first->hash];
	uint32_t done;
	IMB_JOB *j;

	for (done = 0; done < n; done++) {
		struct vc_request *r = rs[done];

		if (!digests(w, first, r))
			break;
		j = IMB_GET_NEXT_JOB(w->mgr);
		j->cipher_direction = IMB_DIR_ENCRYPT;
		j->chain_order = IMB_ORDER_HASH_CIPHER;
		j->cipher_mode = IMB_CIPHER_NULL;
		j->hash_alg = alg;
		j->src = r->src.p;
		j->hash_start_src_offset_in_bytes = 0;
		j->msg_len_to_hash_in_bytes = (uint64_t)r->src.len;
		j->auth_tag_output = r->dst.p;
		j->auth_tag_output_len_in_bytes = first->tag_len;
		j->user_data = r;
		r->status = VC_OK;
		for (j = IMB_SUBMIT_JOB_NOCHECK(w->mgr); j; j = IMB_GET_COMPLETED_JOB(w->mgr))
			sha_ended(j);
	}
	while ((j = IMB_FLUSH_JOB(w->mgr)))
		sha_ended(j);
	return done;
}

/*
 * run_same does requests from the front as long as all are of one class, the
 * case that must be fast, and returns how many. What is special about one of
 * them it leaves to others.
 */
static uint32_t run_same(struct vc_worker *w, uintptr_t reqs, uint32_t n, int flush)
{
	struct vc_request **rs = (struct vc_request **)reqs;
	const struct vc_session *first = session_of(w, rs[0]);

	if (!first)
		return 0;
	if (first->kind <= VC_LAST_LANES && !flush)
		n -= n % VC_LANES;
	switch (first->kind) {
	case VC_CBC_ENC:
	case VC_CBC_DEC:
	case VC_CTR:
		return ciphers_same(w, first, rs, n);
	case VC_GCM:
		return gcm_same(w, first, rs, n);
	case VC_HMAC:
		return hmac_same(w, first, rs, n);
	case VC_SHA:
		return sha_same(w, first, rs, n);
	default:
		return 0;
	}
}

/* sort puts a few indices in order. */
static void sort(uint32_t *a, uint32_t n)
{
	for (uint32_t i = 1; i < n; i++) {
		uint32_t v = a[i], k = i;

		for (; k > 0 && a[k - 1] > v; k--)
			a[k] = a[k - 1];
		a[k] = v;
	}
}

uint32_t vc_worker_run(struct vc_worker *w, uintptr_t reqs, uint32_t n, int flush)
{
	uint32_t ndone, nleft = 0, ntouched = 0;

	if (n == 0)
		return 0;
	ndone = run_same(w, reqs, n, flush);
	if (ndone == n)
		return n;
	for (uint32_t i = 0; i < ndone; i++)
		w->order[i] = i;

	/* Put each request in the list of its class, unless it ends at once. */
	for (uint32_t i = ndone; i < n; i++) {
		struct vc_request *r = at(reqs, i);
		struct vc_session *s = session_of(w, r);
		int status = s ? check(s, r) : VC_FAILED;

		if (status) {
			r->status = (uint8_t)status;
			w->order[ndone++] = i;
			continue;
		}
		if (s->kind == VC_GCM || s->kind == VC_ECB) {
			(s->kind == VC_GCM ? run_gcm : run_ecb)(w, s, r);
			w->order[ndone++] = i;
			continue;
		}

		struct list *l = &w->lists[s->class];

		if (l->n++ == 0) {
			l->head = i;
			w->touched[ntouched++] = s->class;
		} else {
			w->next[l->tail] = i;
		}
		l->tail = i;
	}

	for (uint32_t c = 0; c < ntouched; c++) {
		struct list *l = &w->lists[w->touched[c]];
		struct vc_session *s = *at(reqs, l->head)->session;
		uint32_t todo = l->n, i = l->head;

		if (!flush && s->kind <= VC_LAST_LANES)
			todo -= todo % VC_LANES;
		for (uint32_t done = 0, m; done < todo; done += m) {
			m = todo - done < BURST ? todo - done : BURST;
			for (uint32_t k = 0; k < m; k++) {
				w->ids[k] = i;
				w->order[ndone++] = i;
				i = w->next[i];
			}
			run_burst(w, s, reqs, m);
		}
		for (uint32_t k = todo; k < l->n; k++) {
			w->order[n - ++nleft] = i;
			i = w->next[i];
		}
		l->n = 0;
	}
	sort(w->order + ndone, nleft);
	return ndone;
}

const uint32_t *vc_worker_order(struct vc_worker *w)
{
	return w->order;
}

struct vc_worker *vc_worker_open(uint32_t depth, uintptr_t type, int *err)
{
	struct vc_worker *w = NULL;

	if (posix_memalign((void **)&w, 64, sizeof(*w))) {
		*err = ENOMEM;
		return NULL;
	}
	memset(w, 0, sizeof(*w));
	w->type = type;
	w->depth = depth;
	w->order = calloc(depth, sizeof(*w->order));
	w->next = calloc(depth, sizeof(*w->next));
	w->mgr = vc_manager(err);
	if (!w->order || !w->next || !w->mgr) {
		if (w->mgr)
			*err = ENOMEM;
		vc_worker_close(w);
		return NULL;
	}
	w->gcm_one[0][0] = w->mgr->gcm128_dec;
	w->gcm_one[0][1] = w->mgr->gcm192_dec;
	w->gcm_one[0][2] = w->mgr->gcm256_dec;
	w->gcm_one[1][0] = w->mgr->gcm128_enc;
	w->gcm_one[1][1] = w->mgr->gcm192_enc;
	w->gcm_one[1][2] = w->mgr->gcm256_enc;
	/* What is the same for all jobs of a burst, of ciphers or of hashes. */
	for (uint32_t i = 0; i < BURST; i++) {
		w->jobs[i].key_len_in_bytes = 0;
		w->jobs[i].iv_len_in_bytes = IMB_AES_BLOCK_SIZE;
		w->jobs[i].hash_alg = IMB_AUTH_NULL;
		w->jobs[i].hash_start_src_offset_in_bytes = 0;
		w->jobs[i].status = IMB_STATUS_COMPLETED;
	}
	return w;
}

void vc_worker_close(struct vc_worker *w)
{
	if (w->mgr)
		vc_manager_close(w->mgr);
	free(w->order);
	free(w->next);
	vc_wipe(w, sizeof(*w));
	free(w);
}
