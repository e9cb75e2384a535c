// SPDX-License-Identifier: GPL-2.0
/*
 * gcm(aes), ccm(aes) and authenc(hmac(sha256),cbc(aes)) for the kernel's crypto
 * API. The last is a chain on the wire (virtio 1.2, 5.9.7.7): its MAC is of
 * additional data and ciphertext, and to be compared by us.
 */
#include <crypto/algapi.h>
#include <crypto/authenc.h>
#include <crypto/internal/aead.h>
#include <crypto/scatterwalk.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "kcrypto.h"

struct vcd_aead_tfm {
	struct vcd_ktfm t;
	struct crypto_aead *fallback;
};

struct vcd_aead {
	struct vcd_kalg a;
	struct aead_alg alg;
};

/* The two keys of an authenc(). False: not for the device. */
static bool vcd_authenc_keys(struct vcd_ktfm *t, struct vcd_session *s, const u8 *key,
			     unsigned int keylen)
{
	struct crypto_authenc_keys keys;
	bool ok = false;

	if (crypto_authenc_extractkeys(&keys, key, keylen))
		goto out;
	if (!vcd_key_ok(t->d, s->cipher, keys.enckeylen) ||
	    !vcd_mackey_ok(t->d, keys.authkeylen))
		goto out;
	s->mackey = kmemdup(keys.authkey, keys.authkeylen, GFP_KERNEL);
	if (!s->mackey)
		goto out;
	s->mackeylen = keys.authkeylen;
	s->keylen = keys.enckeylen;
	memcpy(s->key, keys.enckey, keys.enckeylen);
	ok = true;
out:
	memzero_explicit(&keys, sizeof(keys));
	return ok;
}

static int vcd_aead_setkey(struct crypto_aead *tfm, const u8 *key, unsigned int keylen)
{
	struct vcd_aead_tfm *ctx = crypto_aead_ctx(tfm);
	const struct vcd_cipher *c = ctx->t.alg->cipher;
	struct vcd_session *s;
	bool ok;
	int err;

	crypto_aead_clear_flags(ctx->fallback, CRYPTO_TFM_REQ_MASK);
	crypto_aead_set_flags(ctx->fallback, crypto_aead_get_flags(tfm) & CRYPTO_TFM_REQ_MASK);
	err = crypto_aead_setkey(ctx->fallback, key, keylen);
	if (err)
		return err;
	s = vcd_ktfm_session(&ctx->t);
	if (IS_ERR(s))
		return PTR_ERR(s);
	if (s) {
		s->tagsize = crypto_aead_authsize(tfm);
		if (c->kind == VCD_AUTHENC) {
			ok = vcd_authenc_keys(&ctx->t, s, key, keylen);
		} else {
			ok = vcd_key_ok(ctx->t.d, c, keylen);
			s->keylen = ok ? keylen : 0;
			memcpy(s->key, key, s->keylen);
		}
		if (!ok) {
			vcd_session_put_later(s);
			s = NULL;
		}
	}
	vcd_ktfm_set(&ctx->t, s);
	return 0;
}

static int vcd_aead_setauthsize(struct crypto_aead *tfm, unsigned int authsize)
{
	struct vcd_aead_tfm *ctx = crypto_aead_ctx(tfm);
	int err = crypto_aead_setauthsize(ctx->fallback, authsize);

	/* One of another size is another session on the device. */
	if (!err && ctx->t.s)
		WRITE_ONCE(ctx->t.s->tagsize, authsize);
	return err;
}

static int vcd_aead_software(struct aead_request *req, enum vcd_slot slot)
{
	struct vcd_aead_tfm *ctx = crypto_aead_ctx(crypto_aead_reqtfm(req));
	struct aead_request *sub = aead_request_ctx(req);

	aead_request_set_tfm(sub, ctx->fallback);
	aead_request_set_callback(sub, req->base.flags, NULL, NULL);
	aead_request_set_crypt(sub, req->src, req->dst, req->cryptlen, req->iv);
	aead_request_set_ad(sub, req->assoclen);
	return slot == VCD_SLOT_ENCRYPT ? crypto_aead_encrypt(sub) : crypto_aead_decrypt(sub);
}

static int vcd_aead_fallback(struct crypto_async_request *base, enum vcd_slot slot)
{
	return vcd_aead_software(container_of(base, struct aead_request, base), slot);
}

static int vcd_aead_finish(struct vcd_kreq *k)
{
	/* A chain's MAC of what was to be decrypted. */
	if (k->m.result && crypto_memneq(k->m.in, k->m.tag, k->m.result))
		return -EBADMSG;
	return 0;
}

