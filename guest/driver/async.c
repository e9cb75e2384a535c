// SPDX-License-Identifier: GPL-2.0
/*
 * CIOCASYNCCRYPT, CIOCASYNCFETCH, poll.
 *
 * An operation that is one request flies: it is sent and the ioctl returns.
 * Any other (a hash's part, one without an IV of its own, one of many chunks)
 * is done before the ioctl returns. Both are fetched in the order in which
 * they were done.
 *
 * While a program comes back for more, nobody asks the device for interrupts:
 * what it returned is found on the way. Only who waits in poll has it.
 */
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/poll.h>
#include <linux/sched/clock.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/uaccess.h>
#include <linux/version.h>

#include "trace.h"

/* From now on, or no longer, interrupts come for this file's operations. */
static void vcd_file_waiting(struct vcd_file *f, bool waiting)
{
	struct vcd_device *d = f->dev;
	unsigned int i;

	spin_lock_irq(&f->done_lock);
	/* One who came to wait meanwhile must not be forgotten. */
	if (!waiting && (f->closed || waitqueue_active(&f->wait)))
		waiting = true;
	if (f->waiting != waiting)
		atomic_add(waiting ? 1 : -1, &d->file_waiters);
	f->waiting = waiting;
	spin_unlock_irq(&f->done_lock);
	for (i = 0; waiting && i < d->ndata; i++)
		vcd_queue_arm(&d->queues[i]);
}

/* Who waits in poll is in f->wait; epoll's users are all the time. */
static void vcd_file_update(struct vcd_file *f)
{
	/* A guess: vcd_file_waiting() looks again with the lock. */
	bool waiting = waitqueue_active(&f->wait);

	if (waiting != READ_ONCE(f->waiting))
		vcd_file_waiting(f, waiting);
}

static void vcd_file_drain(struct vcd_file *f)
{
	struct vcd_device *d = f->dev;
	unsigned int i;

	for (i = 0; i < d->ndata; i++)
		if (!list_empty(&d->queues[i].inflight))
			vcd_queue_drain(&d->queues[i]);
}

/* Wait until no operation of the session flies. 0 or -EINTR. */
int vcd_async_settle(struct vcd_session *s)
{
	struct vcd_device *d = s->dev;
	unsigned int i;
	int err;

	for (i = 0; atomic_read(&s->async) && i < d->ndata; i++)
		vcd_queue_drain(&d->queues[i]);
	if (!atomic_read(&s->async))
		return 0;
	atomic_inc(&d->file_waiters);
	for (i = 0; i < d->ndata; i++)
		vcd_queue_arm(&d->queues[i]);
	err = wait_event_killable(s->idle, !atomic_read(&s->async));
	atomic_dec(&d->file_waiters);
	return err ? -EINTR : 0;
}

/* One operation fewer is not fetched. Who waits for room is told of the first. */
static void vcd_async_less(struct vcd_file *f)
{
	/* The atomic is the barrier between its count and our look. */
	if (atomic_dec_return(&f->async) == VCD_MAX_ASYNC - 1 && waitqueue_active(&f->wait))
		wake_up_poll(&f->wait, EPOLLOUT | EPOLLWRNORM);
}

/* Let go of an operation. Process context. */
static void vcd_async_free(struct vcd_data *r)
{
	struct vcd_session *s = r->m.session;
	struct vcd_file *f = r->file;

	vcd_data_unpin(r, !r->err);
	mmdrop(r->mm);
	memzero_explicit(r->digest, sizeof(r->digest));
	r->mm = NULL;
	r->file = NULL;
	r->m.session = NULL;
	vcd_data_put(r);
	vcd_async_less(f);
	vcd_session_put(s);
	vcd_file_put(f);
}

static void vcd_async_orphaned(struct vcd_req *req)
{
	vcd_async_free(container_of(req, struct vcd_data, m.req));
}

