// SPDX-License-Identifier: GPL-2.0
/*
 * sha*, and hmac() of them, for the kernel's crypto API. A message that comes
 * at once is the device's; one that comes in parts has no form on the wire.
 */
#include <crypto/internal/hash.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "kcrypto.h"

struct vcd_ahash_tfm {
	struct vcd_ktfm t;
	struct crypto_ahash *fallback;
};

struct vcd_ahash {
	struct vcd_kalg a;
	struct ahash_alg alg;
};

/* Block sizes (FIPS 180-4, 1): the longer hashes have the longer ones. */
static unsigned int vcd_hash_block(const struct vcd_hash *h)
{
	return h->digestsize > 32 ? 128 : 64;
}

static struct ahash_request *vcd_ahash_sub(struct ahash_request *req)
{
	struct vcd_ahash_tfm *ctx = crypto_ahash_ctx(crypto_ahash_reqtfm(req));
	struct ahash_request *sub = ahash_request_ctx(req);

	ahash_request_set_tfm(sub, ctx->fallback);
	ahash_request_set_callback(sub, req->base.flags & CRYPTO_TFM_REQ_MAY_SLEEP, NULL, NULL);
	ahash_request_set_crypt(sub, req->src, req->result, req->nbytes);
	return sub;
}

static int vcd_ahash_start(struct ahash_request *req)
{
	return crypto_ahash_init(vcd_ahash_sub(req));
}

static int vcd_ahash_update(struct ahash_request *req)
{
	return crypto_ahash_update(vcd_ahash_sub(req));
}

static int vcd_ahash_final(struct ahash_request *req)
{
	return crypto_ahash_final(vcd_ahash_sub(req));
}

static int vcd_ahash_finup(struct ahash_request *req)
{
	return crypto_ahash_finup(vcd_ahash_sub(req));
}

static int vcd_ahash_export(struct ahash_request *req, void *out)
{
	return crypto_ahash_export(vcd_ahash_sub(req), out);
}

static int vcd_ahash_import(struct ahash_request *req, const void *in)
{
	return crypto_ahash_import(vcd_ahash_sub(req), in);
}

static int vcd_ahash_fallback(struct crypto_async_request *base, enum vcd_slot slot)
{
	return crypto_ahash_digest(vcd_ahash_sub(ahash_request_cast(base)));
}

static int vcd_ahash_done(struct vcd_kreq *k)
{
	memcpy(ahash_request_cast(k->base)->result, k->m.in, k->m.result);
	return 0;
}

static int vcd_ahash_digest(struct ahash_request *req)
{
	struct vcd_ahash_tfm *ctx = crypto_ahash_ctx(crypto_ahash_reqtfm(req));
	const struct vcd_hash *h = ctx->t.alg->hash;
	struct vcd_kreq *k = vcd_kreq(ahash_request_ctx(req));
	int n = -E2BIG;

	if (req->nbytes && vcd_ktfm_usable(&ctx->t, req->nbytes))
		n = vcd_kslice(k->src_sg, VCD_KSEGS, req->src, 0, req->nbytes, NULL, 0);
	if (n < 0 || n > ctx->t.d->ksegs) {
		vcd_kcount_fallback(&ctx->t);
		return crypto_ahash_digest(vcd_ahash_sub(req));
	}
	k->m.src = k->src_sg;
	k->m.src_len = req->nbytes;
	k->m.dst = NULL;
	k->m.dst_len = 0;
	vcd_hash_header(&k->m, h, req->nbytes);
	k->finish = vcd_ahash_done;
	k->fallback = vcd_ahash_fallback;
	return vcd_kreq_send(k, &ctx->t, &req->base, VCD_SLOT_HASH);
}

static int vcd_ahash_setkey(struct crypto_ahash *tfm, const u8 *key, unsigned int keylen)
{
	struct vcd_ahash_tfm *ctx = crypto_ahash_ctx(tfm);
	struct vcd_session *s = NULL;
	int err;

	crypto_ahash_clear_flags(ctx->fallback, CRYPTO_TFM_REQ_MASK);
	crypto_ahash_set_flags(ctx->fallback, crypto_ahash_get_flags(tfm) & CRYPTO_TFM_REQ_MASK);
	err = crypto_ahash_setkey(ctx->fallback, key, keylen);
	if (err)
		return err;
	if (ctx->t.d && vcd_mackey_ok(ctx->t.d, keylen)) {
		s = vcd_ktfm_session(&ctx->t);
		if (IS_ERR(s))
			return PTR_ERR(s);
		s->mackey = kmemdup(key, keylen, GFP_KERNEL);
		if (!s->mackey) {
			vcd_session_put_later(s);
			return -ENOMEM;
		}
		s->mackeylen = keylen;
	}
	vcd_ktfm_set(&ctx->t, s);
	return 0;
}

