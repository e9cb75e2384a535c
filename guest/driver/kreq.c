// SPDX-License-Identifier: GPL-2.0
/*
 * The requests of the kernel's door: how they come to the device and back.
 *
 * They may come in softirqs, where a session cannot be opened. Those that need
 * one, and those that find the ring full, wait in the device's queue for its
 * worker. MAY_BACKLOG is honoured there.
 */
#include <crypto/internal/aead.h>
#include <crypto/internal/akcipher.h>
#include <crypto/internal/hash.h>
#include <crypto/internal/skcipher.h>
#include <linux/sched/mm.h>

#include "kcrypto.h"
#include "trace.h"

/* Requests that wait for a device's worker; more are the caller's backlog. */
#define VCD_KQUEUE_LEN	512
/* How often a request is sent before its loss is an error. */
#define VCD_KTRIES	3

/**
 * vcd_kslice() - a part of a list of memory as a list of its own
 * @to: the new list
 * @room: its entries
 * @from: the list
 * @off: bytes of it to leave out
 * @len: bytes to take, not 0
 * @pad: memory behind them
 * @padlen: bytes of that
 *
 * What @to has no room for it takes from @from as it is, if that ends there.
 *
 * Return: how many entries, or -E2BIG.
 */
int vcd_kslice(struct scatterlist *to, unsigned int room, struct scatterlist *from,
	       unsigned int off, unsigned int len, void *pad, unsigned int padlen)
{
	unsigned int slots = padlen ? room - 1 : room;
	unsigned int n = 0, part;
	struct scatterlist *sg;

	sg_init_table(to, room);
	for (; len; from = sg_next(from)) {
		if (!from)
			return -E2BIG;
		if (off >= from->length) {
			off -= from->length;
			continue;
		}
		part = min(len, from->length - off);
		if (n == slots - 1 && part < len && !off && !padlen) {
			/* The rest must be a list that ends where we do. */
			int rest = 0;

			for (sg = from; sg; sg = sg_next(sg), rest++) {
				if (!sg->length || sg->length > len)
					return -E2BIG;
				len -= sg->length;
			}
			if (len)
				return -E2BIG;
			sg_unmark_end(&to[room - 1]);
			sg_chain(to, room, from);
			return n + rest;
		}
		if (n == slots)
			return -E2BIG;
		sg_set_page(&to[n++], sg_page(from), part, from->offset + off);
		len -= part;
		off = 0;
	}
	if (padlen)
		sg_set_buf(&to[n++], pad, padlen);
	sg_mark_end(&to[n - 1]);
	return n;
}

static struct vcd_kreq *vcd_kreq_of(struct crypto_async_request *base)
{
	switch (crypto_tfm_alg_type(base->tfm)) {
	case CRYPTO_ALG_TYPE_SKCIPHER:
		return vcd_kreq(skcipher_request_ctx(skcipher_request_cast(base)));
	case CRYPTO_ALG_TYPE_AEAD:
		return vcd_kreq(aead_request_ctx(container_of(base, struct aead_request, base)));
	case CRYPTO_ALG_TYPE_AKCIPHER:
		return vcd_kreq(akcipher_request_ctx(container_of(base, struct akcipher_request,
								 base)));
	default:
		return vcd_kreq(ahash_request_ctx(ahash_request_cast(base)));
	}
}

/* Callbacks are made with softirqs off, as their callers expect. */
static void vcd_kcomplete(struct crypto_async_request *base, int err)
{
	local_bh_disable();
	crypto_request_complete(base, err);
	local_bh_enable();
}

/* The request is its user's again; @k is not to be touched after. */
static void vcd_kreq_done(struct vcd_kreq *k, int err)
{
	struct crypto_async_request *base = k->base;

	vcd_session_put_later(k->s);
	vcd_kcomplete(base, err);
}

/* The worker holds the device: its last user may go with the last request. */
void vcd_kwake(struct vcd_device *d)
{
	vcd_get(d);
	if (!queue_work(vcd_kwq, &d->kwork))
		vcd_put(d);	/* not the last: who calls holds one */
}

/* Into the worker's queue; what the user is told. */
static int vcd_kqueue(struct vcd_device *d, struct vcd_kreq *k)
{
	unsigned long flags;
	int err;

	/* The worker is woken before it can take it, and the device with it. */
	spin_lock_irqsave(&d->kq_lock, flags);
	err = crypto_enqueue_request(&d->kq, k->base);
	if (err != -ENOSPC)
		vcd_kwake(d);
	spin_unlock_irqrestore(&d->kq_lock, flags);
	return err;
}