/* It is done: to be fetched, or if the file is closed to be freed. Any context. */
static void vcd_async_done(struct vcd_data *r)
{
	struct vcd_device *d = r->dev;
	struct vcd_file *f = r->file;
	unsigned long flags;
	bool closed;

	spin_lock_irqsave(&f->done_lock, flags);
	closed = f->closed;
	if (!closed) {
		list_add_tail(&r->m.req.link, &f->done);
		/* A poller takes the lock before its last look. */
		if (waitqueue_active(&f->wait))
			wake_up_poll(&f->wait, EPOLLIN | EPOLLRDNORM);
	}
	spin_unlock_irqrestore(&f->done_lock, flags);
	if (closed)
		vcd_orphan(d, &r->m.req);
}

/* The device returned it. */
static void vcd_async_notify(struct vcd_req *req)
{
	struct vcd_data *r = container_of(req, struct vcd_data, m.req);
	struct vcd_session *s = r->m.session;

	r->err = vcd_msg_result(&r->m);
	if (!r->err) {
		vcd_cipher_next_iv(r, s, r->cop.op, r->cop.len, r->next_iv, false);
		vcd_session_set_iv(s, r->next_iv);
	} else if (r->err == -ESTALE) {
		vcd_session_lost(s, r->m.slot, r->m.id, req->gen);
	}
	if (r->flying && atomic_dec_and_test(&s->async))
		wake_up_all(&s->idle);
	r->flying = false;
	req->orphaned = vcd_async_orphaned;
	vcd_async_done(r);
}

/* Whether the operation can be one request that is left to fly. */
static bool vcd_async_flies(const struct vcd_session *s, const struct crypt_op *cop)
{
	const struct vcd_cipher *c = s->cipher;

	return c && !s->hash && c->kind == VCD_CIPHER &&
	       (cop->iv || !c->ivsize) &&
	       cop->len && cop->len <= READ_ONCE(s->dev->chunk) &&
	       READ_ONCE(s->dev->hw_ready);
}

/* Send it. An error is the ioctl's, and the request still the caller's. */
static int vcd_async_fly(struct vcd_data *r, struct vcd_session *s, const u8 *iv)
{
	const struct crypt_op *cop = &r->cop;
	struct vcd_mem src = { .u = cop->src };
	unsigned int wire = cop->len;
	int tries = 2;
	int err = 0;

	r->copied = !(vcd_zero_copy(s, cop) &&
		      vcd_data_pin(r, s->user, cop->src, cop->dst, cop->len));
	if (r->copied) {
		if (s->cipher->chain == VCD_CHAIN_CTR)
			wire = round_up(wire, VCD_BLOCK);
		err = vcd_data_reserve(r, wire);
		if (!err)
			err = vcd_data_in(r, src, cop->len);
		if (err)
			return err;
		if (wire > cop->len)
			memset(vcd_data_at(r, cop->len), 0, wire - cop->len);
		vcd_data_segs(r, wire);
	}
	r->flew = true;
	memcpy(r->next_iv, iv, VCD_BLOCK);
	vcd_cipher_next_iv(r, s, cop->op, cop->len, r->next_iv, true);

	err = down_read_killable(&s->rwsem);
	if (err)
		return err;
	atomic_inc(&s->async);
	r->flying = true;
	do {
		vcd_cipher_header(&r->m, s->cipher, cop->op, wire, iv);
		r->m.req.notify = vcd_async_notify;
		err = vcd_data_submit(r, s, cop->op);
	} while (err == -ESTALE && --tries);
	up_read(&s->rwsem);
	if (err) {
		r->flying = false;
		if (atomic_dec_and_test(&s->async))
			wake_up_all(&s->idle);
	}
	return err == -ESTALE ? -EIO : err;
}

/**
 * vcd_async_submit() - CIOCASYNCCRYPT
 * @f: the file
 * @s: the session; the operation takes a reference of its own
 * @o: what to do
 *
 * What cannot be done is told when it is fetched, as there, but for bad memory
 * of an operation that flies.
 *
 * Return: 0, -EBUSY (too many are not fetched yet), -ENOMEM, -EFAULT, -EIO,
 * -ENODEV, -EINTR.
 */
