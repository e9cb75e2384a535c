// SPDX-License-Identifier: GPL-2.0
/* A device's life: its queues started and stopped, timeouts, resets. */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/version.h>
#include <linux/virtio_config.h>

#include "driver.h"

static unsigned int timeout = 10;
module_param(timeout, uint, 0644);
MODULE_PARM_DESC(timeout,
		 "Seconds a device may keep a request before it is reset; 0: for ever (default 10)");

/*
 * Off, since who is silent for so long has likely lost its back-end, and a QEMU
 * that has (11.1, generic vhost-user device) aborts when it is started again.
 */
static bool restart;
module_param(restart, bool, 0644);
MODULE_PARM_DESC(restart,
		 "Start a device again that was reset for its silence (default: it stays down, its calls get EIO)");

/*
 * The age of requests is counted in ticks of the watchdog, not in jiffies: a
 * guest that was paused for an hour may find its clock an hour ahead, and the
 * device, paused like it or not yet heard, is not to blame. A pause is one tick.
 */
#define VCD_TICK	HZ	/* of timeout's unit, so a second */

/* What a caller is told while the queues are stopped. */
int vcd_down_error(struct vcd_device *d)
{
	return READ_ONCE(d->state) == VCD_GONE ? -ENODEV : -EIO;
}

/* The device's queues in its order: data queues first, then control. */
static int vcd_find_vqs(struct vcd_device *d, struct virtqueue **vqs)
{
	unsigned int n = d->ndata + 1;
	unsigned int i;
	int err = -ENOMEM;
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 11, 0)
	struct virtqueue_info *info = kcalloc(n, sizeof(*info), GFP_KERNEL);

	if (info) {
		for (i = 0; i < n; i++) {
			info[i].name = d->queues[i].name;
			info[i].callback = vcd_queue_interrupt;
		}
		err = virtio_find_vqs(d->vdev, n, vqs, info, NULL);
	}
	kfree(info);
#else
	vq_callback_t **callbacks = kcalloc(n, sizeof(*callbacks), GFP_KERNEL);
	const char **names = kcalloc(n, sizeof(*names), GFP_KERNEL);

	if (callbacks && names) {
		for (i = 0; i < n; i++) {
			names[i] = d->queues[i].name;
			callbacks[i] = vcd_queue_interrupt;
		}
		err = virtio_find_vqs(d->vdev, n, vqs, callbacks, names, NULL);
	}
	kfree(names);
	kfree(callbacks);
#endif
	return err;
}

/* How much data a request may carry, by the rings and by the device. */
static int vcd_set_chunk(struct vcd_device *d, struct virtqueue **vqs)
{
	u64 chunk;
	unsigned int i, ring, segs = VCD_MAX_SEGS, shortest = UINT_MAX;

	for (i = 0; i < d->ndata; i++) {
		ring = virtqueue_get_vring_size(vqs[i]);
		shortest = min(shortest, ring);
		if (ring < VCD_EXTRA_DESCS + 2) {
			pr_err("%s: a ring of %u entries is too small\n",
			       d->name, ring);
			return -EINVAL;
		}
		segs = min(segs, (ring - VCD_EXTRA_DESCS) / 2);
	}
	chunk = segs * VCD_SEG_SIZE;
	/* 0 is no size: taken as not said. The data counts twice, in and out. */
	if (d->max_size) {
		u64 room = d->max_size > VCD_BLOCK ? d->max_size - VCD_BLOCK : 0;

		chunk = min(chunk, round_down(room / 2, VCD_BLOCK));
	}
	if (!chunk) {
		pr_err("%s: the device's max_size %llu leaves no room for data\n",
		       d->name, d->max_size);
		return -EINVAL;
	}
	d->segs = segs;
	d->chunk = chunk;
	/* The caller's own memory: as much as max_size and any chain may have. */
	d->kmax = d->max_size ? min_t(u64, round_down((d->max_size - VCD_BLOCK) / 2,
						      VCD_BLOCK), S32_MAX) : S32_MAX;
	d->ksegs = shortest - VCD_EXTRA_DESCS;
	return 0;
}

/**
 * vcd_start() - find the queues and open them to callers
 * @d: the device, with features negotiated and d->lock held
 *
 * Return: 0, or an error and d->state is as it was.
 */
