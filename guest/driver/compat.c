// SPDX-License-Identifier: GPL-2.0
/* 32-bit callers on a 64-bit kernel: the structures that hold pointers. */
#include <linux/compat.h>
#include <linux/fs.h>
#include <linux/uaccess.h>

#include "driver.h"

struct compat_session_op {
	u32 cipher;
	u32 mac;
	u32 keylen;
	compat_uptr_t key;
	u32 mackeylen;
	compat_uptr_t mackey;
	u32 ses;
};

struct compat_crypt_op {
	u32 ses;
	u16 op;
	u16 flags;
	u32 len;
	compat_uptr_t src;
	compat_uptr_t dst;
	compat_uptr_t mac;
	compat_uptr_t iv;
};

struct compat_crypt_auth_op {
	u32 ses;
	u16 op;
	u16 flags;
	u32 len;
	u32 auth_len;
	compat_uptr_t auth_src;
	compat_uptr_t src;
	compat_uptr_t dst;
	compat_uptr_t tag;
	u32 tag_len;
	compat_uptr_t iv;
	u32 iv_len;
};

#define COMPAT_CIOCGSESSION	_IOWR('c', 102, struct compat_session_op)
#define COMPAT_CIOCCRYPT	_IOWR('c', 104, struct compat_crypt_op)
#define COMPAT_CIOCAUTHCRYPT	_IOWR('c', 109, struct compat_crypt_auth_op)
#define COMPAT_CIOCASYNCCRYPT	_IOW('c', 110, struct compat_crypt_op)
#define COMPAT_CIOCASYNCFETCH	_IOR('c', 111, struct compat_crypt_op)
/* The numbers that cryptodev-linux has for 32-bit callers. */
#define COMPAT_CIOCASYNCCRYPT_OLD _IOW('c', 107, struct compat_crypt_op)
#define COMPAT_CIOCASYNCFETCH_OLD _IOR('c', 108, struct compat_crypt_op)

static void vcd_cop_from_compat(struct crypt_op *cop, const struct compat_crypt_op *c)
{
	cop->ses = c->ses;
	cop->op = c->op;
	cop->flags = c->flags;
	cop->len = c->len;
	cop->src = compat_ptr(c->src);
	cop->dst = compat_ptr(c->dst);
	cop->mac = compat_ptr(c->mac);
	cop->iv = compat_ptr(c->iv);
}

static void vcd_cop_to_compat(struct compat_crypt_op *c, const struct crypt_op *cop)
{
	c->ses = cop->ses;
	c->op = cop->op;
	c->flags = cop->flags;
	c->len = cop->len;
	c->src = ptr_to_compat(cop->src);
	c->dst = ptr_to_compat(cop->dst);
	c->mac = ptr_to_compat(cop->mac);
	c->iv = ptr_to_compat(cop->iv);
}

static long vcd_compat_session(struct vcd_file *f, void __user *arg)
{
	struct compat_session_op csop;
	struct session_op sop = {};
	int err;

	if (copy_from_user(&csop, arg, sizeof(csop)))
		return -EFAULT;
	sop.cipher = csop.cipher;
	sop.mac = csop.mac;
	sop.keylen = csop.keylen;
	sop.key = compat_ptr(csop.key);
	sop.mackeylen = csop.mackeylen;
	sop.mackey = compat_ptr(csop.mackey);
	err = vcd_ioctl_session(f, &sop);
	if (err)
		return err;
	csop.ses = sop.ses;
	if (copy_to_user(arg, &csop, sizeof(csop))) {
		vcd_ioctl_finish(f, sop.ses);
		return -EFAULT;
	}
	return 0;
}

static long vcd_compat_auth(struct vcd_file *f, void __user *arg)
{
	struct compat_crypt_auth_op c;
	struct crypt_auth_op caop = {};
	int err;

	if (copy_from_user(&c, arg, sizeof(c)))
		return -EFAULT;
	caop.ses = c.ses;
	caop.op = c.op;
	caop.flags = c.flags;
	caop.len = c.len;
	caop.auth_len = c.auth_len;
	caop.auth_src = compat_ptr(c.auth_src);
	caop.src = compat_ptr(c.src);
	caop.dst = compat_ptr(c.dst);
	caop.tag = compat_ptr(c.tag);
	caop.tag_len = c.tag_len;
	caop.iv = compat_ptr(c.iv);
	caop.iv_len = c.iv_len;
	err = vcd_ioctl_auth(f, &caop);
	if (err)
		return err;
	c.len = caop.len;
	c.tag = ptr_to_compat(caop.tag);
	c.tag_len = caop.tag_len;
	return copy_to_user(arg, &c, sizeof(c)) ? -EFAULT : 0;
}

long vcd_compat_ioctl(struct file *filp, unsigned int cmd, unsigned long arg_)
{
	struct vcd_file *f = filp->private_data;
	void __user *arg = compat_ptr(arg_);
	struct compat_crypt_op ccop;
	struct crypt_op cop = {};
	int err;

	switch (cmd) {
	case COMPAT_CIOCGSESSION:
		return vcd_compat_session(f, arg);
	case COMPAT_CIOCAUTHCRYPT:
		return vcd_compat_auth(f, arg);
	case COMPAT_CIOCCRYPT:
	case COMPAT_CIOCASYNCCRYPT:
	case COMPAT_CIOCASYNCCRYPT_OLD:
		if (copy_from_user(&ccop, arg, sizeof(ccop)))
			return -EFAULT;
		vcd_cop_from_compat(&cop, &ccop);
		if (cmd != COMPAT_CIOCCRYPT)
			return vcd_ioctl_async(f, &cop);
		err = vcd_ioctl_crypt(f, &cop);
		if (!err && copy_to_user(arg, &ccop, sizeof(ccop)))
			err = -EFAULT;
		return err;
	case COMPAT_CIOCASYNCFETCH:
	case COMPAT_CIOCASYNCFETCH_OLD:
		err = vcd_async_fetch(f, &cop);
		if (err == -EBUSY)
			return err;
		vcd_cop_to_compat(&ccop, &cop);
		return copy_to_user(arg, &ccop, sizeof(ccop)) ? -EFAULT : err;
	default:
		/* No pointers in the others; unknown numbers fail there. */
		return vcd_ioctl(filp, cmd, (unsigned long)arg);
	}
}
