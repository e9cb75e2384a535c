// SPDX-License-Identifier: GPL-2.0
/* Has /dev/crypto, as cryptodev-linux would; for a test. */
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>

static const struct file_operations taken_fops = {
	.owner = THIS_MODULE,
};

static struct miscdevice taken = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "crypto",
	.fops = &taken_fops,
};
module_misc_device(taken);

MODULE_DESCRIPTION("A /dev/crypto that does nothing");
MODULE_LICENSE("GPL");
