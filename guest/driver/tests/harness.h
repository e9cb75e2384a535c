/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the test programs share: TAP output, and the ioctls as functions.
 * A program exits with 0 if no test failed, else with 1.
 */
#ifndef HARNESS_H
#define HARNESS_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <crypto/cryptodev.h>

extern const char *node;	/* the device under test */
extern bool require_all;	/* a cipher that is not offered is a failure */
extern bool quick;
extern bool cuse;		/* the node is a program's, not a driver's */

/*
 * Arguments: [--require-all] [--quick] [--cuse] [--no-zc] [NODE]. With --no-zc every
 * CIOCCRYPT has COP_FLAG_NO_ZC: cryptodev-linux itself, on which these tests
 * can be checked, does not survive some bad pointers without.
 */
void setup(int argc, char **argv);
/* One test. Returns cond. Not from several threads or processes at once. */
bool ok(bool cond, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* A test whose condition is that rc is -1 with errno want; or 0 if want is 0. */
bool ok_errno(int rc, int want, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void skip(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* The plan line; returns the exit code. */
int finish(void);
/* For what cannot be tested on: says why, exits with 1. */
void die(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));

int open_node(void);
/* CIOCGSESSION: 0 and *ses, or -1 with errno. */
int new_session(int fd, int cipher, const uint8_t *key, int keylen, uint32_t *ses);
int end_session(int fd, uint32_t ses);
/* CIOCCRYPT. */
int do_crypt_flags(int fd, uint32_t ses, int op, int flags, const void *src, void *dst, uint32_t len, const void *iv);
int do_crypt(int fd, uint32_t ses, int op, const void *src, void *dst, uint32_t len, const void *iv);

/* Bytes from a seed: the same each time. */
void fill(void *buf, size_t len, uint32_t seed);
double now(void);	/* seconds */

/* How long poll waits, in ms, for what must happen: only a hang takes that. */
#define PATIENCE 600000

#endif
