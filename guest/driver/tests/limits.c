// SPDX-License-Identifier: GPL-2.0
/* What one user may hold. Needs root; sets the module's parameters, and back. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"

#define PARAMS "/sys/module/virtio_cryptodev/parameters/"
#define ROOM 5
#define LEN 65536
#define FLYING 32

static uint8_t key[16], iv0[16];

static void set_param(const char *name, const char *value)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), PARAMS "%s", name);
	fd = open(path, O_WRONLY);
	if (fd < 0 || write(fd, value, strlen(value)) != (ssize_t)strlen(value))
		die("%s", path);
	close(fd);
}

/* As many sessions as can be had, up to ROOM and one. */
static int sessions(int fd, uint32_t *ses)
{
	int n = 0;

	while (n <= ROOM && !new_session(fd, CRYPTO_AES_CBC, key, 16, &ses[n]))
		n++;
	return n;
}

static void test_sessions(void)
{
	uint32_t ses[ROOM + 1], other[ROOM + 1];
	int fd = open_node(), fd2 = open_node(), status;
	pid_t pid;

	set_param("user_sessions", "5");
	ok(sessions(fd, ses) == ROOM && errno == ENOSPC, "a user has %d sessions, then ENOSPC", ROOM);
	ok(sessions(fd2, other) == 0 && errno == ENOSPC, "in another file too");
	ok(!end_session(fd, ses[0]) && sessions(fd2, other) == 1, "when one ends there is room for one");
	pid = fork();
	if (pid == 0) {
		fd = open(node, O_RDWR);
		_exit(setuid(12345) || sessions(fd, ses) ? 1 : 0);
	}
	waitpid(pid, &status, 0);
	ok(status == 0, "whose file it is counts, not who has it");
	pid = fork();
	if (pid == 0) {
		if (setuid(12345))
			_exit(1);
		fd = open_node();
		_exit(sessions(fd, ses) != ROOM);
	}
	waitpid(pid, &status, 0);
	ok(status == 0, "another user has as many");
	close(fd2);
	ok(sessions(fd, ses + 1) == 1, "a file that is closed gives its own back");
	close(fd);
	fd = open_node();
	ok(sessions(fd, ses) == ROOM, "all of them");
	close(fd);
	set_param("user_sessions", "4096");
}

/* Beyond the limit data is copied: all works, pinned or not, many at a time. */
static void test_pages(const char *limit)
{
	static uint8_t text[LEN + 1], want[LEN], out[FLYING][LEN + 1];
	struct crypt_op op = { .op = COP_ENCRYPT, .len = LEN, .src = text, .iv = iv0 };
	int fd = open_node(), wrong = 0, got = 0;

	fill(text, sizeof(text), 3);
	set_param("user_pages", limit);
	if (new_session(fd, CRYPTO_AES_CBC, key, 16, &op.ses))
		die("CIOCGSESSION");
	ok(!do_crypt_flags(fd, op.ses, COP_ENCRYPT, COP_FLAG_NO_ZC, text, want, LEN, iv0), "copied");
	for (int round = 0; round < 3; round++) {
		memset(out, 0, sizeof(out));
		for (int i = 0; i < FLYING; i++) {
			op.dst = out[i] + i % 2;
			wrong += ioctl(fd, CIOCASYNCCRYPT, &op) != 0;
		}
		for (got = 0; got < FLYING;) {
			struct crypt_op done;

			if (!ioctl(fd, CIOCASYNCFETCH, &done))
				got++;
			else if (errno != EBUSY)
				die("CIOCASYNCFETCH");
		}
		for (int i = 0; i < FLYING; i++)
			wrong += memcmp(out[i] + i % 2, want, LEN) != 0;
	}
	ok(!wrong, "%d operations at a time with room for %s pages (%d wrong)", FLYING, limit, wrong);
	close(fd);
	set_param("user_pages", "16384");
}

int main(int argc, char **argv)
{
	setup(argc, argv);
	fill(key, 16, 1);
	fill(iv0, 16, 2);
	test_sessions();
	test_pages("16384");
	test_pages("70");
	test_pages("1");
	return finish();
}
