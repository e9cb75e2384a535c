// SPDX-License-Identifier: GPL-2.0
/*
 * CIOCCRYPT: what an operation does to its session and when, by the rules of
 * cryptodev-linux 1.14.
 */
#include <linux/uaccess.h>

#include "driver.h"

/* The checks that come after those of the structure. */
int vcd_crypt_check(const struct vcd_session *s, const struct crypt_op *cop)
{
	if (cop->op != COP_ENCRYPT && cop->op != COP_DECRYPT)
		return -EINVAL;
	if (!s->cipher)
		return 0;
	/* An AEAD's tag has no place here: CIOCAUTHCRYPT is for them. */
	if (s->cipher->kind == VCD_AEAD)
		return -EINVAL;
	return cop->len % s->cipher->block ? -EINVAL : 0;
}

/* Whether the hash begins anew with this operation: their rule, exactly. */
static bool vcd_resets(const struct crypt_op *cop)
{
	return !cop->flags || (cop->flags & COP_FLAG_RESET);
}

/* Whether it ends with this operation. */
static bool vcd_finishes(const struct crypt_op *cop)
{
	return (cop->flags & COP_FLAG_FINAL) ||
	       !(cop->flags & COP_FLAG_UPDATE) || !cop->len;
}

/* A hash alone; rwsem is held for writing. */
static int vcd_crypt_hash(struct vcd_session *s, struct vcd_op *o)
{
	const struct crypt_op *cop = &o->cop;
	struct vcd_mem src = { .u = cop->src };
	bool fresh = vcd_resets(cop) || s->hash_state == VCD_HASH_FRESH;
	int err = 0;

	if (fresh && vcd_finishes(cop)) {
		err = vcd_hash_once(s, src, cop->len, o->digest);
	} else {
		if (vcd_resets(cop))
			err = vcd_hash_reset(s);
		if (!err && cop->len)
			err = vcd_hash_update_mem(s, src, cop->len);
		if (!err && vcd_finishes(cop))
			err = vcd_hash_final(s, o->digest);
	}
	if (!err && vcd_finishes(cop))
		o->digestsize = s->hash->digestsize;
	return err;
}

/* A cipher, or a cipher and a hash of what is plain. */
static int vcd_crypt_cipher(struct vcd_session *s, struct vcd_op *o)
{
	const struct crypt_op *cop = &o->cop;
	struct vcd_mem src = { .u = cop->src }, dst = { .u = cop->dst };
	int err = 0;

	if (s->hash && vcd_resets(cop))
		err = vcd_hash_reset(s);
	if (!err)
		err = vcd_cipher_run(s, cop->op, cop->flags & COP_FLAG_NO_ZC,
				     src, dst, cop->len, o->iv);
	if (!err && s->hash && vcd_finishes(cop)) {
		err = vcd_hash_final(s, o->digest);
		o->digestsize = err ? 0 : s->hash->digestsize;
	}
	return err;
}

/**
 * vcd_crypt() - do an operation of CIOCCRYPT
 * @s: the session
 * @o: what to do, and what became of it. Not checked yet
 *
 * Operations that begin and end with themselves run side by side in a session.
 * Those that go on from what it has, an IV or a running hash, are one at a
 * time, after all before them.
 *
 * Return: 0, -EINVAL, or as vcd_cipher_run() and vcd_hash_once().
 */
int vcd_crypt(struct vcd_session *s, struct vcd_op *o)
{
	u8 ivsize = s->cipher ? s->cipher->ivsize : 0;
	bool chained = ivsize && !o->cop.iv;
	bool alone = chained || s->hash;
	int err;

	err = vcd_crypt_check(s, &o->cop);
	if (err)
		return err;
	o->digestsize = 0;
	err = alone ? down_write_killable(&s->rwsem) :
		      down_read_killable(&s->rwsem);
	if (err)
		return err;
	if (chained) {
		err = vcd_async_settle(s);
		if (err)
			goto out;
		memcpy(o->iv, s->iv, ivsize);
	}
	err = s->cipher ? vcd_crypt_cipher(s, o) : vcd_crypt_hash(s, o);
	if (ivsize)
		vcd_session_set_iv(s, o->iv);
out:
	if (alone)
		up_write(&s->rwsem);
	else
		up_read(&s->rwsem);
	return err;
}
