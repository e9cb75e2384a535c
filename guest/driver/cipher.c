// SPDX-License-Identifier: GPL-2.0
/*
 * CIOCCRYPT on a cipher session. The caller's data goes through memory of ours
 * in chunks, each a request; the IV is carried from one to the next.
 *
 * A request works in place: the device reads and writes the same segments. So
 * whatever it fails to write, the caller gets back only what it gave.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/slab.h>
#include <linux/smp.h>
#include <linux/uaccess.h>

#include "driver.h"

/* Not a status of the specification: shows whether the device wrote one. */
#define VCD_NO_STATUS	0xff

/* A request on a data queue. kmalloc'ed: the device reads and writes it. */
struct vcd_data {
	struct vcd_req req;
	struct vcd_device *dev;
	struct vcd_session *session;	/* held while in flight */
	unsigned int nsegs;
	u8 *seg[VCD_MAX_SEGS];
	struct virtio_crypto_op_data_req out;
	u8 iv[VCD_BLOCK];
	/* Written by the device: a cache line of its own. */
	struct virtio_crypto_inhdr in ____cacheline_aligned;
};

static void vcd_data_free(struct vcd_data *r)
{
	while (r->nsegs)
		kfree(r->seg[--r->nsegs]);
	kfree(r);
}

static struct vcd_data *vcd_data_get(struct vcd_device *d)
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
	if (r)
		r->dev = d;
	return r;
}

static void vcd_data_put(struct vcd_data *r)
{
	struct vcd_device *d = r->dev;

	while (r->nsegs > 1)
		kfree(r->seg[--r->nsegs]);
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

	vcd_data_put(r);
	vcd_session_put(s);
}

/*
 * The wire's length for @len bytes. Only CTR may end in a part block, and not
 * every device takes it (QEMU's back-ends do not): they get whole blocks.
 */
static unsigned int vcd_wire_len(unsigned int len)
{
	return round_up(len, VCD_BLOCK);
}

/* Segments for @len bytes. */
static int vcd_data_reserve(struct vcd_data *r, unsigned int len)
{
	while (r->nsegs * VCD_SEG_SIZE < len) {
		r->seg[r->nsegs] = kmalloc(VCD_SEG_SIZE, GFP_KERNEL);
		if (!r->seg[r->nsegs])
			return -ENOMEM;
		r->nsegs++;
	}
	return 0;
}

static int vcd_copy_in(struct vcd_data *r, const u8 __user *src, unsigned int len)
{
	unsigned int off, n;

	for (off = 0; off < len; off += n) {
		n = min_t(unsigned int, len - off, VCD_SEG_SIZE);
		if (copy_from_user(r->seg[off / VCD_SEG_SIZE], src + off, n))
			return -EFAULT;
	}
	/* Segments are whole blocks: what is missing is in the last one. */
	if (len % VCD_BLOCK)
		memset(r->seg[len / VCD_SEG_SIZE] + len % VCD_SEG_SIZE, 0,
		       vcd_wire_len(len) - len);
	return 0;
}

static int vcd_copy_out(struct vcd_data *r, u8 __user *dst, unsigned int len)
{
	unsigned int off, n;

	for (off = 0; off < len; off += n) {
		n = min_t(unsigned int, len - off, VCD_SEG_SIZE);
		if (copy_to_user(dst + off, r->seg[off / VCD_SEG_SIZE], n))
			return -EFAULT;
	}
	return 0;
}

/* The last block of @len bytes; blocks do not straddle segments. */
static const u8 *vcd_last_block(struct vcd_data *r, unsigned int len)
{
	unsigned int off = len - VCD_BLOCK;

	return r->seg[off / VCD_SEG_SIZE] + off % VCD_SEG_SIZE;
}

/* The 128-bit big-endian counter after @len bytes; a part block counts. */
static void vcd_ctr_advance(u8 *ctr, unsigned int len)
{
	u64 carry = DIV_ROUND_UP(len, VCD_BLOCK);
	int i;

	for (i = VCD_BLOCK - 1; i >= 0 && carry; i--) {
		carry += ctr[i];
		ctr[i] = carry;
		carry >>= 8;
	}
}

