/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VCRYPTO_RAW_H
#define VCRYPTO_RAW_H

#include <stddef.h>
#include <stdint.h>

/* RAW_CBC_JOBS and RAW_CTR_JOBS go a job at a time, RAW_CBC and RAW_CTR in bursts. */
enum raw_kind { RAW_CBC, RAW_CTR, RAW_GCM, RAW_HMAC_SHA256, RAW_SHA256, RAW_CBC_JOBS, RAW_CTR_JOBS };

#define RAW_MAX_SIZE 65534 /* bytes, of a message to hash or MAC */

struct raw;

struct raw *raw_open(enum raw_kind kind, int decrypt, uint32_t depth, size_t size, size_t tag_len,
		     uint8_t *src, uint8_t *dst, const uint8_t *keys, size_t key_len, uint32_t n_keys);
/* Do n batches; returns nanoseconds, or -1 if a request failed. */
int64_t raw_run(struct raw *r, uint32_t n);
void raw_close(struct raw *r);

#endif
