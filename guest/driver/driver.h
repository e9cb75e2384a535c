/* SPDX-License-Identifier: GPL-2.0 */
/*
 * virtio_cryptodev: a virtio-crypto device as /dev/crypto.
 *
 *   program -- ioctl --> chrdev.c     the ioctls, their errors
 *                        file.c       an open file and its sessions by number
 *                        crypt.c      CIOCCRYPT: order, locks, IVs
 *                        auth.c       CIOCAUTHCRYPT: AEAD, TLS, SRTP
 *                        async.c      CIOCASYNCCRYPT, CIOCASYNCFETCH, poll
 *                        cipher.c     ciphers and AEADs, in chunks
 *                        hash.c       hashes: here in parts, there at once
 *                        session.c    keys, and their sessions on the device
 *                        ctrl.c       opened and closed there: the control queue
 *                        request.c    a data request's memory: copied, pinned
 *                        message.c    a data request's layout and answer
 *                        queue.c      requests on a virtqueue, and their return
 *                        device.c     start, stop, timeout, reset
 *                        algs.c       algorithms by number
 *                        limits.c     what one user may hold
 *                        stats.c      counters; trace.h, tracepoints
 *   kernel's crypto API > kcrypto.c  and kreq.c, skcipher.c, ahash.c, aead.c,
 *                                     akcipher.c: see kcrypto.h
 *   virtio core -------> main.c       probe, remove, configuration
 *                        nodes.c      /dev/crypto, /dev/cryptodevN
 *
 * Who keeps what alive: the driver binding, each open file and each session
 * hold the vcd_device; a request in flight holds its session, and an
 * asynchronous one its file until it is fetched. The virtio device itself
 * (vdev) may be used between start and stop only.
 *
 * Locks, outer first: vcd_device.lock (lifecycle); vcd_session.rwsem (of two
 * sessions the lower address first), vcd_session.open_lock; vcd_device.files_lock;
 * vcd_queue.lock, vcd_file.done_lock, vcd_session.lock (these in interrupts
 * too). User memory is touched under vcd_session.rwsem alone.
 */
#ifndef VIRTIO_CRYPTODEV_DRIVER_H
#define VIRTIO_CRYPTODEV_DRIVER_H

#include <crypto/algapi.h>
#include <linux/atomic.h>
#include <linux/completion.h>
#include <linux/hashtable.h>
#include <linux/interrupt.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/miscdevice.h>
#include <linux/mutex.h>
#include <linux/notifier.h>
#include <linux/poll.h>
#include <linux/rwsem.h>
#include <linux/scatterlist.h>
#include <linux/seqlock.h>
#include <linux/sizes.h>
#include <linux/spinlock.h>
#include <linux/srcu.h>
#include <linux/types.h>
#include <linux/uidgid.h>
#include <linux/virtio.h>
#include <linux/virtio_crypto.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <crypto/cryptodev.h>

#define VCD_MAX_DEVICES		32	/* /dev/cryptodev0 to 31 */
#define VCD_MAX_DATA_QUEUES	256	/* our own bound on max_dataqueues */
#define VCD_MAX_KEY		64	/* two of AES-256 (XTS), in bytes */
#define VCD_BLOCK		16	/* longest block and IV, in bytes */
#define VCD_MAX_RESULT		64	/* longest digest or tag, in bytes */

/*
 * A request's data lies in segments of physically contiguous memory. Chains
 * may not be longer than the queue (virtio 1.2, 2.7.5.3), so few and large.
 */
#define VCD_SEG_SIZE		SZ_16K
#define VCD_MAX_SEGS		8
#define VCD_MAX_CHUNK		(VCD_SEG_SIZE * VCD_MAX_SEGS)
/* What cannot be split has larger segments, for up to 4 MiB. */
#define VCD_MAX_SEG_SIZE	SZ_512K
/* Pages of a chunk of the caller's own memory, which may begin anywhere. */
#define VCD_MAX_PAGES		(VCD_MAX_CHUNK / PAGE_SIZE + 1)
/* Pieces of it, or segments of ours: pages may be larger than these. */
#define VCD_MAX_PIECES		(VCD_MAX_PAGES > VCD_MAX_SEGS ? VCD_MAX_PAGES : VCD_MAX_SEGS)
/* Not a status of the specification: shows whether the device wrote one. */
#define VCD_NO_STATUS		0xff
/* Besides the data, in and out: header and IV, tag, AAD; status. */
#define VCD_EXTRA_DESCS		4
/* Asynchronous operations on one file: in flight, and not yet fetched. */
#define VCD_MAX_ASYNC		256
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
struct vcd_ctrl;

