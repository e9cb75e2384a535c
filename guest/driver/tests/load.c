// SPDX-License-Identifier: GPL-2.0
/*
 * Keeps a device busy, by ioctls that wait and by those that do not, until one
 * fails or the file /stop is there. Prints what ended it, a line a thread: 0 or
 * the error, and exits with 0 if all threads say the same.
 */
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness.h"

#define THREADS 6
#define LEN 65536
#define FLYING 32

static uint8_t key[16], iv0[16];

static bool stopped(void)
{
	return !access("/stop", F_OK);
}

static void waiting(int fd, uint32_t ses, uint8_t *buf, int len)
{
	while (!stopped())
		if (do_crypt(fd, ses, COP_ENCRYPT, buf, buf, len, iv0))
			return;
	errno = 0;
}

static void flying(int fd, uint32_t ses, uint8_t *buf)
{
	struct crypt_op op = { .ses = ses, .op = COP_ENCRYPT, .len = LEN / FLYING, .iv = iv0 };
	struct pollfd p = { .fd = fd, .events = POLLIN };
	int inside = 0;

	while (!stopped()) {
		for (; inside < FLYING; inside++) {
			op.src = op.dst = buf + inside * (LEN / FLYING);
			if (ioctl(fd, CIOCASYNCCRYPT, &op))
				return;
		}
		poll(&p, 1, -1);
		for (; inside; inside--)
			if (ioctl(fd, CIOCASYNCFETCH, &op)) {
				if (errno != EBUSY)
					return;
				break;
			}
	}
	errno = 0;
}

static void *busy(void *arg)
{
	long i = (long)arg;
	uint8_t *buf = calloc(1, LEN);
	int fd = open_node();
	uint32_t ses;

	if (!buf || new_session(fd, CRYPTO_AES_CBC, key, 16, &ses))
		return (void *)(long)(errno ? errno : ENOMEM);
	if (i % 3)
		waiting(fd, ses, buf, i % 3 == 1 ? LEN : 512);
	else
		flying(fd, ses, buf);
	return (void *)(long)errno;
}

int main(int argc, char **argv)
{
	pthread_t threads[THREADS];
	void *first = NULL, *rc;
	int differ = 0;

	setup(argc, argv);
	for (long i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, busy, (void *)i);
	for (int i = 0; i < THREADS; i++) {
		pthread_join(threads[i], &rc);
		printf("%s\n", rc ? strerror((long)rc) : "no error");
		if (!i)
			first = rc;
		differ += rc != first;
	}
	return differ != 0;
}
