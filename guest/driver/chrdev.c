// SPDX-License-Identifier: GPL-2.0
/*
 * Open files and the ioctls. Which error comes when, and which check comes
 * first, is as in cryptodev-linux 1.14.
 */
#include <linux/cred.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/poll.h>
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
	spin_lock_init(&f->lock);
	hash_init(f->sessions);
	vcd_get(d);
	f->dev = d;
	filp->private_data = f;
	return 0;
}

/* No ioctl is running: each holds the file. */
static int vcd_close(struct inode *inode, struct file *filp)
{
	struct vcd_file *f = filp->private_data;
	struct vcd_session *s;
	struct hlist_node *next;
	int i;

	hash_for_each_safe(f->sessions, i, next, s, node) {
		hash_del(&s->node);
		vcd_session_put(s);
	}
	vcd_put(f->dev);
	kfree(f);
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
static struct vcd_session *vcd_session_get(struct vcd_file *f, u32 sid)
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

/*
 * The numbers that cryptodev-linux knows; others it refuses before it looks
 * at the key. What it knows and we do not serve is refused after, as there
 * when the kernel has no such algorithm.
 */
static bool vcd_known_cipher(u32 id)
{
	switch (id) {
	case 0:
	case CRYPTO_DES_CBC:
	case CRYPTO_3DES_CBC:
	case CRYPTO_BLF_CBC:
	case CRYPTO_AES_CBC:
	case CRYPTO_AES_ECB:
	case CRYPTO_AES_CFB:
	case CRYPTO_AES_OFB:
	case CRYPTO_AES_XTS:
	case CRYPTO_CAMELLIA_CBC:
	case CRYPTO_AES_CTR:
	case CRYPTO_AES_GCM:
	case CRYPTO_AES_CCM:
	case CRYPTO_TLS11_AES_CBC_HMAC_SHA1:
	case CRYPTO_TLS12_AES_CBC_HMAC_SHA256:
	case CRYPTO_NULL:
		return true;
	}
	return false;
}

static bool vcd_known_mac(u32 id)
{
	switch (id) {
	case 0:
	case CRYPTO_MD5_HMAC:
	case CRYPTO_RIPEMD160_HMAC:
	case CRYPTO_SHA1_HMAC:
	case CRYPTO_SHA2_224_HMAC:
	case CRYPTO_SHA2_256_HMAC:
	case CRYPTO_SHA2_384_HMAC:
	case CRYPTO_SHA2_512_HMAC:
	case CRYPTO_MD5:
	case CRYPTO_RIPEMD160:
	case CRYPTO_SHA1:
	case CRYPTO_SHA2_224:
	case CRYPTO_SHA2_256:
	case CRYPTO_SHA2_384:
	case CRYPTO_SHA2_512:
		return true;
	}
	return false;
}

static bool vcd_aes_key_ok(struct vcd_device *d, u32 keylen)
{
	if (d->max_key && keylen > d->max_key)
		return false;
	return keylen == 16 || keylen == 24 || keylen == 32;
}

/* CIOCGSESSION; sop->ses is the answer. */
int vcd_ioctl_session(struct vcd_file *f, struct session_op *sop)
{
	const struct vcd_cipher *c;
	struct vcd_session *s;
	u8 key[CRYPTO_CIPHER_MAX_KEY_LEN];
	int err = -EINVAL;

	if (!sop->cipher && !sop->mac)
		return -EINVAL;
	if (!vcd_known_cipher(sop->cipher) || !vcd_known_mac(sop->mac))
		return -EINVAL;
	/* No hashes and no MACs, alone or with a cipher. */
	if (!sop->cipher)
		return -EINVAL;
	if (sop->keylen > sizeof(key))
		return -EINVAL;
	if (copy_from_user(key, sop->key, sop->keylen)) {
		err = -EFAULT;
		goto out;
	}
	c = vcd_cipher_find(f->dev, sop->cipher);
	if (!c || sop->mac || !vcd_aes_key_ok(f->dev, sop->keylen))
		goto out;

	s = vcd_session_new(f->dev, c, key, sop->keylen);
	if (IS_ERR(s)) {
		err = PTR_ERR(s);
		goto out;
	}
	sop->ses = vcd_session_publish(f, s);
	err = 0;
out:
	memzero_explicit(key, sizeof(key));
	return err;
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

/* CIOCCRYPT but for copying the structure. */
int vcd_ioctl_crypt(struct vcd_file *f, struct crypt_op *cop)
{
	struct vcd_session *s = vcd_session_get(f, cop->ses);
	u8 iv[EALG_MAX_BLOCK_LEN];
	u8 ivsize;
	int err;

	if (!s)
		return -EINVAL;
	ivsize = s->cipher->ivsize;
	err = -EFAULT;
	if (cop->iv && copy_from_user(iv, cop->iv, ivsize))
		goto out;
	err = -EINVAL;
	if (cop->op != COP_ENCRYPT && cop->op != COP_DECRYPT)
		goto out;
	if (cop->len % s->cipher->block)
		goto out;
	err = vcd_crypt(s, cop, iv);
	if (err)
		goto out;
	if (cop->iv && (cop->flags & COP_FLAG_WRITE_IV) &&
	    copy_to_user(cop->iv, iv, ivsize))
		err = -EFAULT;
out:
	vcd_session_put(s);
	return err;
}

/* CIOCGSESSINFO */
static int vcd_ioctl_info(struct vcd_file *f, struct session_info_op *siop)
{
	struct vcd_session *s = vcd_session_get(f, siop->ses);

	if (!s)
		return -EINVAL;
	strscpy(siop->cipher_info.cra_name, s->cipher->name,
		sizeof(siop->cipher_info.cra_name));
	strscpy(siop->cipher_info.cra_driver_name, s->cipher->driver_name,
		sizeof(siop->cipher_info.cra_driver_name));
	siop->alignmask = 0;
	siop->flags = SIOP_FLAG_KERNEL_DRIVER_ONLY;
	vcd_session_put(s);
	return 0;
}

/* CRIOGET: another descriptor of the same open file. */
static int vcd_ioctl_clone(struct file *filp, u32 __user *arg)
{
	int fd = get_unused_fd_flags(0);

	if (fd < 0)
		return fd;
	if (put_user(fd, arg)) {
		put_unused_fd(fd);
		return -EFAULT;
	}
	fd_install(fd, get_file(filp));
	return 0;
}

/* CIOCCPHASH: no session of ours is a hash's. */
static int vcd_ioctl_cphash(struct vcd_file *f, const struct cphash_op *op)
{
	struct vcd_session *dst, *src;

	if (op->src_ses == op->dst_ses)
		return -EDEADLK;
	spin_lock(&f->lock);
	src = vcd_lookup(f, op->src_ses);
	dst = vcd_lookup(f, op->dst_ses);
	spin_unlock(&f->lock);
	return src && dst ? -EINVAL : -ENOENT;
}

long vcd_ioctl(struct file *filp, unsigned int cmd, unsigned long arg_)
{
	struct vcd_file *f = filp->private_data;
	void __user *arg = (void __user *)arg_;
	union {
		struct session_op session;
		struct crypt_op crypt;
		struct session_info_op info;
		struct crypt_auth_op auth;
		struct cphash_op cphash;
		u32 word;
	} u;
	int err;

	switch (cmd) {
	case CRIOGET:
		return vcd_ioctl_clone(filp, arg);
	case CIOCASYMFEAT:	/* no public key operation */
		return put_user(0, (u32 __user *)arg);
	case CIOCGSESSION:
		if (copy_from_user(&u.session, arg, sizeof(u.session)))
			return -EFAULT;
		err = vcd_ioctl_session(f, &u.session);
		if (!err && copy_to_user(arg, &u.session, sizeof(u.session))) {
			vcd_ioctl_finish(f, u.session.ses);
			err = -EFAULT;
		}
		return err;
	case CIOCFSESSION:
		if (get_user(u.word, (u32 __user *)arg))
			return -EFAULT;
		return vcd_ioctl_finish(f, u.word);
	case CIOCGSESSINFO:
		if (copy_from_user(&u.info, arg, sizeof(u.info)))
			return -EFAULT;
		err = vcd_ioctl_info(f, &u.info);
		if (!err && copy_to_user(arg, &u.info, sizeof(u.info)))
			err = -EFAULT;
		return err;
	case CIOCCRYPT:
		if (copy_from_user(&u.crypt, arg, sizeof(u.crypt)))
			return -EFAULT;
		err = vcd_ioctl_crypt(f, &u.crypt);
		if (!err && copy_to_user(arg, &u.crypt, sizeof(u.crypt)))
			err = -EFAULT;
		return err;
	case CIOCAUTHCRYPT:	/* no session of ours is an AEAD's */
		if (copy_from_user(&u.auth, arg, sizeof(u.auth)))
			return -EFAULT;
		return -EINVAL;
	case CIOCCPHASH:
		if (copy_from_user(&u.cphash, arg, sizeof(u.cphash)))
			return -EFAULT;
		return vcd_ioctl_cphash(f, &u.cphash);
	default:
		/* CIOCKEY; and CIOCASYNC*, which are a build option there. */
		return -EINVAL;
	}
}

/* Always writable; a device that was unbound hangs up. */
static __poll_t vcd_poll(struct file *filp, poll_table *wait)
{
	struct vcd_file *f = filp->private_data;

	poll_wait(filp, &f->dev->gone_wait, wait);
	if (READ_ONCE(f->dev->state) == VCD_GONE)
		return EPOLLERR | EPOLLHUP;
	return EPOLLOUT | EPOLLWRNORM;
}

const struct file_operations vcd_fops = {
	.owner = THIS_MODULE,
	.open = vcd_open,
	.release = vcd_close,
	.poll = vcd_poll,
	.unlocked_ioctl = vcd_ioctl,
#ifdef CONFIG_COMPAT
	.compat_ioctl = vcd_compat_ioctl,
#endif
};