int vcd_start(struct vcd_device *d)
{
	struct virtio_device *vdev = d->vdev;
	struct virtqueue **vqs;
	unsigned int i;
	int err;

	lockdep_assert_held(&d->lock);
	vqs = kcalloc(d->ndata + 1, sizeof(*vqs), GFP_KERNEL);
	if (!vqs)
		return -ENOMEM;
	err = vcd_find_vqs(d, vqs);
	if (err) {
		pr_err("%s: cannot set up the device's %u queues: %d\n",
		       d->name, d->ndata + 1, err);
		goto out;
	}
	err = vcd_set_chunk(d, vqs);
	if (err) {
		vdev->config->del_vqs(vdev);
		goto out;
	}
	/* An interrupt should come to the CPU that asked. */
	for (i = 0; d->ndata > 1 && i < d->ndata; i++)
		if (i < nr_cpu_ids && cpu_online(i))
			virtqueue_set_affinity(vqs[i], cpumask_of(i));

	virtio_device_ready(vdev);
	if (!++d->gen)
		d->gen = 1;
	WRITE_ONCE(d->state, VCD_UP);
	for (i = 0; i <= d->ndata; i++) {
		struct vcd_queue *q = &d->queues[i];

		spin_lock_irq(&q->lock);
		q->vq = vqs[i];
		q->armed = true;	/* as virtqueues begin */
		q->tag = 0;
		spin_unlock_irq(&q->lock);
	}
	vcd_kwake(d);
out:
	kfree(vqs);
	return err;
}

/**
 * vcd_stop() - reset the device and fail what it had not returned
 * @d: the device, d->lock held
 * @next: the state to go to; it decides the error that callers see
 *
 * No request's memory is let go before the reset: until then the device may
 * read and write it.
 */
void vcd_stop(struct vcd_device *d, enum vcd_state next)
{
	struct virtio_device *vdev = d->vdev;
	bool was_up = d->state == VCD_UP;
	unsigned int i;
	struct vcd_req *r;

	lockdep_assert_held(&d->lock);
	WRITE_ONCE(d->state, next);
	if (!was_up) {
		virtio_reset_device(vdev);
		vcd_kwake(d);
		return;
	}

	/* After this no submission is under way and no interrupt does a thing. */
	for (i = 0; i <= d->ndata; i++) {
		struct vcd_queue *q = &d->queues[i];

		spin_lock_irq(&q->lock);
		q->stopping = q->vq;
		q->vq = NULL;
		spin_unlock_irq(&q->lock);
	}
	synchronize_srcu(&d->srcu);
	virtio_reset_device(vdev);

	for (i = 0; i <= d->ndata; i++) {
		struct vcd_queue *q = &d->queues[i];

		spin_lock_irq(&q->lock);
		while ((r = virtqueue_detach_unused_buf(q->stopping))) {
			r->error = vcd_down_error(d);
			vcd_returned(q, r);
		}
		q->stopping = NULL;
		q->returned++;
		spin_unlock_irq(&q->lock);
		wake_up_all(&q->room);
	}
	vdev->config->del_vqs(vdev);
	/* The parked ones are told, and what waits for the worker. */
	queue_work(vcd_wq, &d->reap);
	vcd_kwake(d);
}

/* After a reset the core's part of probe is ours to repeat (virtio 1.2, 3.1.1). */
static int vcd_renegotiate(struct virtio_device *vdev)
{
	int err;

	virtio_add_status(vdev, VIRTIO_CONFIG_S_ACKNOWLEDGE);
	virtio_add_status(vdev, VIRTIO_CONFIG_S_DRIVER);
	err = vdev->config->finalize_features(vdev);
	if (err)
		return err;
	virtio_add_status(vdev, VIRTIO_CONFIG_S_FEATURES_OK);
	if (!(vdev->config->get_status(vdev) & VIRTIO_CONFIG_S_FEATURES_OK))
		return -ENODEV;
	return 0;
}

static void vcd_recover(struct work_struct *work)
{
	struct vcd_device *d = container_of(work, struct vcd_device, recover);
	/* It may be the way to the disk that memory is to be freed by. */
	unsigned int noio = memalloc_noio_save();
	int err;

	mutex_lock(&d->lock);
	if (d->state != VCD_UP || d->gen != READ_ONCE(d->sick_gen))
		goto out;

	if (READ_ONCE(d->silent_gen) == d->gen && !READ_ONCE(restart)) {
		vcd_stop(d, VCD_DEAD);
		pr_err("%s: the device stays down: see to its back-end, then plug it in again or unbind and bind it\n",
		       d->name);
		goto out;
	}
	vcd_stop(d, VCD_DOWN);
	err = vcd_renegotiate(d->vdev);
	if (!err)
		err = vcd_start(d);
	if (err) {
		pr_err("%s: the device did not come back from its reset (%d): unbind and bind it to try again\n",
		       d->name, err);
		WRITE_ONCE(d->state, VCD_DEAD);
		virtio_add_status(d->vdev, VIRTIO_CONFIG_S_FAILED);
		vcd_kwake(d);	/* what waits for the device does so in vain */
		goto out;
	}
	pr_notice_ratelimited("%s: the device was reset; its requests have failed, its sessions are opened anew when used\n",
			      d->name);
	queue_work(vcd_wq, &d->config);
out:
	mutex_unlock(&d->lock);
	memalloc_noio_restore(noio);
}