int vcd_async_submit(struct vcd_file *f, struct vcd_session *s, struct vcd_op *o)
{
	struct vcd_data *r;
	int err;

	if (atomic_inc_return(&f->async) > VCD_MAX_ASYNC) {
		vcd_async_less(f);
		return -EBUSY;
	}
	r = vcd_data_get(f->dev);
	if (!r) {
		vcd_async_less(f);
		return -ENOMEM;
	}
	r->cop = o->cop;
	r->file = f;
	mmgrab(current->mm);
	r->mm = current->mm;
	r->copied = false;
	r->flew = false;
	r->flying = false;
	r->digestsize = 0;
	kref_get(&f->ref);

	err = vcd_crypt_check(s, &o->cop);
	if (!err && vcd_async_flies(s, &o->cop)) {
		err = vcd_async_fly(r, s, o->iv);
		if (!err) {
			/* Nothing of r is ours any more. */
			vcd_file_update(f);
			return 0;
		}
		kref_get(&s->ref);
		r->m.session = s;
		r->err = err;
		vcd_async_free(r);
		return err;
	}
	if (!err)
		err = vcd_crypt(s, o);
	kref_get(&s->ref);
	r->m.session = s;
	r->err = err;
	if (err == -EINTR) {
		vcd_async_free(r);
		return err;
	}
	memcpy(r->next_iv, o->iv, VCD_BLOCK);
	memcpy(r->digest, o->digest, sizeof(r->digest));
	r->digestsize = err ? 0 : o->digestsize;
	INIT_LIST_HEAD(&r->m.req.link);
	r->m.req.orphaned = vcd_async_orphaned;
	/* Those that flew and landed come first. */
	vcd_file_drain(f);
	vcd_async_done(r);
	return 0;
}

/*
 * As copy_to_user(), but to the memory of who submitted, who need not be the
 * caller: a file is shared by fork() and may be passed on. Whose memory is gone
 * gets nothing, and nobody else what was for him.
 */
static int vcd_submitter_out(struct vcd_data *r, void __user *to, const u8 *from,
			     unsigned int len)
{
	unsigned long at = (unsigned long)to;
	unsigned int n;
	struct page *page;
	int err = 0, locked;
	long got;

	if (r->mm == current->mm)
		return copy_to_user(to, from, len) ? -EFAULT : 0;
	if (!len)
		return 0;
	if (!mmget_not_zero(r->mm))
		return -EFAULT;
	for (; len; from += n, at += n, len -= n) {
		n = min_t(unsigned int, len, PAGE_SIZE - offset_in_page(at));
		if (mmap_read_lock_killable(r->mm)) {
			err = -EINTR;
			break;
		}
		/* It may let go of the lock to wait for a page, and then can be killed. */
		locked = 1;
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 5, 0)
		got = pin_user_pages_remote(r->mm, at, 1, FOLL_WRITE, &page, &locked);
#else
		got = pin_user_pages_remote(r->mm, at, 1, FOLL_WRITE, &page, NULL, &locked);
#endif
		if (locked)
			mmap_read_unlock(r->mm);
		if (got != 1) {
			err = -EFAULT;
			break;
		}
		memcpy_to_page(page, offset_in_page(at), from, n);
		unpin_user_pages_dirty_lock(&page, 1, true);
	}
	mmput(r->mm);
	return err;
}

static int vcd_async_out(struct vcd_data *r)
{
	const struct crypt_op *cop = &r->cop;
	u8 ivsize = r->m.session->cipher ? r->m.session->cipher->ivsize : 0;
	unsigned int off, n;
	int err = 0;

	for (off = 0; r->copied && off < cop->len && !err; off += n) {
		n = min(cop->len - off, r->seg_size);
		err = vcd_submitter_out(r, cop->dst + off, vcd_data_at(r, off), n);
	}
	if (!err && r->digestsize)
		err = vcd_submitter_out(r, cop->mac, r->digest, r->digestsize);
	if (!err && cop->iv && (cop->flags & COP_FLAG_WRITE_IV))
		err = vcd_submitter_out(r, cop->iv, r->next_iv, ivsize);
	return err;
}

static struct vcd_data *vcd_async_first(struct vcd_file *f)
{
	struct vcd_req *req;

