// SPDX-License-Identifier: GPL-2.0
/*
 * A request on a data queue: its memory, its layout, its answer.
 *
 * Data that is copied lies in segments of ours, and the device works in place:
 * whatever it fails to write, the caller gets back only what it gave.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <linux/uaccess.h>

#include "driver.h"

/* Not a status of the specification: shows whether the device wrote one. */
#define VCD_NO_STATUS	0xff

/* Header and IV go out as one piece of memory. */
static_assert(offsetof(struct vcd_data, iv) ==
	      offsetofend(struct vcd_data, out));

static void vcd_segs_free(struct vcd_data *r, unsigned int keep)
{
	while (r->nsegs > keep)
		kfree_sensitive(r->seg[--r->nsegs]);
}

static void vcd_data_free(struct vcd_data *r)
{
	vcd_segs_free(r, 0);
	kfree(r);
}

/* An idle request, or a new one, or NULL. */
struct vcd_data *vcd_data_get(struct vcd_device *d)
{
	struct vcd_data *r;

	spin_lock(&d->pool_lock);
	r = list_first_entry_or_null(&d->pool, struct vcd_data, req.link);
	if (r) {
		list_del(&r->req.link);
		d->pooled--;
	}
	spin_unlock(&d->pool_lock);
	if (r)
		return r;
	r = kzalloc(sizeof(*r), GFP_KERNEL);
	if (r) {
		r->dev = d;
		r->seg_size = VCD_SEG_SIZE;
	}
	return r;
}

/* May sleep. */
void vcd_data_put(struct vcd_data *r)
{
	struct vcd_device *d = r->dev;

	vcd_data_unpin(r, false);
	kfree(r->aad);
	r->aad = NULL;
	vcd_segs_free(r, r->seg_size == VCD_SEG_SIZE ? 1 : 0);
	r->seg_size = VCD_SEG_SIZE;
	spin_lock(&d->pool_lock);
	if (d->pooled < VCD_POOL_MAX) {
		list_add(&r->req.link, &d->pool);
		d->pooled++;
		r = NULL;
	}
	spin_unlock(&d->pool_lock);
	if (r)
		vcd_data_free(r);
}

void vcd_pool_free(struct vcd_device *d)
{
	struct vcd_data *r, *next;

	list_for_each_entry_safe(r, next, &d->pool, req.link)
		vcd_data_free(r);
}

static void vcd_data_orphaned(struct vcd_req *req)
{
	struct vcd_data *r = container_of(req, struct vcd_data, req);
	struct vcd_session *s = r->session;

	vcd_data_unpin(r, true);
	vcd_data_put(r);
	vcd_session_put(s);
}

int vcd_copy_in(void *to, struct vcd_mem from, unsigned int off, unsigned int len)
{
	if (from.k) {
		memcpy(to, from.k + off, len);
		return 0;
	}
	return copy_from_user(to, from.u + off, len) ? -EFAULT : 0;
}

int vcd_copy_out(struct vcd_mem to, unsigned int off, const void *from, unsigned int len)
{
	if (to.k) {
		memcpy(to.k + off, from, len);
		return 0;
	}
	return copy_to_user(to.u + off, from, len) ? -EFAULT : 0;
}

/* Segments for @len bytes, up to VCD_MAX_WHOLE. */
int vcd_data_reserve(struct vcd_data *r, unsigned int len)
{
	unsigned int size = VCD_SEG_SIZE;

	if (len > VCD_MAX_WHOLE)
		return -EMSGSIZE;
	while (size * VCD_MAX_SEGS < len)
		size *= 2;
	if (size > r->seg_size) {
		vcd_segs_free(r, 0);
		r->seg_size = size;
	}
	while (r->nsegs * r->seg_size < len) {
		r->seg[r->nsegs] = kmalloc(r->seg_size, GFP_KERNEL | __GFP_NOWARN);
		if (!r->seg[r->nsegs])
			return -ENOMEM;
		r->nsegs++;
	}
	return 0;
}

/* The segments' memory at @off; blocks do not straddle segments. */
u8 *vcd_data_at(struct vcd_data *r, unsigned int off)
{
	return r->seg[off / r->seg_size] + off % r->seg_size;
}

