// SPDX-License-Identifier: GPL-2.0
/*
 * The kernel's door, through AF_ALG: each algorithm of ours, by the name of its
 * driver, against the kernel's own code. Then the device is taken away and
 * brought back. Needs root, the modules algif_* and the driver's debugfs; not
 * for kernels whose AF_ALG leaves hardware out (from 7.2 on). With --quick one
 * algorithm and no more. With "silent" for the node the device is one that will
 * not answer the next request, and serves again once it was reset (restart=1).
 */
#include <dirent.h>
#include <fcntl.h>
#include <linux/if_alg.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "harness.h"

#ifndef SOL_ALG
#define SOL_ALG 279
#endif

#define SYSFS "/sys/bus/virtio/drivers/virtio_cryptodev"
#define STATS "/sys/kernel/debug/virtio_cryptodev/cryptodev0"
#define MAX 65536
#define AAD 20
#define TAG 16

static uint8_t text[MAX + AAD + TAG], key[600];

struct alg {
	const char *type, *ours, *generic;
	int keylen, ivlen;
};

/* A socket for the algorithm with its key set, or -1. */
static int transform(const char *type, const char *name, const void *k, int keylen)
{
	struct sockaddr_alg sa = { .salg_family = AF_ALG };
	int fd = socket(AF_ALG, SOCK_SEQPACKET, 0);

	strcpy((char *)sa.salg_type, type);
	strcpy((char *)sa.salg_name, name);
	if (bind(fd, (void *)&sa, sizeof(sa)) ||
	    (keylen && setsockopt(fd, SOL_ALG, ALG_SET_KEY, k, keylen)) ||
	    (!strcmp(type, "aead") && setsockopt(fd, SOL_ALG, ALG_SET_AEAD_AUTHSIZE, NULL, TAG))) {
		close(fd);
		return -1;
	}
	return fd;
}

/*
 * One operation of @len bytes; the length of the result, or -1. For a cipher
 * @room is what comes of it: a reader waits for more than that.
 */
static int operate(int fd, const struct alg *a, int op, const void *in, int len, void *out, int room)
{
	char control[CMSG_SPACE(4) * 2 + CMSG_SPACE(sizeof(struct af_alg_iv) + 16)] = { 0 };
	struct iovec iov = { (void *)in, len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control };
	struct cmsghdr *c = (void *)control;
	int op_fd = accept(fd, NULL, 0);
	int got = -1;

	if (op_fd < 0)
		return -1;
	if (strcmp(a->type, "hash")) {
		*c = (struct cmsghdr){ .cmsg_level = SOL_ALG, .cmsg_type = ALG_SET_OP, .cmsg_len = CMSG_LEN(4) };
		memcpy(CMSG_DATA(c), &op, 4);
		msg.msg_controllen = CMSG_SPACE(4);
		if (a->ivlen) {
			struct af_alg_iv *iv;

			c = (void *)(control + msg.msg_controllen);
			*c = (struct cmsghdr){ .cmsg_level = SOL_ALG, .cmsg_type = ALG_SET_IV,
					       .cmsg_len = CMSG_LEN(sizeof(*iv) + a->ivlen) };
			iv = (void *)CMSG_DATA(c);
			iv->ivlen = a->ivlen;
			fill(iv->iv, a->ivlen, 3);
			if (strstr(a->ours, "ccm"))
				iv->iv[0] = 3;	/* RFC 3610: L - 1 */
			msg.msg_controllen += CMSG_SPACE(sizeof(*iv) + a->ivlen);
		}
		if (!strcmp(a->type, "aead")) {
			int aad = AAD;

			c = (void *)(control + msg.msg_controllen);
			*c = (struct cmsghdr){ .cmsg_level = SOL_ALG, .cmsg_type = ALG_SET_AEAD_ASSOCLEN,
					       .cmsg_len = CMSG_LEN(4) };
			memcpy(CMSG_DATA(c), &aad, 4);
			msg.msg_controllen += CMSG_SPACE(4);
		}
	} else {
		msg.msg_control = NULL;
	}
	if (sendmsg(op_fd, &msg, 0) == len)
		got = read(op_fd, out, room);
	int saved = errno;

	close(op_fd);
	errno = saved;
	return got;
}

/* What the device did for the kernel, all queues together. */
static long served(void)
{
	FILE *f = fopen(STATS, "r");
	char name[64];
	long value, sum = 0;

	if (!f)
		return -1;
	while (fscanf(f, "%63s %ld", name, &value) >= 1)
		if (strstr(name, ".kernel_requests"))
			sum += value;
	fclose(f);
	return sum;
}

