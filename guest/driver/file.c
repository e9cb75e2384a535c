// SPDX-License-Identifier: GPL-2.0
/*
 * An open file: its sessions by number, made and finished. Which error comes
 * when, and which check comes first, is as in cryptodev-linux 1.14.
 */
#include <linux/cred.h>
#include <linux/fs.h>
#include <linux/random.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "driver.h"

int vcd_file_new(struct file *filp, struct vcd_device *d)
{
	struct vcd_file *f = kzalloc(sizeof(*f), GFP_KERNEL_ACCOUNT);

	if (!f)
		return -ENOMEM;
	f->user = vcd_user_get(current_uid());
	if (!f->user) {
		kfree(f);
		return -ENOMEM;
	}
	kref_init(&f->ref);
	spin_lock_init(&f->lock);
	hash_init(f->sessions);
	init_waitqueue_head(&f->wait);
	spin_lock_init(&f->done_lock);
	INIT_LIST_HEAD(&f->done);
	vcd_get(d);
	atomic_inc(&d->users);
	f->dev = d;
	spin_lock(&d->files_lock);
	list_add(&f->link, &d->files);
	spin_unlock(&d->files_lock);
	filp->private_data = f;
	return 0;
}

static void vcd_file_release(struct kref *ref)
{
	struct vcd_file *f = container_of(ref, struct vcd_file, ref);

	spin_lock(&f->dev->files_lock);
	list_del(&f->link);
	spin_unlock(&f->dev->files_lock);
	if (f->waiting)
		atomic_dec(&f->dev->file_waiters);
	vcd_user_put(f->user);
	vcd_device_unpick(f->dev);
	kfree(f);
}

/* Process context. */
void vcd_file_put(struct vcd_file *f)
{
	kref_put(&f->ref, vcd_file_release);
}

/* Who waits in poll looks again: the device is gone. */
void vcd_files_wake(struct vcd_device *d)
{
	struct vcd_file *f;

	spin_lock(&d->files_lock);
	list_for_each_entry(f, &d->files, link)
		wake_up_all(&f->wait);
	spin_unlock(&d->files_lock);
}

/* No ioctl is running: each holds the file. */
int vcd_close(struct inode *inode, struct file *filp)
{
	struct vcd_file *f = filp->private_data;
	struct vcd_session *s;
	struct hlist_node *next;
	int i;

	vcd_async_close(f);
	hash_for_each_safe(f->sessions, i, next, s, node) {
		hash_del(&s->node);
		vcd_session_put(s);
	}
	vcd_file_put(f);
	return 0;
}

/* f->lock is held. */
static struct vcd_session *vcd_lookup(struct vcd_file *f, u32 sid)
{
	struct vcd_session *s;

	hash_for_each_possible(f->sessions, s, node, sid)
		if (s->sid == sid)
			return s;
	return NULL;
}

/* The session with a reference for the caller, or NULL. */
struct vcd_session *vcd_session_get(struct vcd_file *f, u32 sid)
{
	struct vcd_session *s;

	spin_lock(&f->lock);
	s = vcd_lookup(f, sid);
	if (s)
		kref_get(&s->ref);
	spin_unlock(&f->lock);
	return s;
}

/* Give the session an id that is random, as ever, and free in this file. */
static u32 vcd_session_publish(struct vcd_file *f, struct vcd_session *s)
{
	u32 sid;

	spin_lock(&f->lock);
	do {
		sid = get_random_u32();
	} while (vcd_lookup(f, sid));
	s->sid = sid;
	hash_add(f->sessions, &s->node, sid);
	spin_unlock(&f->lock);
	return sid;
}

/* The cipher's part of CIOCGSESSION. */
static int vcd_session_cipher(struct vcd_session *s, const struct session_op *sop)
{
	const struct vcd_cipher *c;
	u8 key[CRYPTO_CIPHER_MAX_KEY_LEN];
	int err = -EFAULT;

	if (sop->keylen > sizeof(key))
		return -EINVAL;
	/* There the two keys of an AEAD are one; we serve none that has two. */
	if (vcd_is_aead(sop->cipher) && sop->mackeylen > CRYPTO_HMAC_MAX_KEY_LEN)
		return -EINVAL;
	if (copy_from_user(key, sop->key, sop->keylen))
		goto out;
	err = -EINVAL;
	c = vcd_cipher_find(s->dev, sop->cipher);
	if (!c || !vcd_key_ok(s->dev, c, sop->keylen))
		goto out;
	if (c->kind == VCD_AEAD && sop->mackeylen)
		goto out;
	err = vcd_session_set_cipher(s, c, key, sop->keylen);
out:
	memzero_explicit(key, sizeof(key));
	return err;
}

/* The hash's part of it. */
static int vcd_session_mac(struct vcd_session *s, const struct session_op *sop)
{
	u8 *key = NULL;
	int err;

	if (sop->mackeylen > CRYPTO_HMAC_MAX_KEY_LEN)
		return -EINVAL;
	if (sop->mackey && sop->mackeylen) {
		key = memdup_user(sop->mackey, sop->mackeylen);
		if (IS_ERR(key))
			return PTR_ERR(key);
	}
	err = -EINVAL;
	if (key || !sop->mackeylen || !vcd_hash_find(sop->mac)->keyed)
		err = vcd_hash_init(s, vcd_hash_find(sop->mac), key,
				    key ? sop->mackeylen : 0);
	kfree_sensitive(key);
	return err;
}

/* CIOCGSESSION; sop->ses is the answer. */
int vcd_ioctl_session(struct vcd_file *f, struct session_op *sop)
{
	struct vcd_session *s;
	int err = 0;

	if (!sop->cipher && !sop->mac)
		return -EINVAL;
	if (!vcd_known_cipher(sop->cipher) || !vcd_known_mac(sop->mac))
		return -EINVAL;
	s = vcd_session_new(f->dev, f->user);
	if (IS_ERR(s))
		return PTR_ERR(s);
	if (sop->cipher)
		err = vcd_session_cipher(s, sop);
	if (!err && sop->mac && !vcd_is_aead(sop->cipher))
		err = vcd_session_mac(s, sop);
	if (err) {
		vcd_session_put(s);
		return err;
	}
	sop->ses = vcd_session_publish(f, s);
	return 0;
}

/*
 * CIOCFSESSION. An id that is not there is no error: so it is in
 * cryptodev-linux, whose check for it never holds.
 */
int vcd_ioctl_finish(struct vcd_file *f, u32 sid)
{
	struct vcd_session *s;

	spin_lock(&f->lock);
	s = vcd_lookup(f, sid);
	if (s)
		hash_del(&s->node);
	spin_unlock(&f->lock);
	/* Whoever is using it finishes first. */
	if (s)
		vcd_session_put(s);
	return 0;
}
