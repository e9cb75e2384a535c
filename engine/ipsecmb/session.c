// SPDX-License-Identifier: Apache-2.0

//go:build ipsecmb

#define _GNU_SOURCE
#include "session.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

void vc_wipe(void *p, size_t n)
{
	memset(p, 0, n);
	__asm__ volatile("" : : "r"(p) : "memory");
}

const char *vc_strerror(int err) { return imb_get_strerror(err); }
const char *vc_version(void) { return imb_get_version_str(); }

IMB_MGR *vc_manager(int *err)
{
	IMB_MGR *m = alloc_mb_mgr(0);

	if (!m) {
		*err = ENOMEM;
		return NULL;
	}
	*err = imb_get_errno(m);
	/* Without AES instructions other engines are better. */
	if (!*err && (m->features & IMB_CPUFLAGS_SSE) != IMB_CPUFLAGS_SSE)
		*err = IMB_ERR_MISSING_CPUFLAGS_INIT_MGR;
	if (!*err) {
		init_mb_mgr_auto(m, NULL);
		*err = imb_get_errno(m);
	}
#ifdef IMB_FEATURE_SELF_TEST
	if (!*err && (m->features & IMB_FEATURE_SELF_TEST) &&
	    !(m->features & IMB_FEATURE_SELF_TEST_PASS))
		*err = IMB_ERR_SELFTEST;
#endif
	if (*err) {
		free_mb_mgr(m);
		return NULL;
	}
	return m;
}

void vc_manager_close(IMB_MGR *m)
{
	/* Zeroes what lanes were left with; the memory is the library's to free. */
	init_mb_mgr_auto(m, NULL);
	vc_wipe(m->jobs, sizeof(m->jobs));
	free_mb_mgr(m);
}

int vc_probe(void)
{
	int err;
	IMB_MGR *m = vc_manager(&err);

	if (m)
		vc_manager_close(m);
	return err;
}

void vc_hash(IMB_MGR *m, int hash, const uint8_t *p, uint64_t n, uint8_t *digest)
{
	const hash_fn_t f[VC_HASHES] = {m->sha1, m->sha224, m->sha256, m->sha384, m->sha512};

	f[hash](p, n, digest);
}

static const struct {
	uint8_t block, digest;
} hashes[VC_HASHES] = {
	{IMB_SHA1_BLOCK_SIZE, IMB_SHA1_DIGEST_SIZE_IN_BYTES},
	{IMB_SHA_256_BLOCK_SIZE, IMB_SHA224_DIGEST_SIZE_IN_BYTES},
	{IMB_SHA_256_BLOCK_SIZE, IMB_SHA256_DIGEST_SIZE_IN_BYTES},
	{IMB_SHA_384_BLOCK_SIZE, IMB_SHA384_DIGEST_SIZE_IN_BYTES},
	{IMB_SHA_512_BLOCK_SIZE, IMB_SHA512_DIGEST_SIZE_IN_BYTES},
};

/* hmac_key hashes the key's two pads, RFC 2104 section 4. */
static void hmac_key(IMB_MGR *m, struct vc_session *s, const uint8_t *key, size_t n)
{
	const hash_one_block_t one[VC_HASHES] = {
		m->sha1_one_block, m->sha224_one_block, m->sha256_one_block,
		m->sha384_one_block, m->sha512_one_block,
	};
	const size_t block = hashes[s->hash].block, digest = hashes[s->hash].digest;
	uint8_t k[IMB_SHA_512_BLOCK_SIZE] = {0};
	uint8_t pad[IMB_SHA_512_BLOCK_SIZE + IMB_SHA512_DIGEST_SIZE_IN_BYTES];

	if (n > block)
		vc_hash(m, s->hash, key, n, k);
	else
		memcpy(k, key, n);
	for (size_t i = 0; i < block; i++)
		pad[i] = k[i] ^ 0x36;
	one[s->hash](pad, s->hmac.ipad);
	vc_hash(m, s->hash, pad, block, s->hmac.empty);
	for (size_t i = 0; i < block; i++)
		pad[i] = k[i] ^ 0x5c;
	one[s->hash](pad, s->hmac.opad);
	/* The library takes no empty messages, but there is only one. */
	memcpy(pad + block, s->hmac.empty, digest);
	vc_hash(m, s->hash, pad, block + digest, s->hmac.empty);
	vc_wipe(k, sizeof(k));
	vc_wipe(pad, sizeof(pad));
}

static void aes_key(IMB_MGR *m, struct vc_session *s, const uint8_t *key, size_t n)
{
	switch (n) {
	case IMB_KEY_128_BYTES:
		IMB_AES_KEYEXP_128(m, key, s->aes.enc, s->aes.dec);
		break;
	case IMB_KEY_192_BYTES:
		IMB_AES_KEYEXP_192(m, key, s->aes.enc, s->aes.dec);
		break;
	default:
		IMB_AES_KEYEXP_256(m, key, s->aes.enc, s->aes.dec);
	}
	if (s->kind != VC_CMAC)
		return;
	if (n == IMB_KEY_128_BYTES)
		IMB_AES_CMAC_SUBKEY_GEN_128(m, s->aes.enc, s->aes.subkey1, s->aes.subkey2);
	else
		IMB_AES_CMAC_SUBKEY_GEN_256(m, s->aes.enc, s->aes.subkey1, s->aes.subkey2);
}

