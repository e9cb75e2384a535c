/* SPDX-License-Identifier: Apache-2.0 */

/* What sessions are made of, and what both C files share. */
#ifndef VCRYPTO_SESSION_H
#define VCRYPTO_SESSION_H

#include "imb.h"

#define NO_COMPAT_IMB_API_053 /* of the library's names only those with a prefix */
#include <intel-ipsec-mb.h>

/*
 * The library's limits, as its own checks have them (lib/include/
 * mb_mgr_job_check.h): we call what does not check.
 */
#define MAX_LEN16 ((1 << 16) - 2)      /* lanes count bytes in 16 bits */
#define MAX_BLOCKS16 65520        /* ... of whole blocks */
#define CCM_MAX_AAD 46
#define CCM_MIN_IV 7
#define CCM_MAX_IV 13
#define GCM_MAX (((UINT64_C(1) << 39) - 256) / 8) /* bytes: SP 800-38D section 5.2.1.1 */
#define CHACHA_MAX ((UINT64_C(1) << 38) - 64)     /* bytes: RFC 8439 section 2.8 */

struct vc_session {
	uint8_t kind;  /* enum vc_kind */
	uint8_t class; /* what shares a burst */
	uint8_t encrypt;
	uint8_t hash; /* enum vc_hash */
	uint8_t key_len;
	uint8_t iv_len;
	uint8_t tag_len; /* of an AEAD's tag, of a whole hash or MAC */
	uint8_t big;     /* which of the pool's sizes it has */
	uint64_t block_mask;
	uint64_t max_len;
	struct vc_session *next_free;

	union {
		struct {
			uint32_t enc[15 * 4] __attribute__((aligned(16)));
			uint32_t dec[15 * 4] __attribute__((aligned(16)));
			uint32_t subkey1[4] __attribute__((aligned(16)));
			uint32_t subkey2[4] __attribute__((aligned(16)));
		} aes;
		struct {
			uint8_t ipad[IMB_SHA512_DIGEST_SIZE_IN_BYTES];
			uint8_t opad[IMB_SHA512_DIGEST_SIZE_IN_BYTES];
			uint8_t empty[IMB_SHA512_DIGEST_SIZE_IN_BYTES]; /* of no message */
		} hmac;
		uint8_t chacha[IMB_KEY_256_BYTES];
		struct gcm_key_data gcm __attribute__((aligned(64)));
	} __attribute__((aligned(64)));
} __attribute__((aligned(64)));

/* A manager for the best that this CPU has, or NULL and the library's error. */
IMB_MGR *vc_manager(int *err);
void vc_manager_close(IMB_MGR *m);

/* Hash a message of any length. */
void vc_hash(IMB_MGR *m, int hash, const uint8_t *p, uint64_t n, uint8_t *digest);

/* Zero what must not be read, in a way no compiler leaves out. */
void vc_wipe(void *p, size_t n);

#endif
