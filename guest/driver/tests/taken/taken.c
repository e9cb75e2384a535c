// SPDX-License-Identifier: GPL-2.0
/*
 * Has /dev/crypto, as cryptodev-linux would, and the driver name of one of our
 * algorithms in the kernel's crypto API; for tests.
 */
#include <crypto/internal/hash.h>
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

static int taken_digest(struct shash_desc *desc, const u8 *data, unsigned int len, u8 *out)
{
	return -EOPNOTSUPP;
}

static int taken_init_state(struct shash_desc *desc)
{
	return -EOPNOTSUPP;
}

static int taken_update(struct shash_desc *desc, const u8 *data, unsigned int len)
{
	return -EOPNOTSUPP;
}

static int taken_final(struct shash_desc *desc, u8 *out)
{
	return -EOPNOTSUPP;
}

static struct shash_alg taken_alg = {
	.digestsize = 16,
	.init = taken_init_state,
	.update = taken_update,
	.final = taken_final,
	.digest = taken_digest,
	.base.cra_name = "virtio-cryptodev-sha1",
	.base.cra_driver_name = "taken",
	.base.cra_blocksize = 1,
	.base.cra_module = THIS_MODULE,
};

static int __init taken_init(void)
{
	int err = crypto_register_shash(&taken_alg);

	if (err)
		return err;
	err = misc_register(&taken);
	if (err)
		crypto_unregister_shash(&taken_alg);
	return err;
}

static void __exit taken_exit(void)
{
	misc_deregister(&taken);
	crypto_unregister_shash(&taken_alg);
}

module_init(taken_init);
module_exit(taken_exit);

MODULE_DESCRIPTION("A /dev/crypto and an algorithm that do nothing");
MODULE_LICENSE("GPL");
