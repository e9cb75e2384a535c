// SPDX-License-Identifier: GPL-2.0
/*
 * Asynchronous operations: many in flight, fetched as they are done, and what
 * becomes of them when their program goes.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "aes_ref.h"
#include "harness.h"

#define MANY 128	/* at least so many fit one file */
#define LEN 4096

static int fd;
static uint8_t key[16], iv0[16], *pool;
static bool theirs;	/* room for 64 is enough there */

static int submit(int f, uint32_t ses, int op, int flags, const void *src, void *dst, uint32_t len, void *iv, void *mac)
{
	struct crypt_op cop = { .ses = ses, .op = op, .flags = flags, .len = len, .src = (void *)src, .dst = dst, .iv = iv, .mac = mac };

	return ioctl(f, CIOCASYNCCRYPT, &cop);
}

static bool readable(int f, int ms)
{
	struct pollfd p = { .fd = f, .events = POLLIN };

	return poll(&p, 1, ms) == 1 && (p.revents & POLLIN);
}

/* Wait for one and fetch it. */
static int fetch(int f, struct crypt_op *cop)
{
	if (!readable(f, PATIENCE)) {
		errno = ETIMEDOUT;
		return -1;
	}
	return ioctl(f, CIOCASYNCFETCH, cop);
}

static void expect(const uint8_t *in, uint8_t *out, uint32_t len)
{
	struct aes_ref a;
	uint8_t iv[16];

	memcpy(iv, iv0, 16);
	aes_ref_key(&a, key, 16);
	aes_ref_cbc(&a, iv, in, out, len);
}

/* Many at once, each length and alignment another, in place and not. */
static void many(int flags)
{
	static uint8_t want[LEN + 64];
	bool seen[MANY] = { false };
	struct crypt_op cop;
	struct pollfd p = { .fd = fd, .events = POLLIN | POLLOUT };
	uint32_t ses;
	int n, got = 0, right = 0, bad = 0;

	if (new_session(fd, CRYPTO_AES_CBC, key, 16, &ses))
		die("session");
	ok(poll(&p, 1, 0) == 1 && p.revents == POLLOUT, "an idle file is writable");
	ok_errno(ioctl(fd, CIOCASYNCFETCH, &cop), EBUSY, "and has nothing to fetch");
	for (n = 0; n < MANY; n++) {
		uint8_t *in = pool + n * 3 * LEN + n % 16, *out = n % 2 ? in : in + LEN + 64;
		uint32_t len = 16 + n * 31 % 250 * 16;

		fill(in, len, n);
		if (submit(fd, ses, COP_ENCRYPT, flags, in, out, len, iv0, NULL))
			break;
	}
	if (theirs && n == 64)
		skip("here 64 are all");
	else
		ok(n == MANY, "%d operations are in flight on one file (%d)", MANY, n);
	while (got < n) {
		if (fetch(fd, &cop)) {
			ok_errno(-1, 0, "fetching the %dth", got);
			break;
		}
		got++;
		/* Which one is known by its place. */
		int i = (cop.src - pool) / (3 * LEN);
		uint8_t *in = pool + i * 3 * LEN + i % 16, copy[LEN];

		if (i < 0 || i >= n || seen[i] || cop.src != in) {
			bad++;
			continue;
		}
		seen[i] = true;
		fill(copy, cop.len, i);
		expect(copy, want, cop.len);
		right += !memcmp(cop.dst, want, cop.len);
	}
	ok(got == n && !bad, "each is fetched once");
	ok(right == n, "and is right (%d of %d)", right, n);
	ok_errno(ioctl(fd, CIOCASYNCFETCH, &cop), EBUSY, "then there are no more");
	ok(poll(&p, 1, 0) == 1 && p.revents == POLLOUT, "and the file is writable only");
	end_session(fd, ses);
}

/* No more than there is room for; what is refused was not begun. */
static void full(void)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	struct crypt_op cop;
	uint32_t ses;
	int n = 0;

	new_session(fd, CRYPTO_AES_CBC, key, 16, &ses);
	while (n < 100000 && !submit(fd, ses, COP_ENCRYPT, 0, pool, pool, 16, iv0, NULL))
		n++;
	ok(n < 100000 && errno == EBUSY, "a file has room for %d, then EBUSY", n);
	ok(poll(&p, 1, 0) == 0, "and is not writable");
	if (!fetch(fd, &cop))
		n--;
	ok(poll(&p, 1, 0) == 1, "until one is fetched");
	while (n && !fetch(fd, &cop))
		n--;
	ok(n == 0, "all can be fetched");
	end_session(fd, ses);
}

