// SPDX-License-Identifier: GPL-2.0
/*
 * A device that stops answering. To be run against one that takes sessions
 * and answers no data request, with the module's timeout set to a few seconds.
 * With the module's restart=1 it must be one that serves again once it was
 * reset; without, whatever it does then.
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"

#define THREADS 5

static uint8_t key[16], iv0[16];

static bool module_restarts(void)
{
	FILE *f = fopen("/sys/module/virtio_cryptodev/parameters/restart", "r");
	int c = f ? fgetc(f) : EOF;

	if (c == EOF)
		die("the module's restart is not known");
	fclose(f);
	return c == 'Y';
}

static double module_timeout(void)
{
	FILE *f = fopen("/sys/module/virtio_cryptodev/parameters/timeout", "r");
	double t = 0;

	if (!f || fscanf(f, "%lf", &t) != 1 || t <= 0)
		die("the module's timeout is not known");
	fclose(f);
	return t;
}

struct job {
	pthread_t thread;
	int fd;
	uint32_t ses;
	int rc, error;
};

static void *one(void *arg)
{
	struct job *j = arg;
	uint8_t *buf = calloc(1, 200000);

	j->rc = do_crypt(j->fd, j->ses, COP_ENCRYPT, buf, buf, 160000, iv0);
	j->error = errno;
	free(buf);
	return NULL;
}

int main(int argc, char **argv)
{
	struct job jobs[THREADS];
	uint8_t buf[64] = { 0 };
	uint32_t ses;
	int wrong = 0, status;

	setup(argc, argv);
	double limit = module_timeout();
	int fd = open_node();

	if (new_session(fd, CRYPTO_AES_CBC, key, 16, &ses))
		die("CIOCGSESSION");
	double t0 = now();

	/* Killed while the device holds its request: it dies at once, not by the reset. */
	pid_t pid = fork();

	if (pid == 0) {
		do_crypt(fd, ses, COP_ENCRYPT, buf, buf, 64, iv0);
		_exit(0);
	}
	usleep(200000);
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	ok(WIFSIGNALED(status) && now() - t0 < limit, "a waiter can be killed (%.2f s)", now() - t0);

	for (int i = 0; i < THREADS; i++) {
		jobs[i] = (struct job){ .fd = fd, .ses = ses };
		if (i % 2 && new_session(fd, CRYPTO_AES_CBC, key, 16, &jobs[i].ses))
			die("CIOCGSESSION");
		pthread_create(&jobs[i].thread, NULL, one, &jobs[i]);
	}
	for (int i = 0; i < THREADS; i++) {
		pthread_join(jobs[i].thread, NULL);
		wrong += jobs[i].rc != -1 || jobs[i].error != EIO;
	}
	ok(!wrong, "all waiters got EIO");
	ok(now() - t0 > limit - 0.5, "after the timeout (%.1f s of %.1f s)",
	   now() - t0, limit);

	if (!module_restarts()) {
		t0 = now();
		ok_errno(do_crypt(fd, ses, COP_ENCRYPT, buf, buf, 64, iv0), EIO, "the device stays down: EIO");
		ok_errno(do_crypt(fd, ses, COP_DECRYPT, buf, buf, 64, iv0), EIO, "in the direction not used before too");
		ok_errno(new_session(fd, CRYPTO_AES_CBC, key, 16, &ses), EIO, "a new session: EIO");
		int other = open_node();

		ok_errno(new_session(other, CRYPTO_AES_CBC, key, 16, &ses), EIO, "by a new file too");
		ok_errno(end_session(fd, jobs[0].ses), 0, "a session ends all the same");
		close(other);
		close(fd);
		ok(now() - t0 < limit, "all of it at once");
		return finish();
	}

	/* The reset is done before the waiters wake, bringing it up takes a bit. */
	for (int i = 0; i < 600 && do_crypt(fd, ses, COP_ENCRYPT, buf, buf, 64, iv0); i++)
		usleep(100000);
	ok_errno(do_crypt(fd, ses, COP_ENCRYPT, buf, buf, 64, iv0), 0, "the session works after the reset");
	ok_errno(do_crypt(fd, ses, COP_DECRYPT, buf, buf, 64, iv0), 0, "in the direction not used before too");
	for (int i = 0; i < THREADS; i++)
		end_session(fd, jobs[i].ses);
	ok_errno(new_session(fd, CRYPTO_AES_CBC, key, 16, &ses), 0, "a new session");
	ok_errno(do_crypt(fd, ses, COP_ENCRYPT, buf, buf, 64, iv0), 0, "works");
	return finish();
}
