// SPDX-License-Identifier: GPL-2.0
/* ecb(aes), cbc(aes), ctr(aes) and xts(aes) for the kernel's crypto API. */
#include <crypto/internal/skcipher.h>
#include <crypto/scatterwalk.h>
#include <crypto/xts.h>
#include <linux/module.h>

#include "kcrypto.h"

struct vcd_skcipher_tfm {
	struct vcd_ktfm t;
	struct crypto_skcipher *fallback;
};

struct vcd_skcipher {
	struct vcd_kalg a;
	struct skcipher_alg alg;
};

static int vcd_skcipher_setkey(struct crypto_skcipher *tfm, const u8 *key, unsigned int keylen)
{
	struct vcd_skcipher_tfm *ctx = crypto_skcipher_ctx(tfm);
	struct vcd_session *s = NULL;
	int err;

	/* What keys there are, and which are weak, the kernel's own code says. */
	crypto_skcipher_clear_flags(ctx->fallback, CRYPTO_TFM_REQ_MASK);
	crypto_skcipher_set_flags(ctx->fallback,
				  crypto_skcipher_get_flags(tfm) & CRYPTO_TFM_REQ_MASK);
	err = crypto_skcipher_setkey(ctx->fallback, key, keylen);
	if (err)
		return err;
	if (ctx->t.d && vcd_key_ok(ctx->t.d, ctx->t.alg->cipher, keylen)) {
		s = vcd_ktfm_session(&ctx->t);
		if (IS_ERR(s))
			return PTR_ERR(s);
		s->keylen = keylen;
		memcpy(s->key, key, keylen);
	}
	vcd_ktfm_set(&ctx->t, s);
	return 0;
}

static int vcd_skcipher_software(struct skcipher_request *req, enum vcd_slot slot)
{
	struct crypto_skcipher *tfm = crypto_skcipher_reqtfm(req);
	struct vcd_skcipher_tfm *ctx = crypto_skcipher_ctx(tfm);
	struct skcipher_request *sub = skcipher_request_ctx(req);

	skcipher_request_set_tfm(sub, ctx->fallback);
	skcipher_request_set_callback(sub, req->base.flags, NULL, NULL);
	skcipher_request_set_crypt(sub, req->src, req->dst, req->cryptlen, req->iv);
	return slot == VCD_SLOT_ENCRYPT ? crypto_skcipher_encrypt(sub) :
					  crypto_skcipher_decrypt(sub);
}

static int vcd_skcipher_fallback(struct crypto_async_request *base, enum vcd_slot slot)
{
	return vcd_skcipher_software(skcipher_request_cast(base), slot);
}

/* The IV with which a next request would go on. */
static int vcd_skcipher_finish(struct vcd_kreq *k)
{
	struct skcipher_request *req = skcipher_request_cast(k->base);

	switch (k->s->cipher->chain) {
	case VCD_CHAIN_CBC:
		if (k->slot == VCD_SLOT_DECRYPT)
			memcpy(req->iv, k->next_iv, VCD_BLOCK);
		else
			scatterwalk_map_and_copy(req->iv, req->dst, req->cryptlen - VCD_BLOCK,
						 VCD_BLOCK, 0);
		break;
	case VCD_CHAIN_CTR:
		vcd_ctr_advance(req->iv, req->cryptlen);
		break;
	default:
		break;
	}
	return 0;
}

/* Where the data is. False: it cannot be told to the device. */
static bool vcd_skcipher_data(struct vcd_kreq *k, struct vcd_ktfm *t, struct skcipher_request *req,
			      unsigned int wire)
{
	unsigned int pad = wire - req->cryptlen;
	int src, dst = 0;

	memset(k->pad_in, 0, pad);
	src = vcd_kslice(k->src_sg, VCD_KSEGS, req->src, 0, req->cryptlen, k->pad_in, pad);
	k->m.src = k->src_sg;
	k->m.dst = k->src_sg;
	if (req->src != req->dst || pad) {
		dst = vcd_kslice(k->dst_sg, VCD_KSEGS, req->dst, 0, req->cryptlen,
				 k->pad_out, pad);
		k->m.dst = k->dst_sg;
	}
	k->m.src_len = wire;
	k->m.dst_len = wire;
	return src > 0 && dst >= 0 && src + max(dst, src) <= t->d->ksegs;
}