static void kinds(void)
{
	static uint8_t big[1 << 20], copy[1 << 20], want[1 << 20];
	uint8_t iv[16], mac[64] = { 0 }, mac2[64];
	struct session_op sop = { .mac = CRYPTO_SHA1 };
	struct crypt_op cop, h;
	uint32_t ses;
	bool good;

	new_session(fd, CRYPTO_AES_CBC, key, 16, &ses);
	fill(big, sizeof(big), 1);
	expect(big, want, sizeof(big));
	ok(!submit(fd, ses, COP_ENCRYPT, 0, big, copy, sizeof(big), iv0, NULL) && !fetch(fd, &cop) &&
	   !memcmp(copy, want, sizeof(big)), "a MiB");

	/* Without an IV an operation goes on from the one before. */
	good = true;
	for (int i = 0; i < 40; i++)
		good = good && !submit(fd, ses, COP_ENCRYPT, 0, big + i * 512, copy + i * 512, 512, i ? NULL : iv0, NULL);
	for (int i = 0; i < 40; i++)
		good = good && !fetch(fd, &cop);
	ok(good && !memcmp(copy, want, 40 * 512), "the IV is carried through 40 operations");

	memcpy(iv, iv0, 16);
	ok(!submit(fd, ses, COP_ENCRYPT, COP_FLAG_WRITE_IV, big, copy, 512, iv, NULL) && !fetch(fd, &cop) &&
	   !memcmp(iv, want + 496, 16), "WRITE_IV is written when fetched");
	memcpy(copy, want, 512);
	memcpy(iv, iv0, 16);
	ok(!submit(fd, ses, COP_DECRYPT, COP_FLAG_WRITE_IV, copy, copy, 512, iv, NULL) && !fetch(fd, &cop) &&
	   !memcmp(copy, big, 512) && !memcmp(iv, want + 496, 16), "decryption in place, and its IV");

	ioctl(fd, CIOCGSESSION, &sop);
	h = (struct crypt_op){ .ses = sop.ses, .len = 1000, .src = big, .mac = mac2 };
	ioctl(fd, CIOCCRYPT, &h);
	ok(!submit(fd, sop.ses, COP_ENCRYPT, 0, big, NULL, 1000, NULL, mac) && !fetch(fd, &cop) && !memcmp(mac, mac2, 20),
	   "a hash");
	end_session(fd, sop.ses);

	ok_errno(submit(fd, ses + 1, COP_ENCRYPT, 0, big, copy, 16, iv0, NULL), EINVAL, "unknown session");
	ok_errno(submit(fd, ses, COP_ENCRYPT, 0, big, copy, 16, (void *)8, NULL), EFAULT, "IV at a bad pointer");
	ok_errno(submit(fd, ses, 2, 0, big, copy, 16, iv0, NULL), 0, "an unknown operation is taken");
	ok_errno(fetch(fd, &cop), EINVAL, "and refused when fetched");
	ok_errno(submit(fd, ses, COP_ENCRYPT, 0, big, copy, 17, iv0, NULL), 0, "17 bytes are taken");
	ok_errno(fetch(fd, &cop), EINVAL, "and refused when fetched");

	/* A session may end before its operations do. */
	good = true;
	for (int i = 0; i < 32; i++)
		good = good && !submit(fd, ses, COP_ENCRYPT, 0, big, copy + i * 4096, 4096, iv0, NULL);
	end_session(fd, ses);
	for (int i = 0; i < 32; i++)
		good = good && !fetch(fd, &cop) && !memcmp(copy + i * 4096, want, 4096);
	ok(good, "operations outlive the end of their session");
}

/* What operations of shared() read and write. */
struct shared {
	uint8_t in[LEN], out[LEN], iv[16], mac[20];
};

/* A cipher's operation and a hash's: every kind of result. */
static void shared(uint32_t ses, uint32_t hash, int flags, struct shared *m)
{
	/* Who fetches has the IV and the MAC there. */
	if (!theirs)
		flags |= COP_FLAG_WRITE_IV;
	fill(m->in, LEN, 3);
	memcpy(m->iv, iv0, 16);
	if (submit(fd, ses, COP_ENCRYPT, flags, m->in, m->out, LEN, m->iv, NULL) ||
	    submit(fd, hash, COP_ENCRYPT, 0, m->in, NULL, LEN, NULL, m->mac))
		die("CIOCASYNCCRYPT");
}

