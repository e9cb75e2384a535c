// SPDX-License-Identifier: GPL-2.0
/* The control queue: a session opened on the device, by its layout, and closed. */
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
int vcd_create(struct vcd_session *s, enum vcd_slot slot, u64 *id,
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
void vcd_destroy(struct vcd_ctrl *c, u64 id)
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
