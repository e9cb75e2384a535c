// SPDX-License-Identifier: GPL-2.0
/* Many at once: threads, processes, shared descriptors, kills, races. */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "aes_ref.h"
#include "harness.h"

#define THREADS 8
#define PROCS 8

static int rounds = 40;
static uint8_t key[16], iv0[16];

/* Encrypt, compare with the reference, decrypt, compare. */
static bool check(int fd, uint32_t ses, const uint8_t *k, uint32_t len, uint32_t seed)
{
	uint8_t *in = malloc(len), *want = malloc(len), *out = malloc(len);
	uint8_t iv[16], next[16];
	struct aes_ref a;
	bool good;

	fill(in, len, seed);
	fill(iv, 16, seed + 1);
	memcpy(next, iv, 16);
	aes_ref_key(&a, k, 16);
	aes_ref_cbc(&a, next, in, want, len);
	good = !do_crypt(fd, ses, COP_ENCRYPT, in, out, len, iv) && !memcmp(out, want, len) &&
	       !do_crypt(fd, ses, COP_DECRYPT, out, out, len, iv) && !memcmp(out, in, len);
	free(in);
	free(want);
	free(out);
	return good;
}

/* A session of one's own, or *shared; lengths from one block to two chunks. */
static bool work(int fd, const uint32_t *shared, uint32_t seed)
{
	uint8_t k[16];
	uint32_t ses;
	bool good = true;

	memcpy(k, key, 16);
	if (shared) {
		ses = *shared;
	} else {
		fill(k, 16, seed);
		if (new_session(fd, CRYPTO_AES_CBC, k, 16, &ses))
			return false;
	}
	for (int i = 0; i < rounds && good; i++) {
		uint32_t len = 16 * (1 + (seed * 31 + i * 7) % 256);

		if (i % 16 == 15)
			len = 144 * 1024;
		good = check(fd, ses, k, len, seed * 1000 + i);
	}
	if (!shared)
		good = !end_session(fd, ses) && good;
	return good;
}

struct job {
	pthread_t thread;
	int fd;
	const uint32_t *shared;
	uint32_t seed;
	bool good;
};

static void *run_job(void *arg)
{
	struct job *j = arg;

	j->good = work(j->fd, j->shared, j->seed);
	return NULL;
}

static bool threads(int fd, const uint32_t *shared)
{
	struct job jobs[THREADS];
	bool good = true;

	for (int i = 0; i < THREADS; i++) {
		jobs[i] = (struct job){ .fd = fd, .shared = shared, .seed = i + 1 };
		pthread_create(&jobs[i].thread, NULL, run_job, &jobs[i]);
	}
	for (int i = 0; i < THREADS; i++) {
		pthread_join(jobs[i].thread, NULL);
		good = good && jobs[i].good;
	}
	return good;
}

/* Eight children; each works on fd, or on its own if fd is -1. */
static bool procs(int fd, const uint32_t *shared)
{
	pid_t pids[PROCS];
	bool good = true;

	for (int i = 0; i < PROCS; i++) {
		pids[i] = fork();
		if (pids[i] == 0)
			_exit(!work(fd < 0 ? open_node() : fd, shared, i + 1));
	}
	for (int i = 0; i < PROCS; i++) {
		int status;

		good = waitpid(pids[i], &status, 0) == pids[i] && status == 0 && good;
	}
	return good;
}

/*
 * Operations without an IV on one session, from many threads: in some order
 * they are one chain. Each encrypts a zero block, so each result is the
 * encryption of another's.
 */
#define CHAIN_OPS 32
static uint8_t chain[THREADS][CHAIN_OPS][16];

struct chain_job {
	pthread_t thread;
	int fd, index;
	uint32_t ses;
};

static void *run_chain(void *arg)
{
	struct chain_job *j = arg;
	uint8_t zero[16] = { 0 };

	for (int i = 0; i < CHAIN_OPS; i++)
		do_crypt(j->fd, j->ses, COP_ENCRYPT, zero, chain[j->index][i], 16, NULL);
	return NULL;
}

