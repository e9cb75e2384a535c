// SPDX-License-Identifier: GPL-2.0
/* The API as one program sees it: answers, errors, IVs, buffers. */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "aes_ref.h"
#include "harness.h"

static int fd;
static long page;

static const struct mode {
	int id;
	const char *name, *cra;
	bool iv;
	int block;
} modes[] = {
	{ CRYPTO_AES_CBC, "CBC", "cbc(aes)", true, 16 },
	{ CRYPTO_AES_ECB, "ECB", "ecb(aes)", false, 16 },
	{ CRYPTO_AES_CTR, "CTR", "ctr(aes)", true, 1 },
};

static uint8_t key[32], iv0[16];

static uint32_t must_session(int id, int keylen)
{
	uint32_t ses;

	if (new_session(fd, id, key, keylen, &ses))
		die("CIOCGSESSION of cipher %d", id);
	return ses;
}

static bool offered(const struct mode *m)
{
	uint32_t ses;

	if (!new_session(fd, m->id, key, 16, &ses)) {
		end_session(fd, ses);
		return true;
	}
	if (require_all || m->id == CRYPTO_AES_CBC)
		ok_errno(-1, 0, "%s is offered", m->name);
	else if (errno == EINVAL)
		skip("%s is not offered by this device", m->name);
	else
		ok_errno(-1, EINVAL, "%s is refused as an unknown cipher", m->name);
	return false;
}

static void hex(const char *s, uint8_t *out)
{
	for (; *s; s += 2) {
		unsigned int b;

		sscanf(s, "%2x", &b);
		*out++ = b;
	}
}

/* NIST SP 800-38A, appendix F: four blocks, three key sizes, three modes. */
static void known_answers(const struct mode *m)
{
	static const char *const keys[3] = {
		"2b7e151628aed2a6abf7158809cf4f3c",
		"8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b",
		"603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4",
	};
	static const char plain[] =
		"6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
		"30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710";
	static const struct {
		int id;
		const char *iv, *cipher[3];
	} answers[] = {
		{ CRYPTO_AES_CBC, "000102030405060708090a0b0c0d0e0f", {
			"7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2"
			"73bed6b8e3c1743b7116e69e222295163ff1caa1681fac09120eca307586e1a7",
			"4f021db243bc633d7178183a9fa071e8b4d9ada9ad7dedf4e5e738763f69145a"
			"571b242012fb7ae07fa9baac3df102e008b0e27988598881d920a9e64f5615cd",
			"f58c4c04d6e5f1ba779eabfb5f7bfbd69cfc4e967edb808d679f777bc6702c7d"
			"39f23369a9d9bacfa530e26304231461b2eb05e2c39be9fcda6c19078c6a9d1b" } },
		{ CRYPTO_AES_ECB, "", {
			"3ad77bb40d7a3660a89ecaf32466ef97f5d3d58503b9699de785895a96fdbaaf"
			"43b1cd7f598ece23881b00e3ed0306887b0c785e27e8ad3f8223207104725dd4",
			"bd334f1d6e45f25ff712a214571fa5cc974104846d0ad3ad7734ecb3ecee4eef"
			"ef7afd2270e2e60adce0ba2face6444e9a4b41ba738d6c72fb16691603c18e0e",
			"f3eed1bdb5d2a03c064b5a7e3db181f8591ccb10d410ed26dc5ba74a31362870"
			"b6ed21b99ca6f4f9f153e7b1beafed1d23304b7a39f9f3ff067d8d8f9e24ecc7" } },
		{ CRYPTO_AES_CTR, "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff", {
			"874d6191b620e3261bef6864990db6ce9806f66b7970fdff8617187bb9fffdff"
			"5ae4df3edbd5d35e5b4f09020db03eab1e031dda2fbe03d1792170a0f3009cee",
			"1abc932417521ca24f2b0459fe7e6e0b090339ec0aa6faefd5ccc2c6f4ce8e94"
			"1e36b26bd1ebc670d1bd1d665620abf74f78a7f6d29809585a97daec58c6b050",
			"601ec313775789a5b7a7f504bbf3d228f443e3ca4d62b59aca84e990cacaf5c5"
			"2b0930daa23de94ce87017ba2d84988ddfc9c58db67aada613c2dd08457941a6" } },
	};
	uint8_t k[32], iv[16], in[64], want[64], out[64];

	hex(plain, in);
	for (unsigned int a = 0; a < 3; a++) {
		if (answers[a].id != m->id)
			continue;
		for (int size = 0; size < 3; size++) {
			int keylen = 16 + 8 * size;
			uint32_t ses;

			hex(keys[size], k);
			hex(answers[a].iv, iv);
			hex(answers[a].cipher[size], want);
			if (!ok_errno(new_session(fd, m->id, k, keylen, &ses), 0,
				      "%s: session, %d-bit key", m->name, keylen * 8))
				continue;
			memset(out, 0, sizeof(out));
			ok(!do_crypt(fd, ses, COP_ENCRYPT, in, out, 64, iv) && !memcmp(out, want, 64),
			   "%s-%d: encryption is NIST's", m->name, keylen * 8);
			ok(!do_crypt(fd, ses, COP_DECRYPT, out, out, 64, iv) && !memcmp(out, in, 64),
			   "%s-%d: decryption in place is NIST's", m->name, keylen * 8);
			ok_errno(end_session(fd, ses), 0, "%s: session ends", m->name);
		}
	}
}

