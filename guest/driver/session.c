// SPDX-License-Identifier: GPL-2.0
/* Sessions: keys here, and for each thing done with them one on the device. */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/slab.h>

#include "driver.h"

/*
 * A request on the control queue. kmalloc'ed: the device reads and writes it.
 * One that opened a session is kept to close it with: that takes no memory.
 */
struct vcd_ctrl {
	struct vcd_req req;
	struct vcd_device *dev;
	u32 destroy;			/* opcode that undoes a creation */
	/* Written by the device: cache lines of its own. */
	union {
		struct virtio_crypto_session_input created;
		struct virtio_crypto_inhdr destroyed;
	} in ____cacheline_aligned;
	struct virtio_crypto_op_ctrl_req out ____cacheline_aligned;
	u32 keylen;
	u8 key[];
};

static void vcd_destroy(struct vcd_ctrl *c, u64 id);

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
		return -EREMOTEIO;	/* its own word for it, ERR */
	}
}

/* Its creator was killed: nobody will use the session. */
static void vcd_create_orphaned(struct vcd_req *req)
{
	struct vcd_ctrl *c = container_of(req, struct vcd_ctrl, req);
	u64 id;

	if (!vcd_created(c, &id))
		vcd_destroy(c, id);
	else
		kfree_sensitive(c);
}

/* Which opcode ends what a slot has open. */
static u32 vcd_destroy_opcode(const struct vcd_session *s, enum vcd_slot slot)
{
	if (slot == VCD_SLOT_HASH)
		return s->hash->keyed ? VIRTIO_CRYPTO_MAC_DESTROY_SESSION :
					VIRTIO_CRYPTO_HASH_DESTROY_SESSION;
	switch (s->cipher->kind) {
	case VCD_AEAD:
		return VIRTIO_CRYPTO_AEAD_DESTROY_SESSION;
	case VCD_RSA:
		return VIRTIO_CRYPTO_AKCIPHER_DESTROY_SESSION;
	default:
		return VIRTIO_CRYPTO_CIPHER_DESTROY_SESSION;
	}
}

/* How many bytes of key a slot's session has. */
static u32 vcd_create_keylen(const struct vcd_session *s, enum vcd_slot slot)
{
	if (slot == VCD_SLOT_HASH || s->cipher->kind == VCD_RSA)
		return s->mackeylen;
	return s->keylen + (s->cipher->kind == VCD_AUTHENC ? s->mackeylen : 0);
}

static u32 vcd_create_op(int op)
{
	return op == COP_ENCRYPT ? VIRTIO_CRYPTO_OP_ENCRYPT : VIRTIO_CRYPTO_OP_DECRYPT;
}

/* The header of a create request, and which key belongs to it. */
static void vcd_create_cipher(struct vcd_ctrl *c, struct vcd_session *s, int op)
{
	struct virtio_crypto_sym_create_session_req *sym =
		&c->out.u.sym_create_session;
	struct virtio_crypto_cipher_session_para *para = &sym->u.cipher.para;

	c->out.header.opcode = cpu_to_le32(VIRTIO_CRYPTO_CIPHER_CREATE_SESSION);
	sym->op_type = cpu_to_le32(VIRTIO_CRYPTO_SYM_OP_CIPHER);
	para->algo = cpu_to_le32(s->cipher->algo);
	para->keylen = cpu_to_le32(s->keylen);
	para->op = cpu_to_le32(vcd_create_op(op));
	memcpy(c->key, s->key, s->keylen);
}

static void vcd_create_aead(struct vcd_ctrl *c, struct vcd_session *s, int op)
{
	struct virtio_crypto_aead_session_para *para =
		&c->out.u.aead_create_session.para;

	c->out.header.opcode = cpu_to_le32(VIRTIO_CRYPTO_AEAD_CREATE_SESSION);
	para->algo = cpu_to_le32(s->cipher->algo);
	para->key_len = cpu_to_le32(s->keylen);
	para->hash_result_len = cpu_to_le32(s->tagsize);
	para->op = cpu_to_le32(vcd_create_op(op));
	memcpy(c->key, s->key, s->keylen);
}

