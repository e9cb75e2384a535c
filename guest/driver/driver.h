/* SPDX-License-Identifier: GPL-2.0 */
/*
 * virtio_cryptodev: a virtio-crypto device as /dev/crypto.
 *
 *   program -- ioctl --> chrdev.c     files, the ioctls, their errors
 *                        cipher.c     CIOCCRYPT: chunks, IV chaining
 *                        session.c    keys, and their sessions on the device
 *                        queue.c      requests on a virtqueue, and their return
 *                        device.c     start, stop, timeout, reset
 *   virtio core -------> main.c       probe, remove, configuration
 *                        nodes.c      /dev/crypto, /dev/cryptodevN
 *
 * Who keeps what alive: the driver binding, each open file and each session
 * hold the vcd_device; a request in flight holds its session. The virtio
 * device itself (vdev) may be used between start and stop only.
 *
 * Locks, outer first: vcd_device.lock (lifecycle); vcd_session.rwsem,
 * vcd_session.open_lock; vcd_queue.lock (taken in interrupts). User memory is
 * touched under vcd_session.rwsem alone.
 */
#ifndef VIRTIO_CRYPTODEV_DRIVER_H
#define VIRTIO_CRYPTODEV_DRIVER_H

#include <linux/completion.h>
#include <linux/hashtable.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/miscdevice.h>
#include <linux/mutex.h>
#include <linux/notifier.h>
#include <linux/rwsem.h>
#include <linux/scatterlist.h>
#include <linux/sizes.h>
#include <linux/spinlock.h>
#include <linux/srcu.h>
#include <linux/types.h>
#include <linux/virtio.h>
#include <linux/virtio_crypto.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <crypto/cryptodev.h>

#define VCD_MAX_DEVICES		32	/* /dev/cryptodev0 to 31 */
#define VCD_MAX_DATA_QUEUES	256	/* our own bound on max_dataqueues */
#define VCD_MAX_KEY		32	/* AES-256, in bytes */
#define VCD_BLOCK		16	/* AES block and IV, in bytes */

/*
 * A request's data lies in segments of physically contiguous memory. Chains
 * may not be longer than the queue (virtio 1.2, 2.7.5.3), so few and large.
 */
#define VCD_SEG_SIZE		SZ_16K
#define VCD_MAX_SEGS		8
#define VCD_MAX_CHUNK		(VCD_SEG_SIZE * VCD_MAX_SEGS)
/* Besides the data, in and out: header, IV, status. */
#define VCD_EXTRA_DESCS		3
/* Idle requests kept for the next caller, each with its first segment. */
#define VCD_POOL_MAX		64

enum vcd_state {
	VCD_DOWN,	/* being reset, or suspended */
	VCD_UP,
	VCD_DEAD,	/* reset for good: silent, or it did not come back */
	VCD_GONE,	/* unbound; only open files remember it */
};

struct vcd_device;
struct vcd_session;

/* One virtqueue and the requests the device holds. */
struct vcd_queue {
	struct vcd_device *dev;
	char name[20];
	wait_queue_head_t room;		/* woken when the device gives back */

	spinlock_t lock;
	struct virtqueue *vq;		/* NULL while stopped */
	struct virtqueue *stopping;	/* what vq was, during vcd_stop() */
	struct list_head inflight;	/* struct vcd_req, oldest first */
	unsigned int returned;		/* counts requests given back */
};

/*
 * A request to the device. Its memory is the device's from vcd_submit() until
 * the device returns it or has been reset; then its waiter's, or if that was
 * killed meanwhile, orphaned()'s.
 */
struct vcd_req {
	struct list_head link;
	struct vcd_queue *queue;
	struct completion done;
	u32 since;			/* dev->ticks at submission */
	u32 gen;			/* of the sessions it names; 0: any */
	u32 writable;			/* bytes the device may write */
	u32 used;			/* bytes it says it wrote */
	int error;			/* 0: came back from the device */
	bool inflight;			/* queue->lock */
	bool orphan;			/* queue->lock: nobody waits */
	void (*orphaned)(struct vcd_req *req);	/* process context */
};

struct vcd_device {
	struct kref ref;
	int index;			/* of /dev/cryptodevN */
	char name[20];
	struct miscdevice misc;
	wait_queue_head_t gone_wait;	/* for poll */

	/* Read once at probe. */
	u32 ciphers;			/* mask of 1 << VIRTIO_CRYPTO_CIPHER_* */
	u32 max_key;			/* bytes */
	u64 max_size;			/* bytes of IV, source and destination */
	unsigned int ndata;		/* data queues; the control queue is next */
	struct vcd_queue *queues;