/* Back into it, in front: it was accepted already. */
static void vcd_krequeue(struct vcd_device *d, struct vcd_kreq *k, bool wake)
{
	unsigned long flags;

	spin_lock_irqsave(&d->kq_lock, flags);
	crypto_enqueue_request_head(&d->kq, k->base);
	if (wake)
		vcd_kwake(d);
	spin_unlock_irqrestore(&d->kq_lock, flags);
}

static void vcd_knotify(struct vcd_req *req)
{
	struct vcd_queue *q = req->queue;
	unsigned long flags;

	spin_lock_irqsave(&q->kdone_lock, flags);
	list_add_tail(&req->link, &q->kdone);
	spin_unlock_irqrestore(&q->kdone_lock, flags);
	tasklet_schedule(&q->kdone_task);
}

/*
 * The device's ERR to an RSA operation is a fault of its own, or a number that is
 * not below the modulus, which is EINVAL: the kernel's own code can tell.
 */
static bool vcd_kunsure(const struct vcd_kreq *k)
{
	const struct vcd_cipher *c = k->s->cipher;

	return c && c->kind == VCD_RSA && vcd_msg_refused(&k->m);
}

/* What the device returned. */
static void vcd_kdone(struct tasklet_struct *task)
{
	struct vcd_queue *q = container_of(task, struct vcd_queue, kdone_task);
	struct vcd_device *d = q->dev;
	struct vcd_req *req, *next;
	LIST_HEAD(done);

	spin_lock_irq(&q->kdone_lock);
	list_splice_init(&q->kdone, &done);
	spin_unlock_irq(&q->kdone_lock);
	list_for_each_entry_safe(req, next, &done, link) {
		struct vcd_kreq *k = container_of(req, struct vcd_kreq, m.req);
		int err = vcd_msg_result(&k->m);

		list_del_init(&req->link);
		trace_vcd_reap(req, err);
		if (err == -ESTALE)
			vcd_session_lost(k->s, k->slot, k->m.id, req->gen);
		if (err == -EIO && vcd_kunsure(k))
			err = -EOPNOTSUPP;
		if ((err == -ESTALE && --k->tries) || err == -EOPNOTSUPP) {
			if (err == -EOPNOTSUPP)
				k->tries = 0;
			vcd_krequeue(d, k, true);
			continue;
		}
		if (!err)
			err = k->finish(k);
		vcd_kreq_done(k, err == -ESTALE ? -EIO : err);
	}
}

static void vcd_kreq_prepare(struct vcd_kreq *k, u64 id, u32 gen, struct vcd_lists *l)
{
	vcd_msg_prepare(&k->m, k->s, k->slot, id, gen);
	k->m.req.notify = vcd_knotify;
	k->m.req.by_irq = true;
	k->m.req.kernel = true;
	vcd_msg_lists(&k->m, l);
}

/**
 * vcd_kreq_send() - send a request whose header and data are set
 * @k: the request; finish and fallback are set too
 * @t: its transformation, usable
 * @base: the request of the crypto API that it is
 * @slot: which of its session's on the wire
 *
 * Any context.
 *
 * Return: -EINPROGRESS, -EBUSY (in the backlog; both complete later), -ENOSPC
 * (there is no room, and the user takes no backlog), -ENODEV (the device is
 * gone), -EIO (it is down).
 */
int vcd_kreq_send(struct vcd_kreq *k, struct vcd_ktfm *t, struct crypto_async_request *base,
		  enum vcd_slot slot)
{
	struct vcd_session *s = t->s;
	struct vcd_device *d = s->dev;
	struct vcd_lists l;
	unsigned int seen;
	u64 id;
	u32 gen;
	int err;

	switch (READ_ONCE(d->state)) {
	case VCD_GONE:
		return -ENODEV;
	case VCD_DEAD:
		return -EIO;
	default:
		break;
	}
	k->base = base;
	k->s = s;
	k->slot = slot;
	k->tries = VCD_KTRIES;
	kref_get(&s->ref);