static void ref(const struct mode *m, const struct aes_ref *a, uint8_t *iv,
		const uint8_t *src, uint8_t *dst, size_t len)
{
	if (m->id == CRYPTO_AES_CBC)
		aes_ref_cbc(a, iv, src, dst, len);
	else if (m->id == CRYPTO_AES_ECB)
		aes_ref_ecb(a, src, dst, len);
	else
		aes_ref_ctr(a, iv, src, dst, len);
}

/* Lengths around every boundary there is, at odd addresses, both ways. */
static void lengths(const struct mode *m)
{
	static const uint32_t sizes[] = {
		0, 1, 15, 16, 17, 32, 48, 4080, 4095, 4096, 4097, 4112, 16368, 16384,
		16400, 65536, 131056, 131072, 131088, 131073, 262144 + 160, 300000,
	};
	size_t max = 300000 + 64;
	uint8_t *in = malloc(max), *want = malloc(max), *out = malloc(max);
	uint32_t ses = must_session(m->id, 16);
	struct aes_ref a;

	aes_ref_key(&a, key, 16);
	fill(in, max, 7);
	for (unsigned int i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		uint32_t len = sizes[i];
		uint8_t iv[16], next[16];
		int so = i % 5, to = (i * 3) % 7;

		memcpy(iv, iv0, 16);
		if (len % m->block) {
			ok_errno(do_crypt(fd, ses, COP_ENCRYPT, in, out, len, iv), EINVAL,
				 "%s: %u bytes, not whole blocks", m->name, len);
			continue;
		}
		memcpy(next, iv, 16);
		ref(m, &a, next, in + so, want, len);
		memset(out, 0xee, max);
		int rc = do_crypt_flags(fd, ses, COP_ENCRYPT, COP_FLAG_WRITE_IV, in + so, out + to, len, iv);

		ok(!rc && !memcmp(out + to, want, len), "%s: %u bytes from +%d to +%d are right",
		   m->name, len, so, to);
		ok(out[to + len] == 0xee && (!to || out[to - 1] == 0xee),
		   "%s: %u bytes, nothing written beside them", m->name, len);
		ok(!memcmp(iv, m->iv ? next : iv0, 16), "%s: %u bytes, the next IV is right", m->name, len);
		memcpy(iv, iv0, 16);
		rc = do_crypt_flags(fd, ses, COP_DECRYPT, COP_FLAG_WRITE_IV | COP_FLAG_NO_ZC,
				 out + to, out + to, len, iv);
		ok(!rc && !memcmp(out + to, in + so, len), "%s: %u bytes decrypt in place", m->name, len);
		ok(!memcmp(iv, m->iv ? next : iv0, 16), "%s: %u bytes, the next IV is right after decryption",
		   m->name, len);
	}
	end_session(fd, ses);
	free(in);
	free(want);
	free(out);
}