/* A cipher and a MAC of the ciphertext, behind additional data. */
static void vcd_create_chain(struct vcd_ctrl *c, struct vcd_session *s, int op)
{
	struct virtio_crypto_sym_create_session_req *sym = &c->out.u.sym_create_session;
	struct virtio_crypto_alg_chain_session_para *para = &sym->u.chain.para;
	bool encrypt = op == COP_ENCRYPT;

	c->out.header.opcode = cpu_to_le32(VIRTIO_CRYPTO_CIPHER_CREATE_SESSION);
	sym->op_type = cpu_to_le32(VIRTIO_CRYPTO_SYM_OP_ALGORITHM_CHAINING);
	para->alg_chain_order =
		cpu_to_le32(encrypt ? VIRTIO_CRYPTO_SYM_ALG_CHAIN_ORDER_CIPHER_THEN_HASH :
				      VIRTIO_CRYPTO_SYM_ALG_CHAIN_ORDER_HASH_THEN_CIPHER);
	para->hash_mode = cpu_to_le32(VIRTIO_CRYPTO_SYM_HASH_MODE_AUTH);
	para->cipher_param.algo = cpu_to_le32(s->cipher->algo);
	para->cipher_param.keylen = cpu_to_le32(s->keylen);
	para->cipher_param.op = cpu_to_le32(vcd_create_op(op));
	para->u.mac_param.algo = cpu_to_le32(s->hash->algo);
	para->u.mac_param.hash_result_len = cpu_to_le32(s->tagsize);
	para->u.mac_param.auth_key_len = cpu_to_le32(s->mackeylen);
	memcpy(c->key, s->key, s->keylen);
	memcpy(c->key + s->keylen, s->mackey, s->mackeylen);
}

static void vcd_create_rsa(struct vcd_ctrl *c, struct vcd_session *s)
{
	struct virtio_crypto_akcipher_session_para *para =
		&c->out.u.akcipher_create_session.para;

	c->out.header.opcode = cpu_to_le32(VIRTIO_CRYPTO_AKCIPHER_CREATE_SESSION);
	para->algo = cpu_to_le32(s->cipher->algo);
	para->keytype = cpu_to_le32(s->private ? VIRTIO_CRYPTO_AKCIPHER_KEY_TYPE_PRIVATE :
						 VIRTIO_CRYPTO_AKCIPHER_KEY_TYPE_PUBLIC);
	para->keylen = cpu_to_le32(s->mackeylen);
	para->u.rsa.padding_algo = cpu_to_le32(VIRTIO_CRYPTO_RSA_RAW_PADDING);
	memcpy(c->key, s->mackey, s->mackeylen);
}

static void vcd_create_hash(struct vcd_ctrl *c, struct vcd_session *s)
{
	if (!s->hash->keyed) {
		struct virtio_crypto_hash_session_para *para =
			&c->out.u.hash_create_session.para;

		c->out.header.opcode = cpu_to_le32(VIRTIO_CRYPTO_HASH_CREATE_SESSION);
		para->algo = cpu_to_le32(s->hash->algo);
		para->hash_result_len = cpu_to_le32(s->hash->digestsize);
	} else {
		struct virtio_crypto_mac_session_para *para =
			&c->out.u.mac_create_session.para;

		c->out.header.opcode = cpu_to_le32(VIRTIO_CRYPTO_MAC_CREATE_SESSION);
		para->algo = cpu_to_le32(s->hash->algo);
		para->hash_result_len = cpu_to_le32(s->hash->digestsize);
		para->auth_key_len = cpu_to_le32(s->mackeylen);
		memcpy(c->key, s->mackey, s->mackeylen);
	}
}

/* Fill in a request that opens a session. Session layouts bind to queue 0. */
static void vcd_create_layout(struct vcd_ctrl *c, struct vcd_session *s,
			      enum vcd_slot slot)
{
	if (slot == VCD_SLOT_HASH)
		vcd_create_hash(c, s);
	else if (s->cipher->kind == VCD_AEAD)
		vcd_create_aead(c, s, slot);
	else if (s->cipher->kind == VCD_AUTHENC)
		vcd_create_chain(c, s, slot);
	else if (s->cipher->kind == VCD_RSA)
		vcd_create_rsa(c, s);
	else
		vcd_create_cipher(c, s, slot);
	c->out.header.algo = cpu_to_le32(slot == VCD_SLOT_HASH ? s->hash->algo :
								 s->cipher->algo);
}

/*
 * Open one session on the device. Sleeps for the answer. *end is the request
 * that will close it.
 */