/* Where the data is, @from and @to bytes of it. False: too many pieces. */
static bool vcd_aead_data(struct vcd_kreq *k, struct vcd_ktfm *t, struct aead_request *req,
			  unsigned int from, unsigned int to)
{
	int aad = 0, src = 0, dst = 0;

	if (req->assoclen)
		aad = vcd_kslice(k->aad_sg, VCD_KAAD_SEGS, req->src, 0, req->assoclen, NULL, 0);
	if (from)
		src = vcd_kslice(k->src_sg, VCD_KSEGS, req->src, req->assoclen, from, NULL, 0);
	if (to)
		dst = vcd_kslice(k->dst_sg, VCD_KSEGS, req->dst, req->assoclen, to, NULL, 0);
	k->m.aad = k->aad_sg;
	k->m.src = k->src_sg;
	k->m.dst = to ? k->dst_sg : NULL;
	k->m.src_len = from;
	k->m.dst_len = to;
	return aad >= 0 && src >= 0 && dst >= 0 && aad + src + dst <= t->d->ksegs;
}

/* The header of GCM and CCM. The tag follows the text in source or destination. */
static void vcd_aead_header(struct vcd_kreq *k, const struct vcd_cipher *c,
			    struct aead_request *req, enum vcd_slot slot)
{
	struct virtio_crypto_aead_para *para = &k->m.out.u.aead_req.para;

	vcd_msg_header(&k->m, slot == VCD_SLOT_ENCRYPT ? VIRTIO_CRYPTO_AEAD_ENCRYPT :
							 VIRTIO_CRYPTO_AEAD_DECRYPT, c->algo);
	if (c->id == CRYPTO_AES_CCM) {
		/* RFC 3610, 2.3: a byte of L - 1, the nonce, the counter. */
		k->m.ivlen = 14 - req->iv[0];
		memcpy(k->m.iv, req->iv + 1, k->m.ivlen);
	} else {
		k->m.ivlen = c->ivsize;
		memcpy(k->m.iv, req->iv, k->m.ivlen);
	}
	k->m.aad_len = req->assoclen;
	para->iv_len = cpu_to_le32(k->m.ivlen);
	para->aad_len = cpu_to_le32(req->assoclen);
	para->src_data_len = cpu_to_le32(k->m.src_len);
	para->dst_data_len = cpu_to_le32(k->m.dst_len);
}

/* The header of a chain of a cipher and a MAC of the ciphertext. */
static void vcd_authenc_header(struct vcd_kreq *k, const struct vcd_cipher *c,
			       struct aead_request *req, unsigned int len, unsigned int tag,
			       enum vcd_slot slot)
{
	struct virtio_crypto_sym_data_req *sym = &k->m.out.u.sym_req;
	struct virtio_crypto_alg_chain_data_para *para = &sym->u.chain.para;
	bool encrypt = slot == VCD_SLOT_ENCRYPT;

	vcd_msg_header(&k->m, encrypt ? VIRTIO_CRYPTO_CIPHER_ENCRYPT :
					VIRTIO_CRYPTO_CIPHER_DECRYPT, c->algo);
	k->m.ivlen = c->ivsize;
	memcpy(k->m.iv, req->iv, c->ivsize);
	k->m.aad_len = req->assoclen;
	k->m.aad_first = true;
	if (!encrypt) {
		k->m.result = tag;
		scatterwalk_map_and_copy(k->m.tag, req->src, req->assoclen + len, tag, 0);
	}
	sym->op_type = cpu_to_le32(VIRTIO_CRYPTO_SYM_OP_ALGORITHM_CHAINING);
	para->iv_len = cpu_to_le32(c->ivsize);
	para->src_data_len = cpu_to_le32(len);
	para->dst_data_len = cpu_to_le32(len);
	para->len_to_cipher = cpu_to_le32(len);
	para->len_to_hash = cpu_to_le32(len);
	para->aad_len = cpu_to_le32(req->assoclen);
	para->hash_result_len = cpu_to_le32(tag);
}

static int vcd_aead_crypt(struct aead_request *req, enum vcd_slot slot)
{
	struct crypto_aead *tfm = crypto_aead_reqtfm(req);
	struct vcd_aead_tfm *ctx = crypto_aead_ctx(tfm);
	const struct vcd_cipher *c = ctx->t.alg->cipher;
	struct vcd_kreq *k = vcd_kreq(aead_request_ctx(req));
	unsigned int tag = crypto_aead_authsize(tfm);
	bool encrypt = slot == VCD_SLOT_ENCRYPT;
	bool chain = c->kind == VCD_AUTHENC;
	unsigned int len = req->cryptlen;
	unsigned int from, to;

	if (!encrypt) {
		if (len < tag)
			return -EINVAL;
		len -= tag;
	}
	from = encrypt || chain ? len : len + tag;
	to = encrypt ? len + tag : len;
	/* A nonce that CCM does not have, or a part block, is told so there. */
	if (!vcd_ktfm_usable(&ctx->t, (u64)len + req->assoclen + tag) || !tag ||
	    (chain && (!len || len % VCD_BLOCK)) ||
	    (c->id == CRYPTO_AES_CCM && (req->iv[0] < 1 || req->iv[0] > 7 ||
					 (req->iv[0] < 3 && len >> 8 * (req->iv[0] + 1)))) ||
	    !vcd_aead_data(k, &ctx->t, req, from, to)) {
		vcd_kcount_fallback(&ctx->t);
		return vcd_aead_software(req, slot);
	}
	if (chain)
		vcd_authenc_header(k, c, req, len, tag, slot);
	else
		vcd_aead_header(k, c, req, slot);
	k->finish = vcd_aead_finish;
	k->fallback = vcd_aead_fallback;
	return vcd_kreq_send(k, &ctx->t, &req->base, slot);
}

