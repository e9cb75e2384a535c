// SPDX-License-Identifier: GPL-2.0
/* Requests on a virtqueue: submission, return, and those nobody waits for. */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>
#include <linux/sched/clock.h>
#include <linux/sched/signal.h>
#include <linux/virtio_config.h>

#include "trace.h"

static unsigned int spin_us = 80;
module_param(spin_us, uint, 0644);
MODULE_PARM_DESC(spin_us,
		 "Microseconds to look for an answer before sleeping, and one more for each KiB of data; 0: never (default 80)");

/*
 * Looks come in runs of so many. The first may have to wake the device: that it
 * is quick shows in the next.
 */
#define VCD_SPIN_RUN		3U
/* A run in vain is followed by up to so many requests without a look. */
#define VCD_SPIN_BACKOFF	64U

void vcd_req_init(struct vcd_req *r, struct vcd_queue *q, u32 gen)
{
	INIT_LIST_HEAD(&r->link);
	init_completion(&r->done);
	r->queue = q;
	r->gen = gen;
	r->used = 0;
	r->error = 0;
	r->session = 0;
	r->len = 0;
	r->kernel = false;
	r->inflight = false;
	r->orphan = false;
	r->counted = false;
	r->by_irq = false;
	r->notify = NULL;
	r->resume = NULL;
}

/* Ask for interrupts on a queue; its lock is held. False: look again first. */
static bool vcd_enable_cb(struct vcd_queue *q)
{
	q->armed = true;
	return virtqueue_enable_cb(q->vq);
}

static bool vcd_wanted(struct vcd_queue *q)
{
	return q->sleepers || !list_empty(&q->parked) ||
	       atomic_read(&q->dev->file_waiters);
}

/* Have r->orphaned() called in process context. */
void vcd_orphan(struct vcd_device *d, struct vcd_req *r)
{
	unsigned long flags;

	spin_lock_irqsave(&d->reap_lock, flags);
	list_add_tail(&r->link, &d->orphans);
	spin_unlock_irqrestore(&d->reap_lock, flags);
	queue_work(vcd_wq, &d->reap);
}

/*
 * Give a request back that the device or a reset returned; q->lock is held.
 * Whoever is told takes locks of his own, which costs little here: interrupts
 * are off already.
 */
void vcd_returned(struct vcd_queue *q, struct vcd_req *r)
{
	u64 ns = local_clock() - r->start;

	trace_vcd_answer(r, ns);
	vcd_stats_returned(q, r, ns);
	r->inflight = false;
	if (r->counted)
		q->sleepers--;
	r->counted = false;
	list_del_init(&r->link);
	q->returned++;
	if (r->notify)
		r->notify(r);
	else if (r->orphan)
		vcd_orphan(q->dev, r);
	else
		complete(&r->done);
}

/*
 * Take what the device returned; q->lock is held. In the end interrupts are on
 * if somebody needs them, else off. True: there was something.
 */
static bool vcd_collect(struct vcd_queue *q)
{
	struct virtqueue *vq = q->vq;
	unsigned int before = q->returned;
	struct vcd_req *r;
	unsigned int len;

	do {
		if (q->armed) {
			virtqueue_disable_cb(vq);
			q->armed = false;
		}
		while ((r = virtqueue_get_buf(vq, &len))) {
			r->used = len;
			vcd_returned(q, r);
		}
	} while (!virtqueue_is_broken(vq) && vcd_wanted(q) && !vcd_enable_cb(q));
	return q->returned != before;
}

/* After a look, without the lock: there is room again if something came. */
static void vcd_finish(struct vcd_queue *q, bool came, bool broken, u32 gen)
{
	if (came) {
		/* With a barrier, between the count and the look. */
		if (wq_has_sleeper(&q->room))
			wake_up_all(&q->room);
		if (!list_empty_careful(&q->parked))
			queue_work(vcd_wq, &q->dev->reap);
	}
	if (broken)
		vcd_sick(q->dev, gen);
}

/*
 * Take what the device returned without being told. Any context. @now: also if
 * another is at it, else that is left to him.
 */
static void vcd_queue_look(struct vcd_queue *q, bool now)
{
	unsigned long flags;
	bool came = false;
	bool broken = false;
	u32 gen = 0;

	if (now)
		spin_lock_irqsave(&q->lock, flags);
	else if (!spin_trylock_irqsave(&q->lock, flags))
		return;
	if (q->vq) {
		came = vcd_collect(q);
		broken = virtqueue_is_broken(q->vq);
		gen = q->dev->gen;
	}
	spin_unlock_irqrestore(&q->lock, flags);
	vcd_finish(q, came, broken, gen);
}

/* As above; who holds the queue is submitting or draining, and looked at soon. */
void vcd_queue_drain(struct vcd_queue *q)
{
	vcd_queue_look(q, false);
}

/* All that was returned before the call is taken when it returns. */
void vcd_queue_drain_all(struct vcd_queue *q)
{
	vcd_queue_look(q, true);
}