/* End the life @gen of the device, soon, if it is not over. Any context. */
void vcd_sick(struct vcd_device *d, u32 gen)
{
	WRITE_ONCE(d->sick_gen, gen);
	queue_work(vcd_wq, &d->recover);
}

/* Arm the watchdog; a queue's lock is held and its list is not empty. */
void vcd_watch(struct vcd_device *d)
{
	if (test_bit(0, &d->watching) || !READ_ONCE(timeout))
		return;
	if (!test_and_set_bit(0, &d->watching))
		queue_delayed_work(vcd_wq, &d->watchdog, VCD_TICK);
}

/* Whether the device holds anything, since which tick, and where. */
static bool vcd_oldest(struct vcd_device *d, u32 *since,
		       struct vcd_queue **where)
{
	bool any = false;
	unsigned int i;

	for (i = 0; i <= d->ndata; i++) {
		struct vcd_queue *q = &d->queues[i];
		struct vcd_req *r;

		spin_lock_irq(&q->lock);
		r = list_first_entry_or_null(&q->inflight, struct vcd_req, link);
		if (r && q->vq && (!any || (s32)(r->since - *since) < 0)) {
			*since = r->since;
			*where = q;
			any = true;
		}
		spin_unlock_irq(&q->lock);
	}
	return any;
}

static void vcd_watchdog(struct work_struct *work)
{
	struct vcd_device *d = container_of(to_delayed_work(work),
					    struct vcd_device, watchdog);
	unsigned int t = READ_ONCE(timeout);
	u32 gen = READ_ONCE(d->gen);
	u32 now = d->ticks + 1;
	struct vcd_queue *where;
	u32 since;
	unsigned int i;

	WRITE_ONCE(d->ticks, now);
	/* A submitter that finds it clear, after our look, arms us again. */
	clear_bit(0, &d->watching);
	smp_mb__after_atomic();	/* between the bit and the lists */
	/* Answers may lie there: who waits for them need not have asked yet. */
	for (i = 0; i <= d->ndata; i++)
		vcd_queue_drain_all(&d->queues[i]);
	if (!t || !vcd_oldest(d, &since, &where))
		return;

	/* The first tick may come right after the request, so one more. */
	if (now - since > t) {
		pr_err_ratelimited("%s: no answer on %s for %u seconds: resetting the device\n",
				   d->name, where->name, t);
		WRITE_ONCE(d->silent_gen, gen);
		vcd_sick(d, gen);
		return;
	}
	if (!test_and_set_bit(0, &d->watching))
		queue_delayed_work(vcd_wq, &d->watchdog, VCD_TICK);
}

/* Everything but index, name, queues and what the configuration says. */
void vcd_device_init(struct vcd_device *d)
{
	kref_init(&d->ref);
	mutex_init(&d->lock);
	spin_lock_init(&d->reap_lock);
	spin_lock_init(&d->pool_lock);
	INIT_LIST_HEAD(&d->orphans);
	INIT_LIST_HEAD(&d->pool);
	spin_lock_init(&d->files_lock);
	INIT_LIST_HEAD(&d->files);
	INIT_DELAYED_WORK(&d->watchdog, vcd_watchdog);
	INIT_WORK(&d->recover, vcd_recover);
	INIT_WORK(&d->reap, vcd_reap);
	vcd_kcrypto_device_init(d);
}

void vcd_get(struct vcd_device *d)
{
	kref_get(&d->ref);
}

static void vcd_release(struct kref *ref)
{
	struct vcd_device *d = container_of(ref, struct vcd_device, ref);
	unsigned int i;

	/* One that took answers off the ring just before the end may be late. */
	for (i = 0; d->queues && i <= d->ndata; i++)
		tasklet_kill(&d->queues[i].kdone_task);
	cancel_work_sync(&d->recover);
	vcd_pool_free(d);
	cleanup_srcu_struct(&d->srcu);
	kfree(d->queues);
	kfree(d);
}

void vcd_put(struct vcd_device *d)
{
	kref_put(&d->ref, vcd_release);
}
