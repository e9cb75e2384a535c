// SPDX-License-Identifier: GPL-2.0
/*
 * CIOCAUTHCRYPT. An AEAD is one request. TLS records and SRTP packets are
 * two, of the MAC and of the cipher, over a copy of ours: the order and the
 * padding of TLS have no form on the wire, and what was authenticated must be
 * what is decrypted.
 */
#include <crypto/algapi.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "driver.h"

/* Longest TLS record or SRTP packet, with all around it. */
#define VCD_MAX_RECORD		SZ_16M
/* How far the payload of an SRTP packet may be behind its beginning. */
#define VCD_MAX_SRTP_HEADER	256

/* Bad memory is EINVAL here, as pages that cannot be had are there. */
static int vcd_bad_memory(int err)
{
	return err == -EFAULT ? -EINVAL : err;
}

/* *buf with @room bytes, beginning with @len of the caller's at @off. */
static int vcd_record(const u8 __user *src, u32 len, u32 off, u32 room, u8 **buf)
{
	*buf = kvmalloc(max(room, 1U), GFP_KERNEL_ACCOUNT);
	if (!*buf)
		return -ENOMEM;
	if (!copy_from_user(*buf + off, src, len))
		return 0;
	kvfree_sensitive(*buf, room);
	return -EINVAL;
}

/* What a CCM may be asked: RFC 3610, 2.1 and 2.2. */
static int vcd_ccm_check(const u8 *iv, u32 len)
{
	if (iv[0] < 1 || iv[0] > 7)
		return -EINVAL;
	/* The length is to fit L bytes. */
	if (iv[0] < 3 && len >> 8 * (iv[0] + 1))
		return -EOVERFLOW;
	return 0;
}

static int vcd_auth_aead(struct vcd_session *s, struct crypt_auth_op *caop, u8 *iv)
{
	struct vcd_aead_op a = {
		.op = caop->op,
		.src.u = caop->src,
		.dst.u = caop->dst,
		.len = caop->len,
		.iv = iv,
	};
	int err;

	if (caop->auth_len > PAGE_SIZE)
		return -EINVAL;
	/* A shorter tag is the session's from then on, as it is there. */
	if (caop->tag_len > s->tagsize ||
	    !(s->cipher->tags & BIT(caop->tag_len)))
		return -EINVAL;
	s->tagsize = caop->tag_len;
	a.tagsize = s->tagsize;
	if (a.op == COP_DECRYPT) {
		if (a.len < a.tagsize)
			return -EINVAL;
		a.len -= a.tagsize;
	}
	if (a.len > vcd_max_whole(s->dev))
		return -EMSGSIZE;
	if (s->cipher->id == CRYPTO_AES_CCM) {
		err = vcd_ccm_check(iv, a.len);
		if (err)
			return err;
	}
	if (caop->auth_len) {
		a.aad_len = caop->auth_len;
		a.aad = memdup_user(caop->auth_src, a.aad_len);
		if (IS_ERR(a.aad))
			return PTR_ERR(a.aad);
	}
	err = vcd_bad_memory(vcd_aead_run(s, &a));
	kfree(a.aad);
	if (err)
		return err;
	if (s->cipher->id == CRYPTO_AES_CCM)
		memset(iv + 15 - iv[0], 0, iv[0] + 1);	/* the counter, as theirs */
	caop->tag = caop->dst + a.len;
	caop->len = a.len + (a.op == COP_ENCRYPT ? a.tagsize : 0);
	return 0;
}

/* Bytes of TLS padding at the end of @rec, or 0 if that is none. */
static u32 vcd_tls_padding(const u8 *rec, u32 len)
{
	u32 n = len ? rec[len - 1] + 1 : 0;
	u8 bad = 0;
	u32 i;

	if (!n || n > len)
		return 0;
	for (i = 2; i <= n; i++)
		bad |= rec[len - i] ^ (n - 1);
	return bad ? 0 : n;
}

