// SPDX-License-Identifier: GPL-2.0
/*
 * Memory that runs out. Each allocation that an operation makes is made to fail
 * once, by the kernel's fault injection (CONFIG_FAILSLAB, CONFIG_FAIL_PAGE_ALLOC,
 * CONFIG_FAULT_INJECTION_DEBUG_FS): the operation says ENOMEM, or does without.
 * Needs root and debugfs, and the driver bound to exactly one device.
 */
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "harness.h"

#define SYSFS "/sys/bus/virtio/drivers/virtio_cryptodev"
#define LEN 100000		/* of data: several segments, and a part of one */
#define TRIES 3000		/* allocations of one operation, at most */

static int nth = -1;		/* /proc/thread-self/fail-nth */
static int fd;
static uint32_t ses;
static uint8_t key[64], iv0[16], in[LEN], out[LEN + 64], want[LEN + 64];

static void set(const char *file, const char *to)
{
	char path[96];

	snprintf(path, sizeof(path), "/sys/kernel/debug/%s", file);
	int f = open(path, O_WRONLY);

	if (f < 0 || write(f, to, strlen(to)) < 0)
		die("%s: a kernel with fault injection is needed", path);
	close(f);
}

/* Have the n-th allocation from now on fail; 0: none. */
static void arm(int n)
{
	char s[16];
	int len = snprintf(s, sizeof(s), "%d", n);

	if (pwrite(nth, s, len, 0) != len)
		die("fail-nth");
}

/* Whether there was one so far. */
static bool disarm(void)
{
	char s[16] = "";

	if (pread(nth, s, sizeof(s) - 1, 0) <= 0)
		die("fail-nth");
	arm(0);
	return atoi(s) == 0;
}

/*
 * What an operation that may fail makes of memory that runs out at each place.
 * @len: bytes of out that are as without, whenever it succeeds.
 */
static void each(const char *name, int (*op)(void), size_t len)
{
	int failed = 0, without = 0, other = 0, wrong = 0, n;

	memset(out, 0, sizeof(out));
	if (op())
		die("%s, with memory", name);
	memcpy(want, out, sizeof(want));
	for (n = 1; n < TRIES; n++) {
		memset(out, 0, sizeof(out));
		arm(n);
		int rc = op(), err = errno;

		if (!disarm()) {
			wrong += rc || memcmp(out, want, len);
			break;
		}
		if (!rc) {
			without++;
			wrong += !!memcmp(out, want, len);
		} else if (err == ENOMEM) {
			failed++;
		} else {
			printf("# %s, allocation %d: %s\n", name, n, strerror(err));
			other++;
		}
		/* It leaves nothing behind that the next one suffers from. */
		memset(out, 0, sizeof(out));
		wrong += op() || memcmp(out, want, len);
	}
	ok(n < TRIES && !other && !wrong, "%s: of %d allocations %d are ENOMEM and %d not needed (others %d, wrong %d)",
	   name, n - 1, failed, without, other, wrong);
}

static int op_open(void)
{
	int f = open(node, O_RDWR | O_CLOEXEC);

	return f < 0 ? -1 : close(f);
}

static int op_dup(void)
{
	int f;

	return ioctl(fd, CRIOGET, &f) ? -1 : close(f);
}

static int a_session(struct session_op *sop)
{
	return ioctl(fd, CIOCGSESSION, sop) ? -1 : end_session(fd, sop->ses);
}

static int op_cipher(void)
{
	return a_session(&(struct session_op){ .cipher = CRYPTO_AES_CBC, .keylen = 16, .key = key });
}

/* And hashes in parts, for which the kernel's own code is needed. */
static int op_hmac(void)
{
	struct session_op sop = { .mac = CRYPTO_SHA2_256_HMAC, .mackeylen = 64, .mackey = key };
	int rc = ioctl(fd, CIOCGSESSION, &sop);

	if (rc)
		return rc;
	struct crypt_op cop = { .ses = sop.ses, .flags = COP_FLAG_RESET | COP_FLAG_UPDATE, .len = LEN, .src = in };

	rc = ioctl(fd, CIOCCRYPT, &cop);
	cop.flags = COP_FLAG_FINAL;
	cop.len = 0;
	cop.mac = out;
	if (!rc)
		rc = ioctl(fd, CIOCCRYPT, &cop);
	int err = errno;

	end_session(fd, sop.ses);
	errno = err;
	return rc;
}

static int op_hash(void)
{
	return ioctl(fd, CIOCCRYPT, &(struct crypt_op){ .ses = ses, .len = LEN, .src = in, .mac = out });
}

static int op_copied(void)
{
	return do_crypt_flags(fd, ses, COP_ENCRYPT, COP_FLAG_NO_ZC, in, out, LEN / 16 * 16, iv0);
}

static int op_pinned(void)
{
	return do_crypt(fd, ses, COP_ENCRYPT, in + 16, out, LEN / 16 * 16 - 16, iv0);
}

