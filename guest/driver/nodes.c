// SPDX-License-Identifier: GPL-2.0
/* /dev/cryptodevN, one a device; /dev/crypto, one of them. */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/device.h>
#include <linux/fs.h>
#include <linux/module.h>

#include "driver.h"

/* As cryptodev-linux: everybody may encrypt. A udev rule narrows it. */
#define VCD_NODE_MODE	0666

static int crypto_device = -1;
module_param(crypto_device, int, 0644);
MODULE_PARM_DESC(crypto_device,
		 "Which /dev/cryptodevN /dev/crypto opens; -1: the least busy (default)");

/*
 * misc_register() and misc_deregister() exclude open() from within; so a
 * device still registered may be looked up, and open() takes vcd_table_lock.
 * The other lock orders those who register.
 */
static DEFINE_MUTEX(vcd_register_lock);
static DEFINE_MUTEX(vcd_table_lock);
static struct vcd_device *vcd_table[VCD_MAX_DEVICES];
static bool vcd_crypto_registered;

static struct miscdevice vcd_crypto_misc = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "crypto",
	.fops = &vcd_fops,
	.mode = VCD_NODE_MODE,
};

/**
 * vcd_device_pick() - the device with the fewest users of those that will do
 * @wanted: which they are
 * @arg: for it
 *
 * Return: the device, with one user more and a reference, or NULL.
 */
struct vcd_device *vcd_device_pick(bool (*wanted)(struct vcd_device *d, const void *arg),
				   const void *arg)
{
	struct vcd_device *best = NULL;
	int i;

	mutex_lock(&vcd_table_lock);
	for (i = 0; i < VCD_MAX_DEVICES; i++) {
		struct vcd_device *d = vcd_table[i];

		if (d && wanted(d, arg) &&
		    (!best || atomic_read(&d->users) < atomic_read(&best->users)))
			best = d;
	}
	if (best) {
		atomic_inc(&best->users);
		vcd_get(best);
	}
	mutex_unlock(&vcd_table_lock);
	return best;
}

/* Process context. */
void vcd_device_unpick(struct vcd_device *d)
{
	atomic_dec(&d->users);
	vcd_put(d);
}

static bool vcd_is_wanted(struct vcd_device *d, const void *arg)
{
	const int *index = arg;

	return *index < 0 || d->index == *index;
}

static bool vcd_is_up(struct vcd_device *d, const void *arg)
{
	return READ_ONCE(d->state) == VCD_UP && vcd_is_wanted(d, arg);
}

/* The misc core leaves the node that was opened in private_data. */
int vcd_open(struct inode *inode, struct file *filp)
{
	struct miscdevice *node = filp->private_data;
	int want = READ_ONCE(crypto_device);
	struct vcd_device *d;
	int err;

	if (node != &vcd_crypto_misc)
		return vcd_file_new(filp, container_of(node, struct vcd_device,
						       misc));
	/* One that is down says so to its callers, if there is no other. */
	d = vcd_device_pick(vcd_is_up, &want);
	if (!d)
		d = vcd_device_pick(vcd_is_wanted, &want);
	if (!d)
		return -ENODEV;
	err = vcd_file_new(filp, d);
	vcd_device_unpick(d);
	return err;
}

/* /dev/crypto is there while a device is. vcd_register_lock is held. */
static void vcd_crypto_update(struct vcd_device *some)
{
	struct device *other;
	bool want = false;
	int i, err;

	mutex_lock(&vcd_table_lock);
	for (i = 0; i < VCD_MAX_DEVICES; i++)
		want |= !!vcd_table[i];
	mutex_unlock(&vcd_table_lock);

	if (!want && vcd_crypto_registered) {
		misc_deregister(&vcd_crypto_misc);
		vcd_crypto_registered = false;
	}
	if (!want || vcd_crypto_registered)
		return;

	/* Look first: registering a name twice fills the log with a stack dump. */
	other = class_find_device_by_name(some->misc.this_device->class,
					  vcd_crypto_misc.name);
	put_device(other);
	/* It still has the minor of its last life, which others may have now. */
	vcd_crypto_misc.minor = MISC_DYNAMIC_MINOR;
	err = other ? -EEXIST : misc_register(&vcd_crypto_misc);
	if (err == -EEXIST)
		pr_notice("/dev/crypto belongs to another module (cryptodev?); use /dev/%s\n",
			  some->name);
	else if (err)
		pr_err("cannot register /dev/crypto: %d; use /dev/%s\n",
		       err, some->name);
	else
		vcd_crypto_registered = true;
}

static void vcd_table_set(struct vcd_device *d, struct vcd_device *to)
{
	mutex_lock(&vcd_table_lock);
	vcd_table[d->index] = to;
	mutex_unlock(&vcd_table_lock);
}

int vcd_nodes_add(struct vcd_device *d)
{
	int err;

	d->misc.minor = MISC_DYNAMIC_MINOR;
	d->misc.name = d->name;
	d->misc.fops = &vcd_fops;
	d->misc.mode = VCD_NODE_MODE;
	d->misc.parent = &d->vdev->dev;

	mutex_lock(&vcd_register_lock);
	err = misc_register(&d->misc);
	if (err) {
		pr_err("cannot register /dev/%s: %d\n", d->name, err);
	} else {
		vcd_table_set(d, d);
		vcd_crypto_update(d);
	}
	mutex_unlock(&vcd_register_lock);
	return err;
}

/* When this returns nobody opens the device any more. */
void vcd_nodes_remove(struct vcd_device *d)
{
	mutex_lock(&vcd_register_lock);
	vcd_table_set(d, NULL);
	vcd_crypto_update(d);
	misc_deregister(&d->misc);
	mutex_unlock(&vcd_register_lock);
}
