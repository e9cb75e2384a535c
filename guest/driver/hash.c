// SPDX-License-Identifier: GPL-2.0
/*
 * Hashes and MACs. A message that comes at once is the device's. One that
 * comes in parts has no form on the wire: its running state is kept here, by
 * the kernel's own code. So is all that the device does not offer.
 */
#include <crypto/hash.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/version.h>

#include "driver.h"

/**
 * vcd_hash_init() - give a new session a hash
 * @s: the session
 * @h: the hash
 * @key: its key, copied; nothing if the hash has none
 * @keylen: in bytes, up to CRYPTO_HMAC_MAX_KEY_LEN
 *
 * Return: 0, -EINVAL if neither kernel nor device has it, -ENOMEM, or -EINTR
 * (killed).
 */
int vcd_hash_init(struct vcd_session *s, const struct vcd_hash *h,
		  const u8 *key, u32 keylen)
{
	struct crypto_shash *tfm;
	int err;

	s->hash = h;
	if (h->keyed && keylen) {
		s->mackey = kmemdup(key, keylen, GFP_KERNEL_ACCOUNT);
		if (!s->mackey)
			return -ENOMEM;
		s->mackeylen = keylen;
	}
	tfm = crypto_alloc_shash(h->name, 0, 0);
	if (IS_ERR(tfm)) {
		err = PTR_ERR(tfm);
		if (err == -ENOMEM || err == -EINTR)
			return err;
		/* Whole messages still can be hashed, by the device. */
		return vcd_hash_offered(s->dev, h) ? 0 : -EINVAL;
	}
	s->desc = kzalloc(sizeof(*s->desc) + crypto_shash_descsize(tfm),
			  GFP_KERNEL_ACCOUNT);
	if (!s->desc) {
		crypto_free_shash(tfm);
		return -ENOMEM;
	}
	s->desc->tfm = tfm;
	err = h->keyed ? crypto_shash_setkey(tfm, key, keylen) : 0;
	if (err)
		return err == -ENOMEM ? err : -EINVAL;
	err = crypto_shash_init(s->desc);
	s->hash_state = VCD_HASH_FRESH;
	return err;
}

void vcd_hash_free(struct vcd_session *s)
{
	if (s->desc) {
		crypto_free_shash(s->desc->tfm);
		kfree_sensitive(s->desc);
	}
	kfree_sensitive(s->mackey);
}

int vcd_hash_reset(struct vcd_session *s)
{
	if (!s->desc)
		return 0;
	s->hash_state = VCD_HASH_FRESH;
	return crypto_shash_init(s->desc);
}

/*
 * Since 6.16 a final wipes desc. That of hmac has a pointer to what hashes for
 * it, without which an update or an export is a NULL dereference.
 */
static bool vcd_hash_wiped(const struct vcd_session *s)
{
	return LINUX_VERSION_CODE >= KERNEL_VERSION(6, 16, 0) && s->hash->keyed;
}

/*
 * Have desc hold the state. After a message that the device hashed it is to
 * be what a final leaves behind, which no message shows in; where that is of
 * no use to anybody, what an init does.
 */
static int vcd_hash_here(struct vcd_session *s)
{
	u8 digest[VCD_MAX_RESULT];
	int err = 0;

	if (!s->desc)
		return -EOPNOTSUPP;	/* the kernel has no code for it */
	if (s->hash_state == VCD_HASH_SPENT) {
		err = crypto_shash_init(s->desc);
		if (!err && !vcd_hash_wiped(s))
			err = crypto_shash_final(s->desc, digest);
	}
	if (!err)
		s->hash_state = VCD_HASH_BUSY;
	return err;
}

/* s->rwsem is held for writing, here and below. */
int vcd_hash_update(struct vcd_session *s, const void *data, unsigned int len)
{
	int err = vcd_hash_here(s);

	return err ? err : crypto_shash_update(s->desc, data, len);
}

int vcd_hash_update_mem(struct vcd_session *s, struct vcd_mem src, u32 len)
{
	u32 off, n;
	u8 *page;
	int err = 0;

	page = (u8 *)__get_free_page(GFP_KERNEL);
	if (!page)
		return -ENOMEM;
	for (off = 0; off < len && !err; off += n) {
		n = min_t(u32, len - off, PAGE_SIZE);
		err = vcd_copy_in(page, src, off, n);
		if (!err)
			err = vcd_hash_update(s, page, n);
		if (!err && fatal_signal_pending(current))
			err = -EINTR;
		cond_resched();
	}
	memzero_explicit(page, PAGE_SIZE);
	free_page((unsigned long)page);
	return err;
}

