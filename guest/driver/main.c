// SPDX-License-Identifier: GPL-2.0
/* The virtio driver: probe, remove, configuration, suspend; the module. */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/delay.h>
#include <linux/idr.h>
#include <linux/module.h>
#include <linux/reboot.h>
#include <linux/slab.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>

#include "driver.h"

static unsigned int try_ciphers;
module_param(try_ciphers, uint, 0444);
MODULE_PARM_DESC(try_ciphers,
		 "Mask (1 << virtio cipher number) of ciphers to ask a device for though its configuration does not name them");

struct workqueue_struct *vcd_wq;

static DEFINE_IDA(vcd_indices);

/* What the device says of itself (virtio 1.2, 5.9.4). */
static int vcd_read_config(struct vcd_device *d)
{
	struct virtio_device *vdev = d->vdev;
	u32 status, services, queues;

	virtio_cread_le(vdev, struct virtio_crypto_config, status, &status);
	virtio_cread_le(vdev, struct virtio_crypto_config,
			max_dataqueues, &queues);
	virtio_cread_le(vdev, struct virtio_crypto_config,
			crypto_services, &services);
	virtio_cread_le(vdev, struct virtio_crypto_config,
			cipher_algo_l, &d->ciphers);
	virtio_cread_le(vdev, struct virtio_crypto_config,
			hash_algo, &d->hashes);
	virtio_cread_le(vdev, struct virtio_crypto_config,
			mac_algo_l, &d->macs);
	virtio_cread_le(vdev, struct virtio_crypto_config,
			aead_algo, &d->aeads);
	virtio_cread_le(vdev, struct virtio_crypto_config,
			akcipher_algo, &d->akciphers);
	virtio_cread_le(vdev, struct virtio_crypto_config,
			max_cipher_key_len, &d->max_key);
	virtio_cread_le(vdev, struct virtio_crypto_config,
			max_auth_key_len, &d->max_mackey);
	virtio_cread_le(vdev, struct virtio_crypto_config,
			max_size, &d->max_size);

	d->hw_ready = status & VIRTIO_CRYPTO_S_HW_READY;
	d->ndata = max(queues, 1U);
	if (d->ndata > VCD_MAX_DATA_QUEUES) {
		dev_err(&vdev->dev,
			"the device has %u data queues, this driver takes up to %u\n",
			d->ndata, VCD_MAX_DATA_QUEUES);
		return -EINVAL;
	}
	if (!(services & BIT(VIRTIO_CRYPTO_SERVICE_CIPHER)))
		d->ciphers = 0;
	if (!(services & BIT(VIRTIO_CRYPTO_SERVICE_HASH)))
		d->hashes = 0;
	if (!(services & BIT(VIRTIO_CRYPTO_SERVICE_MAC)))
		d->macs = 0;
	if (!(services & BIT(VIRTIO_CRYPTO_SERVICE_AEAD)))
		d->aeads = 0;
	if (!(services & BIT(VIRTIO_CRYPTO_SERVICE_AKCIPHER)))
		d->akciphers = 0;
	d->ciphers |= try_ciphers;
	return 0;
}

static int vcd_alloc_queues(struct vcd_device *d)
{
	unsigned int i;

	d->queues = kcalloc(d->ndata + 1, sizeof(*d->queues), GFP_KERNEL);
	if (!d->queues)
		return -ENOMEM;
	for (i = 0; i <= d->ndata; i++) {
		struct vcd_queue *q = &d->queues[i];

		q->dev = d;
		spin_lock_init(&q->lock);
		INIT_LIST_HEAD(&q->inflight);
		INIT_LIST_HEAD(&q->parked);
		init_waitqueue_head(&q->room);
		vcd_kcrypto_queue_init(q);
		if (i < d->ndata)
			snprintf(q->name, sizeof(q->name), "dataq.%u", i);
		else
			strscpy(q->name, "controlq", sizeof(q->name));
	}
	return 0;
}