static void compare(const struct alg *a)
{
	static const int sizes[] = { 16, 48, 512, 4096, 4112, 20000, 40000, MAX };
	static uint8_t here[MAX + AAD + TAG], there[MAX + AAD + TAG];
	bool aead = !strcmp(a->type, "aead"), hash = !strcmp(a->type, "hash");
	int f = transform(a->type, a->ours, key, a->keylen);
	int g = transform(a->type, a->generic, key, a->keylen);
	long before = served();
	int wrong = 0;

	if (f < 0 || g < 0) {
		ok(false, "%s and %s are there (%d, %d)", a->ours, a->generic, f, g);
		return;
	}
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		int len = sizes[i];
		/* Of an AEAD all goes in one piece with its additional data. */
		int in = aead ? len + AAD : len;
		int room = hash ? 64 : aead ? in + TAG : len;
		int n, m;

		if (aead && len > 40000)
			continue;
		memset(here, 0, sizeof(here));
		memset(there, 0, sizeof(there));
		n = operate(f, a, ALG_OP_ENCRYPT, text, in, there, room);
		m = operate(g, a, ALG_OP_ENCRYPT, text, in, here, room);
		if (n <= 0 || n != m || memcmp(here + (aead ? AAD : 0), there + (aead ? AAD : 0),
					       n - (aead ? AAD : 0))) {
			fprintf(stderr, "# %s, %d bytes: %d, %d\n", a->ours, len, n, m);
			wrong++;
			continue;
		}
		if (hash)
			continue;
		memcpy(there, text, aead ? AAD : 0);
		n = operate(f, a, ALG_OP_DECRYPT, there, n, here, in);
		if (n != in || memcmp(here + (aead ? AAD : 0), text + (aead ? AAD : 0), len)) {
			fprintf(stderr, "# %s, %d bytes back: %d\n", a->ours, len, n);
			wrong++;
		}
		if (aead) {
			there[AAD + len / 2] ^= 1;
			if (operate(f, a, ALG_OP_DECRYPT, there, in + TAG, here, in) != -1 || errno != EBADMSG) {
				fprintf(stderr, "# %s, %d bytes: forged, and errno %d\n", a->ours, len, errno);
				wrong++;
			}
		}
	}
	ok(!wrong, "%s is %s", a->ours, a->generic);
	/* AF_ALG asks for hashes in parts, which are not the device's. */
	if (!hash)
		ok(served() > before, "and the device's work (%ld)", served() - before);
	close(f);
	close(g);
}

static char bound[64];

static int write_to(const char *file)
{
	char path[128];
	int fd, rc;

	snprintf(path, sizeof(path), SYSFS "/%s", file);
	fd = open(path, O_WRONLY);
	rc = fd >= 0 && write(fd, bound, strlen(bound)) == (ssize_t)strlen(bound) ? 0 : -1;
	close(fd);
	return rc;
}

static void unplug(void)
{
	static const struct alg cbc = { "skcipher", "virtio-cryptodev-cbc-aes", "", 16, 16 };
	uint8_t a[64], b[64];
	DIR *d = opendir(SYSFS);
	struct dirent *e;
	long before;

	while (d && (e = readdir(d)))
		if (!strncmp(e->d_name, "virtio", 6))
			snprintf(bound, sizeof(bound), "%.60s", e->d_name);
	if (d)
		closedir(d);
	int f = transform("skcipher", cbc.ours, key, 16);

	ok(operate(f, &cbc, ALG_OP_ENCRYPT, text, 64, a, 64) == 64, "a transformation works");
	ok_errno(write_to("unbind"), 0, "the device is taken away");
	ok(operate(f, &cbc, ALG_OP_ENCRYPT, text, 64, b, 64) == -1 && errno == ENODEV,
	   "then ENODEV (%d)", errno);
	int g = transform("skcipher", cbc.ours, key, 16);

	ok(g >= 0 && operate(g, &cbc, ALG_OP_ENCRYPT, text, 64, b, 64) == 64 && !memcmp(a, b, 64),
	   "a new one works all the same, by the kernel's own code");
	ok_errno(write_to("bind"), 0, "the device is back");
	ok(operate(f, &cbc, ALG_OP_ENCRYPT, text, 64, b, 64) == -1 && errno == ENODEV,
	   "not for the old one");
	int h = transform("skcipher", cbc.ours, key, 16);

	before = served();
	ok(h >= 0 && operate(h, &cbc, ALG_OP_ENCRYPT, text, 64, b, 64) == 64 && !memcmp(a, b, 64) &&
	   served() > before, "a new one is the device's");
	close(f);
	close(g);
	close(h);
}