	spin_lock_irq(&f->done_lock);
	req = list_first_entry_or_null(&f->done, struct vcd_req, link);
	if (req)
		list_del_init(&req->link);
	spin_unlock_irq(&f->done_lock);
	return req ? container_of(req, struct vcd_data, m.req) : NULL;
}

/**
 * vcd_async_fetch() - CIOCASYNCFETCH
 * @f: the file
 * @cop: out: the operation that was done first of those not fetched yet
 *
 * Return: -EBUSY if there is none, else what became of it: that itself may not
 * be -EBUSY.
 */
int vcd_async_fetch(struct vcd_file *f, struct crypt_op *cop)
{
	struct vcd_data *r = vcd_async_first(f);
	int err;

	if (!r) {
		vcd_file_drain(f);
		r = vcd_async_first(f);
	}
	if (!r) {
		vcd_file_update(f);
		return -EBUSY;
	}
	err = r->err;
	if (r->flew)
		trace_vcd_reap(&r->m.req, err);
	if (err == -ESTALE) {
		/* The device had lost the session and left the data alone. */
		struct vcd_op o = { .cop = r->cop };

		vcd_data_unpin(r, false);
		r->copied = false;
		memcpy(o.iv, r->m.iv, VCD_BLOCK);
		err = r->mm == current->mm ? vcd_crypt(r->m.session, &o) : -EIO;
		memcpy(r->next_iv, o.iv, VCD_BLOCK);
	}
	if (!err)
		err = vcd_async_out(r);
	*cop = r->cop;
	vcd_async_free(r);
	vcd_file_update(f);
	return err == -EBUSY ? -EIO : err;
}

/* Nobody fetches any more: what is done is freed, what flies when it lands. */
void vcd_async_close(struct vcd_file *f)
{
	struct vcd_req *req, *next;
	LIST_HEAD(done);

	spin_lock_irq(&f->done_lock);
	f->closed = true;
	list_splice_init(&f->done, &done);
	spin_unlock_irq(&f->done_lock);
	list_for_each_entry_safe(req, next, &done, link) {
		list_del_init(&req->link);
		vcd_async_free(container_of(req, struct vcd_data, m.req));
	}
	if (atomic_read(&f->async))
		vcd_file_waiting(f, true);
}

static __poll_t vcd_ready(struct vcd_file *f)
{
	__poll_t events = 0;

	if (READ_ONCE(f->dev->state) == VCD_GONE)
		events |= EPOLLERR | EPOLLHUP;
	if (!list_empty_careful(&f->done))
		events |= EPOLLIN | EPOLLRDNORM;
	if (atomic_read(&f->async) < VCD_MAX_ASYNC)
		events |= EPOLLOUT | EPOLLWRNORM;
	return events;
}

/* Readable: something can be fetched. Writable: there is room for more. */
__poll_t vcd_poll(struct file *filp, poll_table *wait)
{
	struct vcd_file *f = filp->private_data;
	__poll_t wanted = poll_requested_events(wait) | EPOLLERR | EPOLLHUP;
	bool waits = wait && wait->_qproc; /* poll_does_not_wait() is gone in 7.2 */
	__poll_t events;
	u64 budget, start, took;

	poll_wait(filp, &f->wait, wait);
	/* Between our place in the queues and our look, as for those who wake. */
	smp_mb();
	events = vcd_ready(f);
	/* Those that are to be fetched first suffice; the others come together. */
	if (!(events & EPOLLIN) && atomic_read(&f->async)) {
		vcd_file_drain(f);
		events = vcd_ready(f);
	}
	if ((events & wanted) || !atomic_read(&f->async) || !waits)
		return events;	/* there is something, or nobody will wait */

	budget = vcd_spin_budget(f->dev, 0);
	if (budget) {
		start = local_clock();
		do {
			cpu_relax();
			vcd_file_drain(f);
			events = vcd_ready(f);
			took = local_clock() - start;
		} while (!(events & wanted) && took < budget &&
			 !need_resched() && !signal_pending(current));
		vcd_spin_done(f->dev, events & wanted ? took : budget, budget);
	}
	if (!(events & wanted)) {
		vcd_file_waiting(f, true);
		events = vcd_ready(f);
	}
	return events;
}
