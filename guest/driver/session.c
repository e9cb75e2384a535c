// SPDX-License-Identifier: GPL-2.0
/* Sessions: keys here, and for each thing done with them one on the device. */
#include <linux/slab.h>

#include "driver.h"

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