/* What the device made of it, as an errno. -ESTALE: it lost the session. */
static int vcd_result(struct vcd_data *r)
{
	if (r->req.error)
		return r->req.error;
	if (r->req.used != r->req.writable) {
		pr_err_ratelimited("%s: the device wrote %u bytes of an answer of %u\n",
				   r->dev->name, r->req.used, r->req.writable);
		return -EIO;
	}
	switch (r->in.status) {
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

/*
 * Send @len bytes, whole blocks, of the segments and wait. On -EINTR the request is no longer
 * the caller's and *rp is NULL.
 */
static int vcd_send(struct vcd_data **rp, struct vcd_session *s, int op,
		    unsigned int len, const u8 *iv)
{
	struct vcd_data *r = *rp;
	struct vcd_device *d = r->dev;
	struct scatterlist hdr, ivsg, data[VCD_MAX_SEGS], in;
	struct scatterlist *sgs[5];
	struct virtio_crypto_sym_data_req *sym = &r->out.u.sym_req;
	unsigned int nsegs = DIV_ROUND_UP(len, VCD_SEG_SIZE);
	unsigned int n = 0, nout, i;
	u64 id;
	u32 gen;
	int err;

	err = vcd_session_open(s, op, &id, &gen);
	if (err)
		return err;

	/* Callers on different CPUs use different queues. */
	vcd_req_init(&r->req, &d->queues[raw_smp_processor_id() % d->ndata], gen);
	r->req.orphaned = vcd_data_orphaned;
	r->req.writable = len + sizeof(r->in);
	memset(&r->out, 0, sizeof(r->out));
	r->out.header.opcode =
		cpu_to_le32(op == COP_ENCRYPT ? VIRTIO_CRYPTO_CIPHER_ENCRYPT :
						VIRTIO_CRYPTO_CIPHER_DECRYPT);
	r->out.header.algo = cpu_to_le32(s->cipher->algo);
	r->out.header.session_id = cpu_to_le64(id);
	sym->op_type = cpu_to_le32(VIRTIO_CRYPTO_SYM_OP_CIPHER);
	sym->u.cipher.para.iv_len = cpu_to_le32(s->cipher->ivsize);
	sym->u.cipher.para.src_data_len = cpu_to_le32(len);
	sym->u.cipher.para.dst_data_len = cpu_to_le32(len);
	r->in.status = VCD_NO_STATUS;

	sg_init_one(&hdr, &r->out, sizeof(r->out));
	sgs[n++] = &hdr;
	if (s->cipher->ivsize) {
		memcpy(r->iv, iv, VCD_BLOCK);
		sg_init_one(&ivsg, r->iv, VCD_BLOCK);
		sgs[n++] = &ivsg;
	}
	sg_init_table(data, nsegs);
	for (i = 0; i < nsegs; i++)
		sg_set_buf(&data[i], r->seg[i],
			   min_t(unsigned int, len - i * VCD_SEG_SIZE, VCD_SEG_SIZE));
	sgs[n++] = data;
	nout = n;
	sgs[n++] = data;
	sg_init_one(&in, &r->in, sizeof(r->in));
	sgs[n++] = &in;

	kref_get(&s->ref);
	r->session = s;
	err = vcd_submit(&r->req, sgs, nout, n - nout, true);
	if (!err) {
		err = vcd_wait(&r->req);
		if (err == -EINTR) {
			*rp = NULL;
			return err;
		}
		err = vcd_result(r);
		if (err == -ESTALE)
			vcd_session_lost(s, op, id, gen);
	}
	/* The caller has a reference of its own: this is not the last. */
	vcd_session_put(s);
	return err;
}

/* One chunk: user memory to user memory, and *iv to the next chunk's. */
static int vcd_chunk(struct vcd_data **rp, struct vcd_session *s, int op,
		     const u8 __user *src, u8 __user *dst, unsigned int len,
		     u8 *iv)
{
	bool cbc = s->cipher->id == CRYPTO_AES_CBC;
	u8 next[VCD_BLOCK];
	int tries = 2;
	int err;

	err = vcd_data_reserve(*rp, len);
	if (err)
		return err;
	/*
	 * The device may have forgotten the session or been reset since it was
	 * opened: then once more, with the caller's data afresh.
	 */
	do {
		err = vcd_copy_in(*rp, src, len);
		if (err)
			return err;
		if (cbc && op == COP_DECRYPT)
			memcpy(next, vcd_last_block(*rp, len), VCD_BLOCK);
		err = vcd_send(rp, s, op, vcd_wire_len(len), iv);
	} while (err == -ESTALE && --tries);
	if (err)
		return err == -ESTALE ? -EIO : err;

	if (s->cipher->id == CRYPTO_AES_CTR)
		vcd_ctr_advance(iv, len);
	else if (cbc)
		memcpy(iv, op == COP_DECRYPT ? next : vcd_last_block(*rp, len),
		       VCD_BLOCK);
	return vcd_copy_out(*rp, dst, len);
}

static int vcd_chunks(struct vcd_session *s, const struct crypt_op *cop, u8 *iv)
{
	struct vcd_device *d = s->dev;
	const u8 __user *src = cop->src;
	u8 __user *dst = cop->dst;
	u32 left = cop->len;
	struct vcd_data *r;
	int err = 0;

	if (!left)
		return 0;
	if (!READ_ONCE(d->hw_ready))
		return -EBUSY;
	r = vcd_data_get(d);
	if (!r)
		return -ENOMEM;
	while (left && !err) {
		unsigned int n = min(left, READ_ONCE(d->chunk));

		err = vcd_chunk(&r, s, cop->op, src, dst, n, iv);
		src += n;
		dst += n;
		left -= n;
	}
	if (r)
		vcd_data_put(r);
	return err;
}

/**
 * vcd_crypt() - encrypt or decrypt the caller's memory
 * @s: the session
 * @cop: what to do; op is valid and len a multiple of the cipher's block
 * @iv: if @cop->iv is set, the IV, VCD_BLOCK bytes; out: the next one
 *
 * Without an IV the operation goes on where the session's last one ended, so
 * such operations are one at a time; all others may run side by side.
 *
 * Return: 0, -EFAULT, -EBUSY (the device is not ready), -EIO, -ENODEV, -EINTR
 * (killed), -ENOMEM, or what vcd_result() makes of the device's status.
 */
int vcd_crypt(struct vcd_session *s, const struct crypt_op *cop, u8 *iv)
{
	bool chained = s->cipher->ivsize && !cop->iv;
	int err;

	err = chained ? down_write_killable(&s->rwsem) :
			down_read_killable(&s->rwsem);
	if (err)
		return err;
	if (chained)
		memcpy(iv, s->iv, VCD_BLOCK);

	err = vcd_chunks(s, cop, iv);

	spin_lock(&s->lock);
	memcpy(s->iv, iv, s->cipher->ivsize);
	spin_unlock(&s->lock);
	if (chained)
		up_write(&s->rwsem);
	else
		up_read(&s->rwsem);
	return err;
}