/* A NULL iv goes on where the session stands; each explicit IV moves it. */
static void chaining(const struct mode *m)
{
	uint8_t in[320], want[320], out[320], iv[16];
	uint32_t ses = must_session(m->id, 16);
	struct aes_ref a;

	aes_ref_key(&a, key, 16);
	fill(in, sizeof(in), 3);

	memset(iv, 0, 16);
	ref(m, &a, iv, in, want, 160);
	ok(!do_crypt(fd, ses, COP_ENCRYPT, in, out, 160, NULL) && !memcmp(out, want, 160),
	   "%s: a new session's IV is zero", m->name);

	memcpy(iv, iv0, 16);
	ref(m, &a, iv, in, want, 320);
	bool same = !do_crypt(fd, ses, COP_ENCRYPT, in, out, 16, iv0) &&
		    !do_crypt(fd, ses, COP_ENCRYPT, in + 16, out + 16, 64, NULL) &&
		    !do_crypt(fd, ses, COP_ENCRYPT, in + 80, out + 80, 240, NULL);
	ok(same && !memcmp(out, want, 320), "%s: three calls, IV carried, are one", m->name);

	same = !do_crypt(fd, ses, COP_DECRYPT, out, out, 160, iv0) &&
	       !do_crypt(fd, ses, COP_DECRYPT, out + 160, out + 160, 160, NULL);
	ok(same && !memcmp(out, in, 320), "%s: decryption in two calls, IV carried", m->name);

	same = !do_crypt(fd, ses, COP_ENCRYPT, in, out, 0, iv0) &&
	       !do_crypt(fd, ses, COP_ENCRYPT, in, out, 320, NULL);
	ok(same && !memcmp(out, want, 320), "%s: an empty operation sets the session's IV", m->name);

	memcpy(iv, iv0, 16);
	same = !do_crypt(fd, ses, COP_ENCRYPT, in, out, 160, iv);
	ok(same && !memcmp(iv, iv0, 16), "%s: without WRITE_IV the caller's IV stays", m->name);

	memcpy(iv, iv0, 16);
	same = !do_crypt_flags(fd, ses, COP_ENCRYPT, COP_FLAG_WRITE_IV, in, out, 48, iv) &&
	       !do_crypt_flags(fd, ses, COP_ENCRYPT, COP_FLAG_WRITE_IV, in + 48, out + 48, 272, iv);
	ok(same && !memcmp(out, want, 320), "%s: the caller carries the IV by WRITE_IV", m->name);

	ok_errno(do_crypt_flags(fd, ses, COP_ENCRYPT, COP_FLAG_WRITE_IV, in, out, 48, NULL), 0,
		 "%s: WRITE_IV without an IV", m->name);
	end_session(fd, ses);
}

/* CTR: 128-bit carry, and part blocks count as whole ones. */
static void ctr_carry(void)
{
	uint8_t iv[16], next[16], in[64], want[64], out[64];
	uint32_t ses = must_session(CRYPTO_AES_CTR, 16);
	struct aes_ref a;

	aes_ref_key(&a, key, 16);
	fill(in, sizeof(in), 9);
	memset(iv, 0xff, 16);
	iv[15] = 0xfe;
	memcpy(next, iv, 16);
	aes_ref_ctr(&a, next, in, want, 61);
	ok(!do_crypt_flags(fd, ses, COP_ENCRYPT, COP_FLAG_WRITE_IV, in, out, 61, iv) && !memcmp(out, want, 61),
	   "CTR: the counter carries through 128 bits");
	ok(!memcmp(iv, next, 16), "CTR: the next counter after a part block");
	end_session(fd, ses);
}

static void large(const struct mode *m)
{
	uint32_t len = 5 * 1024 * 1024 + 16 * 3;
	uint8_t *in = malloc(len), *one = malloc(len), *many = malloc(len);
	uint32_t ses = must_session(m->id, 32);
	bool same = true;

	fill(in, len, 11);
	ok_errno(do_crypt(fd, ses, COP_ENCRYPT, in, one, len, iv0), 0, "%s: %u bytes at once", m->name, len);
	for (uint32_t off = 0, n; off < len; off += n) {
		n = 112 * 1024 < len - off ? 112 * 1024 : len - off;
		same = same && !do_crypt(fd, ses, COP_ENCRYPT, in + off, many + off, n, off ? NULL : iv0);
	}
	ok(same && !memcmp(one, many, len), "%s: the same in pieces", m->name);
	ok(memcmp(one, in, len) != 0, "%s: it is not what went in", m->name);
	ok(!do_crypt(fd, ses, COP_DECRYPT, one, one, len, iv0) && !memcmp(one, in, len),
	   "%s: and decrypts", m->name);
	end_session(fd, ses);
	free(in);
	free(one);
	free(many);
}