	/* Behind those that wait; and only the worker opens sessions. */
	err = -EAGAIN;
	if (!READ_ONCE(d->kq.qlen) && vcd_session_ready(s, slot, &id, &gen)) {
		vcd_kreq_prepare(k, id, gen, &l);
		err = vcd_try_submit(&k->m.req, l.sgs, l.out, l.total - l.out, &seen);
	}
	if (!err)
		return -EINPROGRESS;
	/* The worker can wait, for room or a start, and can do without memory. */
	if (err == -EAGAIN || err == -ENOSPC || err == -ESTALE || err == -ENOMEM ||
	    (err == -EIO && READ_ONCE(d->state) != VCD_DEAD)) {
		err = vcd_kqueue(d, k);
	}
	/* Once queued the request may be done by now: k is no longer ours. */
	if (err != -EINPROGRESS && err != -EBUSY)
		vcd_session_put_later(s);
	return err;
}

static void vcd_kfallback(struct vcd_kreq *k)
{
	int (*fallback)(struct crypto_async_request *base, enum vcd_slot slot) = k->fallback;
	struct crypto_async_request *base = k->base;
	enum vcd_slot slot = k->slot;
	struct vcd_session *s = k->s;

	atomic_long_inc(&s->dev->fallbacks);
	vcd_kcomplete(base, fallback(base, slot));
	vcd_session_put_later(s);
}

/* Whether the device is up, once a start or a reset that is under way is over. */
static bool vcd_kup(struct vcd_device *d)
{
	bool up;

	mutex_lock(&d->lock);
	up = d->state == VCD_UP;
	mutex_unlock(&d->lock);
	return up;
}

/*
 * Open its session if need be, and send it, whatever time that takes. False:
 * the device is down and may come up again.
 */
static bool vcd_kreq_work(struct vcd_kreq *k)
{
	struct vcd_device *d = k->s->dev;
	struct vcd_lists l;
	u64 id;
	u32 gen;
	int err;

	do {
		err = k->tries ? vcd_session_open(k->s, k->slot, &id, &gen) : -EOPNOTSUPP;
		switch (err) {
		case 0:
			vcd_kreq_prepare(k, id, gen, &l);
			err = vcd_submit(&k->m.req, l.sgs, l.out, l.total - l.out);
			if (!err)
				return true;
			break;
		case -EINVAL:
		case -EREMOTEIO:
			WRITE_ONCE(k->s->refused, true);
			err = -EOPNOTSUPP;
			break;
		default:
			break;
		}
	} while ((err == -ESTALE || (err == -EIO && vcd_kup(d))) && --k->tries);

	switch (err) {
	case -EOPNOTSUPP:
	case -ENOSPC:
	case -EBUSY:
	case -ENOMEM:	/* for a session, or to map the data */
		vcd_kfallback(k);
		return true;
	}
	if (err == -EIO && READ_ONCE(d->state) == VCD_DOWN) {
		/* Who brings it up, or gives it up, wakes us. */
		vcd_krequeue(d, k, false);
		return false;
	}
	vcd_kreq_done(k, err == -ESTALE || err == -EINTR ? -EIO : err);
	return true;
}

static void vcd_kwork(struct work_struct *work)
{
	struct vcd_device *d = container_of(work, struct vcd_device, kwork);
	struct crypto_async_request *base, *backlog;
	/* It may be the way to the disk that memory is to be freed by. */
	unsigned int noio = memalloc_noio_save();

	do {
		spin_lock_irq(&d->kq_lock);
		backlog = crypto_get_backlog(&d->kq);
		base = crypto_dequeue_request(&d->kq);
		spin_unlock_irq(&d->kq_lock);
		if (backlog)
			vcd_kcomplete(backlog, -EINPROGRESS);
		cond_resched();
	} while (base && vcd_kreq_work(vcd_kreq_of(base)));
	memalloc_noio_restore(noio);
	vcd_put(d);
}

void vcd_kcrypto_device_init(struct vcd_device *d)
{
	crypto_init_queue(&d->kq, VCD_KQUEUE_LEN);
	spin_lock_init(&d->kq_lock);
	INIT_WORK(&d->kwork, vcd_kwork);
}

void vcd_kcrypto_queue_init(struct vcd_queue *q)
{
	spin_lock_init(&q->kdone_lock);
	INIT_LIST_HEAD(&q->kdone);
	tasklet_setup(&q->kdone_task, vcd_kdone);
}

/* The device is stopped for good: what was queued or returned is answered. */
void vcd_kcrypto_quiesce(struct vcd_device *d)
{
	unsigned int i;

	flush_work(&d->kwork);
	for (i = 0; i < d->ndata; i++)
		tasklet_kill(&d->queues[i].kdone_task);
}
