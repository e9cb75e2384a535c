// SPDX-License-Identifier: GPL-2.0
/*
 * Ciphers and AEADs on the device. What is too long for one request goes in
 * chunks, and the IV is carried from one to the next.
 */
#include <linux/module.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "driver.h"

static unsigned int zero_copy = 256;
module_param(zero_copy, uint, 0644);
MODULE_PARM_DESC(zero_copy,
		 "Bytes from which on the caller's pages are handed to the device rather than copied; 0: never (default 256)");

/*
 * The wire's length for @len bytes. Only CTR may end in a part block, and not
 * every device takes it (QEMU's back-ends do not): they get whole blocks.
 */
unsigned int vcd_wire_len(const struct vcd_cipher *c, unsigned int len)
{
	return c->chain == VCD_CHAIN_CTR ? round_up(len, VCD_BLOCK) : len;
}

/* Whether the caller's pages may go to the device for this operation. */
bool vcd_zero_copy(const struct vcd_session *s, const struct crypt_op *cop)
{
	unsigned int min = READ_ONCE(zero_copy);
	const u8 __user *src = cop->src, *dst = cop->dst;

	if (!min || cop->len < min || (cop->flags & COP_FLAG_NO_ZC))
		return false;
	if (s->hash || vcd_wire_len(s->cipher, cop->len) != cop->len)
		return false;
	return src == dst || src + cop->len <= dst || dst + cop->len <= src;
}

/* The 128-bit big-endian counter after @len bytes; a part block counts. */
void vcd_ctr_advance(u8 *ctr, unsigned int len)
{
	u64 carry = DIV_ROUND_UP(len, VCD_BLOCK);
	int i;

	for (i = VCD_BLOCK - 1; i >= 0 && carry; i--) {
		carry += ctr[i];
		ctr[i] = carry;
		carry >>= 8;
	}
}

/* The last @n bytes of a list of memory of @len bytes. Any context. */
static void vcd_sg_tail(struct scatterlist *sg, unsigned int len, u8 *to, unsigned int n)
{
	if (sg_is_last(sg) && !PageHighMem(sg_page(sg)))
		memcpy(to, sg_virt(sg) + len - n, n);
	else
		sg_pcopy_to_buffer(sg, sg_nents(sg), to, n, len - n);
}

/**
 * vcd_cipher_next_iv() - the IV with which the next operation goes on
 * @r: the request, its data set
 * @s: its session
 * @op: COP_ENCRYPT or COP_DECRYPT
 * @len: its bytes
 * @iv: in: its own; out: the next one
 * @before: the device has not had it yet. To be called then for decryption
 *	(in place, the ciphertext goes) and else after it, in any context.
 *
 * Return: whether @iv was set.
 */
int vcd_cipher_next_iv(struct vcd_data *r, struct vcd_session *s, int op,
		       unsigned int len, u8 *iv, bool before)
{
	const struct vcd_cipher *c = s->cipher;
	bool decrypt = op == COP_DECRYPT;

	if (before != decrypt)
		return false;
	switch (c->chain) {
	case VCD_CHAIN_CBC:
		vcd_sg_tail(before ? r->src_sg : r->m.dst, len, iv, c->ivsize);
		break;
	case VCD_CHAIN_CTR:
		vcd_ctr_advance(iv, len);
		break;
	default:
		break;
	}
	return true;
}

/* The header of a cipher's request whose data is set already. */
void vcd_cipher_header(struct vcd_msg *m, const struct vcd_cipher *c, int op,
		       unsigned int len, const u8 *iv)
{
	struct virtio_crypto_sym_data_req *sym = &m->out.u.sym_req;

	vcd_msg_header(m, op == COP_ENCRYPT ? VIRTIO_CRYPTO_CIPHER_ENCRYPT :
					      VIRTIO_CRYPTO_CIPHER_DECRYPT, c->algo);
	sym->op_type = cpu_to_le32(VIRTIO_CRYPTO_SYM_OP_CIPHER);
	sym->u.cipher.para.iv_len = cpu_to_le32(c->ivsize);
	sym->u.cipher.para.src_data_len = cpu_to_le32(len);
	sym->u.cipher.para.dst_data_len = cpu_to_le32(len);
	m->ivlen = c->ivsize;
	memcpy(m->iv, iv, m->ivlen);
}

/* Copy a chunk in, and a part block filled up. */
static int vcd_chunk_in(struct vcd_data *r, const struct vcd_cipher *c,
			struct vcd_mem src, unsigned int len)
{
	unsigned int wire = vcd_wire_len(c, len);
	int err = vcd_data_reserve(r, wire);