static int vcd_aead_encrypt(struct aead_request *req)
{
	return vcd_aead_crypt(req, VCD_SLOT_ENCRYPT);
}

static int vcd_aead_decrypt(struct aead_request *req)
{
	return vcd_aead_crypt(req, VCD_SLOT_DECRYPT);
}

static int vcd_aead_init(struct crypto_aead *tfm)
{
	struct vcd_aead_tfm *ctx = crypto_aead_ctx(tfm);
	struct vcd_aead *v = container_of(crypto_aead_alg(tfm), struct vcd_aead, alg);

	ctx->fallback = crypto_alloc_aead(v->a.cipher->name, 0, VCD_FALLBACK_MASK);
	if (IS_ERR(ctx->fallback))
		return PTR_ERR(ctx->fallback);
	crypto_aead_set_reqsize(tfm, max_t(unsigned int, VCD_KREQ_SIZE,
					   sizeof(struct aead_request) +
					   crypto_aead_reqsize(ctx->fallback)));
	vcd_ktfm_init(&ctx->t, &v->a);
	return 0;
}

static void vcd_aead_exit(struct crypto_aead *tfm)
{
	struct vcd_aead_tfm *ctx = crypto_aead_ctx(tfm);

	vcd_ktfm_exit(&ctx->t);
	crypto_free_aead(ctx->fallback);
}

/*
 * The kernel's gcm(), ccm() and authenc() reckon their priority from those of
 * what they are made of, so that plain code has 110 there, and 1100. Ours is as
 * if they were made of our cipher and hash.
 */
static int vcd_aead_priority(const struct vcd_cipher *c, int priority)
{
	int sum = min(priority, INT_MAX / 11) * 11;

	return c->kind == VCD_AUTHENC ? sum : sum / 10;
}

static int vcd_aead_add(struct vcd_kalg *a, int priority)
{
	struct vcd_aead *v = container_of(a, struct vcd_aead, a);
	const struct vcd_cipher *c = a->cipher;
	struct aead_alg *alg = &v->alg;

	strscpy(alg->base.cra_name, c->name, sizeof(alg->base.cra_name));
	strscpy(alg->base.cra_driver_name, c->driver_name, sizeof(alg->base.cra_driver_name));
	alg->base.cra_priority = vcd_aead_priority(c, priority);
	alg->base.cra_flags = CRYPTO_ALG_ASYNC | CRYPTO_ALG_NEED_FALLBACK |
			      CRYPTO_ALG_KERN_DRIVER_ONLY;
	alg->base.cra_blocksize = c->block;
	alg->base.cra_ctxsize = sizeof(struct vcd_aead_tfm);
	alg->base.cra_module = THIS_MODULE;
	alg->ivsize = c->ivsize;
	alg->maxauthsize = fls(c->tags) - 1;
	if (a->hash)
		alg->maxauthsize = a->hash->digestsize;
	alg->chunksize = VCD_BLOCK;
	alg->setkey = vcd_aead_setkey;
	alg->setauthsize = vcd_aead_setauthsize;
	alg->encrypt = vcd_aead_encrypt;
	alg->decrypt = vcd_aead_decrypt;
	alg->init = vcd_aead_init;
	alg->exit = vcd_aead_exit;
	return crypto_register_aead(alg);
}

static void vcd_aead_del(struct vcd_kalg *a)
{
	crypto_unregister_aead(&container_of(a, struct vcd_aead, a)->alg);
}

/* The chain; not of /dev/crypto, where programs make it of its parts. */
static const struct vcd_cipher vcd_authenc = {
	.algo = VIRTIO_CRYPTO_CIPHER_AES_CBC,
	.kind = VCD_AUTHENC,
	.name = "authenc(hmac(sha256),cbc(aes))",
	.driver_name = "virtio-cryptodev-authenc-hmac-sha256-cbc-aes",
	.block = 16,
	.ivsize = 16,
	.keys = { 16, 24, 32 },
};

struct vcd_kalg *vcd_aeads(unsigned int i)
{
	static struct vcd_aead list[3];

	if (i >= ARRAY_SIZE(list))
		return NULL;
	if (!list[i].a.cipher) {
		list[i].a.cipher = i == 0 ? vcd_cipher_by_id(CRYPTO_AES_GCM) :
				   i == 1 ? vcd_cipher_by_id(CRYPTO_AES_CCM) : &vcd_authenc;
		if (i == 2)
			list[i].a.hash = vcd_hash_find(CRYPTO_SHA2_256_HMAC);
		list[i].a.add = vcd_aead_add;
		list[i].a.del = vcd_aead_del;
	}
	return &list[i].a;
}
