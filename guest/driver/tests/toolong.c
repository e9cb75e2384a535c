// SPDX-License-Identifier: GPL-2.0
/*
 * Operations longer than a request may be, on a device whose max_size is in the
 * environment's MAX_SIZE: what can be split is, the rest is EMSGSIZE. With
 * STRICT the device counts what a request reads and writes together. --quick:
 * only what cannot be split.
 */
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"

#define TAG 16
#define WHOLE (4 << 20)	/* the driver's own limit to what cannot be split */

static int fd;
static bool strict;
static uint32_t max;
static uint8_t key[64], iv0[16], *text, *out, *back;

static int auth(uint32_t ses, int op, const void *src, void *dst, uint32_t len, const void *aad, uint32_t aadlen)
{
	struct crypt_auth_op caop = {
		.ses = ses, .op = op, .src = (void *)src, .dst = dst, .len = len, .tag_len = TAG,
		.auth_src = (void *)aad, .auth_len = aadlen, .iv = iv0,
	};

	return ioctl(fd, CIOCAUTHCRYPT, &caop);
}

static bool untouched(void)
{
	for (uint32_t i = 0; i < 3 * max; i++)
		if (out[i])
			return false;
	return true;
}

static void gcm(uint32_t len, uint32_t aad, int want)
{
	uint32_t ses;

	if (len > WHOLE)
		want = EMSGSIZE;
	if (new_session(fd, CRYPTO_AES_GCM, key, 16, &ses))
		die("GCM");
	memset(out, 0, 3 * max);
	ok_errno(auth(ses, COP_ENCRYPT, text, out, len, text, aad), want, "GCM: %u bytes, %u AAD", len, aad);
	if (want) {
		ok(untouched(), "nothing is written");
		ok_errno(auth(ses, COP_DECRYPT, text, out, len + TAG, text, aad), want, "likewise decrypted");
	} else {
		ok(!auth(ses, COP_DECRYPT, out, back, len + TAG, text, aad) && !memcmp(text, back, len), "and back");
	}
	end_session(fd, ses);
}

static void xts(uint32_t len, int want)
{
	struct crypt_op cop = { .op = COP_ENCRYPT, .src = text, .dst = out, .len = len, .iv = iv0 };
	struct pollfd p = { .fd = fd, .events = POLLIN };
	uint32_t ses;

	if (len > WHOLE)
		want = EMSGSIZE;
	if (new_session(fd, CRYPTO_AES_XTS, key, 64, &ses))
		die("XTS");
	memset(out, 0, 3 * max);
	ok_errno(do_crypt(fd, ses, COP_ENCRYPT, text, out, len, iv0), want, "XTS: %u bytes", len);
	if (want)
		ok(untouched(), "nothing is written");
	else
		ok(!do_crypt(fd, ses, COP_DECRYPT, out, back, len, iv0) && !memcmp(text, back, len), "and back");
	cop.ses = ses;
	if (ioctl(fd, CIOCASYNCCRYPT, &cop))
		die("CIOCASYNCCRYPT");
	if (ok(poll(&p, 1, PATIENCE) == 1 && (p.revents & POLLIN), "submitted it ends"))
		ok_errno(ioctl(fd, CIOCASYNCFETCH, &cop), want, "and when fetched");
	end_session(fd, ses);
}

/* Ciphers are split where that changes nothing. */
static void split(int cipher, const char *name, int flags)
{
	uint32_t ses, len = 3 * max;
	uint8_t iv[16], *want = malloc(len);
	bool good = true;

	if (new_session(fd, cipher, key, 16, &ses))
		die("%s", name);
	/* By small steps, each going on from the last. */
	memcpy(iv, iv0, 16);
	for (uint32_t at = 0; at < len; at += 1024)
		good = good && !do_crypt(fd, ses, COP_ENCRYPT, text + at, want + at, 1024, at ? NULL : iv);
	ok(good && !do_crypt_flags(fd, ses, COP_ENCRYPT, flags, text, out, len, iv0) && !memcmp(out, want, len),
	   "%s: %u bytes, flags %d", name, len, flags);
	ok(!do_crypt_flags(fd, ses, COP_DECRYPT, flags, out, back, len, iv0) && !memcmp(text, back, len), "and back");
	end_session(fd, ses);
	free(want);
}

static void hash(int mac, const char *name)
{
	struct session_op sop = { .mac = mac, .mackey = key, .mackeylen = 16 };
	uint8_t whole[64] = { 0 }, parts[64] = { 1 };
	struct crypt_op cop = { .src = text, .len = 3 * max, .mac = whole };
	bool good;

	if (ioctl(fd, CIOCGSESSION, &sop))
		die("%s", name);
	cop.ses = sop.ses;
	good = !ioctl(fd, CIOCCRYPT, &cop);
	cop.mac = parts;
	cop.len = max;
	for (int i = 0; i < 3; i++) {
		cop.src = text + i * max;
		cop.flags = COP_FLAG_UPDATE | (i ? 0 : COP_FLAG_RESET) | (i < 2 ? 0 : COP_FLAG_FINAL);
		good = good && !ioctl(fd, CIOCCRYPT, &cop);
	}
	ok(good && !memcmp(whole, parts, 20) && memcmp(whole, back, 20), "%s: %u bytes at once and in parts", name, 3 * max);
	end_session(fd, sop.ses);
}

int main(int argc, char **argv)
{
	const char *size = getenv("MAX_SIZE");

	setup(argc, argv);
	strict = getenv("STRICT") != NULL;
	max = size ? strtoul(size, NULL, 10) : 0;
	if (!max || max % 4096)
		die("MAX_SIZE is to be the device's max_size, a multiple of 4096");
	fd = open_node();
	text = malloc(3 * max + TAG);
	out = malloc(3 * max + TAG);
	back = calloc(3, max + TAG);
	if (!text || !out || !back)
		die("memory");
	fill(key, sizeof(key), 1);
	fill(iv0, 16, 2);
	fill(text, 3 * max + TAG, 3);

	/* IV, AAD and tag are less than 256 bytes here. */
	gcm(max / 2 - 256, 100, 0);
	gcm(max - 100, 100, strict ? EMSGSIZE : 0);
	gcm(max - 100, 101, EMSGSIZE);
	gcm(2 * max, 0, EMSGSIZE);
	xts(max / 2 - 16, 0);
	xts(max, strict ? EMSGSIZE : 0);
	xts(max + 16, EMSGSIZE);
	if (quick)
		return finish();
	split(CRYPTO_AES_CBC, "CBC", 0);
	split(CRYPTO_AES_CBC, "CBC", COP_FLAG_NO_ZC);
	split(CRYPTO_AES_CTR, "CTR", 0);
	hash(CRYPTO_SHA1, "SHA-1");
	hash(CRYPTO_SHA2_256_HMAC, "HMAC-SHA-256");
	return finish();
}
