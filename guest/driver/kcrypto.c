// SPDX-License-Identifier: GPL-2.0
/*
 * What all algorithms of the kernel's door share: which device serves whom, and
 * when they are registered.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>

#include "kcrypto.h"

/*
 * Generic C code has 100, code for the CPU's vector instructions 150 and more,
 * that for its AES instructions 400.
 */
static int priority = 110;
module_param(priority, int, 0444);
MODULE_PARM_DESC(priority,
		 "Priority of the algorithms in the kernel's crypto API, in which generic code has 100 and AES instructions have 400; 0: register none (default 110)");

struct workqueue_struct *vcd_kwq;
static DEFINE_MUTEX(vcd_kalgs_lock);

/* All there are, and NULL after the last. */
static struct vcd_kalg *vcd_kalg_at(unsigned int i)
{
	static struct vcd_kalg *(* const lists[])(unsigned int i) = {
		vcd_skciphers, vcd_ahashes, vcd_aeads, vcd_akciphers,
	};
	struct vcd_kalg *a;
	unsigned int l, n;

	for (l = 0; l < ARRAY_SIZE(lists); l++)
		for (n = 0; (a = lists[l](n)); n++)
			if (!i--)
				return a;
	return NULL;
}

static bool vcd_koffered(struct vcd_device *d, const void *arg)
{
	const struct vcd_kalg *a = arg;

	if (READ_ONCE(d->state) != VCD_UP || !READ_ONCE(d->hw_ready))
		return false;
	if (a->cipher && !vcd_cipher_offered(d, a->cipher))
		return false;
	return !a->hash || vcd_hash_offered(d, a->hash);
}

/* The least busy device that offers the algorithm, if there is any. */
int vcd_ktfm_init(struct vcd_ktfm *t, const struct vcd_kalg *a)
{
	t->alg = a;
	t->s = NULL;
	t->d = vcd_device_pick(vcd_koffered, a);
	return 0;
}

void vcd_ktfm_exit(struct vcd_ktfm *t)
{
	vcd_ktfm_set(t, NULL);
	if (t->d)
		vcd_device_unpick(t->d);
}

/* A new session without a key for the transformation, or NULL if it has no device. */
struct vcd_session *vcd_ktfm_session(struct vcd_ktfm *t)
{
	struct vcd_session *s;

	if (!t->d)
		return NULL;
	s = vcd_session_new(t->d, NULL);
	if (!IS_ERR(s)) {
		s->cipher = t->alg->cipher;
		s->hash = t->alg->hash;
	}
	return s;
}

/* Requests from now on are of @s; those under way keep theirs. */
void vcd_ktfm_set(struct vcd_ktfm *t, struct vcd_session *s)
{
	struct vcd_session *old = t->s;

	WRITE_ONCE(t->s, s);
	if (old)
		vcd_session_put_later(old);
}

/* Whether a request with so much data is for the device. */
bool vcd_ktfm_usable(struct vcd_ktfm *t, u64 bytes)
{
	return t->s && READ_ONCE(t->d->hw_ready) && !READ_ONCE(t->s->refused) &&
	       bytes <= t->d->kmax;
}

void vcd_kcount_fallback(struct vcd_ktfm *t)
{
	if (t->d)
		atomic_long_inc(&t->d->fallbacks);
}

/*
 * Wait for the kernel's tests of what is registered: they are not to fail for
 * want of a device that leaves meanwhile.
 */
void vcd_kcrypto_settle(void)
{
	struct vcd_kalg *a;
	unsigned int i;

	mutex_lock(&vcd_kalgs_lock);
	for (i = 0; (a = vcd_kalg_at(i)); i++)
		if (a->registered)
			crypto_has_alg(a->cipher ? a->cipher->driver_name : a->hash->driver_name,
				       0, 0);
	mutex_unlock(&vcd_kalgs_lock);
}

/*
 * Register what a device offers and is not registered yet, whenever one is
 * started, reset or says that it changed: what failed may work by then. The
 * kernel tests each algorithm on it, in this call up to 6.1, soon after it later.
 */
void vcd_kcrypto_add(struct vcd_device *d)
{
	unsigned int i, n = 0;
	struct vcd_kalg *a;
	int err;

	if (priority <= 0)
		return;
	mutex_lock(&vcd_kalgs_lock);
	for (i = 0; (a = vcd_kalg_at(i)); i++) {
		if (a->registered || !vcd_koffered(d, a))
			continue;
		err = a->add(a, priority);
		if (err && !a->failed)
			pr_err("cannot register %s with the kernel's crypto API: %d; tried again when a device is started or its configuration changes\n",
			       a->cipher ? a->cipher->name : a->hash->name, err);
		a->failed = err;
		if (err)
			continue;
		a->registered = true;
		n++;
	}
	mutex_unlock(&vcd_kalgs_lock);
	if (n)
		pr_info("%s: %u algorithms for the kernel, with priority %d\n",
			d->name, n, priority);
}

int vcd_kcrypto_init(void)
{
	vcd_kwq = alloc_workqueue(KBUILD_MODNAME "_kernel",
				  WQ_UNBOUND | WQ_MEM_RECLAIM | WQ_HIGHPRI, 0);
	return vcd_kwq ? 0 : -ENOMEM;
}

/* Nobody uses the algorithms: each user holds the module. */
void vcd_kcrypto_exit(void)
{
	struct vcd_kalg *a;
	unsigned int i;

	for (i = 0; (a = vcd_kalg_at(i)); i++)
		if (a->registered)
			a->del(a);
	destroy_workqueue(vcd_kwq);
}