/* The only thing that changes while a device lives is HW_READY. */
static void vcd_config_work(struct work_struct *work)
{
	struct vcd_device *d = container_of(work, struct vcd_device, config);
	bool ready;
	u32 status;

	if (READ_ONCE(d->frozen))
		return;
	mutex_lock(&d->lock);
	if (d->state == VCD_UP) {
		virtio_cread_le(d->vdev, struct virtio_crypto_config,
				status, &status);
		ready = status & VIRTIO_CRYPTO_S_HW_READY;
		if (ready != d->hw_ready)
			pr_info_ratelimited("%s: the device is %s\n", d->name,
					    ready ? "ready" :
						    "not ready: calls get EBUSY");
		WRITE_ONCE(d->hw_ready, ready);
	}
	mutex_unlock(&d->lock);
	vcd_kcrypto_add(d);
}

static void vcd_config_changed(struct virtio_device *vdev)
{
	struct vcd_device *d = vdev->priv;

	if (d)
		queue_work(vcd_wq, &d->config);
}

/* No work of the device's is running, or will, once it is stopped for good. */
static void vcd_quiesce(struct vcd_device *d)
{
	cancel_delayed_work_sync(&d->watchdog);
	clear_bit(0, &d->watching);
	cancel_work_sync(&d->recover);
	cancel_work_sync(&d->config);
	vcd_kcrypto_quiesce(d);
	flush_work(&d->reap);
}

/*
 * The machine goes down: stop for good, before the virtio core (6.15, and its
 * backports) marks the queues broken and resets the device. We would take that
 * for a fault of the device and start it again, while the core waits for its
 * reset to be done, for ever.
 */
static int vcd_reboot(struct notifier_block *nb, unsigned long event, void *data)
{
	struct vcd_device *d = container_of(nb, struct vcd_device, reboot);

	mutex_lock(&d->lock);
	if (d->state == VCD_UP)
		vcd_stop(d, VCD_DEAD);
	mutex_unlock(&d->lock);
	return NOTIFY_DONE;
}

static int vcd_probe(struct virtio_device *vdev)
{
	struct vcd_device *d;
	int err;

	if (!virtio_has_feature(vdev, VIRTIO_F_VERSION_1)) {
		dev_err(&vdev->dev, "a legacy device: virtio-crypto has none\n");
		return -ENODEV;
	}
	d = kzalloc(sizeof(*d), GFP_KERNEL);
	if (!d)
		return -ENOMEM;
	err = init_srcu_struct(&d->srcu);
	if (err) {
		kfree(d);
		return err;
	}
	vcd_device_init(d);
	INIT_WORK(&d->config, vcd_config_work);
	d->vdev = vdev;

	d->index = ida_alloc_max(&vcd_indices, VCD_MAX_DEVICES - 1, GFP_KERNEL);
	if (d->index < 0) {
		err = d->index;
		dev_err(&vdev->dev, "no number below %d is free for this device: %d\n",
			VCD_MAX_DEVICES, err);
		goto put;
	}
	snprintf(d->name, sizeof(d->name), "cryptodev%d", d->index);

	err = vcd_read_config(d);
	if (err)
		goto free_index;
	err = vcd_alloc_queues(d);
	if (err)
		goto free_index;

	vdev->priv = d;
	mutex_lock(&d->lock);
	err = vcd_start(d);
	mutex_unlock(&d->lock);
	if (err)
		goto forget;

	d->reboot.notifier_call = vcd_reboot;
	err = register_reboot_notifier(&d->reboot);
	if (err)
		goto stop;
	err = vcd_nodes_add(d);
	if (err)
		goto ignore_reboot;
	pr_info("%s: on %s, %u data queue%s, ciphers %#x, hashes %#x, MACs %#x, AEADs %#x, up to %u bytes a request%s\n",
		d->name, dev_name(&vdev->dev), d->ndata,
		d->ndata == 1 ? "" : "s", d->ciphers, d->hashes, d->macs,
		d->aeads, d->chunk,
		d->hw_ready ? "" : "; not ready yet");
	vcd_stats_add(d);
	vcd_kcrypto_add(d);
	return 0;

ignore_reboot:
	unregister_reboot_notifier(&d->reboot);
stop:
	mutex_lock(&d->lock);
	vcd_stop(d, VCD_GONE);
	mutex_unlock(&d->lock);
	vcd_quiesce(d);
forget:
	vdev->priv = NULL;
free_index:
	ida_free(&vcd_indices, d->index);
put:
	vcd_put(d);
	return err;
}

