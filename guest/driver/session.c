// SPDX-License-Identifier: GPL-2.0
/* Sessions: a key here, and for each direction a session on the device. */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/slab.h>

#include "driver.h"

/* Not a status of the specification: shows whether the device wrote one. */
#define VCD_NO_STATUS	0xff

static const struct vcd_cipher vcd_ciphers[] = {
	{
		.id = CRYPTO_AES_CBC,
		.algo = VIRTIO_CRYPTO_CIPHER_AES_CBC,
		.name = "cbc(aes)",
		.driver_name = "virtio-cryptodev-cbc-aes",
		.block = VCD_BLOCK,
		.ivsize = VCD_BLOCK,
	}, {
		.id = CRYPTO_AES_ECB,
		.algo = VIRTIO_CRYPTO_CIPHER_AES_ECB,
		.name = "ecb(aes)",
		.driver_name = "virtio-cryptodev-ecb-aes",
		.block = VCD_BLOCK,
		.ivsize = 0,
	}, {
		.id = CRYPTO_AES_CTR,
		.algo = VIRTIO_CRYPTO_CIPHER_AES_CTR,
		.name = "ctr(aes)",
		.driver_name = "virtio-cryptodev-ctr-aes",
		.block = 1,
		.ivsize = VCD_BLOCK,
	},
};

/* The cipher, or NULL if we do not know it or the device does not offer it. */
const struct vcd_cipher *vcd_cipher_find(struct vcd_device *d, u32 id)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(vcd_ciphers); i++)
		if (vcd_ciphers[i].id == id)
			return d->ciphers & BIT(vcd_ciphers[i].algo) ?
				&vcd_ciphers[i] : NULL;
	return NULL;
}

/* A request on the control queue. kmalloc'ed: the device reads and writes it. */
struct vcd_ctrl {
	struct vcd_req req;
	struct vcd_device *dev;
	struct virtio_crypto_op_ctrl_req out;
	u8 key[VCD_MAX_KEY];
	/* Written by the device: cache lines of its own. */
	union {
		struct virtio_crypto_session_input created;
		struct virtio_crypto_inhdr destroyed;
	} in ____cacheline_aligned;
};

static void vcd_destroy(struct vcd_device *d, u64 id, u32 gen);

/* The answer to create-session as an errno, and the id. */
static int vcd_created(struct vcd_ctrl *c, u64 *id)
{
	if (c->req.error)
		return c->req.error;
	if (c->req.used < offsetofend(struct virtio_crypto_session_input, status) ||
	    c->req.used > c->req.writable) {
		pr_err_ratelimited("%s: the device wrote %u bytes in answer to create-session\n",
				   c->dev->name, c->req.used);
		return -EIO;
	}
	*id = le64_to_cpu(c->in.created.session_id);
	switch (le32_to_cpu(c->in.created.status)) {
	case VIRTIO_CRYPTO_OK:
		return 0;
	case VIRTIO_CRYPTO_NOTSUPP:
	case VIRTIO_CRYPTO_BADMSG:
	case VIRTIO_CRYPTO_KEY_REJECTED:
		return -EINVAL;	/* what cryptodev-linux says for all of them */
	case VIRTIO_CRYPTO_NOSPC:
		return -ENOSPC;
	default:
		return -EIO;
	}
}

/* Its creator was killed: nobody will use the session. */
static void vcd_create_orphaned(struct vcd_req *req)
{
	struct vcd_ctrl *c = container_of(req, struct vcd_ctrl, req);
	u64 id;

	if (!vcd_created(c, &id))
		vcd_destroy(c->dev, id, c->req.gen);
	kfree_sensitive(c);
}

static struct vcd_ctrl *vcd_ctrl_new(struct vcd_device *d, u32 opcode, u32 gen)
{
	struct vcd_ctrl *c = kzalloc(sizeof(*c), GFP_KERNEL);

	if (!c)
		return NULL;
	vcd_req_init(&c->req, &d->queues[d->ndata], gen);
	c->dev = d;
	c->out.header.opcode = cpu_to_le32(opcode);
	/* Session layouts bind to data queue 0; the session serves them all. */
	c->out.header.queue_id = 0;
	return c;
}

/* Open one direction on the device. Sleeps for the answer. */
static int vcd_create(struct vcd_session *s, int op, u64 *id, u32 gen)
{
	struct virtio_crypto_sym_create_session_req *sym;
	struct virtio_crypto_cipher_session_para *para;
	struct scatterlist out, key, in, *sgs[] = { &out, &key, &in };
	struct vcd_ctrl *c;
	int err;

	c = vcd_ctrl_new(s->dev, VIRTIO_CRYPTO_CIPHER_CREATE_SESSION, gen);
	if (!c)
		return -ENOMEM;
	c->req.orphaned = vcd_create_orphaned;
	c->out.header.algo = cpu_to_le32(s->cipher->algo);
	sym = &c->out.u.sym_create_session;
	sym->op_type = cpu_to_le32(VIRTIO_CRYPTO_SYM_OP_CIPHER);
	para = &sym->u.cipher.para;
	para->algo = cpu_to_le32(s->cipher->algo);
	para->keylen = cpu_to_le32(s->keylen);
	para->op = cpu_to_le32(op == COP_ENCRYPT ? VIRTIO_CRYPTO_OP_ENCRYPT :
						   VIRTIO_CRYPTO_OP_DECRYPT);
	memcpy(c->key, s->key, s->keylen);
	c->in.created.status = cpu_to_le32(VCD_NO_STATUS);
	c->req.writable = sizeof(c->in.created);

	sg_init_one(&out, &c->out, sizeof(c->out));
	sg_init_one(&key, c->key, s->keylen);
	sg_init_one(&in, &c->in, sizeof(c->in.created));
	err = vcd_submit(&c->req, sgs, 2, 1, true);
	if (!err) {
		err = vcd_wait(&c->req);
		if (err == -EINTR)
			return err;	/* c is no longer ours */
		err = vcd_created(c, id);
	}
	kfree_sensitive(c);
	return err;
}