static int gsession(uint32_t cipher, uint32_t mac, uint32_t keylen, void *k)
{
	struct session_op sop = { .cipher = cipher, .mac = mac, .keylen = keylen, .key = k };

	return ioctl(fd, CIOCGSESSION, &sop);
}

static void session_errors(void *bad)
{
	uint32_t ses;

	ok_errno(gsession(0, 0, 16, key), EINVAL, "neither cipher nor mac");
	ok_errno(gsession(999, 0, 16, key), EINVAL, "unknown cipher");
	ok_errno(gsession(999, 0, 16, bad), EINVAL, "unknown cipher, seen before a bad key pointer");
	ok_errno(gsession(CRYPTO_AES_CBC, 999, 16, key), EINVAL, "unknown mac");
	ok_errno(gsession(CRYPTO_SHA1, 0, 16, key), EINVAL, "a hash as cipher");
	ok_errno(gsession(CRYPTO_AES_CBC, CRYPTO_AES_CBC, 16, key), EINVAL, "a cipher as mac");
	ok_errno(gsession(CRYPTO_ARC4, 0, 16, key), EINVAL, "a number without an algorithm");
	for (int len = 0; len <= 70; len++)
		if (len != 16 && len != 24 && len != 32 && (len < 2 || len > 61 || len % 8 <= 1))
			ok_errno(gsession(CRYPTO_AES_CBC, 0, len, key), len > 32 && len <= 64 ? EINVAL : EINVAL,
				 "a key of %d bytes", len);
	ok_errno(gsession(CRYPTO_AES_CBC, 0, 0xffffffff, key), EINVAL, "a key of 4 GiB");
	ok_errno(gsession(CRYPTO_AES_CBC, 0, 65, bad), EINVAL, "key length over 64, seen before a bad pointer");
	ok_errno(gsession(CRYPTO_AES_CBC, 0, 16, NULL), EFAULT, "no key");
	ok_errno(gsession(CRYPTO_AES_CBC, 0, 16, bad), EFAULT, "key at a bad pointer");
	ok_errno(gsession(CRYPTO_AES_CBC, 0, 5, bad), EFAULT, "bad pointer, seen before a wrong key length");
	ok_errno(gsession(CRYPTO_AES_CBC, 0, 0, NULL), EINVAL, "no key of no bytes");
	ok_errno(ioctl(fd, CIOCGSESSION, bad), EFAULT, "CIOCGSESSION of a bad pointer");
	ok_errno(ioctl(fd, CIOCGSESSION, NULL), EFAULT, "CIOCGSESSION of NULL");
	ok_errno(ioctl(fd, CIOCFSESSION, bad), EFAULT, "CIOCFSESSION of a bad pointer");

	ses = must_session(CRYPTO_AES_CBC, 16);
	ok_errno(end_session(fd, ses), 0, "a session ends");
	ok_errno(end_session(fd, ses), 0, "ending it again is no error, as in cryptodev-linux");
	ok_errno(do_crypt(fd, ses, COP_ENCRYPT, iv0, key, 16, iv0), EINVAL, "an ended session is unknown");
}