static int vcd_create(struct vcd_session *s, enum vcd_slot slot, u64 *id,
		      u32 gen, struct vcd_ctrl **end)
{
	struct vcd_device *d = s->dev;
	struct scatterlist out, key, in, *sgs[3];
	u32 keylen = vcd_create_keylen(s, slot);
	unsigned int n = 0;
	struct vcd_ctrl *c;
	int err;

	c = kzalloc(struct_size(c, key, keylen), GFP_KERNEL);
	if (!c)
		return -ENOMEM;
	vcd_req_init(&c->req, &d->queues[d->ndata], gen);
	c->req.orphaned = vcd_create_orphaned;
	c->dev = d;
	c->keylen = keylen;
	c->destroy = vcd_destroy_opcode(s, slot);
	vcd_create_layout(c, s, slot);
	c->in.created.status = cpu_to_le32(VCD_NO_STATUS);
	c->req.writable = sizeof(c->in.created);

	sg_init_one(&out, &c->out, sizeof(c->out));
	sgs[n++] = &out;
	if (keylen) {
		sg_init_one(&key, c->key, keylen);
		sgs[n++] = &key;
	}
	sg_init_one(&in, &c->in, sizeof(c->in.created));
	sgs[n++] = &in;
	err = vcd_submit(&c->req, sgs, n - 1, 1);
	if (!err) {
		err = vcd_wait(&c->req, 0);
		if (err == -EINTR)
			return err;	/* c is no longer ours */
		err = vcd_created(c, id);
	}
	if (err) {
		kfree_sensitive(c);
		return err;
	}
	memzero_explicit(c->key, keylen);
	*end = c;
	return 0;
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

static void vcd_destroy_send(struct vcd_req *req)
{
	struct vcd_ctrl *c = container_of(req, struct vcd_ctrl, req);
	struct scatterlist out, in, *sgs[] = { &out, &in };
	int err;

	sg_init_one(&out, &c->out, sizeof(c->out));
	sg_init_one(&in, &c->in, sizeof(c->in.destroyed));
	err = vcd_try_submit(req, sgs, 1, 1, NULL);
	/* A device that was reset has forgotten the session already. */
	if (err && err != -EINPROGRESS)
		kfree(c);
}

/*
 * Close a session on the device, with the request that opened it, in the life
 * in which it did. Does not wait, for an answer or for room: the control queue
 * is worked off in order, so what is opened next comes after.
 */
static void vcd_destroy(struct vcd_ctrl *c, u64 id)
{
	vcd_req_init(&c->req, c->req.queue, c->req.gen);
	c->req.orphan = true;
	c->req.by_irq = true;
	c->req.orphaned = vcd_destroy_orphaned;
	c->req.resume = vcd_destroy_send;
	memzero_explicit(c->key, c->keylen);
	memset(&c->out, 0, sizeof(c->out));
	c->out.header.opcode = cpu_to_le32(c->destroy);
	c->out.u.destroy_session.session_id = cpu_to_le64(id);
	c->in.destroyed.status = VCD_NO_STATUS;
	c->req.writable = sizeof(c->in.destroyed);
	vcd_destroy_send(&c->req);
}

/* Whether a session is open on the device, and which. Any context. */
bool vcd_session_ready(struct vcd_session *s, enum vcd_slot slot, u64 *id, u32 *gen)
{
	struct vcd_wire was;
	unsigned int seq;

	*gen = READ_ONCE(s->dev->gen);
	do {
		seq = read_seqcount_begin(&s->wire_seq);
		was = s->wire[slot];
	} while (read_seqcount_retry(&s->wire_seq, seq));
	*id = was.id;
	return was.gen == *gen && was.tagsize == READ_ONCE(s->tagsize);
}

/**
 * vcd_session_open() - a session on the device
 * @s: the session
 * @slot: which one of it
 * @id: out: the device's id of it
 * @gen: out: the life of the device in which @id holds
 *
 * Opens it if it is not open in this life of the device. For an AEAD the tag's
 * length is the wire session's: if that has changed another one is opened.
 *
 * Return: 0, -EINVAL (the device refuses algorithm or key), -ENOSPC (it has no
 * room for sessions), -EREMOTEIO (it says no more than that it failed; so it
 * may for the same reasons), -EBUSY (it is not ready), or an error of
 * vcd_submit().
 */
int vcd_session_open(struct vcd_session *s, enum vcd_slot slot, u64 *id, u32 *gen)
{
	struct vcd_device *d = s->dev;
	struct vcd_ctrl *end;
	struct vcd_wire was;
	unsigned long flags;
	u8 tagsize;
	int err;

	if (vcd_session_ready(s, slot, id, gen))
		return 0;
	if (mutex_lock_killable(&s->open_lock))
		return -EINTR;
	err = 0;
	if (vcd_session_ready(s, slot, id, gen))
		goto out;
	tagsize = READ_ONCE(s->tagsize);
	err = READ_ONCE(d->hw_ready) ? vcd_create(s, slot, id, *gen, &end) :
					 -EBUSY;
	if (err)
		goto out;
	spin_lock_irqsave(&s->lock, flags);
	write_seqcount_begin(&s->wire_seq);
	was = s->wire[slot];
	s->wire[slot].id = *id;
	s->wire[slot].gen = *gen;
	s->wire[slot].tagsize = tagsize;
	s->wire[slot].end = end;
	write_seqcount_end(&s->wire_seq);
	spin_unlock_irqrestore(&s->lock, flags);
	if (was.end)
		vcd_destroy(was.end, was.id);
out:
	mutex_unlock(&s->open_lock);
	return err;
}

/* The device says it does not know the session: open it anew next time. */
void vcd_session_lost(struct vcd_session *s, enum vcd_slot slot, u64 id, u32 gen)
{
	unsigned long flags;

	spin_lock_irqsave(&s->lock, flags);
	if (s->wire[slot].id == id && s->wire[slot].gen == gen) {
		write_seqcount_begin(&s->wire_seq);
		s->wire[slot].gen = 0;
		write_seqcount_end(&s->wire_seq);
	}
	spin_unlock_irqrestore(&s->lock, flags);
}

/* Where an operation without an IV goes on from. Any context. */
void vcd_session_set_iv(struct vcd_session *s, const u8 *iv)
{
	unsigned long flags;

	spin_lock_irqsave(&s->lock, flags);
	memcpy(s->iv, iv, s->cipher->ivsize);
	spin_unlock_irqrestore(&s->lock, flags);
}

/**
 * vcd_session_new() - a session with one reference, in no file's table yet
 * @d: the device
 * @u: whose it is; NULL: the kernel's
 *
 * It has neither cipher nor hash: the caller gives it what it is to have.
 *
 * Return: the session, -ENOSPC (the user has too many) or -ENOMEM.
 */
struct vcd_session *vcd_session_new(struct vcd_device *d, struct vcd_user *u)
{
	struct vcd_session *s;
	int err = u ? vcd_user_session(u) : 0;

	if (err)
		return ERR_PTR(err);
	s = kzalloc(sizeof(*s), GFP_KERNEL_ACCOUNT);
	if (!s) {
		if (u)
			atomic_dec(&u->sessions);
		return ERR_PTR(-ENOMEM);
	}
	kref_init(&s->ref);
	init_rwsem(&s->rwsem);
	mutex_init(&s->open_lock);
	init_waitqueue_head(&s->idle);
	spin_lock_init(&s->lock);
	seqcount_spinlock_init(&s->wire_seq, &s->lock);
	if (u)
		vcd_user_hold(u);
	s->user = u;
	vcd_get(d);
	s->dev = d;
	return s;
}

/**
 * vcd_session_set_cipher() - give a new session a cipher
 * @s: the session
 * @c: the cipher, one that the device offers
 * @key: the key, copied
 * @keylen: its length in bytes, one that @c has
 *
 * The encrypting direction is opened at once, so that what the device refuses
 * is refused here; the other when it is first used.
 *
 * Return: 0 or an error of vcd_session_open().
 */
int vcd_session_set_cipher(struct vcd_session *s, const struct vcd_cipher *c,
			   const u8 *key, u32 keylen)
{
	u64 id;
	u32 gen;
	int err;

	s->cipher = c;
	if (c->kind == VCD_NULL)
		return 0;
	s->keylen = keylen;
	memcpy(s->key, key, keylen);
	if (c->kind == VCD_AEAD)
		s->tagsize = fls(c->tags) - 1;

	/* Once more if the device was reset under us. */
	err = vcd_session_open(s, VCD_SLOT_ENCRYPT, &id, &gen);
	if (err == -ESTALE)
		err = vcd_session_open(s, VCD_SLOT_ENCRYPT, &id, &gen);
	return err == -ESTALE || err == -EREMOTEIO ? -EIO : err;
}

static void vcd_session_end(struct vcd_session *s)
{
	struct vcd_device *d = s->dev;
	int i;

	for (i = 0; i < VCD_SLOTS; i++)
		if (s->wire[i].end)
			vcd_destroy(s->wire[i].end, s->wire[i].id);
	vcd_hash_free(s);
	if (s->user) {
		atomic_dec(&s->user->sessions);
		vcd_user_put(s->user);
	}
	kfree_sensitive(s);
	vcd_put(d);
}

static void vcd_session_release(struct kref *ref)
{
	vcd_session_end(container_of(ref, struct vcd_session, ref));
}

static void vcd_session_release_work(struct work_struct *work)
{
	vcd_session_end(container_of(work, struct vcd_session, release));
}

static void vcd_session_release_later(struct kref *ref)
{
	struct vcd_session *s = container_of(ref, struct vcd_session, ref);

	INIT_WORK(&s->release, vcd_session_release_work);
	queue_work(vcd_wq, &s->release);
}

/* In any context. */
void vcd_session_put_later(struct vcd_session *s)
{
	kref_put(&s->ref, vcd_session_release_later);
}

/* May sleep. The last reference closes the session on the device. */
void vcd_session_put(struct vcd_session *s)
{
	kref_put(&s->ref, vcd_session_release);
}
