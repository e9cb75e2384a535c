/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The kernel's door: the device's algorithms for users of the kernel's crypto
 * API (dm-crypt, TLS, IPsec, ...).
 *
 *   user -- crypto API --> skcipher.c, ahash.c, aead.c, akcipher.c
 *                          what a request is on the wire
 *                          kcrypto.c     whose device does it
 *                          kreq.c        sent at once if it can be, else queued
 *                          queue.c, session.c, message.c, as for /dev/crypto
 *
 * A request takes no memory: all it needs is in its context. Whatever the
 * device cannot do (a hash's part, data in too many pieces, a key it refuses)
 * is done by the kernel's own code, which each transformation has at hand.
 * An algorithm is registered when the first device offers it and until the
 * module goes, so never withdrawn under a user. A transformation belongs to
 * one device; when that is gone its requests get ENODEV. One that is made
 * while no device is there works by the kernel's code alone.
 */
#ifndef VIRTIO_CRYPTODEV_KCRYPTO_H
#define VIRTIO_CRYPTODEV_KCRYPTO_H

#include <crypto/algapi.h>
#include <linux/align.h>

#include "driver.h"

/* Pieces of data that a request's context has room for. */
#define VCD_KSEGS	8
#define VCD_KAAD_SEGS	4

/* No fallback may be one that needs one, or does not answer at once. */
#define VCD_FALLBACK_MASK	(CRYPTO_ALG_ASYNC | CRYPTO_ALG_NEED_FALLBACK)

struct vcd_kalg {
	const struct vcd_cipher *cipher;	/* or NULL */
	const struct vcd_hash *hash;		/* or NULL */
	bool registered;
	bool failed;				/* to register, which was logged */
	int (*add)(struct vcd_kalg *a, int priority);
	void (*del)(struct vcd_kalg *a);
};

/* The first thing in a transformation's context. */
struct vcd_ktfm {
	const struct vcd_kalg *alg;
	struct vcd_device *d;		/* NULL: none when it was made */
	struct vcd_session *s;		/* NULL: the device does not do it */
};

/* A request's context, aligned by vcd_kreq(). */
struct vcd_kreq {
	struct vcd_msg m;
	struct crypto_async_request *base;
	struct vcd_session *s;
	enum vcd_slot slot;
	unsigned int tries;
	/* The device has done it: what is left to do. Softirq. */
	int (*finish)(struct vcd_kreq *k);
	/* Do it in software; k itself is given up. Process context. */
	int (*fallback)(struct crypto_async_request *base, enum vcd_slot slot);

	struct scatterlist src_sg[VCD_KSEGS];
	struct scatterlist dst_sg[VCD_KSEGS];
	struct scatterlist aad_sg[VCD_KAAD_SEGS];
	u8 next_iv[VCD_BLOCK];
	u8 pad_in[VCD_BLOCK];		/* fill up a part block of CTR */
	u8 pad_out[VCD_BLOCK];
};

#define VCD_KREQ_SIZE	(sizeof(struct vcd_kreq) + __alignof__(struct vcd_kreq) - 1)

static inline struct vcd_kreq *vcd_kreq(void *ctx)
{
	return PTR_ALIGN(ctx, __alignof__(struct vcd_kreq));
}

/* kcrypto.c */
extern struct workqueue_struct *vcd_kwq;
int vcd_ktfm_init(struct vcd_ktfm *t, const struct vcd_kalg *a);
void vcd_ktfm_exit(struct vcd_ktfm *t);
struct vcd_session *vcd_ktfm_session(struct vcd_ktfm *t);
void vcd_ktfm_set(struct vcd_ktfm *t, struct vcd_session *s);
bool vcd_ktfm_usable(struct vcd_ktfm *t, u64 bytes);
void vcd_kcount_fallback(struct vcd_ktfm *t);

/* kreq.c */
int vcd_kslice(struct scatterlist *to, unsigned int room, struct scatterlist *from,
	       unsigned int off, unsigned int len, void *pad, unsigned int padlen);
int vcd_kreq_send(struct vcd_kreq *k, struct vcd_ktfm *t, struct crypto_async_request *base,
		  enum vcd_slot slot);

/* The algorithms by number from 0 on, and NULL. */
struct vcd_kalg *vcd_skciphers(unsigned int i);
struct vcd_kalg *vcd_ahashes(unsigned int i);
struct vcd_kalg *vcd_aeads(unsigned int i);
struct vcd_kalg *vcd_akciphers(unsigned int i);

#endif