int vcd_hash_final(struct vcd_session *s, u8 *digest)
{
	int err = vcd_hash_here(s);

	if (err)
		return err;
	if (vcd_hash_wiped(s))
		s->hash_state = VCD_HASH_SPENT;
	return crypto_shash_final(s->desc, digest);
}

/* Whether the device takes messages of this length in this session. */
static bool vcd_hash_there(struct vcd_session *s, u32 len)
{
	struct vcd_device *d = s->dev;
	const struct vcd_hash *h = s->hash;

	if (READ_ONCE(s->hash_here) || !vcd_hash_offered(d, h))
		return false;
	if (h->keyed && !vcd_mackey_ok(d, s->mackeylen))
		return false;
	return !vcd_oversize(d, (u64)len + h->digestsize) && len <= vcd_max_whole(d);
}

/* The header of a request for the hash of @len bytes. */
void vcd_hash_header(struct vcd_msg *m, const struct vcd_hash *h, u32 len)
{
	struct virtio_crypto_hash_para *para =
		h->keyed ? &m->out.u.mac_req.para.hash : &m->out.u.hash_req.para;

	vcd_msg_header(m, h->keyed ? VIRTIO_CRYPTO_MAC : VIRTIO_CRYPTO_HASH, h->algo);
	m->result = h->digestsize;
	para->src_data_len = cpu_to_le32(len);
	para->hash_result_len = cpu_to_le32(m->result);
}

static int vcd_hash_send(struct vcd_data **rp, struct vcd_session *s,
			 struct vcd_mem src, u32 len)
{
	struct vcd_data *r = *rp;
	int err;

	err = vcd_data_reserve(r, len);
	if (!err)
		err = vcd_data_in(r, src, len);
	if (err)
		return err;
	vcd_data_segs(r, len);
	r->m.dst = NULL;
	r->m.dst_len = 0;
	vcd_hash_header(&r->m, s->hash, len);
	return vcd_data_send(rp, s, VCD_SLOT_HASH);
}

/* By the device. s->rwsem is held either way. -EOPNOTSUPP: not by it. */
static int vcd_hash_ask(struct vcd_session *s, struct vcd_mem src, u32 len, u8 *digest)
{
	struct vcd_data *r;
	int tries = 2;
	int err;

	if (!vcd_hash_there(s, len))
		return -EOPNOTSUPP;
	r = vcd_data_get(s->dev);
	if (!r)
		return -ENOMEM;
	do {
		err = vcd_hash_send(&r, s, src, len);
	} while (err == -ESTALE && --tries);
	if (!err) {
		memcpy(digest, r->m.in, s->hash->digestsize);
		WRITE_ONCE(s->hash_state, VCD_HASH_SPENT);
	}
	if (r)
		vcd_data_put(r);
	/*
	 * Refused, though its configuration named it: QEMU's control queue
	 * takes no such sessions. Without code of the kernel's that is final.
	 */
	if ((err == -EINVAL || err == -EOPNOTSUPP) && s->desc) {
		WRITE_ONCE(s->hash_here, true);
		return -EOPNOTSUPP;
	}
	/* No room for a session now: there may be later. */
	if (err == -ENOSPC && s->desc)
		return -EOPNOTSUPP;
	return err == -ESTALE ? -EIO : err;
}

/**
 * vcd_hash_once() - the hash of a whole message
 * @s: the session, its rwsem held for writing
 * @src: the message
 * @len: its bytes
 * @digest: out
 *
 * Return: 0, -EFAULT, -EBUSY, -EIO, -ENODEV, -EINTR, -ENOMEM.
 */
int vcd_hash_once(struct vcd_session *s, struct vcd_mem src, u32 len, u8 *digest)
{
	int err = vcd_hash_ask(s, src, len, digest);

	if (err != -EOPNOTSUPP)
		return err;
	err = vcd_hash_reset(s);
	if (!err)
		err = vcd_hash_update_mem(s, src, len);
	return err ? err : vcd_hash_final(s, digest);
}

/* The running state of one session to another; both are held for writing. */
int vcd_hash_copy(struct vcd_session *dst, struct vcd_session *src)
{
	u8 *state;
	int err;

	if (!src->hash || src->hash != dst->hash)
		return -EINVAL;
	if (!src->desc || !dst->desc)
		return -EOPNOTSUPP;
	err = vcd_hash_here(src);
	if (err)
		return err;
	state = kzalloc(crypto_shash_statesize(src->desc->tfm), GFP_KERNEL);
	if (!state)
		return -ENOMEM;
	err = crypto_shash_export(src->desc, state);
	if (!err)
		err = crypto_shash_import(dst->desc, state);
	/* Its own is lost even if that failed: only a reset helps then. */
	dst->hash_state = err ? VCD_HASH_SPENT : VCD_HASH_BUSY;
	kfree_sensitive(state);
	return err;
}