	if (!err)
		err = vcd_data_in(r, src, len);
	if (err)
		return err;
	if (wire > len)
		memset(vcd_data_at(r, len), 0, wire - len);
	vcd_data_segs(r, wire);
	return 0;
}

/* The hash of a combined session, over the segments. */
static int vcd_chunk_hash(struct vcd_data *r, struct vcd_session *s, unsigned int len)
{
	unsigned int off, n;
	int err = 0;

	for (off = 0; off < len && !err; off += n) {
		n = min(len - off, r->seg_size);
		err = vcd_hash_update(s, vcd_data_at(r, off), n);
	}
	return err;
}

/* One chunk, and *iv to the next chunk's. */
static int vcd_chunk(struct vcd_data **rp, struct vcd_session *s, int op,
		     struct vcd_mem src, struct vcd_mem dst, unsigned int len,
		     u8 *iv, bool zc, bool hash)
{
	const struct vcd_cipher *c = s->cipher;
	bool pinned = zc && vcd_data_pin(*rp, s->user, src.u, dst.u, len);
	u8 next[VCD_BLOCK];
	int tries = 2;
	int err;

	/*
	 * The device may have forgotten the session or been reset since it was
	 * opened: then once more, with the caller's data afresh.
	 */
	do {
		err = pinned ? 0 : vcd_chunk_in(*rp, c, src, len);
		if (!err && hash && op == COP_ENCRYPT && tries == 2)
			err = vcd_chunk_hash(*rp, s, len);
		if (err)
			return err;
		memcpy(next, iv, VCD_BLOCK);
		vcd_cipher_next_iv(*rp, s, op, len, next, true);
		vcd_cipher_header(&(*rp)->m, c, op, vcd_wire_len(c, len), iv);
		err = vcd_data_send(rp, s, op);
	} while (err == -ESTALE && --tries);
	if (err)
		return err == -ESTALE ? -EIO : err;

	vcd_cipher_next_iv(*rp, s, op, len, next, false);
	memcpy(iv, next, VCD_BLOCK);
	if (hash && op == COP_DECRYPT)
		err = vcd_chunk_hash(*rp, s, len);
	if (pinned)
		vcd_data_unpin(*rp, true);
	else if (!err)
		err = vcd_data_out(*rp, dst, len);
	return err;
}

/* The cipher that changes nothing: no device is asked. */
static int vcd_null(struct vcd_session *s, int op, struct vcd_mem src,
		    struct vcd_mem dst, u32 len, bool hash)
{
	u32 off, n;
	u8 *page;
	int err = 0;

	/* In place nothing is to be done but to see that it could be. */
	if (src.u && src.u == dst.u && !hash)
		return access_ok(src.u, len) ? 0 : -EFAULT;
	page = (u8 *)__get_free_page(GFP_KERNEL);
	if (!page)
		return -ENOMEM;
	for (off = 0; off < len && !err; off += n) {
		n = min_t(u32, len - off, PAGE_SIZE);
		err = vcd_copy_in(page, src, off, n);
		if (!err && hash)
			err = vcd_hash_update(s, page, n);
		if (!err)
			err = vcd_copy_out(dst, off, page, n);
		if (fatal_signal_pending(current))
			err = -EINTR;
		cond_resched();
	}
	memzero_explicit(page, PAGE_SIZE);
	free_page((unsigned long)page);
	return err;
}

/**
 * vcd_cipher_run() - encrypt or decrypt, and hash what is plain if need be
 * @s: the session; has a cipher that is no AEAD
 * @op: COP_ENCRYPT or COP_DECRYPT
 * @flags: COP_FLAG_NO_ZC, or 0. Others say nothing here, but for a caller of
 *	CIOCCRYPT: if @src is a user's and the session has a hash, it is updated
 * @src: data
 * @dst: where the result goes; @src, or not
 * @len: bytes, a multiple of the cipher's block
 * @iv: VCD_BLOCK bytes; out: the next one
 *
 * Return: 0, -EFAULT, -EBUSY (the device is not ready), -EIO, -ENODEV, -EINTR
 * (killed), -ENOMEM, -EMSGSIZE (too long for what may not be split), or what
 * vcd_data_result() makes of the device's status.
 */
int vcd_cipher_run(struct vcd_session *s, int op, u16 flags, struct vcd_mem src,
		   struct vcd_mem dst, u32 len, u8 *iv)
{
	struct vcd_device *d = s->dev;
	struct crypt_op span = { .len = len, .flags = flags, .src = src.u, .dst = dst.u };
	bool hash = s->hash && src.u;
	struct vcd_data *r;
	int err = 0;
	bool zc;