/* Latencies are counted by powers of two of microseconds, up to a minute. */
#define VCD_LATENCIES		27

/* Since the device was found. */
struct vcd_stats {
	u64 requests, kernel;	/* all, and those by the kernel's door */
	u64 bytes;		/* of source data */
	u64 kicks, interrupts;
	u64 full;		/* the ring had no room */
	u64 answers, failed;	/* returned by the device, by a reset */
	u64 latency[VCD_LATENCIES];
};

/* One virtqueue and the requests the device holds. */
struct vcd_queue {
	struct vcd_device *dev;
	char name[20];
	wait_queue_head_t room;		/* woken when the device gives back */

	spinlock_t lock;		/* the ring, and what follows */
	struct virtqueue *vq;		/* NULL while stopped */
	struct virtqueue *stopping;	/* what vq was, during vcd_stop() */
	struct list_head inflight;	/* struct vcd_req, oldest first */
	struct list_head parked;	/* those that wait for room, by resume() */
	unsigned int returned;		/* counts requests given back */
	unsigned int sleepers;		/* who needs the device's interrupt */
	bool armed;			/* it is asked for */
	u16 tag;			/* of the next request */
	struct vcd_stats stats;

	/* Returned, and to be completed for the kernel's users. */
	spinlock_t kdone_lock;		/* kdone */
	struct list_head kdone;		/* struct vcd_req */
	struct tasklet_struct kdone_task;
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
	u64 start;			/* local_clock() at submission */
	u64 session;			/* its number on the wire, to be traced */
	u32 len;			/* bytes of source data, likewise */
	u16 tag;			/* on its queue; see trace.h */
	bool inflight;			/* queue->lock */
	bool orphan;			/* queue->lock: nobody waits */
	bool counted;			/* queue->lock: one of its sleepers */
	bool by_irq;			/* nobody will look for it */
	bool kernel;			/* by the kernel's door */
	/* Instead of waking a waiter: under queue->lock. */
	void (*notify)(struct vcd_req *req);
	void (*orphaned)(struct vcd_req *req);	/* process context */
	void (*resume)(struct vcd_req *req);	/* likewise: the ring has room */
};

struct vcd_device {
	struct kref ref;
	int index;			/* of /dev/cryptodevN */
	char name[20];
	struct miscdevice misc;
	struct dentry *debugfs;

	/* Read once at probe. */
	u32 ciphers;			/* mask of 1 << VIRTIO_CRYPTO_CIPHER_* */
	u32 hashes, macs, aeads;	/* likewise */
	u32 akciphers;			/* likewise */
	u32 max_key;			/* bytes */
	u32 max_mackey;			/* bytes */
	u64 max_size;			/* bytes of IV, source and destination */
	unsigned int ndata;		/* data queues; the control queue is next */
	struct vcd_queue *queues;

	unsigned int chunk;		/* most bytes of data in a request */
	unsigned int segs;		/* most segments, each read and written */
	unsigned int kmax;		/* likewise, of the kernel's door */
	unsigned int ksegs;		/* most pieces of data in a request */
	atomic_t users;			/* open files, transformations */
	bool hw_ready;
	bool frozen;			/* suspended: configuration waits */
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

	spinlock_t reap_lock;		/* orphans */
	struct list_head orphans;

	spinlock_t pool_lock;		/* pool, pooled */
	struct list_head pool;
	unsigned int pooled;

	spinlock_t files_lock;		/* files */
	struct list_head files;		/* struct vcd_file */
	atomic_t file_waiters;		/* files that need interrupts */
	unsigned int skip_spin;		/* sleep at once, so many times */
	unsigned int spin_misses;	/* looks in vain, one after the other */

	/* Requests of the kernel's door that are to be sent by its worker. */
	spinlock_t kq_lock;		/* kq */
	struct crypto_queue kq;
	struct work_struct kwork;
	atomic_long_t fallbacks;	/* done in software instead */
};

