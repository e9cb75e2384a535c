// SPDX-License-Identifier: GPL-2.0
/*
 * Calls those examples of cryptodev-linux that are functions without a program:
 * what was encrypted is decrypted and compared, what was changed on the way is
 * refused, and what went over the wire is printed, to be compared with what
 * another /dev/crypto makes of the same.
 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <crypto/cryptodev.h>

#define TEXT	1000
#define ROOM	(TEXT + 64)	/* for a tag and padding */

static const uint8_t key[16] = "sixteen bytes...", iv[16] = "another sixteen.", auth[] = "in clear";
static uint8_t text[TEXT];
static uint8_t work[ROOM] __attribute__((aligned(64)));

#if defined(EXAMPLE_AES_GCM)
#include "aes-gcm.h"

#define TAG	16

static int open_it(struct cryptodev_ctx *ctx, int fd)
{
	return aes_gcm_ctx_init(ctx, fd, key, sizeof(key));
}

static int encrypt_it(struct cryptodev_ctx *ctx)
{
	return aes_gcm_encrypt(ctx, iv, auth, sizeof(auth), work, work, TEXT);
}

static int decrypt_it(struct cryptodev_ctx *ctx)
{
	return aes_gcm_decrypt(ctx, iv, auth, sizeof(auth), work, work, TEXT + TAG);
}

#define close_it aes_gcm_ctx_deinit

#elif defined(EXAMPLE_AES_SHA1)
#include "aes-sha1.h"

#define TAG	24	/* a digest of 20 bytes and padding to whole blocks */

static int open_it(struct cryptodev_ctx *ctx, int fd)
{
	return aes_sha1_ctx_init(ctx, fd, key, sizeof(key), key, sizeof(key));
}

static int encrypt_it(struct cryptodev_ctx *ctx)
{
	return aes_sha1_encrypt(ctx, iv, auth, sizeof(auth), work, TEXT);
}

static int decrypt_it(struct cryptodev_ctx *ctx)
{
	return aes_sha1_decrypt(ctx, iv, auth, sizeof(auth), work, TEXT + TAG);
}

#define close_it aes_sha1_ctx_deinit
#endif

int main(void)
{
	struct cryptodev_ctx ctx;
	uint8_t wire[ROOM];
	int fd = open("/dev/crypto", O_RDWR);

	if (fd < 0) {
		perror("open(/dev/crypto)");
		return 1;
	}
	for (int i = 0; i < TEXT; i++)
		text[i] = i;
	if (open_it(&ctx, fd))
		return 1;
	memcpy(work, text, TEXT);
	if (encrypt_it(&ctx))
		return 1;
	memcpy(wire, work, sizeof(wire));
	printf("wire: ");
	for (int i = 0; i < TEXT + TAG; i++)
		printf("%02x", wire[i]);
	printf("\n");
	if (decrypt_it(&ctx) || memcmp(work, text, TEXT)) {
		printf("FAIL: decrypted it is another text\n");
		return 1;
	}
	memcpy(work, wire, sizeof(wire));
	work[TEXT / 2] ^= 1;
	fclose(stderr);		/* it says why it refuses */
	if (!decrypt_it(&ctx)) {
		printf("FAIL: what was changed is taken\n");
		return 1;
	}
	close_it(&ctx);
	printf("passed\n");
	return 0;
}