/* From now on an interrupt comes for what the device returns on this queue. */
void vcd_queue_arm(struct vcd_queue *q)
{
	unsigned long flags;
	bool came = false;
	bool broken = false;
	u32 gen = 0;

	spin_lock_irqsave(&q->lock, flags);
	if (q->vq) {
		if (!q->armed && vcd_wanted(q) && !vcd_enable_cb(q))
			came = vcd_collect(q);
		broken = virtqueue_is_broken(q->vq);
		gen = q->dev->gen;
	}
	spin_unlock_irqrestore(&q->lock, flags);
	vcd_finish(q, came, broken, gen);
}

/* It returns by an interrupt. False: it has returned. q->lock is held. */
static bool vcd_count(struct vcd_queue *q, struct vcd_req *r)
{
	if (r->inflight && !r->counted) {
		r->counted = true;
		q->sleepers++;
	}
	return r->inflight;
}

/**
 * vcd_try_submit() - hand a request to the device if the ring has room
 * @r: the request; on success its memory is the device's
 * @sgs: @out lists the device reads, then @in lists it writes
 * @out: number of lists to read
 * @in: number of lists to write
 * @seen: out: when that was, if the ring was full. NULL: park the request, if
 *	it is, and have r->resume() called when there is room, or never will be
 *
 * Any context. Return: 0; -EINPROGRESS (parked); -ENOSPC (the ring is full) or
 * an error of vcd_submit(), and the request is still the caller's.
 */
int vcd_try_submit(struct vcd_req *r, struct scatterlist *sgs[],
		   unsigned int out, unsigned int in, unsigned int *seen)
{
	struct vcd_queue *q = r->queue;
	struct vcd_device *d = q->dev;
	struct virtqueue *vq;
	unsigned long flags;
	bool kick = false;
	bool broken = false;
	bool rearm = false;
	bool came = false;
	u32 gen;
	int idx, err;

	idx = srcu_read_lock(&d->srcu);
	spin_lock_irqsave(&q->lock, flags);
	if (seen)
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
		q->stats.full += err == -ENOSPC;
		broken = virtqueue_is_broken(vq);
		/* Nothing would ever come back to make room. */
		if (err == -ENOSPC && list_empty(&q->inflight))
			err = -EIO;
		if (err != -ENOSPC || seen)
			goto unlock;
		list_add_tail(&r->link, &q->parked);
		if (!q->armed && !vcd_enable_cb(q))
			came = vcd_collect(q);
		err = -EINPROGRESS;
		goto unlock;
	}
	r->tag = q->tag++;
	r->start = local_clock();
	q->stats.requests++;
	q->stats.kernel += r->kernel;
	q->stats.bytes += r->len;
	trace_vcd_submit(r);
	r->since = READ_ONCE(d->ticks);
	r->inflight = true;
	list_add_tail(&r->link, &q->inflight);
	if (r->by_irq)
		vcd_count(q, r);
	/* If answers wait already the next drain finds them. */
	if (!q->armed && vcd_wanted(q))
		rearm = !vcd_enable_cb(q);
	/* Under the lock: the watchdog disarms before it looks at our list. */
	vcd_watch(d);
	kick = virtqueue_kick_prepare(vq);
	if (kick) {
		q->stats.kicks++;
		trace_vcd_kick(q, r->tag);
	}
	if (rearm)
		came = vcd_collect(q);
unlock:
	spin_unlock_irqrestore(&q->lock, flags);
	/*
	 * A notification is an exit to the host: not with the lock held. By now
	 * vcd_stop() may have taken the queue away (q->vq is NULL then), but it
	 * waits for us before it frees it.
	 */
	if (kick && !virtqueue_notify(vq))
		broken = true;
	/* Before the device may go. */
	vcd_finish(q, came, broken, gen);
	srcu_read_unlock(&d->srcu, idx);
	return err;
}

/* Sleep until the device gave something back since *seen. */
static int vcd_wait_room(struct vcd_queue *q, unsigned int seen)
{
	int err;

	spin_lock_irq(&q->lock);
	q->sleepers++;
	spin_unlock_irq(&q->lock);
	vcd_queue_arm(q);
	err = wait_event_killable(q->room, READ_ONCE(q->returned) != seen);
	spin_lock_irq(&q->lock);
	q->sleepers--;
	spin_unlock_irq(&q->lock);
	return err ? -EINTR : 0;
}

/**
 * vcd_submit() - hand a request to the device, sleeping while the ring is full
 * @r: the request; on success its memory is the device's
 * @sgs: @out lists the device reads, then @in lists it writes
 * @out: number of lists to read
 * @in: number of lists to write
 *
 * Return: 0, or an error and the request is still the caller's: -ENODEV or
 * -EIO (the device is gone or down), -ESTALE (it was reset since @r->gen),
 * -EINTR (a fatal signal came), -ENOMEM.
 */