static int vcd_ahash_init(struct crypto_ahash *tfm)
{
	struct vcd_ahash_tfm *ctx = crypto_ahash_ctx(tfm);
	struct ahash_alg *alg = container_of(crypto_hash_alg_common(tfm), struct ahash_alg, halg);
	struct vcd_ahash *v = container_of(alg, struct vcd_ahash, alg);
	struct vcd_session *s = NULL;

	ctx->fallback = crypto_alloc_ahash(v->a.hash->name, 0, VCD_FALLBACK_MASK);
	if (IS_ERR(ctx->fallback))
		return PTR_ERR(ctx->fallback);
	crypto_ahash_set_reqsize(tfm, max_t(unsigned int, VCD_KREQ_SIZE,
					    sizeof(struct ahash_request) +
					    crypto_ahash_reqsize(ctx->fallback)));
	vcd_ktfm_init(&ctx->t, &v->a);
	if (!v->a.hash->keyed)
		s = vcd_ktfm_session(&ctx->t);
	if (IS_ERR(s)) {
		vcd_ktfm_exit(&ctx->t);
		crypto_free_ahash(ctx->fallback);
		return PTR_ERR(s);
	}
	vcd_ktfm_set(&ctx->t, s);
	return 0;
}

static void vcd_ahash_exit(struct crypto_ahash *tfm)
{
	struct vcd_ahash_tfm *ctx = crypto_ahash_ctx(tfm);

	vcd_ktfm_exit(&ctx->t);
	crypto_free_ahash(ctx->fallback);
}

static int vcd_ahash_add(struct vcd_kalg *a, int priority)
{
	struct vcd_ahash *v = container_of(a, struct vcd_ahash, a);
	const struct vcd_hash *h = a->hash;
	struct ahash_alg *alg = &v->alg;
	struct crypto_alg *base = &alg->halg.base;
	struct crypto_ahash *fallback;

	/* A state that is exported is the kernel's own code's. */
	fallback = crypto_alloc_ahash(h->name, 0, VCD_FALLBACK_MASK);
	if (IS_ERR(fallback))
		return PTR_ERR(fallback);
	alg->halg.statesize = crypto_ahash_statesize(fallback);
	crypto_free_ahash(fallback);

	strscpy(base->cra_name, h->name, sizeof(base->cra_name));
	strscpy(base->cra_driver_name, h->driver_name, sizeof(base->cra_driver_name));
	base->cra_priority = priority;
	base->cra_flags = CRYPTO_ALG_ASYNC | CRYPTO_ALG_NEED_FALLBACK |
			  CRYPTO_ALG_KERN_DRIVER_ONLY;
	base->cra_blocksize = vcd_hash_block(h);
	base->cra_ctxsize = sizeof(struct vcd_ahash_tfm);
	base->cra_module = THIS_MODULE;
	alg->halg.digestsize = h->digestsize;
	alg->init = vcd_ahash_start;
	alg->update = vcd_ahash_update;
	alg->final = vcd_ahash_final;
	alg->finup = vcd_ahash_finup;
	alg->digest = vcd_ahash_digest;
	alg->export = vcd_ahash_export;
	alg->import = vcd_ahash_import;
	if (h->keyed)
		alg->setkey = vcd_ahash_setkey;
	alg->init_tfm = vcd_ahash_init;
	alg->exit_tfm = vcd_ahash_exit;
	return crypto_register_ahash(alg);
}

static void vcd_ahash_del(struct vcd_kalg *a)
{
	crypto_unregister_ahash(&container_of(a, struct vcd_ahash, a)->alg);
}

struct vcd_kalg *vcd_ahashes(unsigned int i)
{
	static const u32 ids[] = {
		CRYPTO_SHA1, CRYPTO_SHA2_224, CRYPTO_SHA2_256, CRYPTO_SHA2_384,
		CRYPTO_SHA2_512, CRYPTO_SHA1_HMAC, CRYPTO_SHA2_224_HMAC,
		CRYPTO_SHA2_256_HMAC, CRYPTO_SHA2_384_HMAC, CRYPTO_SHA2_512_HMAC,
	};
	static struct vcd_ahash list[ARRAY_SIZE(ids)];

	if (i >= ARRAY_SIZE(ids))
		return NULL;
	if (!list[i].a.hash) {
		list[i].a.hash = vcd_hash_find(ids[i]);
		list[i].a.add = vcd_ahash_add;
		list[i].a.del = vcd_ahash_del;
	}
	return &list[i].a;
}
