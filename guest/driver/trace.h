/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Tracepoints: the way of a request, virtio_cryptodev:vcd_submit, vcd_kick,
 * vcd_answer, vcd_reap. Requests are known by device, queue and tag: the number
 * of the request on its queue since the device was started, in 16 bits, which
 * is also the index in the available ring at which the device finds it. Never a
 * key, never data.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM virtio_cryptodev

#if !defined(VIRTIO_CRYPTODEV_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define VIRTIO_CRYPTODEV_TRACE_H

#include <linux/tracepoint.h>

#include "driver.h"

/* On the ring, but perhaps not told of yet. */
TRACE_EVENT(vcd_submit,
	TP_PROTO(const struct vcd_req *r),
	TP_ARGS(r),
	TP_STRUCT__entry(
		__field(int, device)
		__field(unsigned int, queue)
		__field(u16, tag)
		__field(u64, session)
		__field(u32, len)
		__field(bool, kernel)
	),
	TP_fast_assign(
		__entry->device = r->queue->dev->index;
		__entry->queue = r->queue - r->queue->dev->queues;
		__entry->tag = r->tag;
		__entry->session = r->session;
		__entry->len = r->len;
		__entry->kernel = r->kernel;
	),
	TP_printk("device=%d queue=%u tag=%u session=%llu len=%u door=%s",
		  __entry->device, __entry->queue, __entry->tag, __entry->session,
		  __entry->len, __entry->kernel ? "kernel" : "node")
);

/* The device is told of all up to @tag. */
TRACE_EVENT(vcd_kick,
	TP_PROTO(const struct vcd_queue *q, u16 tag),
	TP_ARGS(q, tag),
	TP_STRUCT__entry(
		__field(int, device)
		__field(unsigned int, queue)
		__field(u16, tag)
	),
	TP_fast_assign(
		__entry->device = q->dev->index;
		__entry->queue = q - q->dev->queues;
		__entry->tag = tag;
	),
	TP_printk("device=%d queue=%u tag=%u", __entry->device, __entry->queue, __entry->tag)
);

/* Off the ring: by an interrupt, or found by who looked. */
TRACE_EVENT(vcd_answer,
	TP_PROTO(const struct vcd_req *r, u64 ns),
	TP_ARGS(r, ns),
	TP_STRUCT__entry(
		__field(int, device)
		__field(unsigned int, queue)
		__field(u16, tag)
		__field(u64, session)
		__field(u32, used)
		__field(int, error)
		__field(u64, ns)
	),
	TP_fast_assign(
		__entry->device = r->queue->dev->index;
		__entry->queue = r->queue - r->queue->dev->queues;
		__entry->tag = r->tag;
		__entry->session = r->session;
		__entry->used = r->used;
		__entry->error = r->error;
		__entry->ns = ns;
	),
	TP_printk("device=%d queue=%u tag=%u session=%llu used=%u error=%d ns=%llu",
		  __entry->device, __entry->queue, __entry->tag, __entry->session,
		  __entry->used, __entry->error, __entry->ns)
);

/* With who asked for it. */
TRACE_EVENT(vcd_reap,
	TP_PROTO(const struct vcd_req *r, int result),
	TP_ARGS(r, result),
	TP_STRUCT__entry(
		__field(int, device)
		__field(unsigned int, queue)
		__field(u16, tag)
		__field(u64, session)
		__field(int, result)
	),
	TP_fast_assign(
		__entry->device = r->queue->dev->index;
		__entry->queue = r->queue - r->queue->dev->queues;
		__entry->tag = r->tag;
		__entry->session = r->session;
		__entry->result = result;
	),
	TP_printk("device=%d queue=%u tag=%u session=%llu result=%d",
		  __entry->device, __entry->queue, __entry->tag, __entry->session,
		  __entry->result)
);

#endif

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