static void vcd_remove(struct virtio_device *vdev)
{
	struct vcd_device *d = vdev->priv;

	unregister_reboot_notifier(&d->reboot);
	vcd_kcrypto_settle();
	vcd_stats_remove(d);
	vcd_nodes_remove(d);
	mutex_lock(&d->lock);
	vcd_stop(d, VCD_GONE);
	mutex_unlock(&d->lock);
	vcd_files_wake(d);
	vcd_quiesce(d);
	vdev->priv = NULL;
	ida_free(&vcd_indices, d->index);
	pr_info("%s: gone\n", d->name);
	vcd_put(d);
}

#ifdef CONFIG_PM_SLEEP
#define VCD_FREEZE_MS	2000

/* What is under way is given a moment: the reset would fail it. */
static void vcd_calm(struct vcd_device *d)
{
	unsigned int ms, i;
	bool busy = true;

	for (ms = 0; busy && ms < VCD_FREEZE_MS; ms += 20) {
		busy = false;
		for (i = 0; i <= d->ndata; i++) {
			vcd_queue_drain_all(&d->queues[i]);
			busy |= !list_empty_careful(&d->queues[i].inflight);
		}
		if (busy)
			msleep(20);
	}
}

/* Sessions outlive a suspend: they are opened anew when used. */
static int vcd_freeze(struct virtio_device *vdev)
{
	struct vcd_device *d = vdev->priv;

	/* Up to 6.1 it waits for tests of algorithms, which need the device. */
	WRITE_ONCE(d->frozen, true);
	cancel_work_sync(&d->config);
	vcd_calm(d);
	mutex_lock(&d->lock);
	vcd_stop(d, d->state == VCD_DEAD ? VCD_DEAD : VCD_DOWN);
	mutex_unlock(&d->lock);
	vcd_quiesce(d);
	return 0;
}

static int vcd_restore(struct virtio_device *vdev)
{
	struct vcd_device *d = vdev->priv;
	int err;

	mutex_lock(&d->lock);
	err = d->state == VCD_DEAD ? -EIO : vcd_start(d);
	if (err) {
		WRITE_ONCE(d->state, VCD_DEAD);
		vcd_kwake(d);	/* what waits for the device does so in vain */
	}
	mutex_unlock(&d->lock);
	WRITE_ONCE(d->frozen, false);
	if (!err)
		queue_work(vcd_wq, &d->config);
	return err;
}
#endif

/* No feature of virtio-crypto's own: the fixed-size control layout. */
static const unsigned int vcd_features[] = {};

static const struct virtio_device_id vcd_ids[] = {
	{ VIRTIO_ID_CRYPTO, VIRTIO_DEV_ANY_ID },
	{ 0 },
};
MODULE_DEVICE_TABLE(virtio, vcd_ids);

static struct virtio_driver vcd_driver = {
	.driver.name = KBUILD_MODNAME,
	.driver.owner = THIS_MODULE,
	.feature_table = vcd_features,
	.feature_table_size = ARRAY_SIZE(vcd_features),
	.id_table = vcd_ids,
	.probe = vcd_probe,
	.remove = vcd_remove,
	.config_changed = vcd_config_changed,
#ifdef CONFIG_PM_SLEEP
	.freeze = vcd_freeze,
	.restore = vcd_restore,
#endif
};

static int __init vcd_init(void)
{
	int err;

	vcd_wq = alloc_workqueue(KBUILD_MODNAME, WQ_UNBOUND | WQ_MEM_RECLAIM, 0);
	if (!vcd_wq)
		return -ENOMEM;
	err = vcd_kcrypto_init();
	if (err)
		goto free_wq;
	vcd_stats_init();
	err = register_virtio_driver(&vcd_driver);
	if (err)
		goto exit_kcrypto;
	return 0;

exit_kcrypto:
	vcd_stats_exit();
	vcd_kcrypto_exit();
free_wq:
	destroy_workqueue(vcd_wq);
	return err;
}

static void __exit vcd_exit(void)
{
	unregister_virtio_driver(&vcd_driver);
	vcd_stats_exit();
	vcd_kcrypto_exit();
	destroy_workqueue(vcd_wq);
	ida_destroy(&vcd_indices);
}

module_init(vcd_init);
module_exit(vcd_exit);

MODULE_DESCRIPTION("The cryptodev API (/dev/crypto) on virtio-crypto devices");
MODULE_LICENSE("GPL");