static int vcd_skcipher_crypt(struct skcipher_request *req, enum vcd_slot slot)
{
	struct crypto_skcipher *tfm = crypto_skcipher_reqtfm(req);
	struct vcd_skcipher_tfm *ctx = crypto_skcipher_ctx(tfm);
	const struct vcd_cipher *c = ctx->t.alg->cipher;
	struct vcd_kreq *k = vcd_kreq(skcipher_request_ctx(req));
	unsigned int wire = vcd_wire_len(c, req->cryptlen);

	/* XTS has a rule for part blocks, the others none. */
	if (c->id == CRYPTO_AES_XTS ? req->cryptlen < XTS_BLOCK_SIZE :
				      req->cryptlen % c->block)
		return -EINVAL;
	if (!req->cryptlen)
		return 0;
	if (!vcd_ktfm_usable(&ctx->t, max(wire, req->cryptlen)) || req->cryptlen % c->block ||
	    !vcd_skcipher_data(k, &ctx->t, req, wire)) {
		vcd_kcount_fallback(&ctx->t);
		return vcd_skcipher_software(req, slot);
	}
	vcd_cipher_header(&k->m, c, slot, wire, req->iv);
	if (c->chain == VCD_CHAIN_CBC && slot == VCD_SLOT_DECRYPT)
		scatterwalk_map_and_copy(k->next_iv, req->src, req->cryptlen - VCD_BLOCK,
					 VCD_BLOCK, 0);
	k->finish = vcd_skcipher_finish;
	k->fallback = vcd_skcipher_fallback;
	return vcd_kreq_send(k, &ctx->t, &req->base, slot);
}

static int vcd_skcipher_encrypt(struct skcipher_request *req)
{
	return vcd_skcipher_crypt(req, VCD_SLOT_ENCRYPT);
}

static int vcd_skcipher_decrypt(struct skcipher_request *req)
{
	return vcd_skcipher_crypt(req, VCD_SLOT_DECRYPT);
}

static int vcd_skcipher_init(struct crypto_skcipher *tfm)
{
	struct vcd_skcipher_tfm *ctx = crypto_skcipher_ctx(tfm);
	struct vcd_skcipher *v = container_of(crypto_skcipher_alg(tfm), struct vcd_skcipher, alg);

	ctx->fallback = crypto_alloc_skcipher(v->a.cipher->name, 0, VCD_FALLBACK_MASK);
	if (IS_ERR(ctx->fallback))
		return PTR_ERR(ctx->fallback);
	crypto_skcipher_set_reqsize(tfm, max_t(unsigned int, VCD_KREQ_SIZE,
					       sizeof(struct skcipher_request) +
					       crypto_skcipher_reqsize(ctx->fallback)));
	vcd_ktfm_init(&ctx->t, &v->a);
	return 0;
}

static void vcd_skcipher_exit(struct crypto_skcipher *tfm)
{
	struct vcd_skcipher_tfm *ctx = crypto_skcipher_ctx(tfm);

	vcd_ktfm_exit(&ctx->t);
	crypto_free_skcipher(ctx->fallback);
}

static int vcd_skcipher_add(struct vcd_kalg *a, int priority)
{
	struct vcd_skcipher *v = container_of(a, struct vcd_skcipher, a);
	const struct vcd_cipher *c = a->cipher;
	struct skcipher_alg *alg = &v->alg;

	strscpy(alg->base.cra_name, c->name, sizeof(alg->base.cra_name));
	strscpy(alg->base.cra_driver_name, c->driver_name, sizeof(alg->base.cra_driver_name));
	alg->base.cra_priority = priority;
	alg->base.cra_flags = CRYPTO_ALG_ASYNC | CRYPTO_ALG_NEED_FALLBACK |
			      CRYPTO_ALG_KERN_DRIVER_ONLY;
	alg->base.cra_blocksize = c->block;
	alg->base.cra_ctxsize = sizeof(struct vcd_skcipher_tfm);
	alg->base.cra_module = THIS_MODULE;
	alg->min_keysize = c->keys[0];
	alg->max_keysize = max3(c->keys[0], c->keys[1], c->keys[2]);
	alg->ivsize = c->ivsize;
	alg->chunksize = VCD_BLOCK;
	alg->setkey = vcd_skcipher_setkey;
	alg->encrypt = vcd_skcipher_encrypt;
	alg->decrypt = vcd_skcipher_decrypt;
	alg->init = vcd_skcipher_init;
	alg->exit = vcd_skcipher_exit;
	return crypto_register_skcipher(alg);
}

static void vcd_skcipher_del(struct vcd_kalg *a)
{
	crypto_unregister_skcipher(&container_of(a, struct vcd_skcipher, a)->alg);
}

struct vcd_kalg *vcd_skciphers(unsigned int i)
{
	static const u32 ids[] = {
		CRYPTO_AES_ECB, CRYPTO_AES_CBC, CRYPTO_AES_CTR, CRYPTO_AES_XTS,
	};
	static struct vcd_skcipher list[ARRAY_SIZE(ids)];

	if (i >= ARRAY_SIZE(ids))
		return NULL;
	if (!list[i].a.cipher) {
		list[i].a.cipher = vcd_cipher_by_id(ids[i]);
		list[i].a.add = vcd_skcipher_add;
		list[i].a.del = vcd_skcipher_del;
	}
	return &list[i].a;
}