/* What one user holds, on all devices. */
struct vcd_user {
	struct hlist_node node;
	kuid_t uid;
	unsigned int refs;
	atomic_t sessions;
	atomic_t pages;			/* pinned */
};

struct vcd_file {
	struct kref ref;
	struct vcd_device *dev;
	struct list_head link;		/* in dev->files */
	struct vcd_user *user;
	spinlock_t lock;		/* sessions */
	DECLARE_HASHTABLE(sessions, 6);

	wait_queue_head_t wait;		/* poll */
	bool waiting;			/* done_lock: counted in dev->file_waiters */
	spinlock_t done_lock;		/* done, closed, waiting */
	struct list_head done;		/* struct vcd_req, in completion order */
	bool closed;			/* done_lock */
	atomic_t async;			/* operations not yet fetched */
};

enum vcd_kind {
	VCD_CIPHER,
	VCD_AEAD,
	VCD_NULL,
	VCD_AUTHENC,	/* a chain; the kernel's door only, as is the next */
	VCD_RSA,
};

/* What an operation makes of the IV, for the next to go on from. */
enum vcd_chain {
	VCD_CHAIN_KEEP,
	VCD_CHAIN_CBC,		/* the last ciphertext block */
	VCD_CHAIN_CTR,		/* the next counter */
};

/* What the API calls a cipher, what the wire calls it, and its shape. */
struct vcd_cipher {
	u32 id;			/* CRYPTO_* */
	u32 algo;		/* VIRTIO_CRYPTO_CIPHER_*, VIRTIO_CRYPTO_AEAD_* */
	const char *name;
	const char *driver_name;
	enum vcd_kind kind;
	enum vcd_chain chain;
	bool stream;		/* SRTP takes it */
	bool whole;		/* may not be split into requests */
	u8 block;		/* lengths are a multiple of this */
	u8 ivsize;
	u8 keys[3];		/* key lengths */
	u32 tags;		/* mask of 1 << tag length */
};

struct vcd_hash {
	u32 id;			/* CRYPTO_* */
	u32 algo;		/* VIRTIO_CRYPTO_HASH_*, VIRTIO_CRYPTO_MAC_*; 0: none */
	bool keyed;
	const char *name;
	const char *driver_name;
	u8 digestsize;
};

/* A session has up to three on the wire, where each does one thing. */
enum vcd_slot {
	VCD_SLOT_ENCRYPT = COP_ENCRYPT,
	VCD_SLOT_DECRYPT = COP_DECRYPT,
	VCD_SLOT_HASH,
	VCD_SLOTS,
};

enum vcd_hash_state {
	VCD_HASH_FRESH,		/* desc is as after a reset */
	VCD_HASH_BUSY,		/* desc has the state */
	VCD_HASH_SPENT,		/* ended, by the device or wiped; see vcd_hash_here() */
};

/*
 * Keys stay here so that a session of the wire is opened when first used, and
 * again after a reset.
 */
struct vcd_session {
	struct hlist_node node;
	u32 sid;
	struct kref ref;
	struct vcd_device *dev;
	struct vcd_user *user;			/* NULL: the kernel */
	const struct vcd_cipher *cipher;	/* or NULL */
	const struct vcd_hash *hash;		/* or NULL */
	u32 keylen;
	u8 key[VCD_MAX_KEY];
	u32 mackeylen;
	u8 *mackey;			/* of a hash, or RSA's */
	bool private;			/* RSA's is */
	bool refused;			/* by the device, for good */
	struct work_struct release;

	/* Read: brings its own IV. Write: goes on from what the session has. */
	struct rw_semaphore rwsem;
	u8 tagsize;			/* of an AEAD, now; rwsem */
	enum vcd_hash_state hash_state;	/* written under rwsem either way */
	struct shash_desc *desc;
	bool hash_here;			/* the device refused it */

	struct mutex open_lock;		/* one opens, others wait */
	wait_queue_head_t idle;
	atomic_t async;			/* in flight, with an IV of their own */
	spinlock_t lock;		/* the rest */
	seqcount_spinlock_t wire_seq;	/* wire: read without the lock */
	struct vcd_wire {
		u64 id;
		u32 gen;		/* life of the device it belongs to; 0: none */
		u8 tagsize;
		struct vcd_ctrl *end;	/* the request that will close it */
	} wire[VCD_SLOTS];
	u8 iv[VCD_BLOCK];
};