/*
 * One process submits, another fetches: results are in the memory of the first,
 * and what the second has at the same addresses is left alone.
 */
static void forked(int flags)
{
	struct shared *m = mmap(NULL, sizeof(*m), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct session_op sop = { .mac = CRYPTO_SHA1 };
	uint8_t want[LEN], mac[20];
	struct shared before;
	struct crypt_op cop, h = { .len = LEN, .src = m->in, .mac = mac };
	uint32_t ses;
	int status;
	pid_t pid;

	new_session(fd, CRYPTO_AES_CBC, key, 16, &ses);
	if (ioctl(fd, CIOCGSESSION, &sop))
		die("SHA-1");
	shared(ses, sop.ses, flags, m);
	pid = fork();
	if (!pid) {
		before = *m;
		if (fetch(fd, &cop) || fetch(fd, &cop))
			_exit(errno);
		_exit(!theirs && memcmp(m, &before, sizeof(before)) ? 255 : 0);
	}
	waitpid(pid, &status, 0);
	ok(status == 0, "a child fetches, and nothing of it is written (%#x)", status);
	expect(m->in, want, LEN);
	h.ses = sop.ses;
	if (ioctl(fd, CIOCCRYPT, &h))
		die("CIOCCRYPT");
	ok(!memcmp(m->out, want, LEN), "what its parent has then (flags %d)", flags);
	if (theirs)
		skip("there IV and MAC are the child's");
	else
		ok(!memcmp(m->iv, want + LEN - 16, 16) && !memcmp(m->mac, mac, 20), "and the IV and the MAC");

	if (theirs) {
		skip("there memory that is gone is written");
		goto out;
	}
	pid = fork();
	if (!pid) {
		shared(ses, sop.ses, flags, m);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	before = *m;
	for (int i = 0; i < 2; i++) {
		int err = fetch(fd, &cop) ? errno : 0;

		/* What is done before CIOCASYNCCRYPT returns was written then. */
		ok(err == (cuse ? 0 : EFAULT), "who submitted is gone: %s (%d)", cop.mac ? "a MAC" : "data and IV", err);
	}
	ok(!memcmp(m, &before, sizeof(before)), "and nothing of who fetched is written");
out:
	munmap(m, sizeof(*m));
	end_session(fd, sop.ses);
	end_session(fd, ses);
}

/* epoll, where nobody asks again before it is told: both its ways. */
static void epolled(uint32_t how)
{
	struct epoll_event e = { .events = EPOLLIN | how };
	int ep = epoll_create1(0), left = 500, flying = 0;
	struct crypt_op cop;
	uint32_t ses;
	bool good = true;

	new_session(fd, CRYPTO_AES_CBC, key, 16, &ses);
	epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e);
	while (good && (left || flying)) {
		while (left && flying < 7) {
			good = good && !submit(fd, ses, COP_ENCRYPT, 0, pool, pool + LEN, 2048, iv0, NULL);
			left--;
			flying++;
		}
		good = good && epoll_wait(ep, &e, 1, PATIENCE) == 1;
		while (flying && !ioctl(fd, CIOCASYNCFETCH, &cop))
			flying--;
	}
	ok(good, "epoll tells of each%s", how ? ", at the edge" : "");
	close(ep);
	end_session(fd, ses);
}

/* Programs that go while their operations fly. */
static void gone(void)
{
	for (int i = 0; i < (quick ? 20 : 200); i++) {
		pid_t pid = fork();

		if (!pid) {
			int f = open_node();
			uint32_t ses;

			new_session(f, CRYPTO_AES_CBC, key, 16, &ses);
			for (int n = 0; n < 60; n++)
				submit(f, ses, COP_ENCRYPT, n % 2 ? COP_FLAG_NO_ZC : 0, pool, pool + n * LEN, LEN, iv0, NULL);
			if (i % 3 == 0)
				close(f);
			if (i % 3 == 1)
				_exit(0);
			for (;;)
				pause();
		}
		usleep(i * 37 % 3000);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	ok(true, "programs come and go");
	many(0);
}

int main(int argc, char **argv)
{
	setup(argc, argv);
	fd = open_node();
	theirs = getenv("CRYPTODEV_LINUX") != NULL;
	fill(key, 16, 1);
	fill(iv0, 16, 2);
	pool = mmap(NULL, MANY * 3 * LEN + LEN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	many(0);
	many(COP_FLAG_NO_ZC);
	full();
	kinds();
	forked(0);
	forked(COP_FLAG_NO_ZC);
	epolled(0);
	epolled(EPOLLET);
	gone();
	return finish();
}