#define WAITERS 6

static const struct alg reset_alg = { "skcipher", "virtio-cryptodev-cbc-aes", "", 16, 16 };

struct waiter {
	pthread_t thread;
	int fd, got, error;
};

static void *wait_one(void *arg)
{
	struct waiter *w = arg;
	uint8_t out[64];

	w->got = operate(w->fd, &reset_alg, ALG_OP_ENCRYPT, text, 64, out, 64);
	w->error = errno;
	return NULL;
}

/* A reset under requests: each ends, by the reset or by the device's next life. */
static void reset(void)
{
	static struct waiter waiters[WAITERS];
	int f = transform("skcipher", reset_alg.ours, key, 16);
	int g = transform("skcipher", "cbc(aes-generic)", key, 16);
	int failed = 0, done = 0, tries = 0;
	uint8_t a[64], b[64];

	if (f < 0 || g < 0)
		die("no transformations (%d, %d)", f, g);
	for (int i = 0; i < WAITERS; i++) {
		/* One of its own opens its session first, by the worker. */
		waiters[i].fd = i % 2 ? f : transform("skcipher", reset_alg.ours, key, 16);
		pthread_create(&waiters[i].thread, NULL, wait_one, &waiters[i]);
	}
	for (int i = 0; i < WAITERS; i++) {
		pthread_join(waiters[i].thread, NULL);
		failed += waiters[i].got == -1 && waiters[i].error == EIO;
		done += waiters[i].got == 64;
	}
	ok(failed && failed + done == WAITERS, "requests end when the device is reset: %d with EIO, %d done",
	   failed, done);
	/* Those that come now wait for the device; none may fail once it is up. */
	while (operate(f, &reset_alg, ALG_OP_ENCRYPT, text, 64, a, 64) != 64 && tries++ < 600)
		usleep(100000);
	ok(!tries, "the same transformation works at once after it (%d failed)", tries);
	ok(operate(g, &reset_alg, ALG_OP_ENCRYPT, text, 64, b, 64) == 64 && !memcmp(a, b, 64),
	   "and is right");
}

int main(int argc, char **argv)
{
	static const struct alg algs[] = {
		{ "skcipher", "virtio-cryptodev-ecb-aes", "ecb(aes-generic)", 24, 0 },
		{ "skcipher", "virtio-cryptodev-cbc-aes", "cbc(aes-generic)", 16, 16 },
		{ "skcipher", "virtio-cryptodev-ctr-aes", "ctr(aes-generic)", 32, 16 },
		{ "skcipher", "virtio-cryptodev-xts-aes", "xts(ecb(aes-generic))", 64, 16 },
		{ "aead", "virtio-cryptodev-gcm-aes", "gcm_base(ctr(aes-generic),ghash-generic)", 16, 12 },
		{ "aead", "virtio-cryptodev-ccm-aes", "ccm_base(ctr(aes-generic),cbcmac(aes-generic))", 32, 16 },
		{ "hash", "virtio-cryptodev-sha1", "sha1-generic", 0, 0 },
		{ "hash", "virtio-cryptodev-sha256", "sha256-generic", 0, 0 },
		{ "hash", "virtio-cryptodev-sha512", "sha512-generic", 0, 0 },
		{ "hash", "virtio-cryptodev-hmac-sha256", "hmac(sha256-generic)", 100, 0 },
	};
	uint8_t authenc[8 + 32 + 16] = { 8, 0, 1, 0, 0, 0, 0, 16 };	/* an rtattr, see crypto/authenc.h */
	static const struct alg chain = { "aead", "virtio-cryptodev-authenc-hmac-sha256-cbc-aes",
					  "authenc(hmac(sha256-generic),cbc(aes-generic))",
					  sizeof(authenc), 16 };

	setup(argc, argv);
	fill(text, sizeof(text), 1);
	fill(key, sizeof(key), 2);
	if (served() < 0)
		die("no counters in " STATS);
	if (!strcmp(node, "silent")) {
		reset();
		return finish();
	}
	if (quick) {
		compare(&algs[1]);
		return finish();
	}
	for (size_t i = 0; i < sizeof(algs) / sizeof(*algs); i++)
		compare(&algs[i]);
	fill(authenc + 8, sizeof(authenc) - 8, 5);
	memcpy(key, authenc, sizeof(authenc));
	compare(&chain);
	unplug();
	return finish();
}
