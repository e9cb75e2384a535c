// SPDX-License-Identifier: GPL-2.0
/*
 * What a session can be besides a cipher: hashes and MACs, at once and in
 * parts; a cipher with one of them; AEADs; TLS records and SRTP packets; the
 * NULL cipher. Rules are those of cryptodev-linux 1.14, on which this passes
 * too, but for what is marked as ours.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "aes_ref.h"
#include "harness.h"

#define MSG 1000	/* bytes of what is hashed */

static int fd;
static uint8_t msg[MSG], mackey[40], key[64], iv0[16];
static long page;
static bool theirs;	/* cryptodev-linux is under test */
static int bad_data;	/* what CIOCAUTHCRYPT says of data at a bad pointer */

static const struct hash {
	int id;
	bool keyed;
	const char *name, *digest, *empty;	/* of msg; of nothing */
} hashes[] = {
	{ CRYPTO_MD5, false, "md5",
	  "1551702a5601af40d3d867ff6223b83c",
	  "d41d8cd98f00b204e9800998ecf8427e" },
	{ CRYPTO_MD5_HMAC, true, "hmac(md5)",
	  "3618f983e1bbaf67a68a43cbd285cfce", NULL },
	{ CRYPTO_SHA1, false, "sha1",
	  "d160b4fbbf053daf61adf403feb2cd7272d150be",
	  "da39a3ee5e6b4b0d3255bfef95601890afd80709" },
	{ CRYPTO_SHA1_HMAC, true, "hmac(sha1)",
	  "4d5e4a00183204dc3f4390f6d57e4fd549c9efa8", NULL },
	{ CRYPTO_SHA2_224, false, "sha224",
	  "3e56c2f192eb12c0477b93ac2ce64dfbae78fb2e8aa7c1f39f7475ce",
	  "d14a028c2a3a2bc9476102bb288234c415a2b01f828ea62ac5b3e42f" },
	{ CRYPTO_SHA2_224_HMAC, true, "hmac(sha224)",
	  "6d7ff460383d8fb71035aaf9178046d6da6737688f347c3236cd8f44", NULL },
	{ CRYPTO_SHA2_256, false, "sha256",
	  "87627043d82df3d7008f9b704779d0e4852848452945f8f340061e139662f487",
	  "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
	{ CRYPTO_SHA2_256_HMAC, true, "hmac(sha256)",
	  "04d30b2ad98469a755e19df14db65701dbd2cb4d6d28d8bd76b781b6d3b16ca8", NULL },
	{ CRYPTO_SHA2_384, false, "sha384",
	  "022e6854e8cbdc7fa9578c00ef760c20dd9c87d0c778634b7c68a9bc007c7a79618661ebf5d2a9190ab8e7afa1c7eb33",
	  "38b060a751ac96384cd9327eb1b1e36a21fdb71114be07434c0cc7bf63f6e1da274edebfe76f65fbd51ad2f14898b95b" },
	{ CRYPTO_SHA2_384_HMAC, true, "hmac(sha384)",
	  "34a39144a2714fadd4701ecc980e28e92789b34819cdb3230a3e7ec361c4316f3f7d415e28039b2ff4c71eeb12dd8065", NULL },
	{ CRYPTO_SHA2_512, false, "sha512",
	  "bf374e9c0921691c5deeebaa4f01affcf38709b759949740b510430418fd71f6985bb41a284b68f677c3d20b5dc309e74585511c1d4d603cfc634fd94b1116d7",
	  "cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e" },
	{ CRYPTO_SHA2_512_HMAC, true, "hmac(sha512)",
	  "cfe525511e4fa3c7b5516a66a6062136aac7729343cde6159892ecae2b2573c4f1a15f17108b2eb8b6391e7c920b3e11becef5896821168755b40a53ca12ac74", NULL },
	{ CRYPTO_RIPEMD160, false, "rmd160",
	  "678c1ddd569e66fd553685f1fb19b3488b558420",
	  "9c1185a5c5e9fc54612808977ee8f548b2258d31" },
	{ CRYPTO_RIPEMD160_HMAC, true, "hmac(rmd160)",
	  "f86a672f3dc6eb4abe23a3ba551e997095e716bf", NULL },
};

static unsigned int hex(const char *s, uint8_t *out)
{
	unsigned int n = 0;

	for (; *s; s += 2, n++) {
		unsigned int b;

		sscanf(s, "%2x", &b);
		out[n] = b;
	}
	return n;
}

static int session(int cipher, const uint8_t *k, int keylen, int mac, int maclen, uint32_t *ses)
{
	struct session_op sop = {
		.cipher = cipher, .keylen = keylen, .key = (uint8_t *)k,
		.mac = mac, .mackeylen = maclen, .mackey = maclen ? mackey : NULL,
	};
	int rc = ioctl(fd, CIOCGSESSION, &sop);

	if (!rc)
		*ses = sop.ses;
	return rc;
}

static uint32_t must(int cipher, const uint8_t *k, int keylen, int mac, int maclen)
{
	uint32_t ses;

	if (session(cipher, k, keylen, mac, maclen, &ses))
		die("CIOCGSESSION of cipher %d, mac %d", cipher, mac);
	return ses;
}

/* Hash len bytes; mac may be NULL for what gives no digest. */
static int hash(uint32_t ses, int flags, const void *p, uint32_t len, void *mac)
{
	struct crypt_op cop = { .ses = ses, .flags = flags, .len = len, .src = (void *)p, .mac = mac };

	return ioctl(fd, CIOCCRYPT, &cop);
}

static bool is(const uint8_t *got, const char *want)
{
	uint8_t w[64];

	return !memcmp(got, w, hex(want, w));
}

static void one_hash(const struct hash *h)
{
	const char *n = h->name;
	struct session_info_op info = { 0 };
	struct cphash_op cp;
	uint8_t mac[64], other[64];
	uint32_t a, b;
	int size = strlen(h->digest) / 2;

	if (session(0, NULL, 0, h->id, h->keyed ? sizeof(mackey) : 0, &a)) {
		if (errno == EINVAL && !cuse &&
		    (!require_all || h->id == CRYPTO_RIPEMD160 || h->id == CRYPTO_RIPEMD160_HMAC))
			skip("%s is offered neither by device nor kernel", n);
		else
			ok_errno(-1, 0, "%s: session", n);
		return;
	}
	info.ses = a;
	ok(!ioctl(fd, CIOCGSESSINFO, &info) && !strcmp(info.hash_info.cra_name, n) &&
	   info.hash_info.cra_driver_name[0] && !info.cipher_info.cra_name[0], "%s: session info", n);
	printf("# %s by %s, flags %u\n", n, info.hash_info.cra_driver_name, info.flags);

	memset(mac, 0xee, sizeof(mac));
	ok(!hash(a, 0, msg, MSG, mac) && is(mac, h->digest), "%s at once", n);
	ok(size == 64 || mac[size] == 0xee, "%s: no byte more than the digest is written", n);
	ok(!hash(a, 0, msg, MSG, mac) && is(mac, h->digest), "%s at once, again", n);
	if (h->empty)
		ok(!hash(a, 0, NULL, 0, mac) && is(mac, h->empty), "%s of nothing", n);

	if (hash(a, COP_FLAG_UPDATE | COP_FLAG_RESET, msg, 100, NULL) && errno == EOPNOTSUPP) {
		skip("%s in parts: the kernel has no code for it", n);
		ioctl(fd, CIOCFSESSION, &a);
		return;
	}
	memset(mac, 0xee, sizeof(mac));
	ok(!hash(a, COP_FLAG_UPDATE, msg + 100, 500, mac) && mac[0] == 0xee, "%s: a part gives no digest", n);
	ok(!hash(a, COP_FLAG_UPDATE | COP_FLAG_FINAL, msg + 600, MSG - 600, mac) && is(mac, h->digest),
	   "%s in three parts, the last one final", n);

	ok(!hash(a, COP_FLAG_RESET | COP_FLAG_UPDATE, msg, MSG, NULL) &&
	   !hash(a, COP_FLAG_FINAL, NULL, 0, mac) && is(mac, h->digest), "%s: final alone", n);
	ok(!hash(a, COP_FLAG_RESET | COP_FLAG_UPDATE, msg, MSG, NULL) &&
	   !hash(a, COP_FLAG_UPDATE, NULL, 0, mac) && is(mac, h->digest), "%s: a part of nothing is final", n);
	ok(!hash(a, COP_FLAG_RESET | COP_FLAG_UPDATE, msg, 7, NULL) &&
	   !hash(a, COP_FLAG_RESET, msg, MSG, mac) && is(mac, h->digest), "%s: RESET begins anew", n);
	ok(!hash(a, COP_FLAG_RESET | COP_FLAG_UPDATE, msg, 7, NULL) &&
	   !hash(a, 0, msg, MSG, mac) && is(mac, h->digest), "%s: so do no flags at all", n);
	ok(!hash(a, COP_FLAG_RESET | COP_FLAG_UPDATE, msg, 7, NULL) &&
	   !hash(a, COP_FLAG_WRITE_IV, msg + 7, MSG - 7, mac) && is(mac, h->digest),
	   "%s: any other flag does not: WRITE_IV goes on, and ends", n);
	ok(!hash(a, COP_FLAG_RESET | COP_FLAG_UPDATE, msg, 7, NULL) &&
	   !hash(a, COP_FLAG_NO_ZC, msg + 7, MSG - 7, mac) && is(mac, h->digest), "%s: nor does NO_ZC", n);
	/* What follows a final without a reset is the same after any message. */
	ok(!hash(a, 0, msg, MSG, mac) && !hash(a, COP_FLAG_NO_ZC, msg, 99, mac) &&
	   !hash(a, COP_FLAG_RESET | COP_FLAG_UPDATE, msg, 33, NULL) && !hash(a, COP_FLAG_FINAL, NULL, 0, other) &&
	   !hash(a, COP_FLAG_NO_ZC, msg, 99, other) && !memcmp(mac, other, size),
	   "%s: going on after an end", n);

	b = must(0, NULL, 0, h->id, h->keyed ? sizeof(mackey) : 0);
	ok(!hash(b, COP_FLAG_UPDATE | COP_FLAG_FINAL, msg, MSG, mac) && is(mac, h->digest),
	   "%s: a new session needs no reset", n);
	/* Some kernels wipe a state that has ended; that is no state to copy. */
	cp = (struct cphash_op){ .dst_ses = b, .src_ses = a };
	ok(!hash(a, COP_FLAG_RESET | COP_FLAG_UPDATE, msg, 33, NULL) && !hash(a, COP_FLAG_FINAL, NULL, 0, other) &&
	   !ioctl(fd, CIOCCPHASH, &cp) && !hash(a, COP_FLAG_NO_ZC, msg, 99, mac) &&
	   !hash(b, COP_FLAG_NO_ZC, msg, 99, other) && !memcmp(mac, other, size), "%s: CIOCCPHASH after an end", n);
	hash(a, COP_FLAG_RESET | COP_FLAG_UPDATE, msg, 321, NULL);
	cp = (struct cphash_op){ .dst_ses = b, .src_ses = a };
	ok_errno(ioctl(fd, CIOCCPHASH, &cp), 0, "%s: CIOCCPHASH", n);
	ok(!hash(b, COP_FLAG_FINAL, msg + 321, MSG - 321, mac) && is(mac, h->digest), "%s: the copy goes on", n);
	ok(!hash(a, COP_FLAG_FINAL, msg + 321, MSG - 321, mac) && is(mac, h->digest), "%s: so does the original", n);
	hash(a, COP_FLAG_RESET | COP_FLAG_UPDATE, msg, 321, NULL);
	cp = (struct cphash_op){ .dst_ses = a, .src_ses = a };
	ok_errno(ioctl(fd, CIOCCPHASH, &cp), EDEADLK, "%s: CIOCCPHASH onto itself", n);
	ok(!hash(a, COP_FLAG_FINAL, msg + 321, MSG - 321, mac) && is(mac, h->digest), "%s: which changes nothing", n);

	ok_errno(hash(a, 0, msg, MSG, NULL), EFAULT, "%s: no place for the digest", n);
	ok_errno(hash(a, COP_FLAG_NO_ZC, NULL, 20, mac), EFAULT, "%s: nothing to hash", n);
	ioctl(fd, CIOCFSESSION, &a);
	ioctl(fd, CIOCFSESSION, &b);
}

/* Long messages: what is too long for one request, and what is for any. */
static void long_hash(void)
{
	static const uint32_t lengths[] = { 200000, 3000000, 6000001 };
	uint32_t ses = must(0, NULL, 0, CRYPTO_SHA2_256, 0);
	uint8_t *p = malloc(6000001), once[64], parts[64];

	fill(p, 6000001, 9);
	for (unsigned int i = 0; i < 3; i++) {
		uint32_t n = lengths[i], cut = n / 3;

		ok(!hash(ses, 0, p, n, once) && !hash(ses, COP_FLAG_RESET | COP_FLAG_UPDATE, p, cut, NULL) &&
		   !hash(ses, COP_FLAG_UPDATE | COP_FLAG_FINAL, p + cut, n - cut, parts) && !memcmp(once, parts, 32),
		   "sha256: %u bytes, at once and in parts", n);
	}
	ioctl(fd, CIOCFSESSION, &ses);
	free(p);
}

static void mac_errors(void)
{
	struct session_op sop = { .mac = CRYPTO_SHA1_HMAC, .mackeylen = 513, .mackey = mackey };
	uint8_t big[512], mac[64];

	ok_errno(ioctl(fd, CIOCGSESSION, &sop), EINVAL, "a MAC key of 513 bytes");
	sop.mackeylen = 20;
	sop.mackey = (void *)8;
	ok_errno(ioctl(fd, CIOCGSESSION, &sop), EFAULT, "a MAC key at a bad pointer");
	sop.mac = CRYPTO_SHA1;
	ok_errno(ioctl(fd, CIOCGSESSION, &sop), EFAULT, "of a hash without a key too");
	sop.mackey = NULL;
	ok_errno(ioctl(fd, CIOCGSESSION, &sop), 0, "a hash and no key");
	ok_errno(ioctl(fd, CIOCFSESSION, &sop.ses), 0, "it ends");
	memset(big, 1, sizeof(big));
	sop = (struct session_op){ .mac = CRYPTO_SHA1_HMAC, .mackeylen = 512, .mackey = big };
	ok_errno(ioctl(fd, CIOCGSESSION, &sop), 0, "a MAC key of 512 bytes");
	ok_errno(hash(sop.ses, 0, msg, MSG, mac), 0, "and it works");
	ioctl(fd, CIOCFSESSION, &sop.ses);
	sop = (struct session_op){ .mac = CRYPTO_SHA1_HMAC };
	ok_errno(ioctl(fd, CIOCGSESSION, &sop), 0, "a MAC key of no bytes");
	ok_errno(hash(sop.ses, 0, msg, MSG, mac), 0, "and it works");
	ioctl(fd, CIOCFSESSION, &sop.ses);
}

static const char *digest_of(int id)
{
	for (unsigned int i = 0; i < sizeof(hashes) / sizeof(hashes[0]); i++)
		if (hashes[i].id == id)
			return hashes[i].digest;
	return NULL;
}

/* A cipher and a MAC in one session: what is plain is hashed. */
static void combined(void)
{
	uint32_t ses = must(CRYPTO_AES_CBC, key, 16, CRYPTO_SHA1_HMAC, sizeof(mackey));
	uint32_t only = must(0, NULL, 0, CRYPTO_SHA1_HMAC, sizeof(mackey));
	struct session_info_op info = { .ses = ses };
	uint8_t text[992], out[992], want[992], iv[16], mac[64], wantmac[64];
	struct crypt_op cop = {
		.ses = ses, .len = 992, .src = text, .dst = out, .mac = mac, .iv = iv0,
	};
	struct aes_ref a;

	memcpy(text, msg, 992);
	aes_ref_key(&a, key, 16);
	memcpy(iv, iv0, 16);
	aes_ref_cbc(&a, iv, text, want, 992);
	hash(only, 0, text, 992, wantmac);
	ok(!ioctl(fd, CIOCGSESSINFO, &info) && !strcmp(info.cipher_info.cra_name, "cbc(aes)") &&
	   !strcmp(info.hash_info.cra_name, "hmac(sha1)"), "combined: session info has both");
	ok(!ioctl(fd, CIOCCRYPT, &cop) && !memcmp(out, want, 992), "combined: encrypts");
	ok(!memcmp(mac, wantmac, 20), "combined: the MAC is of the plaintext");
	cop.op = COP_DECRYPT;
	cop.src = out;
	memset(mac, 0, sizeof(mac));
	ok(!ioctl(fd, CIOCCRYPT, &cop) && !memcmp(out, text, 992), "combined: decrypts in place");
	ok(!memcmp(mac, wantmac, 20), "combined: the MAC is of the plaintext again");

	memset(mac, 0xee, sizeof(mac));
	cop = (struct crypt_op){ .ses = ses, .flags = COP_FLAG_RESET | COP_FLAG_UPDATE, .len = 480,
		.src = text, .dst = out, .mac = mac, .iv = iv0 };
	ok(!ioctl(fd, CIOCCRYPT, &cop) && mac[0] == 0xee, "combined: a part");
	cop.flags = COP_FLAG_UPDATE | COP_FLAG_FINAL;
	cop.len = 512;
	cop.src += 480;
	cop.dst += 480;
	cop.iv = NULL;
	ok(!ioctl(fd, CIOCCRYPT, &cop) && !memcmp(out, want, 992) && !memcmp(mac, wantmac, 20),
	   "combined: two parts, IV and MAC carried");
	cop.len = 17;
	ok_errno(ioctl(fd, CIOCCRYPT, &cop), EINVAL, "combined: 17 bytes");
	ioctl(fd, CIOCFSESSION, &ses);
	ioctl(fd, CIOCFSESSION, &only);
}

static void null_cipher(void)
{
	uint32_t ses = must(CRYPTO_NULL, key, 0, 0, 0), both;
	struct session_info_op info = { .ses = ses };
	uint8_t out[MSG] = { 0 }, mac[64];
	struct crypt_op cop;

	ok(!ioctl(fd, CIOCGSESSINFO, &info) && !strcmp(info.cipher_info.cra_name, "ecb(cipher_null)"), "NULL: session info");
	ok(!do_crypt(fd, ses, COP_ENCRYPT, msg, out, MSG, NULL) && !memcmp(out, msg, MSG), "NULL: copies");
	ok(!do_crypt(fd, ses, COP_DECRYPT, out, out, MSG - 1, NULL) && !memcmp(out, msg, MSG), "NULL: in place, odd length");
	ok_errno(do_crypt(fd, ses, 7, out, out, MSG, NULL), EINVAL, "NULL: unknown operation");
	ok_errno(do_crypt_flags(fd, ses, COP_ENCRYPT, COP_FLAG_NO_ZC, NULL, out, MSG, NULL), EFAULT, "NULL: from nowhere");
	both = must(CRYPTO_NULL, key, 0, CRYPTO_SHA1, 0);
	cop = (struct crypt_op){ .ses = both, .len = MSG, .src = msg, .dst = out, .mac = mac };
	ok(!ioctl(fd, CIOCCRYPT, &cop) && is(mac, digest_of(CRYPTO_SHA1)), "NULL with SHA-1");
	ioctl(fd, CIOCFSESSION, &ses);
	ioctl(fd, CIOCFSESSION, &both);
}

/* IEEE 1619-2007, annex B, vector 2. */
static void xts(void)
{
	uint8_t k[64], tweak[16] = { 0x33, 0x33, 0x33, 0x33, 0x33 }, in[32], out[32];
	uint32_t ses, len = 300000;
	uint8_t *p = malloc(len), *q = malloc(len), *c = malloc(len);

	memset(k, 0x11, 16);
	memset(k + 16, 0x22, 16);
	memset(in, 0x44, 32);
	if (session(CRYPTO_AES_XTS, k, 32, 0, 0, &ses)) {
		if (require_all)
			ok_errno(-1, 0, "XTS is offered");
		else
			skip("XTS is not offered");
		return;
	}
	ok(!do_crypt(fd, ses, COP_ENCRYPT, in, out, 32, tweak) &&
	   is(out, "c454185e6a16936e39334038acef838bfb186fff7480adc4289382ecd6d394f0"), "XTS: encrypts");
	ok(!do_crypt(fd, ses, COP_DECRYPT, out, out, 32, tweak) && !memcmp(out, in, 32), "XTS: decrypts");
	ok_errno(do_crypt(fd, ses, COP_ENCRYPT, in, out, 17, tweak), EINVAL, "XTS: 17 bytes");
	/* Longer than a request, and yet one sequence of tweaks. */
	fill(p, len, 3);
	len -= len % 16;
	ok(!do_crypt(fd, ses, COP_ENCRYPT, p, c, len, tweak) && !do_crypt(fd, ses, COP_DECRYPT, c, q, len, tweak) &&
	   !memcmp(p, q, len), "XTS: %u bytes there and back", len);
	ok(!do_crypt(fd, ses, COP_ENCRYPT, p, q, 65536, tweak) && !memcmp(c, q, 65536),
	   "XTS: they begin as the first 64 KiB alone");
	ioctl(fd, CIOCFSESSION, &ses);
	ok_errno(session(CRYPTO_AES_XTS, key, 33, 0, 0, &ses), EINVAL, "XTS: a key of 33 bytes");
	ok_errno(session(CRYPTO_AES_XTS, key, 64, 0, 0, &ses), 0, "XTS: a key of 64 bytes");
	ioctl(fd, CIOCFSESSION, &ses);
	free(p);
	free(q);
	free(c);
}

struct vector {
	int cipher;
	const char *name, *key, *iv, *aad, *plain, *sealed;
	int tag;
};

/* GCM: McGrew and Viega, cases 1, 2, 4. CCM: NIST SP 800-38C, C.1 and C.2. */
static const struct vector vectors[] = {
	{ CRYPTO_AES_GCM, "GCM 1", "00000000000000000000000000000000", "000000000000000000000000", "", "",
	  "58e2fccefa7e3061367f1d57a4e7455a", 16 },
	{ CRYPTO_AES_GCM, "GCM 2", "00000000000000000000000000000000", "000000000000000000000000", "",
	  "00000000000000000000000000000000",
	  "0388dace60b6a392f328c2b971b2fe78ab6e47d42cec13bdf53a67b21257bddf", 16 },
	{ CRYPTO_AES_GCM, "GCM 4", "feffe9928665731c6d6a8f9467308308", "cafebabefacedbaddecaf888",
	  "feedfacedeadbeeffeedfacedeadbeefabaddad2",
	  "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
	  "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
	  "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e"
	  "21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091"
	  "5bc94fbc3221a5db94fae95ae7121a47", 16 },
	{ CRYPTO_AES_CCM, "CCM 1", "404142434445464748494a4b4c4d4e4f", "07101112131415160000000000000000",
	  "0001020304050607", "20212223", "7162015b4dac255d", 4 },
	{ CRYPTO_AES_CCM, "CCM 2", "404142434445464748494a4b4c4d4e4f", "06101112131415161700000000000000",
	  "000102030405060708090a0b0c0d0e0f", "202122232425262728292a2b2c2d2e2f",
	  "d2a1f0e051ea5f62081a7792073d593d1fc64fbfaccd", 6 },
};

static void aead(const struct vector *v)
{
	uint8_t k[32], iv[16], aad[64], plain[128], sealed[128], out[160];
	unsigned int keylen = hex(v->key, k), aadlen = hex(v->aad, aad), len = hex(v->plain, plain);
	unsigned int total = hex(v->sealed, sealed);
	struct crypt_auth_op op = { 0 };
	const char *n = v->name;
	uint32_t ses;

	hex(v->iv, iv);
	if (session(v->cipher, k, keylen, 0, 0, &ses)) {
		if (require_all)
			ok_errno(-1, 0, "%s is offered", n);
		else
			skip("%s is not offered", n);
		return;
	}
	memset(out, 0xee, sizeof(out));
	op = (struct crypt_auth_op){ .ses = ses, .op = COP_ENCRYPT, .len = len, .auth_len = aadlen, .auth_src = aad,
		.src = plain, .dst = out, .tag_len = v->tag, .iv = iv, .iv_len = 12 };
	ok(!ioctl(fd, CIOCAUTHCRYPT, &op) && !memcmp(out, sealed, total), "%s: encrypts", n);
	ok(op.len == total && op.tag == out + len && out[total] == 0xee, "%s: length and place of the tag", n);

	op = (struct crypt_auth_op){ .ses = ses, .op = COP_DECRYPT, .len = total, .auth_len = aadlen, .auth_src = aad,
		.src = out, .dst = out, .iv = iv };
	ok(!ioctl(fd, CIOCAUTHCRYPT, &op) && !memcmp(out, plain, len) && op.len == len,
	   "%s: decrypts in place; a tag length of 0 is the last one's", n);

	memcpy(out, sealed, total);
	out[total - 1] ^= 1;
	op.len = total;
	op.op = COP_DECRYPT;
	ok_errno(ioctl(fd, CIOCAUTHCRYPT, &op), EBADMSG, "%s: a wrong tag", n);
	ok(op.len == total, "%s: and the structure stays", n);
	if (aadlen) {
		memcpy(out, sealed, total);
		aad[0] ^= 1;
		ok_errno(ioctl(fd, CIOCAUTHCRYPT, &op), EBADMSG, "%s: wrong additional data", n);
		aad[0] ^= 1;
	}
	op.len = v->tag - 1;
	ok_errno(ioctl(fd, CIOCAUTHCRYPT, &op), EINVAL, "%s: shorter than its tag", n);
	op.len = total;
	op.tag_len = 17;
	ok_errno(ioctl(fd, CIOCAUTHCRYPT, &op), EINVAL, "%s: a tag of 17 bytes", n);
	op.tag_len = v->tag;
	op.op = 2;
	ok_errno(ioctl(fd, CIOCAUTHCRYPT, &op), EINVAL, "%s: unknown operation", n);
	op.op = COP_ENCRYPT;
	op.auth_len = page + 1;
	ok_errno(ioctl(fd, CIOCAUTHCRYPT, &op), EINVAL, "%s: additional data of more than a page", n);
	op.auth_len = 16;
	op.auth_src = (void *)8;
	ok_errno(ioctl(fd, CIOCAUTHCRYPT, &op), EFAULT, "%s: additional data at a bad pointer", n);
	op.auth_len = 0;
	op.iv = (void *)8;
	ok_errno(ioctl(fd, CIOCAUTHCRYPT, &op), EFAULT, "%s: IV at a bad pointer", n);
	op.iv = iv;
	op.len = 32;
	op.src = plain;
	op.dst = (void *)8;
	if (!theirs)	/* cryptodev-linux crashes */
		ok_errno(ioctl(fd, CIOCAUTHCRYPT, &op), bad_data, "%s: destination at a bad pointer", n);
	op.dst = out;
	op.ses++;
	ok_errno(ioctl(fd, CIOCAUTHCRYPT, &op), EINVAL, "%s: unknown session", n);
	ioctl(fd, CIOCFSESSION, &ses);
}

/* Tags that are cut short, and a long message. */
static void gcm_more(void)
{
	uint32_t ses, len = 1 << 20;
	uint8_t *p = malloc(len + 16), *q = malloc(len + 16), aad[300];
	struct crypt_auth_op op;

	if (session(CRYPTO_AES_GCM, key, 32, 0, 0, &ses)) {
		skip("GCM is not offered");
		return;
	}
	fill(p, len, 1);
	fill(aad, sizeof(aad), 2);
	for (uint32_t n = 1; n <= len; n = n * 3 + 5) {
		op = (struct crypt_auth_op){ .ses = ses, .len = n, .auth_len = n % 300, .auth_src = aad, .src = p, .dst = q, .iv = iv0 };
		if (ioctl(fd, CIOCAUTHCRYPT, &op) || op.len != n + 16) {
			ok(false, "GCM: %u bytes are encrypted", n);
			continue;
		}
		op = (struct crypt_auth_op){ .ses = ses, .op = COP_DECRYPT, .len = n + 16, .auth_len = n % 300, .auth_src = aad, .src = q, .dst = q, .iv = iv0 };
		ok(!ioctl(fd, CIOCAUTHCRYPT, &op) && !memcmp(p, q, n), "GCM: %u bytes there and back", n);
	}
	for (int tag = 16; tag >= 12; tag--) {
		op = (struct crypt_auth_op){ .ses = ses, .len = 100, .src = p, .dst = q, .iv = iv0, .tag_len = tag };
		ok(!ioctl(fd, CIOCAUTHCRYPT, &op) && op.len == 100u + tag, "GCM: a tag of %d bytes", tag);
		op.op = COP_DECRYPT;
		op.src = q;
		ok(!ioctl(fd, CIOCAUTHCRYPT, &op) && !memcmp(p, q, 100), "GCM: which fits");
	}
	op = (struct crypt_auth_op){ .ses = ses, .len = 100, .src = p, .dst = q, .iv = iv0, .tag_len = 16 };
	ok_errno(ioctl(fd, CIOCAUTHCRYPT, &op), EINVAL, "GCM: a session's tag gets no longer again");
	ok_errno(do_crypt_flags(fd, ses, 2, COP_FLAG_NO_ZC, p, q, 16, iv0), EINVAL, "GCM: CIOCCRYPT, unknown operation");
	ioctl(fd, CIOCFSESSION, &ses);
	ses = must(CRYPTO_AES_CBC, key, 16, 0, 0);
	op = (struct crypt_auth_op){ .ses = ses, .len = 96, .src = p, .dst = q, .iv = iv0 };
	ok_errno(ioctl(fd, CIOCAUTHCRYPT, &op), EINVAL, "CIOCAUTHCRYPT of a cipher that is no AEAD");
	ioctl(fd, CIOCFSESSION, &ses);
	ses = must(0, NULL, 0, CRYPTO_SHA1, 0);
	op.ses = ses;
	ok_errno(ioctl(fd, CIOCAUTHCRYPT, &op), EINVAL, "CIOCAUTHCRYPT of a hash");
	ioctl(fd, CIOCFSESSION, &ses);
	free(p);
	free(q);
}

/* TLS records, against what their parts make: MAC, padding, CBC. */
static void tls(void)
{
	uint32_t ses = must(CRYPTO_AES_CBC, key, 16, CRYPTO_SHA1_HMAC, sizeof(mackey));
	uint32_t only = must(0, NULL, 0, CRYPTO_SHA1_HMAC, sizeof(mackey));
	uint8_t hdr[13], rec[1100], all[1100], want[1100], iv[16];
	struct crypt_auth_op op;
	struct aes_ref a;

	fill(hdr, sizeof(hdr), 4);
	aes_ref_key(&a, key, 16);
	for (unsigned int len = 0; len <= MSG; len += len < 40 ? 1 : 193) {
		unsigned int total = len + 20, pad = 16 - total % 16;

		memcpy(all, hdr, 13);
		memcpy(all + 13, msg, len);
		hash(only, 0, all, 13 + len, all + 13 + len);
		memset(all + 13 + total, pad - 1, pad);
		total += pad;
		memcpy(iv, iv0, 16);
		aes_ref_cbc(&a, iv, all + 13, want, total);

		memcpy(rec, msg, len);
		op = (struct crypt_auth_op){ .ses = ses, .flags = COP_FLAG_AEAD_TLS_TYPE, .len = len, .auth_len = 13,
			.auth_src = hdr, .src = rec, .dst = rec, .iv = iv0 };
		ok(!ioctl(fd, CIOCAUTHCRYPT, &op) && op.len == total && !memcmp(rec, want, total), "TLS: %u bytes encrypt", len);
		op.op = COP_DECRYPT;
		ok(!ioctl(fd, CIOCAUTHCRYPT, &op) && op.len == len && !memcmp(rec, msg, len), "TLS: and decrypt");
		memcpy(rec, want, total);
		rec[total - 1] ^= 0x10;
		op.len = total;
		ok_errno(ioctl(fd, CIOCAUTHCRYPT, &op), EBADMSG, "TLS: but not if the padding is wrong");
		memcpy(rec, want, total);
		hdr[3] ^= 1;
		op.len = total;
		ok_errno(ioctl(fd, CIOCAUTHCRYPT, &op), EBADMSG, "TLS: nor if the header is another");
		hdr[3] ^= 1;
	}
	op.dst = all;
	ok_errno(ioctl(fd, CIOCAUTHCRYPT, &op), EINVAL, "TLS: not in place");
	op.dst = rec;
	op.auth_len = page + 1;
	ok_errno(ioctl(fd, CIOCAUTHCRYPT, &op), EINVAL, "TLS: a header of more than a page");
	op.auth_len = 13;
	op.auth_src = (void *)8;
	ok_errno(ioctl(fd, CIOCAUTHCRYPT, &op), EFAULT, "TLS: a header at a bad pointer");
	op.src = op.dst = (void *)8;
	op.auth_src = hdr;
	ok_errno(ioctl(fd, CIOCAUTHCRYPT, &op), bad_data, "TLS: a record at a bad pointer");
	op.src = op.dst = NULL;
	ok_errno(ioctl(fd, CIOCAUTHCRYPT, &op), EINVAL, "TLS: no record");
	ioctl(fd, CIOCFSESSION, &ses);
	ioctl(fd, CIOCFSESSION, &only);
}

static void srtp(void)
{
	uint32_t ses;

	if (session(CRYPTO_AES_CTR, key, 16, CRYPTO_SHA1_HMAC, sizeof(mackey), &ses)) {
		if (require_all)
			ok_errno(-1, 0, "SRTP's CTR is offered");
		else
			skip("SRTP: CTR is not offered");
		return;
	}

	uint32_t only = must(0, NULL, 0, CRYPTO_SHA1_HMAC, sizeof(mackey));
	uint32_t cbc = must(CRYPTO_AES_CBC, key, 16, CRYPTO_SHA1_HMAC, sizeof(mackey));
	uint8_t packet[MSG], want[MSG], wantmac[64], tag[64], iv[16];
	struct crypt_auth_op op;
	struct aes_ref a;

	aes_ref_key(&a, key, 16);
	for (unsigned int len = 20; len <= MSG - 12; len += 191) {
		memcpy(want, msg, MSG);
		memcpy(iv, iv0, 16);
		aes_ref_ctr(&a, iv, msg + 12, want + 12, len);
		hash(only, 0, want, 12 + len, wantmac);
		memcpy(packet, msg, MSG);
		memset(tag, 0xee, sizeof(tag));
		op = (struct crypt_auth_op){ .ses = ses, .flags = COP_FLAG_AEAD_SRTP_TYPE, .len = len, .auth_len = 12 + len,
			.auth_src = packet, .src = packet + 12, .dst = packet + 12, .tag = tag, .tag_len = 10, .iv = iv0 };
		ok(!ioctl(fd, CIOCAUTHCRYPT, &op) && op.len == len && !memcmp(packet, want, MSG), "SRTP: %u bytes encrypt", len);
		ok(!memcmp(tag, wantmac, 10) && tag[10] == 0xee, "SRTP: with their tag");
		op.op = COP_DECRYPT;
		op.len = len;
		ok(!ioctl(fd, CIOCAUTHCRYPT, &op) && op.len == len && !memcmp(packet, msg, MSG), "SRTP: and decrypt");
		memcpy(packet, want, MSG);
		tag[9] ^= 1;
		ok_errno(ioctl(fd, CIOCAUTHCRYPT, &op), EBADMSG, "SRTP: but not with another tag");
		ok(!memcmp(packet, want, MSG), "SRTP: and nothing is written then");
		tag[9] ^= 1;
	}
	op.dst = want;
	ok_errno(ioctl(fd, CIOCAUTHCRYPT, &op), EINVAL, "SRTP: not in place");
	op.dst = op.src;
	op.ses = cbc;
	ok_errno(ioctl(fd, CIOCAUTHCRYPT, &op), EINVAL, "SRTP: CBC is none of its ciphers");
	op.ses = ses;
	op.auth_len = 0;
	ok_errno(ioctl(fd, CIOCAUTHCRYPT, &op), EINVAL, "SRTP: nothing to authenticate");
	op.auth_len = 100;
	op.auth_src = op.src + 16;
	ok_errno(ioctl(fd, CIOCAUTHCRYPT, &op), EINVAL, "SRTP: a payload before its packet");
	op.auth_src = op.src - 257;
	ok_errno(ioctl(fd, CIOCAUTHCRYPT, &op), EINVAL, "SRTP: a payload far behind the beginning");
	op.auth_src = packet;
	op.auth_len = 112;
	op.len = 100;
	op.tag = (void *)8;
	ok_errno(ioctl(fd, CIOCAUTHCRYPT, &op), EFAULT, "SRTP: a tag at a bad pointer");
	ioctl(fd, CIOCFSESSION, &ses);
	ioctl(fd, CIOCFSESSION, &only);
	ioctl(fd, CIOCFSESSION, &cbc);
}

static void refused(void)
{
	static const int none[] = { CRYPTO_BLF_CBC, CRYPTO_CAMELLIA_CBC, CRYPTO_AES_CFB, CRYPTO_AES_OFB,
		CRYPTO_TLS11_AES_CBC_HMAC_SHA1, CRYPTO_TLS12_AES_CBC_HMAC_SHA256 };
	uint32_t ses;

	for (unsigned int i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		ok_errno(session(none[i], key, 16, 0, 0, &ses), EINVAL, "cipher %d is not served", none[i]);
		ok_errno(session(none[i], (void *)8, 16, 0, 0, &ses), EFAULT, "which is seen after a bad key");
	}
	ok_errno(session(CRYPTO_AES_GCM, key, 17, 0, 0, &ses), EINVAL, "GCM: a key of 17 bytes");
	ok_errno(session(CRYPTO_CAST_CBC, (void *)8, 16, 0, 0, &ses), EINVAL, "CAST is not known at all");
	ok_errno(session(0, NULL, 0, CRYPTO_MD5_KPDK, 0, &ses), EINVAL, "nor is MD5-KPDK");
}

int main(int argc, char **argv)
{
	setup(argc, argv);
	fd = open_node();
	page = sysconf(_SC_PAGESIZE);
	theirs = getenv("CRYPTODEV_LINUX") != NULL;
	bad_data = cuse ? EFAULT : EINVAL;
	fill(msg, sizeof(msg), 5);
	fill(mackey, sizeof(mackey), 6);
	fill(key, sizeof(key), 7);
	fill(iv0, sizeof(iv0), 8);

	for (unsigned int i = 0; i < sizeof(hashes) / sizeof(hashes[0]); i++)
		one_hash(&hashes[i]);
	long_hash();
	mac_errors();
	combined();
	null_cipher();
	xts();
	for (unsigned int i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++)
		aead(&vectors[i]);
	gcm_more();
	tls();
	srtp();
	refused();
	return finish();
}