int vcd_data_in(struct vcd_data *r, struct vcd_mem src, unsigned int len)
{
	unsigned int off, n;

	for (off = 0; off < len; off += n) {
		n = min(len - off, r->seg_size);
		if (vcd_copy_in(vcd_data_at(r, off), src, off, n))
			return -EFAULT;
	}
	return 0;
}

int vcd_data_out(struct vcd_data *r, struct vcd_mem dst, unsigned int len)
{
	unsigned int off, n;

	for (off = 0; off < len; off += n) {
		n = min(len - off, r->seg_size);
		if (vcd_copy_out(dst, off, vcd_data_at(r, off), n))
			return -EFAULT;
	}
	return 0;
}

/* The device reads and writes the first @len bytes of the segments. */
void vcd_data_segs(struct vcd_data *r, unsigned int len)
{
	unsigned int n = DIV_ROUND_UP(len, r->seg_size);
	unsigned int i;

	r->src_len = len;
	r->dst_len = len;
	r->dst = r->src_sg;
	if (!n)
		return;
	sg_init_table(r->src_sg, n);
	for (i = 0; i < n; i++)
		sg_set_buf(&r->src_sg[i], r->seg[i],
			   min(len - i * r->seg_size, r->seg_size));
}

static unsigned int vcd_pages(const u8 __user *p, unsigned int len)
{
	return DIV_ROUND_UP(offset_in_page(p) + len, PAGE_SIZE);
}

/* Pages that lie side by side in memory become one piece. */
static void vcd_pages_sg(struct scatterlist *table, struct page **pages,
			 unsigned int n, unsigned int off, unsigned int len)
{
	struct scatterlist *sg = NULL;
	unsigned int i, part;

	sg_init_table(table, n);
	for (i = 0; i < n; i++) {
		part = min_t(unsigned int, len, PAGE_SIZE - off);
		if (sg && page_to_pfn(pages[i]) == page_to_pfn(pages[i - 1]) + 1) {
			sg->length += part;
		} else {
			sg = sg ? sg + 1 : table;
			sg_set_page(sg, pages[i], part, off);
		}
		len -= part;
		off = 0;
	}
	sg_mark_end(sg);
}

static bool vcd_pin_some(struct vcd_data *r, u8 __user *p, unsigned int n, bool write)
{
	int got = pin_user_pages_fast((unsigned long)p & PAGE_MASK, n,
				      write ? FOLL_WRITE : 0,
				      r->pages + r->npages);

	if (got > 0)
		r->npages += got;
	return got == n;
}

/**
 * vcd_data_pin() - have the device work on the caller's pages
 * @r: the request
 * @u: who pays for them
 * @src: what the device reads
 * @dst: what it writes; @src, or memory apart from it
 * @len: bytes of each, at most VCD_MAX_CHUNK
 *
 * Return: false if that cannot be: copying then tells why, or works.
 */
bool vcd_data_pin(struct vcd_data *r, struct vcd_user *u, u8 __user *src,
		  u8 __user *dst, unsigned int len)
{
	unsigned int nsrc = vcd_pages(src, len);
	unsigned int ndst = src == dst ? 0 : vcd_pages(dst, len);

	if (!vcd_user_pin(u, nsrc + ndst))
		return false;
	r->npages = 0;
	r->nsrc = src == dst ? 0 : nsrc;
	if (!vcd_pin_some(r, src, nsrc, src == dst) ||
	    (ndst && !vcd_pin_some(r, dst, ndst, true))) {
		unpin_user_pages(r->pages, r->npages);
		r->npages = 0;
		atomic_sub(nsrc + ndst, &u->pages);
		return false;
	}
	r->user = u;
	r->src_len = len;
	r->dst_len = len;
	vcd_pages_sg(r->src_sg, r->pages, nsrc, offset_in_page(src), len);
	r->dst = r->src_sg;
	if (ndst) {
		vcd_pages_sg(r->dst_sg, r->pages + nsrc, ndst, offset_in_page(dst), len);
		r->dst = r->dst_sg;
	}
	return true;
}