/* @rec: auth_len bytes, the record, and room. *len: of the record. */
static int vcd_tls_encrypt(struct vcd_session *s, const struct crypt_auth_op *caop,
			   u8 *rec, u32 *len, u8 *iv)
{
	struct vcd_mem text = { .k = rec + caop->auth_len };
	u8 digest[VCD_MAX_RESULT];
	u8 block = s->cipher->block;
	int err;

	if (s->hash) {
		err = vcd_hash_once(s, (struct vcd_mem){ .k = rec },
				    caop->auth_len + *len, digest);
		if (err)
			return err;
		memcpy(text.k + *len, digest, caop->tag_len);
		*len += caop->tag_len;
	}
	if (block > 1) {
		u32 pad = block - *len % block;

		memset(text.k + *len, pad - 1, pad);
		*len += pad;
	}
	return vcd_cipher_run(s, COP_ENCRYPT, 0, text, text, *len, iv);
}

static int vcd_tls_decrypt(struct vcd_session *s, const struct crypt_auth_op *caop,
			   u8 *rec, u32 *len, u8 *iv)
{
	struct vcd_mem text = { .k = rec + caop->auth_len };
	u8 digest[VCD_MAX_RESULT];
	bool fail = false;
	int err;

	if (*len % s->cipher->block)
		return -EINVAL;
	err = vcd_cipher_run(s, COP_DECRYPT, 0, text, text, *len, iv);
	if (err)
		return err;
	if (s->cipher->block > 1) {
		u32 pad = vcd_tls_padding(text.k, *len);

		fail = !pad;
		*len -= pad;
	}
	if (!s->hash)
		return 0;
	if (caop->tag_len > *len)
		return -EINVAL;
	*len -= caop->tag_len;
	err = vcd_hash_once(s, (struct vcd_mem){ .k = rec },
			    caop->auth_len + *len, digest);
	if (err)
		return err;
	fail |= crypto_memneq(digest, text.k + *len, caop->tag_len) != 0;
	return fail ? -EBADMSG : 0;
}

static int vcd_auth_tls(struct vcd_session *s, struct crypt_auth_op *caop, u8 *iv)
{
	bool encrypt = caop->op == COP_ENCRYPT;
	u32 len = caop->len;
	u32 room;
	u8 *rec;
	int err;

	if (caop->auth_len > PAGE_SIZE || !caop->dst)
		return -EINVAL;
	if (s->hash ? caop->tag_len > s->hash->digestsize : caop->tag_len)
		return -EINVAL;
	if (!encrypt && !len)
		return -EINVAL;
	if (len > VCD_MAX_RECORD)
		return -EMSGSIZE;
	room = caop->auth_len + len + caop->tag_len + s->cipher->block;
	err = vcd_record(caop->src, len, caop->auth_len, room, &rec);
	if (err)
		return err;
	err = -EFAULT;
	if (copy_from_user(rec, caop->auth_src, caop->auth_len))
		goto out;
	err = encrypt ? vcd_tls_encrypt(s, caop, rec, &len, iv) :
			vcd_tls_decrypt(s, caop, rec, &len, iv);
	if (!err && copy_to_user(caop->dst, rec + caop->auth_len, len))
		err = -EINVAL;
	if (!err)
		caop->len = len;
out:
	kvfree_sensitive(rec, room);
	return err;
}

