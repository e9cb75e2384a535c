// SPDX-License-Identifier: GPL-2.0
/* AES by FIPS 197, byte by byte. */
#include <pthread.h>
#include <string.h>

#include "aes_ref.h"

static uint8_t sbox[256];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static uint8_t xtime(uint8_t x)
{
	return (x << 1) ^ ((x >> 7) * 0x1b);
}

/* The S-box from its definition: inverse in GF(2^8), then the affine map. */
static void make_sbox(void)
{
	uint8_t p = 1, q = 1;

	do {
		p ^= xtime(p);		/* times 3 */
		q ^= q << 1;		/* divided by 3 */
		q ^= q << 2;
		q ^= q << 4;
		if (q & 0x80)
			q ^= 0x09;
		uint8_t r = q;

		for (int i = 1; i <= 4; i++)
			r ^= (q << i) | (q >> (8 - i));
		sbox[p] = r ^ 0x63;
	} while (p != 1);
	sbox[0] = 0x63;
}

void aes_ref_key(struct aes_ref *a, const uint8_t *key, int keylen)
{
	uint8_t *w = &a->rk[0][0];
	int nk = keylen / 4;
	uint8_t rcon = 1;

	pthread_once(&once, make_sbox);
	a->rounds = nk + 6;
	memcpy(w, key, keylen);
	for (int i = nk; i < 4 * (a->rounds + 1); i++) {
		uint8_t t[4];

		memcpy(t, w + 4 * (i - 1), 4);
		if (i % nk == 0) {
			uint8_t first = t[0];

			t[0] = sbox[t[1]] ^ rcon;
			t[1] = sbox[t[2]];
			t[2] = sbox[t[3]];
			t[3] = sbox[first];
			rcon = xtime(rcon);
		} else if (nk > 6 && i % nk == 4) {
			for (int j = 0; j < 4; j++)
				t[j] = sbox[t[j]];
		}
		for (int j = 0; j < 4; j++)
			w[4 * i + j] = w[4 * (i - nk) + j] ^ t[j];
	}
}

void aes_ref_block(const struct aes_ref *a, const uint8_t in[16], uint8_t out[16])
{
	uint8_t s[16], t[16];

	for (int i = 0; i < 16; i++)
		s[i] = in[i] ^ a->rk[0][i];
	for (int r = 1; r <= a->rounds; r++) {
		for (int c = 0; c < 4; c++)
			for (int i = 0; i < 4; i++)
				t[4 * c + i] = sbox[s[4 * ((c + i) % 4) + i]];
		for (int c = 0; c < 4 && r < a->rounds; c++) {
			uint8_t *x = t + 4 * c;
			uint8_t first = x[0], all = x[0] ^ x[1] ^ x[2] ^ x[3];

			for (int i = 0; i < 3; i++)
				x[i] ^= all ^ xtime(x[i] ^ x[i + 1]);
			x[3] ^= all ^ xtime(x[3] ^ first);
		}
		for (int i = 0; i < 16; i++)
			s[i] = t[i] ^ a->rk[r][i];
	}
	memcpy(out, s, 16);
}

void aes_ref_ecb(const struct aes_ref *a, const uint8_t *src, uint8_t *dst, size_t len)
{
	for (size_t i = 0; i < len; i += 16)
		aes_ref_block(a, src + i, dst + i);
}

void aes_ref_cbc(const struct aes_ref *a, uint8_t iv[16], const uint8_t *src, uint8_t *dst, size_t len)
{
	for (size_t i = 0; i < len; i += 16) {
		for (int j = 0; j < 16; j++)
			iv[j] ^= src[i + j];
		aes_ref_block(a, iv, iv);
		memcpy(dst + i, iv, 16);
	}
}

void aes_ref_ctr(const struct aes_ref *a, uint8_t iv[16], const uint8_t *src, uint8_t *dst, size_t len)
{
	uint8_t k[16];

	for (size_t i = 0; i < len; i++) {
		if (i % 16 == 0) {
			aes_ref_block(a, iv, k);
			for (int j = 15; j >= 0 && !++iv[j]; j--)
				;
		}
		dst[i] = src[i] ^ k[i % 16];
	}
}