	if (!len)
		return 0;
	if (s->cipher->kind == VCD_NULL)
		return vcd_null(s, op, src, dst, len, hash);
	if (!READ_ONCE(d->hw_ready))
		return -EBUSY;
	zc = src.u && dst.u && vcd_zero_copy(s, &span);
	r = vcd_data_get(d);
	if (!r)
		return -ENOMEM;
	while (len && !err) {
		unsigned int n = min(len, READ_ONCE(d->chunk));

		if (s->cipher->whole && n < len) {
			n = len;
			zc = false;
		}
		err = vcd_chunk(&r, s, op, src, dst, n, iv, zc, hash);
		if (src.k)
			src.k += n;
		else
			src.u += n;
		if (dst.k)
			dst.k += n;
		else
			dst.u += n;
		len -= n;
	}
	if (r)
		vcd_data_put(r);
	return err;
}

/* One request of an AEAD. */
static int vcd_aead_send(struct vcd_data **rp, struct vcd_session *s,
			 const struct vcd_aead_op *a)
{
	struct vcd_data *r = *rp;
	struct virtio_crypto_aead_para *para = &r->m.out.u.aead_req.para;
	bool encrypt = a->op == COP_ENCRYPT;
	int err;

	err = vcd_data_reserve(r, a->len);
	if (!err)
		err = vcd_data_in(r, a->src, a->len);
	if (err)
		return err;
	vcd_data_segs(r, a->len);
	vcd_msg_header(&r->m, encrypt ? VIRTIO_CRYPTO_AEAD_ENCRYPT :
				     VIRTIO_CRYPTO_AEAD_DECRYPT, s->cipher->algo);
	if (s->cipher->id == CRYPTO_AES_CCM) {
		/* RFC 3610, 2.3: a byte of L - 1, the nonce, the counter. */
		r->m.ivlen = 14 - a->iv[0];
		memcpy(r->m.iv, a->iv + 1, r->m.ivlen);
	} else {
		r->m.ivlen = s->cipher->ivsize;
		memcpy(r->m.iv, a->iv, r->m.ivlen);
	}
	/* The tag follows the ciphertext: as source, and as destination. */
	if (encrypt) {
		r->m.result = a->tagsize;
	} else {
		r->m.tag_in = a->tagsize;
		err = vcd_copy_in(r->m.tag, a->src, a->len, a->tagsize);
		if (err)
			return err;
	}
	if (a->aad_len) {
		/* Its own copy: it may outlive a caller that is killed. */
		if (!r->aad)
			r->aad = kmemdup(a->aad, a->aad_len, GFP_KERNEL);
		if (!r->aad)
			return -ENOMEM;
		sg_init_one(&r->aad_sg, r->aad, a->aad_len);
		r->m.aad = &r->aad_sg;
		r->m.aad_len = a->aad_len;
	}
	para->iv_len = cpu_to_le32(r->m.ivlen);
	para->aad_len = cpu_to_le32(a->aad_len);
	para->src_data_len = cpu_to_le32(a->len + r->m.tag_in);
	para->dst_data_len = cpu_to_le32(a->len + r->m.result);
	return vcd_data_send(rp, s, a->op);
}

/**
 * vcd_aead_run() - one message of an AEAD
 * @s: the session, of an AEAD, s->tagsize being @a->tagsize
 * @a: what to do. The tag is behind the text, in source or destination. The
 *	AAD is kmalloc'ed, and the caller's again if this does not return -EINTR
 *
 * Return: as vcd_cipher_run(); -EBADMSG if the tag does not fit, and nothing
 * was written then.
 */
int vcd_aead_run(struct vcd_session *s, const struct vcd_aead_op *a)
{
	struct vcd_device *d = s->dev;
	struct vcd_data *r;
	int tries = 2;
	int err;

	if (!READ_ONCE(d->hw_ready))
		return -EBUSY;
	r = vcd_data_get(d);
	if (!r)
		return -ENOMEM;
	do {
		err = vcd_aead_send(&r, s, a);
	} while (err == -ESTALE && --tries);
	if (err == -ESTALE)
		err = -EIO;
	if (!err)
		err = vcd_data_out(r, a->dst, a->len);
	if (!err && a->op == COP_ENCRYPT)
		err = vcd_copy_out(a->dst, a->len, r->m.in, a->tagsize);
	if (r)
		vcd_data_put(r);
	return err;
}