static int vcd_auth_srtp(struct vcd_session *s, struct crypt_auth_op *caop, u8 *iv)
{
	ptrdiff_t off = caop->src - caop->auth_src;
	u8 digest[VCD_MAX_RESULT], tag[VCD_MAX_RESULT];
	struct vcd_mem text;
	u8 *rec;
	int err;

	if (!s->cipher->stream || s->cipher->kind == VCD_AEAD)
		return -EINVAL;
	if (!caop->auth_len || !(caop->len + caop->tag_len))
		return -EINVAL;
	if (off < 0 || off > VCD_MAX_SRTP_HEADER || off >= caop->auth_len ||
	    caop->len > caop->auth_len - off)
		return -EINVAL;
	if (s->hash && caop->tag_len > s->hash->digestsize)
		return -EINVAL;
	if (caop->auth_len > VCD_MAX_RECORD)
		return -EMSGSIZE;
	err = vcd_record(caop->auth_src, caop->auth_len, 0, caop->auth_len, &rec);
	if (err)
		return err;
	text.k = rec + off;
	text.u = NULL;
	if (caop->op == COP_DECRYPT && s->hash) {
		err = -EINVAL;
		if (caop->tag_len > caop->len)
			goto out;
		err = -EFAULT;
		if (copy_from_user(tag, caop->tag, caop->tag_len))
			goto out;
	} else {
		err = vcd_cipher_run(s, caop->op, 0, text, text, caop->len, iv);
		if (err)
			goto out;
	}
	if (s->hash) {
		err = vcd_hash_once(s, (struct vcd_mem){ .k = rec }, caop->auth_len, digest);
		if (err)
			goto out;
	}
	if (caop->op == COP_DECRYPT && s->hash) {
		err = -EBADMSG;
		if (crypto_memneq(digest, tag, caop->tag_len))
			goto out;
		err = vcd_cipher_run(s, caop->op, 0, text, text, caop->len, iv);
		if (err)
			goto out;
	}
	if (copy_to_user(caop->dst, text.k, caop->len))
		err = -EINVAL;
	else if (caop->op == COP_ENCRYPT && s->hash &&
		 copy_to_user(caop->tag, digest, caop->tag_len))
		err = -EFAULT;
out:
	kvfree_sensitive(rec, caop->auth_len);
	return err;
}

/**
 * vcd_auth() - CIOCAUTHCRYPT but for copying the structure
 * @s: the session
 * @caop: what to do; out: its len, tag_len and tag
 *
 * Return: 0, -EINVAL, -EBADMSG (it is not authentic; nothing was written),
 * -EFAULT, -EMSGSIZE (too long), or as vcd_cipher_run().
 */
int vcd_auth(struct vcd_session *s, struct crypt_auth_op *caop)
{
	bool tls = caop->flags & COP_FLAG_AEAD_TLS_TYPE;
	bool srtp = caop->flags & COP_FLAG_AEAD_SRTP_TYPE;
	u8 ivsize = s->cipher ? s->cipher->ivsize : 0;
	u8 iv[VCD_BLOCK] = {};
	bool aead = s->cipher && s->cipher->kind == VCD_AEAD;
	int err;

	if ((tls || srtp) && caop->src != caop->dst)
		return -EINVAL;
	if (caop->iv && copy_from_user(iv, caop->iv, ivsize))
		return -EFAULT;
	if (caop->op != COP_ENCRYPT && caop->op != COP_DECRYPT)
		return -EINVAL;
	if (!s->cipher)
		return -EINVAL;

	err = down_write_killable(&s->rwsem);
	if (err)
		return err;
	err = vcd_async_settle(s);
	if (err)
		goto out;
	if (!caop->tag_len)
		caop->tag_len = s->hash ? s->hash->digestsize : s->tagsize;
	if (!caop->iv)
		memcpy(iv, s->iv, ivsize);
	if (srtp)
		err = vcd_auth_srtp(s, caop, iv);
	else if (tls && !aead)
		err = vcd_auth_tls(s, caop, iv);
	else if (aead)
		err = vcd_auth_aead(s, caop, iv);
	else
		err = -EINVAL;
	if (ivsize)
		vcd_session_set_iv(s, iv);
out:
	up_write(&s->rwsem);
	if (!err && caop->iv && (caop->flags & COP_FLAG_WRITE_IV) &&
	    copy_to_user(caop->iv, iv, ivsize))
		err = -EFAULT;
	return err;
}
