/* SPDX-License-Identifier: GPL-2.0 */
/* A second implementation of AES, for comparing: small, slow, not for keys. */
#ifndef AES_REF_H
#define AES_REF_H

#include <stddef.h>
#include <stdint.h>

struct aes_ref {
	int rounds;
	uint8_t rk[15][16];
};

/* keylen is 16, 24 or 32 bytes. */
void aes_ref_key(struct aes_ref *a, const uint8_t *key, int keylen);
void aes_ref_block(const struct aes_ref *a, const uint8_t in[16], uint8_t out[16]);

/* Encryption; iv is updated to the next one. src and dst may be the same. */
void aes_ref_ecb(const struct aes_ref *a, const uint8_t *src, uint8_t *dst, size_t len);
void aes_ref_cbc(const struct aes_ref *a, uint8_t iv[16], const uint8_t *src, uint8_t *dst, size_t len);
void aes_ref_ctr(const struct aes_ref *a, uint8_t iv[16], const uint8_t *src, uint8_t *dst, size_t len);

#endif
