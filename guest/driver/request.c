// SPDX-License-Identifier: GPL-2.0
/*
 * The memory of a request of /dev/crypto: segments of ours, or the caller's
 * pages.
 *
 * Data that is copied lies in segments of ours, and the device works in place:
 * whatever it fails to write, the caller gets back only what it gave.
 */
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "driver.h"

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
	r = list_first_entry_or_null(&d->pool, struct vcd_data, m.req.link);
	if (r) {
		list_del(&r->m.req.link);
		d->pooled--;
	}
	spin_unlock(&d->pool_lock);
	if (r)
		return r;
	r = kzalloc(sizeof(*r), GFP_KERNEL_ACCOUNT);
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
		list_add(&r->m.req.link, &d->pool);
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

	list_for_each_entry_safe(r, next, &d->pool, m.req.link)
		vcd_data_free(r);
}

static void vcd_data_orphaned(struct vcd_req *req)
{
	struct vcd_data *r = container_of(req, struct vcd_data, m.req);
	struct vcd_session *s = r->m.session;

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

/* Segments for @len bytes, up to vcd_max_whole(). */
int vcd_data_reserve(struct vcd_data *r, unsigned int len)
{
	unsigned int size = VCD_SEG_SIZE;

	if (len > vcd_max_whole(r->dev))
		return -EMSGSIZE;
	while (size * r->dev->segs < len)
		size *= 2;
	if (size > r->seg_size) {
		vcd_segs_free(r, 0);
		r->seg_size = size;
	}
	while (r->nsegs * r->seg_size < len) {
		r->seg[r->nsegs] = kmalloc(r->seg_size, GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
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

/* The device reads and writes the first @len bytes of the segments, reserved. */
void vcd_data_segs(struct vcd_data *r, unsigned int len)
{
	unsigned int n = DIV_ROUND_UP(len, r->seg_size);
	unsigned int i;

	r->m.src_len = len;
	r->m.dst_len = len;
	r->m.src = r->src_sg;
	r->m.dst = r->src_sg;
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

/* Pages that lie side by side in memory become one piece. Return: pieces. */
static unsigned int vcd_pages_sg(struct scatterlist *table, struct page **pages,
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
	return sg - table + 1;
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
	unsigned int pieces;

	if (!vcd_user_pin(u, nsrc + ndst))
		return false;
	r->npages = 0;
	r->nsrc = src == dst ? 0 : nsrc;
	if (!vcd_pin_some(r, src, nsrc, src == dst) ||
	    (ndst && !vcd_pin_some(r, dst, ndst, true)))
		goto unpin;
	r->m.src_len = len;
	r->m.dst_len = len;
	pieces = vcd_pages_sg(r->src_sg, r->pages, nsrc, offset_in_page(src), len);
	r->m.src = r->src_sg;
	r->m.dst = r->src_sg;
	if (ndst) {
		pieces += vcd_pages_sg(r->dst_sg, r->pages + nsrc, ndst, offset_in_page(dst), len);
		r->m.dst = r->dst_sg;
	} else {
		pieces *= 2;
	}
	/* Scattered memory may be in more pieces than the ring takes. */
	if (pieces > READ_ONCE(r->dev->ksegs))
		goto unpin;
	r->user = u;
	return true;

unpin:
	unpin_user_pages(r->pages, r->npages);
	r->npages = 0;
	atomic_sub(nsrc + ndst, &u->pages);
	return false;
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
	void (*notify)(struct vcd_req *req) = r->file ? r->m.req.notify : NULL;
	struct vcd_lists l;
	u64 id;
	u32 gen;
	int err;

	err = vcd_session_open(s, slot, &id, &gen);
	if (err)
		return err == -EREMOTEIO ? -EIO : err;
	vcd_msg_prepare(&r->m, s, slot, id, gen);
	r->m.req.orphaned = vcd_data_orphaned;
	r->m.req.notify = notify;
	vcd_msg_lists(&r->m, &l);

	kref_get(&s->ref);
	err = vcd_submit(&r->m.req, l.sgs, l.out, l.total - l.out);
	/* The caller has a reference of its own: this is not the last. */
	if (err)
		vcd_session_put(s);
	return err;
}

/* Send and wait. On -EINTR the request is no longer the caller's: *rp is NULL. */
int vcd_data_send(struct vcd_data **rp, struct vcd_session *s, enum vcd_slot slot)
{
	struct vcd_data *r = *rp;
	int err = vcd_data_submit(r, s, slot);

	if (err)
		return err;
	err = vcd_wait(&r->m.req, r->m.src_len + r->m.dst_len);
	if (err == -EINTR) {
		*rp = NULL;
		return err;
	}
	err = vcd_msg_result(&r->m);
	if (err == -ESTALE)
		vcd_session_lost(s, slot, r->m.id, r->m.req.gen);
	vcd_session_put(s);
	return err;
}