/* Data of an operation: the caller's, or ours if k is set. */
struct vcd_mem {
	u8 __user *u;
	u8 *k;
};

/*
 * A request on a data queue: its header, and where its data is. In memory of
 * kmalloc(), since the device reads and writes parts of it.
 */
struct vcd_msg {
	struct vcd_req req;
	struct vcd_session *session;	/* held while in flight */
	enum vcd_slot slot;
	u64 id;				/* of the session on the wire */

	struct scatterlist *src;
	struct scatterlist *dst;	/* NULL: the device writes no data */
	struct scatterlist *aad;
	unsigned int src_len, dst_len;
	unsigned int aad_len;
	bool aad_first;			/* before the source, as chains have it */
	unsigned int ivlen;		/* bytes of iv sent */
	unsigned int tag_in;		/* bytes of tag sent, behind the source */
	unsigned int result;		/* bytes of answer before the status */
	bool short_ok;			/* less than dst_len is an answer too */
	bool oversize;			/* beyond max_size as some devices count */

	/* Read by the device, in this order. */
	struct virtio_crypto_op_data_req out;
	u8 iv[VCD_BLOCK];
	u8 tag[VCD_MAX_RESULT];
	/* Written by the device: cache lines of its own. */
	u8 in[VCD_MAX_RESULT + sizeof(struct virtio_crypto_inhdr)] ____cacheline_aligned;
} ____cacheline_aligned;

/*
 * A request of /dev/crypto, and what becomes of it. Its data is in segments of
 * ours, where the device works in place, or in pages of the caller's.
 */
struct vcd_data {
	struct vcd_msg m;
	struct vcd_device *dev;

	unsigned int seg_size;
	unsigned int nsegs;
	u8 *seg[VCD_MAX_SEGS];
	unsigned int npages;		/* pinned */
	unsigned int nsrc;		/* of them the first are the source only */
	struct vcd_user *user;		/* who pays for them */
	struct page *pages[2 * VCD_MAX_PAGES];
	struct scatterlist src_sg[VCD_MAX_PIECES];
	struct scatterlist dst_sg[VCD_MAX_PIECES];
	u8 *aad;			/* kmalloc'ed */
	struct scatterlist aad_sg;

	/* Of an asynchronous operation. */
	struct vcd_file *file;
	struct mm_struct *mm;		/* whose memory its pointers are of */
	struct crypt_op cop;
	int err;
	bool copied;			/* the destination is written when fetched */
	bool flew;			/* was one request, left to fly */
	bool flying;			/* counted in session->async */
	u8 next_iv[VCD_BLOCK];
	u8 digest[VCD_MAX_RESULT];
	unsigned int digestsize;
};

/* Bytes of data that cannot be split, as far as that is for memory and rings. */
static inline unsigned int vcd_max_whole(const struct vcd_device *d)
{
	return READ_ONCE(d->segs) * VCD_MAX_SEG_SIZE;
}

