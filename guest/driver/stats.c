// SPDX-License-Identifier: GPL-2.0
/* Counters and latencies: /sys/kernel/debug/virtio_cryptodev/cryptodevN. */
#include <linux/debugfs.h>
#include <linux/log2.h>
#include <linux/module.h>
#include <linux/seq_file.h>
#include <linux/time64.h>

#include "driver.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

static struct dentry *vcd_debugfs;

/* It came back, or was failed, after so many ns; the queue's lock is held. */
void vcd_stats_returned(struct vcd_queue *q, struct vcd_req *r, u64 ns)
{
	struct vcd_stats *s = &q->stats;
	u64 us = div_u64(ns, NSEC_PER_USEC);

	if (r->error)
		s->failed++;
	else
		s->answers++;
	s->latency[min_t(unsigned int, us ? ilog2(us) + 1 : 0, VCD_LATENCIES - 1)]++;
}

static void vcd_stats_queue(struct seq_file *m, struct vcd_queue *q)
{
	struct vcd_stats s;
	unsigned int i;

	spin_lock_irq(&q->lock);
	s = q->stats;
	spin_unlock_irq(&q->lock);
	seq_printf(m, "%s.requests %llu\n", q->name, s.requests);
	seq_printf(m, "%s.kernel_requests %llu\n", q->name, s.kernel);
	seq_printf(m, "%s.bytes %llu\n", q->name, s.bytes);
	seq_printf(m, "%s.kicks %llu\n", q->name, s.kicks);
	seq_printf(m, "%s.interrupts %llu\n", q->name, s.interrupts);
	seq_printf(m, "%s.full %llu\n", q->name, s.full);
	seq_printf(m, "%s.answers %llu\n", q->name, s.answers);
	seq_printf(m, "%s.failed %llu\n", q->name, s.failed);
	for (i = 0; i < VCD_LATENCIES - 1; i++)
		if (s.latency[i])
			seq_printf(m, "%s.latency_below_%llu_us %llu\n", q->name,
				   1ULL << i, s.latency[i]);
	if (s.latency[i])
		seq_printf(m, "%s.latency_longer %llu\n", q->name, s.latency[i]);
}

static int vcd_stats_show(struct seq_file *m, void *unused)
{
	static const char * const states[] = {
		[VCD_DOWN] = "down", [VCD_UP] = "up", [VCD_DEAD] = "dead", [VCD_GONE] = "gone",
	};
	struct vcd_device *d = m->private;
	unsigned int i;

	seq_printf(m, "state %s\n", states[READ_ONCE(d->state)]);
	seq_printf(m, "lives %u\n", READ_ONCE(d->gen));
	seq_printf(m, "users %d\n", atomic_read(&d->users));
	seq_printf(m, "fallbacks %ld\n", atomic_long_read(&d->fallbacks));
	for (i = 0; i <= d->ndata; i++)
		vcd_stats_queue(m, &d->queues[i]);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(vcd_stats);

void vcd_stats_add(struct vcd_device *d)
{
	d->debugfs = debugfs_create_file(d->name, 0444, vcd_debugfs, d, &vcd_stats_fops);
}

/* Nobody reads them any more when this returns. */
void vcd_stats_remove(struct vcd_device *d)
{
	debugfs_remove(d->debugfs);
}

void vcd_stats_init(void)
{
	vcd_debugfs = debugfs_create_dir(KBUILD_MODNAME, NULL);
}

void vcd_stats_exit(void)
{
	debugfs_remove(vcd_debugfs);
}