static void crypt_errors(uint8_t *bad, uint8_t *edge, uint8_t *readonly)
{
	uint8_t buf[256] = { 0 }, iv[16] = { 0 };
	uint32_t ses = must_session(CRYPTO_AES_CBC, 16);
	int other = open_node();

	ok_errno(do_crypt(fd, ses + 1, COP_ENCRYPT, buf, buf, 16, iv), EINVAL, "unknown session");
	ok_errno(do_crypt(other, ses, COP_ENCRYPT, buf, buf, 16, iv), EINVAL, "another file's session");
	close(other);
	ok_errno(do_crypt(fd, ses + 1, COP_ENCRYPT, buf, buf, 16, bad), EINVAL, "unknown session, seen before a bad IV");
	ok_errno(do_crypt(fd, ses, 2, buf, buf, 16, iv), EINVAL, "unknown operation");
	ok_errno(do_crypt(fd, ses, 2, buf, buf, 16, bad), EFAULT, "bad IV, seen before the operation");
	ok_errno(do_crypt(fd, ses, COP_ENCRYPT, buf, buf, 20, iv), EINVAL, "20 bytes");
	ok_errno(do_crypt(fd, ses, COP_ENCRYPT, bad, buf, 20, iv), EINVAL, "20 bytes, seen before a bad source");
	ok_errno(do_crypt(fd, ses, COP_ENCRYPT, bad, bad, 0, iv), 0, "no bytes at bad pointers");
	ok_errno(do_crypt(fd, ses, COP_ENCRYPT, bad, buf, 16, iv), EFAULT, "bad source");
	ok_errno(do_crypt(fd, ses, COP_ENCRYPT, buf, bad, 16, iv), EFAULT, "bad destination");
	ok_errno(do_crypt(fd, ses, COP_ENCRYPT, buf, readonly, 16, iv), EFAULT, "read-only destination");
	ok_errno(do_crypt(fd, ses, COP_ENCRYPT, readonly, readonly, 16, iv), EFAULT, "in place, read-only");
	ok_errno(do_crypt(fd, ses, COP_ENCRYPT, readonly, buf, 16, iv), 0, "read-only source");
	ok_errno(do_crypt(fd, ses, COP_ENCRYPT, edge - 16, buf, 32, iv), EFAULT, "source runs off its mapping");
	ok_errno(do_crypt(fd, ses, COP_ENCRYPT, buf, edge - 16, 32, iv), EFAULT, "destination runs off its mapping");
	ok_errno(do_crypt(fd, ses, COP_ENCRYPT, edge - 16, edge - 16, 16, edge - 16), 0, "all at a mapping's end");
	ok_errno(do_crypt(fd, ses, COP_ENCRYPT, buf, buf, 16, edge - 8), EFAULT, "IV runs off its mapping");
	ok_errno(do_crypt_flags(fd, ses, COP_ENCRYPT, COP_FLAG_WRITE_IV, buf, buf, 16, readonly), EFAULT,
		 "WRITE_IV to a read-only IV");
	ok_errno(do_crypt(fd, ses, COP_ENCRYPT, buf, buf, 16, readonly), 0, "a read-only IV");
	ok_errno(do_crypt(fd, ses, COP_ENCRYPT, edge - page, edge - page, 0xfffffff0, iv), EFAULT,
		 "4 GiB in a page");
	ok_errno(ioctl(fd, CIOCCRYPT, bad), EFAULT, "CIOCCRYPT of a bad pointer");
	ok_errno(ioctl(fd, CIOCCRYPT, edge - 8), EFAULT, "CIOCCRYPT of a structure cut off");

	struct crypt_op cop = { .ses = ses, .len = 16, .src = buf, .dst = buf, .iv = iv };
	struct crypt_op *ro = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	*ro = cop;
	mprotect(ro, page, PROT_READ);
	ok_errno(ioctl(fd, CIOCCRYPT, ro), EFAULT, "CIOCCRYPT of a read-only structure");
	munmap(ro, page);
	ok_errno(do_crypt(fd, ses, COP_ENCRYPT, buf, buf, 16, iv), 0, "after all that the session works");
	end_session(fd, ses);
}

