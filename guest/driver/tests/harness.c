// SPDX-License-Identifier: GPL-2.0
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "harness.h"

const char *node = "/dev/crypto";
bool require_all;
bool quick;
bool cuse;
static int more_flags;

static int tests, failures;

void setup(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--require-all"))
			require_all = true;
		else if (!strcmp(argv[i], "--quick"))
			quick = true;
		else if (!strcmp(argv[i], "--cuse"))
			cuse = true;
		else if (!strcmp(argv[i], "--no-zc"))
			more_flags = COP_FLAG_NO_ZC;
		else if (argv[i][0] != '-')
			node = argv[i];
		else
			die("usage: %s [--require-all] [--quick] [--cuse] [--no-zc] [NODE]", argv[0]);
	}
}

static bool vok(bool cond, const char *note, const char *fmt, va_list ap)
{
	printf("%sok %d - ", cond ? "" : "not ", ++tests);
	vprintf(fmt, ap);
	printf("%s\n", note);
	failures += !cond;
	return cond;
}

bool ok(bool cond, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vok(cond, "", fmt, ap);
	va_end(ap);
	return cond;
}

bool ok_errno(int rc, int want, const char *fmt, ...)
{
	int got = rc == 0 ? 0 : rc == -1 ? errno : -1;
	char note[96] = "";
	va_list ap;

	if (got != want)
		snprintf(note, sizeof(note), " (want %s, got %s, returned %d)",
			 strerror(want), got < 0 ? "?" : strerror(got), rc);
	va_start(ap, fmt);
	vok(got == want, note, fmt, ap);
	va_end(ap);
	return got == want;
}

void skip(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vok(true, " # SKIP", fmt, ap);
	va_end(ap);
}

int finish(void)
{
	printf("1..%d\n", tests);
	if (failures)
		printf("# %d of %d failed\n", failures, tests);
	return failures != 0;
}

void die(const char *fmt, ...)
{
	int err = errno;
	va_list ap;

	printf("Bail out! ");
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf(" (%s)\n", strerror(err));
	exit(1);
}

int open_node(void)
{
	int fd = open(node, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		die("open %s", node);
	return fd;
}

int new_session(int fd, int cipher, const uint8_t *key, int keylen, uint32_t *ses)
{
	struct session_op sop = {
		.cipher = cipher, .keylen = keylen, .key = (uint8_t *)key,
	};
	int rc = ioctl(fd, CIOCGSESSION, &sop);

	if (!rc)
		*ses = sop.ses;
	return rc;
}

int end_session(int fd, uint32_t ses)
{
	return ioctl(fd, CIOCFSESSION, &ses);
}

int do_crypt_flags(int fd, uint32_t ses, int op, int flags, const void *src, void *dst, uint32_t len, const void *iv)
{
	struct crypt_op cop = {
		.ses = ses, .op = op, .flags = flags | more_flags, .len = len,
		.src = (void *)src, .dst = dst, .iv = (void *)iv,
	};

	return ioctl(fd, CIOCCRYPT, &cop);
}

int do_crypt(int fd, uint32_t ses, int op, const void *src, void *dst, uint32_t len, const void *iv)
{
	return do_crypt_flags(fd, ses, op, 0, src, dst, len, iv);
}

void fill(void *buf, size_t len, uint32_t seed)
{
	uint8_t *p = buf;
	uint32_t x = seed * 2654435761u + 1;

	for (size_t i = 0; i < len; i++) {
		x ^= x << 13;
		x ^= x >> 17;
		x ^= x << 5;
		p[i] = x;
	}
}

double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}