int vcd_submit(struct vcd_req *r, struct scatterlist *sgs[],
	       unsigned int out, unsigned int in)
{
	struct vcd_queue *q = r->queue;
	unsigned int seen;
	int err;

	for (;;) {
		err = vcd_try_submit(r, sgs, out, in, &seen);
		if (err != -ENOSPC)
			return err;
		vcd_queue_drain(q);
		if (READ_ONCE(q->returned) == seen &&
		    vcd_wait_room(q, seen))
			return -EINTR;
	}
}

/* How long to look for the answer to so many bytes, in ns; 0: not at all. */
u64 vcd_spin_budget(struct vcd_device *d, unsigned int bytes)
{
	unsigned int us = READ_ONCE(spin_us);
	unsigned int skip = READ_ONCE(d->skip_spin);

	if (!us)
		return 0;
	if (skip) {
		WRITE_ONCE(d->skip_spin, skip - 1);
		return 0;
	}
	return (u64)(min(us, 1000U) + bytes / SZ_1K) * NSEC_PER_USEC;
}

/*
 * Whether looking paid: the answer came in half of the time for it, else one
 * might as well have slept and left the CPU to others, on a crowded host even
 * to the device. A miss now and then is a host that was busy or asleep,
 * and the next answer comes fast again; many in a row are a slow device, and
 * looking is left out for longer and longer. Racy: it is a guess about the next.
 */
void vcd_spin_done(struct vcd_device *d, u64 took, u64 budget)
{
	bool hit = took <= budget / 2;
	unsigned int misses = hit ? 0 : READ_ONCE(d->spin_misses) + 1;

	WRITE_ONCE(d->spin_misses, misses);
	if (misses && misses % VCD_SPIN_RUN == 0)
		WRITE_ONCE(d->skip_spin, min(1U << min(misses / VCD_SPIN_RUN, 16U),
					     VCD_SPIN_BACKOFF));
}

/* Look for the answer for a while. */
static bool vcd_spin(struct vcd_queue *q, struct vcd_req *r, unsigned int bytes)
{
	u64 budget = vcd_spin_budget(q->dev, bytes);
	u64 start, took;
	bool done;

	if (!budget)
		return false;
	start = local_clock();
	do {
		vcd_queue_drain(q);
		done = completion_done(&r->done);
		took = local_clock() - start;
		cpu_relax();
	} while (!done && took < budget && !need_resched() &&
		 !signal_pending(current) && READ_ONCE(q->vq));
	vcd_spin_done(q->dev, done ? took : budget, budget);
	return done;
}

/**
 * vcd_wait() - wait for a submitted request
 * @r: the request
 * @bytes: how much work it is
 *
 * Return: 0 when the device returned it, -EIO or -ENODEV when the device was
 * reset first. In both cases the request is the caller's again. -EINTR: killed,
 * the request is no longer the caller's.
 */
int vcd_wait(struct vcd_req *r, unsigned int bytes)
{
	struct vcd_queue *q = r->queue;
	unsigned long flags;
	bool orphan;

	if (vcd_spin(q, r, bytes)) {
		wait_for_completion(&r->done);
		trace_vcd_reap(r, r->error);
		return r->error;
	}
	spin_lock_irqsave(&q->lock, flags);
	vcd_count(q, r);
	spin_unlock_irqrestore(&q->lock, flags);
	vcd_queue_arm(q);

	if (!wait_for_completion_killable(&r->done)) {
		trace_vcd_reap(r, r->error);
		return r->error;
	}

	spin_lock_irqsave(&q->lock, flags);
	orphan = r->inflight;
	r->orphan = orphan;
	spin_unlock_irqrestore(&q->lock, flags);
	return orphan ? -EINTR : r->error;
}

/* Those that found a ring full try again. */
static void vcd_resume(struct vcd_device *d)
{
	struct vcd_req *r, *next;
	unsigned int i;
	LIST_HEAD(list);

	for (i = 0; i <= d->ndata; i++) {
		struct vcd_queue *q = &d->queues[i];

		spin_lock_irq(&q->lock);
		list_splice_init(&q->parked, &list);
		spin_unlock_irq(&q->lock);
		list_for_each_entry_safe(r, next, &list, link) {
			list_del_init(&r->link);
			r->resume(r);
		}
	}
}

/* What remains to be done in process context. */
void vcd_reap(struct work_struct *work)
{
	struct vcd_device *d = container_of(work, struct vcd_device, reap);
	struct vcd_req *r, *next;
	LIST_HEAD(list);

	vcd_resume(d);

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
	unsigned long flags;
	bool came, broken;
	u32 gen;

	spin_lock_irqsave(&q->lock, flags);
	if (!q->vq) {
		spin_unlock_irqrestore(&q->lock, flags);
		return;
	}
	q->stats.interrupts++;
	came = vcd_collect(q);
	broken = virtqueue_is_broken(vq);
	gen = d->gen;
	spin_unlock_irqrestore(&q->lock, flags);
	vcd_finish(q, came, broken, gen);
}