static int op_async(void)
{
	struct crypt_op cop = { .ses = ses, .op = COP_ENCRYPT, .len = 8192, .src = in, .dst = out, .iv = iv0 };
	struct pollfd p = { .fd = fd, .events = POLLIN };
	int rc = ioctl(fd, CIOCASYNCCRYPT, &cop);

	if (rc)
		return rc;
	/* What was sent is fetched, come what may. */
	while (poll(&p, 1, -1) < 0 && errno == ENOMEM)
		;
	return ioctl(fd, CIOCASYNCFETCH, &cop);
}

static int op_aead(void)
{
	struct crypt_auth_op op = { .ses = ses, .op = COP_ENCRYPT, .len = LEN, .auth_len = 3000, .auth_src = in,
		.src = in, .dst = out, .tag_len = 16, .iv = iv0, .iv_len = 12 };

	return ioctl(fd, CIOCAUTHCRYPT, &op);
}

static int op_tls(void)
{
	struct crypt_auth_op op = { .ses = ses, .op = COP_ENCRYPT, .flags = COP_FLAG_AEAD_TLS_TYPE, .len = 1000,
		.auth_len = 13, .auth_src = in, .src = in, .dst = out, .iv = iv0, .iv_len = 16 };

	memcpy(out, in, 1000);
	op.src = out;
	return ioctl(fd, CIOCAUTHCRYPT, &op);
}

static void in_session(const char *name, int (*op)(void), size_t len, struct session_op sop)
{
	if (ioctl(fd, CIOCGSESSION, &sop)) {
		skip("%s: not offered", name);
		return;
	}
	ses = sop.ses;
	each(name, op, len);
	end_session(fd, ses);
}

static int change(const char *file, const char *device)
{
	int f = open(file, O_WRONLY);
	int rc = write(f, device, strlen(device)) < 0 ? -1 : 0;
	int err = errno;

	close(f);
	errno = err;
	return rc;
}

/* Bringing the device up; it need not get so far, and may do without /dev/crypto. */
static void binding(void)
{
	struct dirent *e;
	char bound[64] = "";
	int n, failed = 0, wrong = 0;
	DIR *d = opendir(SYSFS);

	while (d && (e = readdir(d)))
		if (!strncmp(e->d_name, "virtio", 6))
			snprintf(bound, sizeof(bound), "%.60s", e->d_name);
	if (!bound[0])
		die(SYSFS ": no device");
	closedir(d);
	for (n = 1; n < TRIES; n++) {
		if (change(SYSFS "/unbind", bound))
			die("unbind");
		arm(n);
		int rc = change(SYSFS "/bind", bound);

		if (!disarm()) {
			wrong += !!rc;
			break;
		}
		failed += !!rc;
		if (!rc && access("/dev/cryptodev0", F_OK))
			wrong++;
		if (rc && change(SYSFS "/bind", bound))
			die("bind, with memory, after allocation %d", n);
	}
	ok(n < TRIES && !wrong, "bind: of %d allocations %d are an error, and the next bind none (wrong %d)", n - 1,
	   failed, wrong);
}

int main(int argc, char **argv)
{
	setup(argc, argv);
	for (const char *const *a = (const char *const[]){ "failslab", "fail_page_alloc", NULL }; *a; a++) {
		char file[64];

		snprintf(file, sizeof(file), "%s/verbose", *a);
		set(file, "0");
		snprintf(file, sizeof(file), "%s/ignore-gfp-wait", *a);
		set(file, "N");
	}
	set("fail_page_alloc/min-order", "0");
	nth = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	if (nth < 0)
		die("/proc/thread-self/fail-nth");
	/* Page faults are no part of it. */
	if (mlockall(MCL_CURRENT | MCL_FUTURE))
		die("mlockall");
	fill(key, sizeof(key), 1);
	fill(iv0, sizeof(iv0), 2);
	fill(in, sizeof(in), 3);

	binding();
	fd = open_node();
	struct session_op cbc = { .cipher = CRYPTO_AES_CBC, .keylen = 16, .key = key };

	in_session("a cipher on copied data", op_copied, LEN, cbc);
	in_session("a cipher on pinned pages", op_pinned, LEN, cbc);
	in_session("an asynchronous cipher", op_async, 8192, cbc);
	in_session("a hash", op_hash, 64, (struct session_op){ .mac = CRYPTO_SHA2_256 });
	in_session("an AEAD", op_aead, LEN + 16, (struct session_op){ .cipher = CRYPTO_AES_GCM, .keylen = 16, .key = key });
	in_session("a TLS record", op_tls, 1056, (struct session_op){ .cipher = CRYPTO_AES_CBC, .keylen = 16, .key = key,
		.mac = CRYPTO_SHA1_HMAC, .mackeylen = 20, .mackey = key });
	each("open", op_open, 0);
	each("CRIOGET", op_dup, 0);
	each("a session of a cipher", op_cipher, 0);
	each("a session of a MAC, used in parts", op_hmac, 32);
	close(fd);
	return finish();
}