static void vcd_destroy_orphaned(struct vcd_req *req)
{
	struct vcd_ctrl *c = container_of(req, struct vcd_ctrl, req);

	if (!req->error && (req->used != req->writable ||
			    c->in.destroyed.status != VIRTIO_CRYPTO_OK))
		pr_warn_ratelimited("%s: the device answered destroy-session with status %u\n",
				    c->dev->name, c->in.destroyed.status);
	kfree(c);
}

/*
 * Close one direction on the device, without waiting for the answer: the
 * control queue is worked off in order, so what is opened next comes after.
 */
static void vcd_destroy(struct vcd_device *d, u64 id, u32 gen)
{
	struct scatterlist out, in, *sgs[] = { &out, &in };
	struct vcd_ctrl *c;

	c = vcd_ctrl_new(d, VIRTIO_CRYPTO_CIPHER_DESTROY_SESSION, gen);
	if (!c) {
		pr_warn_ratelimited("%s: no memory to close a session: it stays open on the device\n",
				    d->name);
		return;
	}
	c->req.orphaned = vcd_destroy_orphaned;
	c->out.u.destroy_session.session_id = cpu_to_le64(id);
	c->in.destroyed.status = VCD_NO_STATUS;
	c->req.writable = sizeof(c->in.destroyed);

	sg_init_one(&out, &c->out, sizeof(c->out));
	sg_init_one(&in, &c->in, sizeof(c->in.destroyed));
	/* A device that was reset has forgotten the session already. */
	if (vcd_submit(&c->req, sgs, 1, 1, false))
		kfree(c);
}

/**
 * vcd_session_open() - the device's session for one direction
 * @s: the session
 * @op: COP_ENCRYPT or COP_DECRYPT
 * @id: out: the device's id of it
 * @gen: out: the life of the device in which @id holds
 *
 * Opens it if it is not open in this life of the device.
 *
 * Return: 0, -EINVAL (the device refuses algorithm or key), -ENOSPC (it has no
 * room for sessions), -EBUSY (it is not ready), or an error of vcd_submit().
 */
int vcd_session_open(struct vcd_session *s, int op, u64 *id, u32 *gen)
{
	struct vcd_device *d = s->dev;
	int err = 0;

	if (mutex_lock_killable(&s->open_lock))
		return -EINTR;
	*gen = READ_ONCE(d->gen);
	spin_lock(&s->lock);
	*id = s->dir[op].id;
	if (s->dir[op].gen != *gen)
		err = -ENOENT;
	spin_unlock(&s->lock);
	if (!err)
		goto out;

	err = READ_ONCE(d->hw_ready) ? vcd_create(s, op, id, *gen) : -EBUSY;
	if (err)
		goto out;
	spin_lock(&s->lock);
	s->dir[op].id = *id;
	s->dir[op].gen = *gen;
	spin_unlock(&s->lock);
out:
	mutex_unlock(&s->open_lock);
	return err;
}

/* The device says it does not know the session: open it anew next time. */
void vcd_session_lost(struct vcd_session *s, int op, u64 id, u32 gen)
{
	spin_lock(&s->lock);
	if (s->dir[op].id == id && s->dir[op].gen == gen)
		s->dir[op].gen = 0;
	spin_unlock(&s->lock);
}

/**
 * vcd_session_new() - a session with one reference, in no file's table yet
 * @d: the device
 * @c: the cipher, one that @d offers
 * @key: the key, copied
 * @keylen: its length in bytes, up to VCD_MAX_KEY
 *
 * The encrypting direction is opened at once, so that what the device refuses
 * is refused here; the other when it is first used.
 *
 * Return: the session or an error of vcd_session_open() or -ENOMEM.
 */
struct vcd_session *vcd_session_new(struct vcd_device *d,
				    const struct vcd_cipher *c,
				    const u8 *key, u32 keylen)
{
	struct vcd_session *s;
	u64 id;
	u32 gen;
	int err;

	s = kzalloc(sizeof(*s), GFP_KERNEL_ACCOUNT);
	if (!s)
		return ERR_PTR(-ENOMEM);
	kref_init(&s->ref);
	init_rwsem(&s->rwsem);
	mutex_init(&s->open_lock);
	spin_lock_init(&s->lock);
	vcd_get(d);
	s->dev = d;
	s->cipher = c;
	s->keylen = keylen;
	memcpy(s->key, key, keylen);

	/* Once more if the device was reset under us. */
	err = vcd_session_open(s, COP_ENCRYPT, &id, &gen);
	if (err == -ESTALE)
		err = vcd_session_open(s, COP_ENCRYPT, &id, &gen);
	if (err) {
		vcd_session_put(s);
		return ERR_PTR(err == -ESTALE ? -EIO : err);
	}
	return s;
}

static void vcd_session_release(struct kref *ref)
{
	struct vcd_session *s = container_of(ref, struct vcd_session, ref);
	struct vcd_device *d = s->dev;
	int op;

	for (op = COP_ENCRYPT; op <= COP_DECRYPT; op++)
		if (s->dir[op].gen)
			vcd_destroy(d, s->dir[op].id, s->dir[op].gen);
	kfree_sensitive(s);
	vcd_put(d);
}

/* May sleep. The last reference closes the session on the device. */
void vcd_session_put(struct vcd_session *s)
{
	kref_put(&s->ref, vcd_session_release);
}
