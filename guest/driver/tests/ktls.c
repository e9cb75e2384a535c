// SPDX-License-Identifier: GPL-2.0
/*
 * The kernel's TLS over loopback with AES-128-GCM: what one end writes the
 * other reads, and in between it is neither. Arguments: [TOTAL BYTES].
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <linux/tls.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "harness.h"

#ifndef TCP_ULP
#define TCP_ULP 31
#endif
#ifndef SOL_TLS
#define SOL_TLS 282
#endif

/* A record's most, and its header, nonce and tag (RFC 5246, 6.2; RFC 5288, 3). */
#define RECORD 16384
#define AROUND (5 + 8 + 16)

static void pair(int fd[2])
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);
	int l = socket(AF_INET, SOCK_STREAM, 0);

	if (l < 0 || bind(l, (void *)&a, sizeof(a)) || listen(l, 1) || getsockname(l, (void *)&a, &len))
		die("a listening socket");
	fd[0] = socket(AF_INET, SOCK_STREAM, 0);
	if (fd[0] < 0 || connect(fd[0], (void *)&a, sizeof(a)))
		die("connect");
	fd[1] = accept(l, NULL, NULL);
	if (fd[1] < 0)
		die("accept");
	close(l);
}

static int tls(int fd, int direction)
{
	struct tls12_crypto_info_aes_gcm_128 info = {
		.info = { .version = TLS_1_2_VERSION, .cipher_type = TLS_CIPHER_AES_GCM_128 },
	};

	fill(info.key, sizeof(info.key), 1);
	fill(info.salt, sizeof(info.salt), 2);
	fill(info.iv, sizeof(info.iv), 3);
	return setsockopt(fd, IPPROTO_TCP, TCP_ULP, "tls", sizeof("tls")) ||
	       setsockopt(fd, SOL_TLS, direction, &info, sizeof(info));
}

static size_t total = 4 << 20;
static uint8_t *text;

static void *writer(void *arg)
{
	int fd = *(int *)arg;
	size_t at = 0;

	/* In pieces of many lengths, so that records are of many lengths. */
	for (size_t n = 1; at < total; n = (n * 7 + 13) % 40000 + 1) {
		ssize_t rc = send(fd, text + at, n < total - at ? n : total - at, 0);

		if (rc <= 0)
			return (void *)1;
		at += rc;
	}
	return NULL;
}

int main(int argc, char **argv)
{
	static uint8_t raw[RECORD + AROUND];
	pthread_t thread;
	void *failed;
	size_t at = 0;
	uint8_t *got;
	int fd[2];

	if (argc > 1)
		total = strtoul(argv[1], NULL, 0);
	text = malloc(total);
	got = malloc(total);
	if (!text || !got)
		die("no memory");
	fill(text, total, 4);

	pair(fd);
	ok_errno(tls(fd[0], TLS_TX), 0, "a socket's sending end is the kernel's TLS");
	ok(send(fd[0], text, 1000, 0) == 1000, "a record is sent");
	ok(recv(fd[1], raw, 1000 + AROUND, MSG_WAITALL) == 1000 + AROUND, "it is a record");
	ok(raw[0] == 23 && raw[1] == 3 && raw[2] == 3 && !memmem(raw, sizeof(raw), text, 16),
	   "and not what was sent");
	close(fd[0]);
	close(fd[1]);

	pair(fd);
	ok_errno(tls(fd[0], TLS_TX), 0, "the sending end");
	ok_errno(tls(fd[1], TLS_RX), 0, "and the receiving end");
	pthread_create(&thread, NULL, writer, &fd[0]);
	while (at < total) {
		ssize_t n = recv(fd[1], got + at, total - at, 0);

		if (n <= 0)
			break;
		at += n;
	}
	/* One that failed to read must not leave the other waiting. */
	shutdown(fd[1], SHUT_RDWR);
	pthread_join(thread, &failed);
	ok(!failed && at == total && !memcmp(got, text, total), "%zu bytes through both: %zu", total, at);
	close(fd[0]);
	close(fd[1]);
	return finish();
}