/* Process context: it may sleep on a dirty page. */
void vcd_data_unpin(struct vcd_data *r, bool dirty)
{
	if (!r->npages)
		return;
	unpin_user_pages(r->pages, r->nsrc);
	unpin_user_pages_dirty_lock(r->pages + r->nsrc, r->npages - r->nsrc, dirty);
	atomic_sub(r->npages, &r->user->pages);
	r->npages = 0;
}

/* An empty header; the caller fills in its union and the lengths. */
void vcd_data_header(struct vcd_data *r, u32 opcode, u32 algo)
{
	memset(&r->out, 0, sizeof(r->out));
	r->out.header.opcode = cpu_to_le32(opcode);
	r->out.header.algo = cpu_to_le32(algo);
	r->ivlen = 0;
	r->tag_in = 0;
	kfree(r->aad);
	r->aad = NULL;
	r->aad_len = 0;
	r->result = 0;
}

/**
 * vcd_data_submit() - send a request whose header and data are set
 * @r: the request; on success its memory is the device's
 * @s: the session, which the caller holds; on success the request too
 * @slot: which of its sessions on the wire
 *
 * Return: 0, or an error of vcd_session_open() or vcd_submit().
 */
int vcd_data_submit(struct vcd_data *r, struct vcd_session *s, enum vcd_slot slot)
{
	struct vcd_device *d = r->dev;
	struct scatterlist hdr, tag, aad, in;
	struct scatterlist *sgs[6];
	unsigned int n = 0, nout;
	void (*notify)(struct vcd_req *req) = r->file ? r->req.notify : NULL;
	u32 gen;
	int err;

	err = vcd_session_open(s, slot, &r->id, &gen);
	if (err)
		return err;
	r->slot = slot;
	r->out.header.session_id = cpu_to_le64(r->id);

	/* Callers on different CPUs use different queues. */
	vcd_req_init(&r->req, &d->queues[raw_smp_processor_id() % d->ndata], gen);
	r->req.orphaned = vcd_data_orphaned;
	r->req.notify = notify;
	r->req.writable = r->result + sizeof(struct virtio_crypto_inhdr);
	r->in[r->result] = VCD_NO_STATUS;

	sg_init_one(&hdr, &r->out, sizeof(r->out) + r->ivlen);
	sgs[n++] = &hdr;
	if (r->src_len)
		sgs[n++] = r->src_sg;
	if (r->tag_in) {
		sg_init_one(&tag, r->tag, r->tag_in);
		sgs[n++] = &tag;
	}
	if (r->aad_len) {
		sg_init_one(&aad, r->aad, r->aad_len);
		sgs[n++] = &aad;
	}
	nout = n;
	if (r->dst && r->dst_len) {
		sgs[n++] = r->dst;
		r->req.writable += r->dst_len;
	}
	sg_init_one(&in, r->in, r->result + sizeof(struct virtio_crypto_inhdr));
	sgs[n++] = &in;

	kref_get(&s->ref);
	r->session = s;
	err = vcd_submit(&r->req, sgs, nout, n - nout, true);
	/* The caller has a reference of its own: this is not the last. */
	if (err)
		vcd_session_put(s);
	return err;
}

/*
 * What the device made of it, as an errno. -ESTALE: it lost the session, or
 * was reset before it got the request.
 */
int vcd_data_result(struct vcd_data *r)
{
	if (r->req.error)
		return r->req.error;
	if (r->req.used != r->req.writable) {
		pr_err_ratelimited("%s: the device wrote %u bytes of an answer of %u\n",
				   r->dev->name, r->req.used, r->req.writable);
		return -EIO;
	}
	switch (r->in[r->result]) {
	case VIRTIO_CRYPTO_OK:
		return 0;
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

/* Send and wait. On -EINTR the request is no longer the caller's: *rp is NULL. */
int vcd_data_send(struct vcd_data **rp, struct vcd_session *s, enum vcd_slot slot)
{
	struct vcd_data *r = *rp;
	int err = vcd_data_submit(r, s, slot);

	if (err)
		return err;
	err = vcd_wait(&r->req, r->src_len + r->dst_len);
	if (err == -EINTR) {
		*rp = NULL;
		return err;
	}
	err = vcd_data_result(r);
	if (err == -ESTALE)
		vcd_session_lost(s, slot, r->id, r->req.gen);
	vcd_session_put(s);
	return err;
}
