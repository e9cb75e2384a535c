// SPDX-License-Identifier: GPL-2.0
/* The header's numbers and layouts, against literals of the 64-bit ABI. */
#include <stddef.h>

#include "harness.h"

#define SIZE(s, n) ok(sizeof(struct s) == (n), "sizeof(struct " #s ") is " #n)
#define AT(s, f, n) ok(offsetof(struct s, f) == (n), #s "." #f " is at " #n)
#define IS(x, n) ok((x) == (n), #x " is " #n)

int main(int argc, char **argv)
{
	setup(argc, argv);

	IS(CRIOGET, 0xc0046365);
	IS(CIOCGSESSION, 0xc0306366);
	IS(CIOCFSESSION, 0x40046367);
	IS(CIOCCRYPT, 0xc0306368);
	IS(CIOCKEY, 0xc0906369);
	IS(CIOCASYMFEAT, 0x8004636a);
	IS(CIOCGSESSINFO, 0xc10c636b);
	IS(CIOCAUTHCRYPT, 0xc048636d);
	IS(CIOCASYNCCRYPT, 0x4030636e);
	IS(CIOCASYNCFETCH, 0x8030636f);
	IS(CIOCCPHASH, 0x40086370);

	SIZE(session_op, 48);
	AT(session_op, key, 16);
	AT(session_op, mackeylen, 24);
	AT(session_op, mackey, 32);
	AT(session_op, ses, 40);
	SIZE(session_info_op, 268);
	AT(session_info_op, cipher_info, 4);
	AT(session_info_op, hash_info, 132);
	AT(session_info_op, alignmask, 260);
	AT(session_info_op, flags, 264);
	SIZE(crypt_op, 48);
	AT(crypt_op, op, 4);
	AT(crypt_op, flags, 6);
	AT(crypt_op, len, 8);
	AT(crypt_op, src, 16);
	AT(crypt_op, dst, 24);
	AT(crypt_op, mac, 32);
	AT(crypt_op, iv, 40);
	SIZE(crypt_auth_op, 72);
	AT(crypt_auth_op, auth_len, 12);
	AT(crypt_auth_op, auth_src, 16);
	AT(crypt_auth_op, tag_len, 48);
	AT(crypt_auth_op, iv_len, 64);
	SIZE(crypt_kop, 144);

	IS(CRYPTO_AES_CBC, 11);
	IS(CRYPTO_NULL, 16);
	IS(CRYPTO_SHA2_256_HMAC, 18);
	IS(CRYPTO_AES_CTR, 21);
	IS(CRYPTO_AES_XTS, 22);
	IS(CRYPTO_AES_ECB, 23);
	IS(CRYPTO_AES_GCM, 50);
	IS(CRYPTO_AES_CCM, 51);
	IS(CRYPTO_SHA2_512, 106);
	IS(CRYPTO_TLS12_AES_CBC_HMAC_SHA256, 109);
	IS(CRYPTO_ALGORITHM_MAX, 109);
	IS(COP_FLAG_WRITE_IV, 4);
	IS(COP_FLAG_RESET, 64);
	return finish();
}
