// SPDX-License-Identifier: GPL-2.0
/*
 * The device taken away while it is open and busy, and brought back; the module
 * held by open files. Needs root, sysfs and devtmpfs, and the driver bound to
 * exactly the devices it should serve; unbinds and binds the first.
 */
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "harness.h"

#define DRIVER "virtio_cryptodev"
#define SYSFS "/sys/bus/virtio/drivers/" DRIVER
#define THREADS 6

static uint8_t key[16], iv0[16];
static char bound[64];		/* virtioN */

static void find_device(void)
{
	DIR *d = opendir(SYSFS);
	struct dirent *e;

	if (!d)
		die("%s: is the module loaded?", SYSFS);
	while ((e = readdir(d)))
		if (!strncmp(e->d_name, "virtio", 6))
			snprintf(bound, sizeof(bound), "%.60s", e->d_name);
	closedir(d);
	if (!bound[0])
		die("no device is bound to " DRIVER);
}

static int write_to(const char *file, const char *what)
{
	char path[128];

	snprintf(path, sizeof(path), SYSFS "/%s", file);
	int fd = open(path, O_WRONLY);
	int rc = fd >= 0 && write(fd, what, strlen(what)) == (ssize_t)strlen(what) ? 0 : -1;

	close(fd);
	return rc;
}

struct job {
	pthread_t thread;
	int fd;
	uint32_t ses;
	uint32_t len;
	volatile int done;
	int error;	/* what ended it */
};

static void *busy(void *arg)
{
	struct job *j = arg;
	uint8_t *buf = calloc(1, j->len);

	while (!do_crypt(j->fd, j->ses, COP_ENCRYPT, buf, buf, j->len, iv0))
		j->done++;
	j->error = errno;
	free(buf);
	return NULL;
}

static bool works(int fd)
{
	uint8_t in[64] = "sixty-four bytes", out[64];
	uint32_t ses;

	return !new_session(fd, CRYPTO_AES_CBC, key, 16, &ses) &&
	       !do_crypt(fd, ses, COP_ENCRYPT, in, out, 64, iv0) && memcmp(in, out, 64) &&
	       !do_crypt(fd, ses, COP_DECRYPT, out, out, 64, iv0) && !memcmp(in, out, 64) &&
	       !end_session(fd, ses);
}

static int unload(void)
{
	return syscall(SYS_delete_module, DRIVER, O_NONBLOCK);
}

int main(int argc, char **argv)
{
	setup(argc, argv);
	fill(key, 16, 1);
	fill(iv0, 16, 2);
	find_device();

	for (int round = 0; round < (quick ? 2 : 5); round++) {
		struct job jobs[THREADS];
		int fd = open_node(), idle = open_node();
		uint8_t buf[16] = { 0 };
		uint32_t ses;
		int wrong = 0;

		ok(works(fd), "round %d: the device works", round);
		ok_errno(unload(), EAGAIN, "the module is held by open files");
		if (new_session(idle, CRYPTO_AES_CBC, key, 16, &ses))
			die("CIOCGSESSION");
		for (int i = 0; i < THREADS; i++) {
			jobs[i] = (struct job){ .fd = fd, .len = i % 2 ? 1 << 20 : 4096 };
			if (new_session(fd, CRYPTO_AES_CBC, key, 16, &jobs[i].ses))
				die("CIOCGSESSION");
			pthread_create(&jobs[i].thread, NULL, busy, &jobs[i]);
		}
		for (int i = 0; i < THREADS; i++)
			while (!jobs[i].done)
				usleep(1000);

		double t0 = now();

		ok_errno(write_to("unbind", bound), 0, "unbound while %d threads are busy", THREADS);
		for (int i = 0; i < THREADS; i++) {
			pthread_join(jobs[i].thread, NULL);
			wrong += jobs[i].error != ENODEV;
		}
		ok(!wrong, "every thread got ENODEV");
		printf("# within %.3f s\n", now() - t0);

		struct pollfd p = { .fd = fd, .events = POLLOUT };

		ok(poll(&p, 1, 0) == 1 && (p.revents & POLLHUP), "poll says that it hung up");
		ok_errno(do_crypt(idle, ses, COP_ENCRYPT, buf, buf, 16, iv0), ENODEV, "an open session: ENODEV");
		ok_errno(new_session(idle, CRYPTO_AES_CBC, key, 16, &ses), ENODEV, "a new session: ENODEV");
		ok_errno(end_session(idle, ses), 0, "but it can be ended");
		ok(access(node, F_OK) == -1 && errno == ENOENT, "%s is gone", node);
		ok_errno(unload(), EAGAIN, "open files still hold the module");

		ok_errno(write_to("bind", bound), 0, "bound again");
		int again = open_node();

		ok(works(again), "a new file works");
		ok_errno(do_crypt(fd, jobs[0].ses, COP_ENCRYPT, buf, buf, 16, iv0), ENODEV,
			 "an old one does not come back");
		close(fd);
		ok(works(again), "the new one works when the old ones are closed");
		close(idle);
		close(again);
	}
	return finish();
}