	unsigned int chunk;		/* most bytes of data in a request */
	bool hw_ready;
	u32 gen;			/* which life since a reset; never 0 */
	struct srcu_struct srcu;	/* readers may use queue->vq */
	unsigned long watching;		/* bit 0: the watchdog is armed */
	u32 ticks;			/* of the watchdog, while armed */
	u32 sick_gen;			/* the life that is to be ended */
	u32 silent_gen;			/* the one that ended by a timeout */

	struct mutex lock;		/* start, stop, state */
	enum vcd_state state;		/* read anywhere */
	struct virtio_device *vdev;

	struct notifier_block reboot;
	struct delayed_work watchdog;
	struct work_struct recover;
	struct work_struct config;
	struct work_struct reap;

	spinlock_t reap_lock;
	struct list_head orphans;

	spinlock_t pool_lock;
	struct list_head pool;
	unsigned int pooled;
};

struct vcd_file {
	struct vcd_device *dev;
	spinlock_t lock;
	DECLARE_HASHTABLE(sessions, 6);
};

/* What the API calls a cipher, what the wire calls it, and its shape. */
struct vcd_cipher {
	u32 id;			/* CRYPTO_* */
	u32 algo;		/* VIRTIO_CRYPTO_CIPHER_* */
	const char *name;
	const char *driver_name;
	u8 block;		/* lengths are a multiple of this */
	u8 ivsize;
};

/*
 * The wire's sessions have one direction each. The key stays here so that a
 * direction is opened when first used, and again after a reset.
 */
struct vcd_session {
	struct hlist_node node;
	u32 sid;
	struct kref ref;
	struct vcd_device *dev;
	const struct vcd_cipher *cipher;
	u32 keylen;
	u8 key[VCD_MAX_KEY];

	/* Read: brings its own IV. Write: goes on from the session's. */
	struct rw_semaphore rwsem;
	struct mutex open_lock;		/* one opens, others wait */
	spinlock_t lock;
	struct {
		u64 id;
		u32 gen;		/* life of the device it belongs to; 0: none */
	} dir[2];			/* COP_ENCRYPT, COP_DECRYPT */
	u8 iv[VCD_BLOCK];
};

/* main.c */
extern struct workqueue_struct *vcd_wq;

/* device.c */
int vcd_start(struct vcd_device *d);
void vcd_stop(struct vcd_device *d, enum vcd_state next);
void vcd_sick(struct vcd_device *d, u32 gen);
void vcd_watch(struct vcd_device *d);
int vcd_down_error(struct vcd_device *d);
void vcd_device_init(struct vcd_device *d);
void vcd_get(struct vcd_device *d);
void vcd_put(struct vcd_device *d);

/* queue.c */
void vcd_queue_interrupt(struct virtqueue *vq);
void vcd_req_init(struct vcd_req *r, struct vcd_queue *q, u32 gen);
int vcd_submit(struct vcd_req *r, struct scatterlist *sgs[],
	       unsigned int out, unsigned int in, bool killable);
int vcd_wait(struct vcd_req *r);
void vcd_deliver(struct vcd_device *d, struct list_head *done);
void vcd_reap(struct work_struct *work);

/* session.c */
const struct vcd_cipher *vcd_cipher_find(struct vcd_device *d, u32 id);
struct vcd_session *vcd_session_new(struct vcd_device *d,
				    const struct vcd_cipher *c,
				    const u8 *key, u32 keylen);
void vcd_session_put(struct vcd_session *s);
int vcd_session_open(struct vcd_session *s, int op, u64 *id, u32 *gen);
void vcd_session_lost(struct vcd_session *s, int op, u64 id, u32 gen);

/* cipher.c */
int vcd_crypt(struct vcd_session *s, const struct crypt_op *cop, u8 *iv);
void vcd_pool_free(struct vcd_device *d);

/* chrdev.c */
extern const struct file_operations vcd_fops;
int vcd_file_new(struct file *filp, struct vcd_device *d);
long vcd_ioctl(struct file *filp, unsigned int cmd, unsigned long arg);
int vcd_ioctl_session(struct vcd_file *f, struct session_op *sop);
int vcd_ioctl_finish(struct vcd_file *f, u32 sid);
int vcd_ioctl_crypt(struct vcd_file *f, struct crypt_op *cop);

/* compat.c */
long vcd_compat_ioctl(struct file *filp, unsigned int cmd, unsigned long arg);

/* nodes.c */
int vcd_open(struct inode *inode, struct file *filp);
int vcd_nodes_add(struct vcd_device *d);
void vcd_nodes_remove(struct vcd_device *d);

#endif