static void gcm_key(IMB_MGR *m, struct vc_session *s, const uint8_t *key, size_t n)
{
	switch (n) {
	case IMB_KEY_128_BYTES:
		IMB_AES128_GCM_PRE(m, key, &s->gcm);
		break;
	case IMB_KEY_192_BYTES:
		IMB_AES192_GCM_PRE(m, key, &s->gcm);
		break;
	default:
		IMB_AES256_GCM_PRE(m, key, &s->gcm);
	}
}

/* Sessions with tables for GCM are larger than others. */
enum { SMALL, BIG, SIZES };

#define SMALL_SIZE (offsetof(struct vc_session, aes) + \
		    (sizeof(((struct vc_session *)0)->aes) + 63) / 64 * 64)

static const size_t sizes[SIZES] = {SMALL_SIZE, sizeof(struct vc_session)};

#define CHUNK (64 * 1024) /* bytes that the pool asks for at a time */

struct chunk {
	struct chunk *next;
} __attribute__((aligned(64)));

struct vc_pool {
	IMB_MGR *mgr; /* for expanding keys */
	struct chunk *chunks;
	struct vc_session *free[SIZES];
};

struct vc_pool *vc_pool_open(int *err)
{
	struct vc_pool *p = calloc(1, sizeof(*p));

	if (!p) {
		*err = ENOMEM;
		return NULL;
	}
	p->mgr = vc_manager(err);
	if (!p->mgr) {
		free(p);
		return NULL;
	}
	return p;
}

void vc_pool_close(struct vc_pool *p)
{
	for (struct chunk *c = p->chunks, *next; c; c = next) {
		next = c->next;
		vc_wipe(c, CHUNK);
		munmap(c, CHUNK);
	}
	vc_manager_close(p->mgr);
	free(p);
}

/* grow adds a chunk's worth of free sessions. Locking it may exceed a limit: then it is not. */
static int grow(struct vc_pool *p, int size)
{
	struct chunk *c = mmap(NULL, CHUNK, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (c == MAP_FAILED)
		return -1;
	(void)mlock(c, CHUNK);
	(void)madvise(c, CHUNK, MADV_DONTDUMP);
	(void)madvise(c, CHUNK, MADV_WIPEONFORK);
	c->next = p->chunks;
	p->chunks = c;
	for (size_t at = sizeof(*c); at + sizes[size] <= CHUNK; at += sizes[size]) {
		struct vc_session *s = (struct vc_session *)((char *)c + at);

		s->next_free = p->free[size];
		p->free[size] = s;
	}
	return 0;
}

struct vc_session *vc_session_open(struct vc_pool *p, int kind, int encrypt,
				   int hash, int tag_len, const uint8_t *key, size_t key_len)
{
	int size = kind == VC_GCM ? BIG : SMALL;

	if (!p->free[size] && grow(p, size))
		return NULL;

	struct vc_session *s = p->free[size];

	p->free[size] = s->next_free;
	s->next_free = NULL;
	s->kind = (uint8_t)kind;
	s->encrypt = (uint8_t)encrypt;
	s->hash = (uint8_t)hash;
	s->tag_len = (uint8_t)tag_len;
	s->big = (uint8_t)size;
	s->key_len = kind == VC_HMAC ? 0 : (uint8_t)key_len;

	/* Five hashes, or three key sizes in two directions. */
	int variant = kind == VC_SHA || kind == VC_HMAC ? hash : ((int)key_len / 8 - 2) * 2 + !!encrypt;

	s->class = (uint8_t)(kind * 6 + variant);
	switch (kind) {
	case VC_CBC_ENC:
	case VC_CBC_DEC:
	case VC_CTR:
	case VC_ECB:
		aes_key(p->mgr, s, key, key_len);
		s->iv_len = kind == VC_ECB ? 0 : IMB_AES_BLOCK_SIZE;
		s->block_mask = kind == VC_CTR ? 0 : IMB_AES_BLOCK_SIZE - 1;
		s->max_len = INT64_MAX;
		break;
	case VC_HMAC:
		hmac_key(p->mgr, s, key, key_len);
		s->tag_len = hashes[hash].digest;
		s->max_len = MAX_LEN16;
		break;
	case VC_SHA:
		s->tag_len = hashes[hash].digest;
		/* What has no such limit in the library is many times as slow. */
		s->max_len = MAX_LEN16;
		break;
	case VC_CMAC:
		aes_key(p->mgr, s, key, key_len);
		s->tag_len = IMB_AES_BLOCK_SIZE;
		s->max_len = MAX_LEN16;
		break;
	case VC_GCM:
		gcm_key(p->mgr, s, key, key_len);
		s->max_len = GCM_MAX;
		break;
	case VC_CCM:
		aes_key(p->mgr, s, key, key_len);
		s->max_len = MAX_LEN16;
		break;
	case VC_CHACHA_POLY:
		memcpy(s->chacha, key, sizeof(s->chacha));
		s->iv_len = 12; /* RFC 8439 section 2.8 */
		s->max_len = CHACHA_MAX;
		break;
	}
	return s;
}

void vc_session_close(struct vc_pool *p, struct vc_session *s)
{
	int size = s->big;

	vc_wipe(s, sizes[size]);
	s->next_free = p->free[size];
	p->free[size] = s;
}