static bool chained(int fd)
{
	struct chain_job jobs[THREADS];
	struct aes_ref a;
	uint8_t block[16] = { 0 };
	uint32_t ses;
	int found = 0;

	if (new_session(fd, CRYPTO_AES_CBC, key, 16, &ses))
		return false;
	for (int i = 0; i < THREADS; i++) {
		jobs[i] = (struct chain_job){ .fd = fd, .index = i, .ses = ses };
		pthread_create(&jobs[i].thread, NULL, run_chain, &jobs[i]);
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(jobs[i].thread, NULL);
	end_session(fd, ses);

	aes_ref_key(&a, key, 16);
	for (int n = 0; n < THREADS * CHAIN_OPS; n++) {
		aes_ref_block(&a, block, block);
		for (int i = 0; i < THREADS; i++)
			for (int j = 0; j < CHAIN_OPS; j++)
				found += !memcmp(chain[i][j], block, 16);
	}
	return found == THREADS * CHAIN_OPS;
}

/* One thread uses a session that another ends and replaces. */
static volatile uint32_t raced;
static volatile bool stop;

struct race_job {
	int fd;
	int done, refused, wrong;
};

static void *run_race(void *arg)
{
	struct race_job *j = arg;
	uint8_t *buf = malloc(64 * 1024);

	while (!stop) {
		if (!do_crypt(j->fd, raced, COP_ENCRYPT, buf, buf, 64 * 1024, iv0))
			j->done++;
		else if (errno == EINVAL)
			j->refused++;
		else
			j->wrong++;
	}
	free(buf);
	return NULL;
}

static void finish_race(int fd)
{
	struct race_job jobs[4] = { 0 };
	pthread_t t[4];
	int failed = 0, done = 0, refused = 0, wrong = 0;
	uint32_t ses;

	new_session(fd, CRYPTO_AES_CBC, key, 16, &ses);
	raced = ses;
	stop = false;
	for (int i = 0; i < 4; i++) {
		jobs[i].fd = fd;
		pthread_create(&t[i], NULL, run_race, &jobs[i]);
	}
	for (int i = 0; i < rounds * 5; i++) {
		failed += end_session(fd, raced) != 0;
		failed += new_session(fd, CRYPTO_AES_CBC, key, 16, &ses) != 0;
		raced = ses;
		usleep(500);
	}
	stop = true;
	for (int i = 0; i < 4; i++) {
		pthread_join(t[i], NULL);
		done += jobs[i].done;
		refused += jobs[i].refused;
		wrong += jobs[i].wrong;
	}
	printf("# %d done, %d refused\n", done, refused);
	ok(!failed && !wrong && done, "a session ended while it is used: served or EINVAL");
	end_session(fd, raced);
}

/* A descriptor closed while another thread's request is in flight. */
static void close_race(void)
{
	bool good = true;

	for (int i = 0; i < rounds / 4 + 1; i++) {
		struct race_job j = { .fd = open_node() };
		pthread_t t;
		uint32_t ses;

		new_session(j.fd, CRYPTO_AES_CBC, key, 16, &ses);
		raced = ses;
		stop = false;
		pthread_create(&t, NULL, run_race, &j);
		while (!*(volatile int *)&j.done)
			usleep(100);
		usleep(i * 37);
		close(j.fd);	/* the requests that follow get EBADF: wrong, here */
		stop = true;
		pthread_join(t, NULL);
		good = good && j.done;
	}
	ok(good, "a descriptor closed with requests in flight");
	int fd = open_node();
	uint32_t ses;

	ok(!new_session(fd, CRYPTO_AES_CBC, key, 16, &ses) && check(fd, ses, key, 4096, 1),
	   "the device works after it");
	close(fd);
}

/* SIGKILL to a process whose threads all have requests in flight. */
static void kills(void)
{
	double worst = 0;
	bool good = true;

	for (int i = 0; i < rounds / 2; i++) {
		int ready[2], status;
		char c;

		if (pipe(ready))
			die("pipe");
		pid_t pid = fork();

		if (pid == 0) {
			struct race_job j = { .fd = open_node() };
			pthread_t t;
			uint32_t ses;

			if (new_session(j.fd, CRYPTO_AES_CBC, key, 16, &ses))
				_exit(1);
			raced = ses;
			for (int k = 0; k < 4; k++)
				pthread_create(&t, NULL, run_race, &j);
			if (write(ready[1], "x", 1) != 1)
				_exit(1);
			/* And sessions, so that some are killed half open. */
			for (;;) {
				if (!new_session(j.fd, CRYPTO_AES_CBC, key, 16, &ses))
					end_session(j.fd, ses);
			}
		}
		close(ready[1]);
		good = read(ready[0], &c, 1) == 1 && good;
		close(ready[0]);
		usleep(500 + i * 731 % 20000);
		double t0 = now();

		kill(pid, SIGKILL);
		good = waitpid(pid, &status, 0) == pid && WIFSIGNALED(status) && good;
		if (now() - t0 > worst)
			worst = now() - t0;
	}
	printf("# slowest death: %.3f s\n", worst);
	ok(good, "%d processes killed in the middle", rounds / 2);
}

/* More sessions, one after the other, than a device holds: none may leak. */
static void no_leak(int fd)
{
	int made = 0, n = quick ? 300 : 600;
	uint8_t buf[16] = { 0 };
	uint32_t ses;

	while (made < n && !new_session(fd, CRYPTO_AES_CBC, key, 16, &ses) &&
	       !do_crypt(fd, ses, COP_ENCRYPT, buf, buf, 16, iv0) &&
	       !do_crypt(fd, ses, COP_DECRYPT, buf, buf, 16, iv0) && !end_session(fd, ses))
		made++;
	ok(made == n, "%d sessions one after the other (%d made)", n, made);

	bool good = true;

	for (int i = 0; i < 20 && good; i++) {
		int f = open_node();

		for (int j = 0; j < 40 && good; j++)
			good = !new_session(f, CRYPTO_AES_CBC, key, 16, &ses);
		close(f);	/* the sessions go with it */
	}
	ok(good, "800 sessions left to close()");
}

int main(int argc, char **argv)
{
	uint32_t ses;

	setup(argc, argv);
	if (quick)
		rounds = 16;
	fill(key, 16, 1);
	fill(iv0, 16, 2);
	int fd = open_node();

	if (new_session(fd, CRYPTO_AES_CBC, key, 16, &ses))
		die("CIOCGSESSION");
	ok(threads(fd, NULL), "%d threads, a session each, one descriptor", THREADS);
	ok(threads(fd, &ses), "%d threads, one session", THREADS);
	ok(chained(fd), "%d threads chain IVs in one session", THREADS);
	ok(procs(-1, NULL), "%d processes, each its own descriptor", PROCS);
	ok(procs(fd, NULL), "%d processes on a descriptor opened before the fork", PROCS);
	ok(procs(fd, &ses), "%d processes on a session opened before the fork", PROCS);
	ok(check(fd, ses, key, 4096, 5), "which the parent goes on using");
	finish_race(fd);
	close_race();
	kills();
	no_leak(fd);
	ok(check(fd, ses, key, 4096, 6), "the first session still works");
	close(fd);
	return finish();
}
