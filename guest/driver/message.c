// SPDX-License-Identifier: GPL-2.0
/* A request on a data queue: its layout on the wire, and its answer. */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/smp.h>

#include "driver.h"

/* Header and IV go out as one piece of memory. */
static_assert(offsetof(struct vcd_msg, iv) == offsetofend(struct vcd_msg, out));

/*
 * Whether so many bytes of a request are more than the device takes. The
 * specification (virtio 1.2, 5.9.4) leaves open whether max_size is of all that
 * a request reads and writes together: by the source alone one surely is too
 * large, by the sum it may be, and ERR is then taken to say so.
 */
bool vcd_oversize(const struct vcd_device *d, u64 bytes)
{
	return d->max_size && bytes > d->max_size;	/* 0 is no size */
}

/* An empty header; the caller fills in its union and the lengths. */
void vcd_msg_header(struct vcd_msg *m, u32 opcode, u32 algo)
{
	memset(&m->out, 0, sizeof(m->out));
	m->out.header.opcode = cpu_to_le32(opcode);
	m->out.header.algo = cpu_to_le32(algo);
	m->ivlen = 0;
	m->tag_in = 0;
	m->aad_len = 0;
	m->aad_first = false;
	m->result = 0;
	m->short_ok = false;
	m->oversize = false;
}

/**
 * vcd_msg_prepare() - make a request whose header and data are set ready to go
 * @m: the request
 * @s: its session
 * @slot: which of the session's on the wire
 * @id: the device's number for that
 * @gen: the life of the device in which @id holds
 */
void vcd_msg_prepare(struct vcd_msg *m, struct vcd_session *s,
		     enum vcd_slot slot, u64 id, u32 gen)
{
	struct vcd_device *d = s->dev;

	/* Callers on different CPUs use different queues. */
	vcd_req_init(&m->req, &d->queues[raw_smp_processor_id() % d->ndata], gen);
	m->req.session = id;
	m->req.len = m->src_len;
	m->session = s;
	m->slot = slot;
	m->id = id;
	m->out.header.session_id = cpu_to_le64(id);
	m->req.writable = m->result + sizeof(struct virtio_crypto_inhdr);
	if (m->dst)
		m->req.writable += m->dst_len;
	m->in[m->result] = VCD_NO_STATUS;
}

/* The lists of memory that make up the request, for vcd_submit(). */
void vcd_msg_lists(struct vcd_msg *m, struct vcd_lists *l)
{
	unsigned int n = 0;

	sg_init_one(&l->hdr, &m->out, sizeof(m->out) + m->ivlen);
	l->sgs[n++] = &l->hdr;
	if (m->aad_len && m->aad_first)
		l->sgs[n++] = m->aad;
	if (m->src_len)
		l->sgs[n++] = m->src;
	if (m->tag_in) {
		sg_init_one(&l->tag, m->tag, m->tag_in);
		l->sgs[n++] = &l->tag;
	}
	if (m->aad_len && !m->aad_first)
		l->sgs[n++] = m->aad;
	l->out = n;
	if (m->dst && m->dst_len)
		l->sgs[n++] = m->dst;
	sg_init_one(&l->in, m->in, m->result + sizeof(struct virtio_crypto_inhdr));
	l->sgs[n++] = &l->in;
	l->total = n;
}

/* The status that the device wrote, or -1 if what it wrote makes no answer. */
static int vcd_msg_status(const struct vcd_msg *m)
{
	bool ok = m->req.used == m->req.writable;

	if (m->short_ok)
		ok = m->req.used && m->req.used <= m->req.writable;
	return ok ? m->in[m->result] : -1;
}

/* Whether the device answered, and with ERR. */
bool vcd_msg_refused(const struct vcd_msg *m)
{
	return !m->req.error && vcd_msg_status(m) == VIRTIO_CRYPTO_ERR;
}

/*
 * What the device made of it, as an errno. -ESTALE: it lost the session, or
 * was reset before it got the request. Any context.
 */
int vcd_msg_result(struct vcd_msg *m)
{
	if (m->req.error)
		return m->req.error;
	switch (vcd_msg_status(m)) {
	case -1:
		pr_err_ratelimited("%s: the device wrote %u bytes of an answer of %u\n",
				   m->req.queue->dev->name, m->req.used,
				   m->req.writable);
		return -EIO;
	case VIRTIO_CRYPTO_OK:
		return 0;
	case VIRTIO_CRYPTO_ERR:
		return m->oversize ? -EMSGSIZE : -EIO;
	case VIRTIO_CRYPTO_BADMSG:
		return -EBADMSG;
	case VIRTIO_CRYPTO_NOTSUPP:
		return -EOPNOTSUPP;
	case VIRTIO_CRYPTO_INVSESS:
		return -ESTALE;
	default:
		return -EIO;
	}
}
