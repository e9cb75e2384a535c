// SPDX-License-Identifier: GPL-2.0
/*
 * What one user may hold: sessions, which cost the device memory, and pinned
 * pages, which cannot be swapped or moved.
 */
#include <linux/cred.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "driver.h"

static unsigned int user_sessions = 4096;
module_param(user_sessions, uint, 0644);
MODULE_PARM_DESC(user_sessions,
		 "Sessions that one user may have open; more get ENOSPC (default 4096)");

static unsigned int user_pages = 16384;
module_param(user_pages, uint, 0644);
MODULE_PARM_DESC(user_pages,
		 "Pages of one user that may be pinned at a time; beyond that data is copied (default 16384)");

static DEFINE_MUTEX(vcd_users_lock);
static DEFINE_HASHTABLE(vcd_users, 5);

/* The user with one reference more, or NULL without memory. */
struct vcd_user *vcd_user_get(kuid_t uid)
{
	struct vcd_user *u;

	mutex_lock(&vcd_users_lock);
	hash_for_each_possible(vcd_users, u, node, __kuid_val(uid))
		if (uid_eq(u->uid, uid)) {
			u->refs++;
			goto out;
		}
	u = kzalloc(sizeof(*u), GFP_KERNEL_ACCOUNT);
	if (u) {
		u->uid = uid;
		u->refs = 1;
		hash_add(vcd_users, &u->node, __kuid_val(uid));
	}
out:
	mutex_unlock(&vcd_users_lock);
	return u;
}

void vcd_user_hold(struct vcd_user *u)
{
	mutex_lock(&vcd_users_lock);
	u->refs++;
	mutex_unlock(&vcd_users_lock);
}

/* May sleep. */
void vcd_user_put(struct vcd_user *u)
{
	bool last;

	mutex_lock(&vcd_users_lock);
	last = !--u->refs;
	if (last)
		hash_del(&u->node);
	mutex_unlock(&vcd_users_lock);
	if (last)
		kfree(u);
}

/* One session more; the caller gives it back by u->sessions. */
int vcd_user_session(struct vcd_user *u)
{
	if ((unsigned int)atomic_inc_return(&u->sessions) <= READ_ONCE(user_sessions))
		return 0;
	atomic_dec(&u->sessions);
	return -ENOSPC;
}

/* So many pinned pages more; the caller gives them back by u->pages. */
bool vcd_user_pin(struct vcd_user *u, unsigned int pages)
{
	if ((unsigned int)atomic_add_return(pages, &u->pages) <= READ_ONCE(user_pages))
		return true;
	atomic_sub(pages, &u->pages);
	return false;
}
