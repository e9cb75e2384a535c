// SPDX-License-Identifier: GPL-2.0
/*
 * The ioctls. Which error comes when, and which check comes
 * first, is as in cryptodev-linux 1.14.
 */
#include <crypto/hash.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "driver.h"

/* What CIOCCRYPT and CIOCASYNCCRYPT begin with. */
static int vcd_op_begin(struct vcd_file *f, const struct crypt_op *cop,
			struct vcd_op *o, struct vcd_session **sp)
{
	struct vcd_session *s = vcd_session_get(f, cop->ses);

	if (!s)
		return -EINVAL;
	o->cop = *cop;
	o->digestsize = 0;
	if (cop->iv && s->cipher &&
	    copy_from_user(o->iv, cop->iv, s->cipher->ivsize)) {
		vcd_session_put(s);
		return -EFAULT;
	}
	*sp = s;
	return 0;
}

/* CIOCCRYPT but for copying the structure. */
int vcd_ioctl_crypt(struct vcd_file *f, struct crypt_op *cop)
{
	struct vcd_session *s;
	struct vcd_op o;
	int err;

	err = vcd_op_begin(f, cop, &o, &s);
	if (err)
		return err;
	err = vcd_crypt(s, &o);
	if (err)
		goto out;
	err = -EFAULT;
	if (o.digestsize && copy_to_user(cop->mac, o.digest, o.digestsize))
		goto out;
	if (cop->iv && (cop->flags & COP_FLAG_WRITE_IV) && s->cipher &&
	    copy_to_user(cop->iv, o.iv, s->cipher->ivsize))
		goto out;
	err = 0;
out:
	vcd_session_put(s);
	return err;
}

/* CIOCAUTHCRYPT likewise */
int vcd_ioctl_auth(struct vcd_file *f, struct crypt_auth_op *caop)
{
	struct vcd_session *s = vcd_session_get(f, caop->ses);
	int err;

	if (!s)
		return -EINVAL;
	err = vcd_auth(s, caop);
	vcd_session_put(s);
	return err;
}

/* CIOCASYNCCRYPT likewise */
int vcd_ioctl_async(struct vcd_file *f, const struct crypt_op *cop)
{
	struct vcd_session *s;
	struct vcd_op o;
	int err;

	err = vcd_op_begin(f, cop, &o, &s);
	if (err)
		return err;
	err = vcd_async_submit(f, s, &o);
	vcd_session_put(s);
	return err;
}

static void vcd_info(struct alg_info *info, const char *name, const char *driver)
{
	strscpy(info->cra_name, name, sizeof(info->cra_name));
	strscpy(info->cra_driver_name, driver, sizeof(info->cra_driver_name));
}

/* CIOCGSESSINFO. What the session does not have is left as it is, as there. */
static int vcd_ioctl_info(struct vcd_file *f, struct session_info_op *siop)
{
	struct vcd_session *s = vcd_session_get(f, siop->ses);
	const struct vcd_cipher *c;
	const struct vcd_hash *h;

	if (!s)
		return -EINVAL;
	c = s->cipher;
	h = s->hash;
	siop->flags = 0;
	if (c) {
		vcd_info(&siop->cipher_info, c->name, c->driver_name);
		if (c->kind != VCD_NULL)
			siop->flags |= SIOP_FLAG_KERNEL_DRIVER_ONLY;
	}
	if (h && vcd_hash_offered(f->dev, h) && !READ_ONCE(s->hash_here)) {
		vcd_info(&siop->hash_info, h->name, h->driver_name);
		siop->flags |= SIOP_FLAG_KERNEL_DRIVER_ONLY;
	} else if (h) {
		vcd_info(&siop->hash_info, h->name,
			 s->desc ? crypto_shash_driver_name(s->desc->tfm) : "");
	}
	/* Any address will do. */
	siop->alignmask = 0;
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

/* CIOCCPHASH */
static int vcd_ioctl_cphash(struct vcd_file *f, const struct cphash_op *op)
{
	struct vcd_session *src, *dst, *first, *second;
	int err;

	/* So as there; and one session would be locked twice. */
	if (op->src_ses == op->dst_ses)
		return -EDEADLK;
	src = vcd_session_get(f, op->src_ses);
	dst = vcd_session_get(f, op->dst_ses);
	err = -ENOENT;
	if (!src || !dst)
		goto out;
	first = min(src, dst);
	second = max(src, dst);
	err = down_write_killable(&first->rwsem);
	if (err)
		goto out;
	down_write_nested(&second->rwsem, SINGLE_DEPTH_NESTING);
	err = vcd_hash_copy(dst, src);
	up_write(&second->rwsem);
	up_write(&first->rwsem);
out:
	if (src)
		vcd_session_put(src);
	if (dst)
		vcd_session_put(dst);
	return err;
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
	case CIOCAUTHCRYPT:
		if (copy_from_user(&u.auth, arg, sizeof(u.auth)))
			return -EFAULT;
		err = vcd_ioctl_auth(f, &u.auth);
		if (!err && copy_to_user(arg, &u.auth, sizeof(u.auth)))
			err = -EFAULT;
		return err;
	case CIOCASYNCCRYPT:
		if (copy_from_user(&u.crypt, arg, sizeof(u.crypt)))
			return -EFAULT;
		return vcd_ioctl_async(f, &u.crypt);
	case CIOCASYNCFETCH:
		err = vcd_async_fetch(f, &u.crypt);
		/* Of one that failed too: the caller can tell which it was. */
		if (err != -EBUSY && copy_to_user(arg, &u.crypt, sizeof(u.crypt)))
			err = -EFAULT;
		return err;
	case CIOCCPHASH:
		if (copy_from_user(&u.cphash, arg, sizeof(u.cphash)))
			return -EFAULT;
		return vcd_ioctl_cphash(f, &u.cphash);
	default:
		return -EINVAL;	/* CIOCKEY among them, as there */
	}
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