/* An operation of CIOCCRYPT on its way. */
struct vcd_op {
	struct crypt_op cop;
	u8 iv[VCD_BLOCK];		/* in, if cop.iv; out: the next one */
	u8 digest[VCD_MAX_RESULT];
	unsigned int digestsize;	/* out: 0 if there is none */
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
void vcd_queue_drain(struct vcd_queue *q);
void vcd_queue_arm(struct vcd_queue *q);
void vcd_req_init(struct vcd_req *r, struct vcd_queue *q, u32 gen);
void vcd_queue_drain_all(struct vcd_queue *q);
int vcd_try_submit(struct vcd_req *r, struct scatterlist *sgs[],
		   unsigned int out, unsigned int in, unsigned int *seen);
int vcd_submit(struct vcd_req *r, struct scatterlist *sgs[],
	       unsigned int out, unsigned int in);
int vcd_wait(struct vcd_req *r, unsigned int bytes);
u64 vcd_spin_budget(struct vcd_device *d, unsigned int bytes);
void vcd_spin_done(struct vcd_device *d, u64 took, u64 budget);
void vcd_returned(struct vcd_queue *q, struct vcd_req *r);
void vcd_orphan(struct vcd_device *d, struct vcd_req *r);
void vcd_reap(struct work_struct *work);

/* algs.c */
bool vcd_known_cipher(u32 id);
bool vcd_known_mac(u32 id);
bool vcd_is_aead(u32 id);
const struct vcd_cipher *vcd_cipher_by_id(u32 id);
bool vcd_cipher_offered(struct vcd_device *d, const struct vcd_cipher *c);
const struct vcd_cipher *vcd_cipher_find(struct vcd_device *d, u32 id);
const struct vcd_hash *vcd_hash_find(u32 id);
bool vcd_hash_offered(struct vcd_device *d, const struct vcd_hash *h);
bool vcd_key_ok(struct vcd_device *d, const struct vcd_cipher *c, u32 keylen);
bool vcd_mackey_ok(struct vcd_device *d, u32 keylen);

/* ctrl.c */
int vcd_create(struct vcd_session *s, enum vcd_slot slot, u64 *id,
	       u32 gen, struct vcd_ctrl **end);
void vcd_destroy(struct vcd_ctrl *c, u64 id);

/* session.c */
struct vcd_session *vcd_session_new(struct vcd_device *d, struct vcd_user *u);
int vcd_session_set_cipher(struct vcd_session *s, const struct vcd_cipher *c,
			   const u8 *key, u32 keylen);
void vcd_session_put(struct vcd_session *s);
void vcd_session_put_later(struct vcd_session *s);
bool vcd_session_ready(struct vcd_session *s, enum vcd_slot slot, u64 *id, u32 *gen);
int vcd_session_open(struct vcd_session *s, enum vcd_slot slot, u64 *id, u32 *gen);
void vcd_session_lost(struct vcd_session *s, enum vcd_slot slot, u64 id, u32 gen);
void vcd_session_set_iv(struct vcd_session *s, const u8 *iv);

/* limits.c */
struct vcd_user *vcd_user_get(kuid_t uid);
void vcd_user_hold(struct vcd_user *u);
void vcd_user_put(struct vcd_user *u);
int vcd_user_session(struct vcd_user *u);
bool vcd_user_pin(struct vcd_user *u, unsigned int pages);

/* message.c */
struct vcd_lists {
	struct scatterlist hdr, tag, in;
	struct scatterlist *sgs[6];
	unsigned int out, total;
};

bool vcd_oversize(const struct vcd_device *d, u64 bytes);
void vcd_msg_header(struct vcd_msg *m, u32 opcode, u32 algo);
void vcd_msg_lists(struct vcd_msg *m, struct vcd_lists *l);
void vcd_msg_prepare(struct vcd_msg *m, struct vcd_session *s,
		     enum vcd_slot slot, u64 id, u32 gen);
bool vcd_msg_refused(const struct vcd_msg *m);
int vcd_msg_result(struct vcd_msg *m);

/* request.c */
struct vcd_data *vcd_data_get(struct vcd_device *d);
void vcd_data_put(struct vcd_data *r);
int vcd_data_reserve(struct vcd_data *r, unsigned int len);
int vcd_data_in(struct vcd_data *r, struct vcd_mem src, unsigned int len);
int vcd_data_out(struct vcd_data *r, struct vcd_mem dst, unsigned int len);
bool vcd_data_pin(struct vcd_data *r, struct vcd_user *u, u8 __user *src,
		  u8 __user *dst, unsigned int len);
void vcd_data_unpin(struct vcd_data *r, bool dirty);
u8 *vcd_data_at(struct vcd_data *r, unsigned int off);
void vcd_data_segs(struct vcd_data *r, unsigned int len);
int vcd_data_submit(struct vcd_data *r, struct vcd_session *s, enum vcd_slot slot);
int vcd_data_send(struct vcd_data **rp, struct vcd_session *s, enum vcd_slot slot);
void vcd_pool_free(struct vcd_device *d);
int vcd_copy_in(void *to, struct vcd_mem from, unsigned int off, unsigned int len);
int vcd_copy_out(struct vcd_mem to, unsigned int off, const void *from, unsigned int len);

/* cipher.c */
bool vcd_zero_copy(const struct vcd_session *s, const struct crypt_op *cop);
unsigned int vcd_wire_len(const struct vcd_cipher *c, unsigned int len);
void vcd_ctr_advance(u8 *ctr, unsigned int len);
void vcd_cipher_header(struct vcd_msg *m, const struct vcd_cipher *c, int op,
		       unsigned int len, const u8 *iv);
int vcd_cipher_next_iv(struct vcd_data *r, struct vcd_session *s, int op,
		       unsigned int len, u8 *iv, bool before);
int vcd_cipher_run(struct vcd_session *s, int op, u16 flags, struct vcd_mem src,
		   struct vcd_mem dst, u32 len, u8 *iv);
struct vcd_aead_op {
	int op;
	struct vcd_mem src, dst;
	u32 len;			/* of the text, without the tag */
	u8 *aad;
	u32 aad_len;
	u8 *iv;
	u8 tagsize;
};

int vcd_aead_run(struct vcd_session *s, const struct vcd_aead_op *a);

/* hash.c */
int vcd_hash_init(struct vcd_session *s, const struct vcd_hash *h,
		  const u8 *key, u32 keylen);
void vcd_hash_free(struct vcd_session *s);
void vcd_hash_header(struct vcd_msg *m, const struct vcd_hash *h, u32 len);
int vcd_hash_reset(struct vcd_session *s);
int vcd_hash_update(struct vcd_session *s, const void *data, unsigned int len);
int vcd_hash_update_mem(struct vcd_session *s, struct vcd_mem src, u32 len);
int vcd_hash_final(struct vcd_session *s, u8 *digest);
int vcd_hash_once(struct vcd_session *s, struct vcd_mem src, u32 len, u8 *digest);
int vcd_hash_copy(struct vcd_session *dst, struct vcd_session *src);

/* crypt.c */
int vcd_crypt(struct vcd_session *s, struct vcd_op *o);
int vcd_crypt_check(const struct vcd_session *s, const struct crypt_op *cop);

/* auth.c */
int vcd_auth(struct vcd_session *s, struct crypt_auth_op *caop);

/* async.c */
int vcd_async_submit(struct vcd_file *f, struct vcd_session *s, struct vcd_op *o);
int vcd_async_fetch(struct vcd_file *f, struct crypt_op *cop);
int vcd_async_settle(struct vcd_session *s);
void vcd_async_close(struct vcd_file *f);
__poll_t vcd_poll(struct file *filp, poll_table *wait);

/* file.c */
int vcd_file_new(struct file *filp, struct vcd_device *d);
void vcd_file_put(struct vcd_file *f);
void vcd_files_wake(struct vcd_device *d);
int vcd_close(struct inode *inode, struct file *filp);
struct vcd_session *vcd_session_get(struct vcd_file *f, u32 sid);
int vcd_ioctl_session(struct vcd_file *f, struct session_op *sop);
int vcd_ioctl_finish(struct vcd_file *f, u32 sid);

/* chrdev.c */
extern const struct file_operations vcd_fops;
long vcd_ioctl(struct file *filp, unsigned int cmd, unsigned long arg);
int vcd_ioctl_crypt(struct vcd_file *f, struct crypt_op *cop);
int vcd_ioctl_auth(struct vcd_file *f, struct crypt_auth_op *caop);
int vcd_ioctl_async(struct vcd_file *f, const struct crypt_op *cop);

/* compat.c */
long vcd_compat_ioctl(struct file *filp, unsigned int cmd, unsigned long arg);

/* kcrypto.c */
int vcd_kcrypto_init(void);
void vcd_kcrypto_exit(void);
void vcd_kcrypto_add(struct vcd_device *d);
void vcd_kcrypto_settle(void);

/* kreq.c */
void vcd_kcrypto_device_init(struct vcd_device *d);
void vcd_kcrypto_queue_init(struct vcd_queue *q);
void vcd_kcrypto_quiesce(struct vcd_device *d);
void vcd_kwake(struct vcd_device *d);

/* stats.c */
void vcd_stats_init(void);
void vcd_stats_exit(void);
void vcd_stats_add(struct vcd_device *d);
void vcd_stats_remove(struct vcd_device *d);
void vcd_stats_returned(struct vcd_queue *q, struct vcd_req *r, u64 ns);

/* nodes.c */
struct vcd_device *vcd_device_pick(bool (*wanted)(struct vcd_device *d, const void *arg),
				   const void *arg);
void vcd_device_unpick(struct vcd_device *d);
int vcd_open(struct inode *inode, struct file *filp);
int vcd_nodes_add(struct vcd_device *d);
void vcd_nodes_remove(struct vcd_device *d);

#endif
