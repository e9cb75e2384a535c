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

#define COMPAT_CIOCGSESSION	_IOWR('c', 102, struct compat_session_op)
#define COMPAT_CIOCCRYPT	_IOWR('c', 104, struct compat_crypt_op)

long vcd_compat_ioctl(struct file *filp, unsigned int cmd, unsigned long arg_)
{
	struct vcd_file *f = filp->private_data;
	void __user *arg = compat_ptr(arg_);
	struct compat_session_op csop;
	struct compat_crypt_op ccop;
	struct session_op sop = {};
	struct crypt_op cop = {};
	int err;

	switch (cmd) {
	case COMPAT_CIOCGSESSION:
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
	case COMPAT_CIOCCRYPT:
		if (copy_from_user(&ccop, arg, sizeof(ccop)))
			return -EFAULT;
		cop.ses = ccop.ses;
		cop.op = ccop.op;
		cop.flags = ccop.flags;
		cop.len = ccop.len;
		cop.src = compat_ptr(ccop.src);
		cop.dst = compat_ptr(ccop.dst);
		cop.mac = compat_ptr(ccop.mac);
		cop.iv = compat_ptr(ccop.iv);
		err = vcd_ioctl_crypt(f, &cop);
		if (!err && copy_to_user(arg, &ccop, sizeof(ccop)))
			err = -EFAULT;
		return err;
	default:
		/* No pointers in the others; unknown numbers fail there. */
		return vcd_ioctl(filp, cmd, (unsigned long)arg);
	}
}
