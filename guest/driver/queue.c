// SPDX-License-Identifier: GPL-2.0
/* Requests on a virtqueue: submission, return, and those nobody waits for. */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/virtio_config.h>

#include "driver.h"

void vcd_req_init(struct vcd_req *r, struct vcd_queue *q, u32 gen)
{
	INIT_LIST_HEAD(&r->link);
	init_completion(&r->done);
	r->queue = q;
	r->gen = gen;
	r->used = 0;
	r->error = 0;
	r->inflight = false;
	r->orphan = false;
}

/* One attempt. -ENOSPC: the ring is full, *seen tells when that was. */
static int vcd_try_submit(struct vcd_req *r, struct scatterlist *sgs[],
			  unsigned int out, unsigned int in, bool orphan,
			  unsigned int *seen)
{
	struct vcd_queue *q = r->queue;
	struct vcd_device *d = q->dev;
	struct virtqueue *vq;
	unsigned long flags;
	bool kick = false;
	bool broken = false;
	u32 gen;
	int idx, err;

	idx = srcu_read_lock(&d->srcu);
	spin_lock_irqsave(&q->lock, flags);
	*seen = q->returned;
	gen = d->gen;
	vq = q->vq;
	if (!vq) {
		err = vcd_down_error(d);
		goto unlock;
	}
	/* A session id of an earlier life may be somebody else's in this one. */
	if (r->gen && r->gen != gen) {
		err = -ESTALE;
		goto unlock;
	}
	err = virtqueue_add_sgs(vq, sgs, out, in, r, GFP_ATOMIC);
	if (err) {
		broken = virtqueue_is_broken(vq);
		/* Nothing would ever come back to make room. */
		if (err == -ENOSPC && list_empty(&q->inflight))
			err = -EIO;
		goto unlock;
	}
	r->since = READ_ONCE(d->ticks);
	r->inflight = true;
	r->orphan = orphan;
	list_add_tail(&r->link, &q->inflight);
	/* Under the lock: the watchdog disarms before it looks at our list. */
	vcd_watch(d);
	kick = virtqueue_kick_prepare(vq);
unlock:
	spin_unlock_irqrestore(&q->lock, flags);
	/*
	 * A notification is an exit to the host: not with the lock held. By now
	 * vcd_stop() may have taken the queue away (q->vq is NULL then), but it
	 * waits for us before it frees it.
	 */
	if (kick && !virtqueue_notify(vq))
		broken = true;
	srcu_read_unlock(&d->srcu, idx);
	if (broken)
		vcd_sick(d, gen);
	return err;
}

/**
 * vcd_submit() - hand a request to the device, sleeping while the ring is full
 * @r: the request; on success its memory is the device's
 * @sgs: @out lists the device reads, then @in lists it writes
 * @out: number of lists to read
 * @in: number of lists to write
 * @killable: a fatal signal ends the wait for room; and the caller will
 *	vcd_wait(). Otherwise nobody waits and r->orphaned() disposes of it.
 *
 * Return: 0, or an error and the request is still the caller's: -ENODEV or
 * -EIO (the device is gone or down), -ESTALE (it was reset since @r->gen),
 * -EINTR, -ENOMEM.
 */
int vcd_submit(struct vcd_req *r, struct scatterlist *sgs[],
	       unsigned int out, unsigned int in, bool killable)
{
	struct vcd_queue *q = r->queue;
	unsigned int seen;
	int err;

	for (;;) {
		err = vcd_try_submit(r, sgs, out, in, !killable, &seen);
		if (err != -ENOSPC)
			return err;
		if (killable) {
			if (wait_event_killable(q->room,
						READ_ONCE(q->returned) != seen))
				return -EINTR;
		} else {
			wait_event(q->room, READ_ONCE(q->returned) != seen);
		}
	}
}

/**
 * vcd_wait() - wait for a submitted request
 * @r: the request
 *
 * Return: 0 when the device returned it, -EIO or -ENODEV when the device was
 * reset first. In both cases the request is the caller's again. -EINTR: killed,
 * the request is no longer the caller's.
 */
int vcd_wait(struct vcd_req *r)
{
	struct vcd_queue *q = r->queue;
	unsigned long flags;

	if (!wait_for_completion_killable(&r->done))
		return r->error;

	spin_lock_irqsave(&q->lock, flags);
	if (r->inflight) {
		r->orphan = true;
		spin_unlock_irqrestore(&q->lock, flags);
		return -EINTR;
	}
	spin_unlock_irqrestore(&q->lock, flags);
	/* It is being delivered this moment. */
	wait_for_completion(&r->done);
	return r->error;
}

/* Give back requests that left q->inflight; r->orphan is settled by now. */
void vcd_deliver(struct vcd_device *d, struct list_head *done)
{
	struct vcd_req *r, *next;
	bool reap = false;
	unsigned long flags;

	list_for_each_entry_safe(r, next, done, link) {
		list_del_init(&r->link);
		if (!r->orphan) {
			complete(&r->done);
			continue;
		}
		spin_lock_irqsave(&d->reap_lock, flags);
		list_add_tail(&r->link, &d->orphans);
		spin_unlock_irqrestore(&d->reap_lock, flags);
		reap = true;
	}
	if (reap)
		queue_work(vcd_wq, &d->reap);
}

void vcd_reap(struct work_struct *work)
{
	struct vcd_device *d = container_of(work, struct vcd_device, reap);
	struct vcd_req *r, *next;
	LIST_HEAD(list);

	spin_lock_irq(&d->reap_lock);
	list_splice_init(&d->orphans, &list);
	spin_unlock_irq(&d->reap_lock);
	list_for_each_entry_safe(r, next, &list, link) {
		list_del_init(&r->link);
		r->orphaned(r);
	}
}

/* The device's interrupt for one queue. */
void vcd_queue_interrupt(struct virtqueue *vq)
{
	struct vcd_device *d = vq->vdev->priv;
	struct vcd_queue *q = &d->queues[vq->index];
	LIST_HEAD(done);
	struct vcd_req *r;
	unsigned long flags;
	unsigned int len;
	bool broken;
	u32 gen;

	spin_lock_irqsave(&q->lock, flags);
	if (!q->vq) {
		spin_unlock_irqrestore(&q->lock, flags);
		return;
	}
	do {
		virtqueue_disable_cb(vq);
		while ((r = virtqueue_get_buf(vq, &len))) {
			r->used = len;
			r->inflight = false;
			list_move_tail(&r->link, &done);
			q->returned++;
		}
		broken = virtqueue_is_broken(vq);
	} while (!broken && !virtqueue_enable_cb(vq));
	gen = d->gen;
	spin_unlock_irqrestore(&q->lock, flags);

	if (!list_empty(&done)) {
		vcd_deliver(d, &done);
		wake_up_all(&q->room);
	}
	if (broken)
		vcd_sick(d, gen);
}