static void others(void *bad)
{
	struct session_info_op siop;
	struct cphash_op cph;
	struct pollfd p = { .fd = fd, .events = POLLIN | POLLOUT };
	uint32_t word = 77, a, b;
	uint8_t buf[512] = { 0 };
	int copy = -1;

	for (unsigned int i = 0; i < 3; i++) {
		if (new_session(fd, modes[i].id, key, 16, &a))
			continue;
		memset(&siop, 0xff, sizeof(siop));
		siop.ses = a;
		ok_errno(ioctl(fd, CIOCGSESSINFO, &siop), 0, "CIOCGSESSINFO");
		ok(!strcmp(siop.cipher_info.cra_name, modes[i].cra), "it is %s", modes[i].cra);
		printf("# %s by %s, alignmask %u, flags %u\n", siop.cipher_info.cra_name,
		       siop.cipher_info.cra_driver_name, siop.alignmask, siop.flags);
		ok(siop.ses == a && memchr(siop.cipher_info.cra_driver_name, 0, CRYPTODEV_MAX_ALG_NAME),
		   "its driver has a name");
		end_session(fd, a);
	}
	siop.ses = 12345;
	ok_errno(ioctl(fd, CIOCGSESSINFO, &siop), EINVAL, "CIOCGSESSINFO of an unknown session");
	ok_errno(ioctl(fd, CIOCGSESSINFO, bad), EFAULT, "CIOCGSESSINFO of a bad pointer");

	ok_errno(ioctl(fd, CIOCASYMFEAT, &word), 0, "CIOCASYMFEAT");
	ok(word == 0, "no public key operation");
	ok_errno(ioctl(fd, CIOCASYMFEAT, bad), EFAULT, "CIOCASYMFEAT of a bad pointer");
	ok_errno(ioctl(fd, CIOCKEY, buf), EINVAL, "CIOCKEY");
	ok_errno(ioctl(fd, CIOCASYNCCRYPT, buf), EINVAL, "CIOCASYNCCRYPT of an unknown session");
	ok_errno(ioctl(fd, CIOCASYNCFETCH, buf), EBUSY, "CIOCASYNCFETCH of nothing");
	ok_errno(ioctl(fd, CIOCAUTHCRYPT, buf), EINVAL, "CIOCAUTHCRYPT");
	ok_errno(ioctl(fd, CIOCAUTHCRYPT, bad), EFAULT, "CIOCAUTHCRYPT of a bad pointer");
	ok_errno(ioctl(fd, _IO('c', 200), buf), EINVAL, "an unknown ioctl");
	ok_errno(ioctl(fd, TIOCGWINSZ, buf), EINVAL, "a terminal's ioctl");

	a = must_session(CRYPTO_AES_CBC, 16);
	b = must_session(CRYPTO_AES_CBC, 16);
	ok(a != b, "two sessions have two ids");
	cph = (struct cphash_op){ a, b };
	ok_errno(ioctl(fd, CIOCCPHASH, &cph), EINVAL, "CIOCCPHASH of ciphers");
	cph = (struct cphash_op){ a, a };
	ok_errno(ioctl(fd, CIOCCPHASH, &cph), EDEADLK, "CIOCCPHASH onto itself");
	cph = (struct cphash_op){ a, a + b + 1 };
	ok_errno(ioctl(fd, CIOCCPHASH, &cph), ENOENT, "CIOCCPHASH of an unknown session");
	ok_errno(ioctl(fd, CIOCCPHASH, bad), EFAULT, "CIOCCPHASH of a bad pointer");

	if (cuse) {
		/* No program can give its callers descriptors. */
		ok_errno(ioctl(fd, CRIOGET, &copy), EINVAL, "CRIOGET");
	} else {
		ok_errno(ioctl(fd, CRIOGET, &copy), 0, "CRIOGET");
		ok(copy > 2 && copy != fd, "it is another descriptor");
		ok(!(fcntl(copy, F_GETFD) & FD_CLOEXEC), "not close-on-exec");
		ok_errno(do_crypt(copy, a, COP_ENCRYPT, buf, buf, 16, iv0), 0, "of the same file: its sessions work");
		close(copy);
		ok_errno(do_crypt(fd, a, COP_ENCRYPT, buf, buf, 16, iv0), 0, "and go on when it is closed");
		ok_errno(ioctl(fd, CRIOGET, bad), EFAULT, "CRIOGET of a bad pointer");
	}
	end_session(fd, a);
	end_session(fd, b);

	ok(poll(&p, 1, 0) == 1 && p.revents == POLLOUT, "poll: writable, not readable");
	ok(read(fd, buf, 1) == -1 && errno == EINVAL, "read is refused");
	ok(write(fd, buf, 1) == -1 && errno == EINVAL, "write is refused");
}

int main(int argc, char **argv)
{
	setup(argc, argv);
	fd = open_node();
	page = sysconf(_SC_PAGESIZE);
	fill(key, sizeof(key), 1);
	fill(iv0, sizeof(iv0), 2);

	/* A page, then nothing; and a page that can only be read. */
	uint8_t *map = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint8_t *edge = map + page;
	uint8_t *readonly = mmap(NULL, page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	munmap(edge, page);
	for (unsigned int i = 0; i < 3; i++) {
		const struct mode *m = &modes[i];

		if (!offered(m))
			continue;
		known_answers(m);
		lengths(m);
		chaining(m);
		if (m->id == CRYPTO_AES_CTR)
			ctr_carry();
		large(m);
	}
	session_errors(edge);
	crypt_errors(edge, edge, readonly);
	others(edge);
	return finish();
}
