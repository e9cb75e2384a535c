// SPDX-License-Identifier: GPL-2.0
/*
 * rsa for the kernel's crypto API: the bare operation on numbers, on which the
 * kernel's own pkcs1pad() puts padding. Keys are PKCS #1 DER on both sides.
 */
#include <crypto/internal/akcipher.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "kcrypto.h"

/* The longest number, as devices have it (RSA with 16,384 bits has 2 KiB). */
#define VCD_MAX_RSA	SZ_4K

struct vcd_akcipher_tfm {
	struct vcd_ktfm t;
	struct crypto_akcipher *fallback;
};

struct vcd_akcipher {
	struct vcd_kalg a;
	struct akcipher_alg alg;
};

static int vcd_akcipher_key(struct crypto_akcipher *tfm, const void *key, unsigned int keylen,
			    bool private)
{
	struct vcd_akcipher_tfm *ctx = akcipher_tfm_ctx(tfm);
	struct vcd_session *s;
	int err;

	err = private ? crypto_akcipher_set_priv_key(ctx->fallback, key, keylen) :
			crypto_akcipher_set_pub_key(ctx->fallback, key, keylen);
	if (err)
		return err;
	s = vcd_ktfm_session(&ctx->t);
	if (IS_ERR(s))
		return PTR_ERR(s);
	if (s) {
		s->mackey = kmemdup(key, keylen, GFP_KERNEL);
		if (!s->mackey) {
			vcd_session_put_later(s);
			return -ENOMEM;
		}
		s->mackeylen = keylen;
		s->private = private;
	}
	vcd_ktfm_set(&ctx->t, s);
	return 0;
}

static int vcd_akcipher_pub(struct crypto_akcipher *tfm, const void *key, unsigned int keylen)
{
	return vcd_akcipher_key(tfm, key, keylen, false);
}

static int vcd_akcipher_priv(struct crypto_akcipher *tfm, const void *key, unsigned int keylen)
{
	return vcd_akcipher_key(tfm, key, keylen, true);
}

static unsigned int vcd_akcipher_size(struct crypto_akcipher *tfm)
{
	struct vcd_akcipher_tfm *ctx = akcipher_tfm_ctx(tfm);

	return crypto_akcipher_maxsize(ctx->fallback);
}

static int vcd_akcipher_software(struct akcipher_request *req, bool encrypt)
{
	struct vcd_akcipher_tfm *ctx = akcipher_tfm_ctx(crypto_akcipher_reqtfm(req));
	struct akcipher_request *sub = akcipher_request_ctx(req);
	int err;

	akcipher_request_set_tfm(sub, ctx->fallback);
	akcipher_request_set_callback(sub, req->base.flags & CRYPTO_TFM_REQ_MAY_SLEEP, NULL, NULL);
	akcipher_request_set_crypt(sub, req->src, req->dst, req->src_len, req->dst_len);
	err = encrypt ? crypto_akcipher_encrypt(sub) : crypto_akcipher_decrypt(sub);
	req->dst_len = sub->dst_len;
	return err;
}

static int vcd_akcipher_encrypt_software(struct crypto_async_request *base, enum vcd_slot slot)
{
	return vcd_akcipher_software(container_of(base, struct akcipher_request, base), true);
}

static int vcd_akcipher_decrypt_software(struct crypto_async_request *base, enum vcd_slot slot)
{
	return vcd_akcipher_software(container_of(base, struct akcipher_request, base), false);
}

/* The device says how long the result is. */
static int vcd_akcipher_finish(struct vcd_kreq *k)
{
	struct akcipher_request *req = container_of(k->base, struct akcipher_request, base);

	req->dst_len = k->m.req.used - sizeof(struct virtio_crypto_inhdr);
	return 0;
}

static int vcd_akcipher_crypt(struct akcipher_request *req, bool encrypt)
{
	struct crypto_akcipher *tfm = crypto_akcipher_reqtfm(req);
	struct vcd_akcipher_tfm *ctx = akcipher_tfm_ctx(tfm);
	struct vcd_kreq *k = vcd_kreq(akcipher_request_ctx(req));
	/* Without a key there is no size to ask for. */
	unsigned int size = ctx->t.s ? crypto_akcipher_maxsize(ctx->fallback) : 0;
	struct virtio_crypto_akcipher_para *para = &k->m.out.u.akcipher_req.para;
	int src = -E2BIG, dst = -E2BIG;

	if (size && size <= VCD_MAX_RSA && req->dst_len >= size && req->src_len &&
	    req->src_len <= size && vcd_ktfm_usable(&ctx->t, 0)) {
		src = vcd_kslice(k->src_sg, VCD_KSEGS, req->src, 0, req->src_len, NULL, 0);
		dst = vcd_kslice(k->dst_sg, VCD_KSEGS, req->dst, 0, size, NULL, 0);
	}
	if (src < 0 || dst < 0 || src + dst > ctx->t.d->ksegs) {
		vcd_kcount_fallback(&ctx->t);
		return vcd_akcipher_software(req, encrypt);
	}
	k->m.src = k->src_sg;
	k->m.src_len = req->src_len;
	k->m.dst = k->dst_sg;
	k->m.dst_len = size;
	vcd_msg_header(&k->m, encrypt ? VIRTIO_CRYPTO_AKCIPHER_ENCRYPT :
					VIRTIO_CRYPTO_AKCIPHER_DECRYPT, ctx->t.alg->cipher->algo);
	k->m.short_ok = true;
	para->src_data_len = cpu_to_le32(req->src_len);
	para->dst_data_len = cpu_to_le32(size);
	k->finish = vcd_akcipher_finish;
	k->fallback = encrypt ? vcd_akcipher_encrypt_software : vcd_akcipher_decrypt_software;
	/* One session serves both: of the key's kind. */
	return vcd_kreq_send(k, &ctx->t, &req->base, VCD_SLOT_ENCRYPT);
}

static int vcd_akcipher_encrypt(struct akcipher_request *req)
{
	return vcd_akcipher_crypt(req, true);
}

static int vcd_akcipher_decrypt(struct akcipher_request *req)
{
	return vcd_akcipher_crypt(req, false);
}

static int vcd_akcipher_init(struct crypto_akcipher *tfm)
{
	struct vcd_akcipher_tfm *ctx = akcipher_tfm_ctx(tfm);
	struct vcd_akcipher *v = container_of(crypto_akcipher_alg(tfm), struct vcd_akcipher, alg);

	ctx->fallback = crypto_alloc_akcipher(v->a.cipher->name, 0, VCD_FALLBACK_MASK);
	if (IS_ERR(ctx->fallback))
		return PTR_ERR(ctx->fallback);
	akcipher_set_reqsize(tfm, max_t(unsigned int, VCD_KREQ_SIZE,
					sizeof(struct akcipher_request) +
					crypto_akcipher_reqsize(ctx->fallback)));
	vcd_ktfm_init(&ctx->t, &v->a);
	return 0;
}

static void vcd_akcipher_exit(struct crypto_akcipher *tfm)
{
	struct vcd_akcipher_tfm *ctx = akcipher_tfm_ctx(tfm);

	vcd_ktfm_exit(&ctx->t);
	crypto_free_akcipher(ctx->fallback);
}

static int vcd_akcipher_add(struct vcd_kalg *a, int priority)
{
	struct vcd_akcipher *v = container_of(a, struct vcd_akcipher, a);
	struct akcipher_alg *alg = &v->alg;

	strscpy(alg->base.cra_name, a->cipher->name, sizeof(alg->base.cra_name));
	strscpy(alg->base.cra_driver_name, a->cipher->driver_name,
		sizeof(alg->base.cra_driver_name));
	alg->base.cra_priority = priority;
	alg->base.cra_flags = CRYPTO_ALG_ASYNC | CRYPTO_ALG_NEED_FALLBACK;
	alg->base.cra_ctxsize = sizeof(struct vcd_akcipher_tfm);
	alg->base.cra_module = THIS_MODULE;
	alg->encrypt = vcd_akcipher_encrypt;
	alg->decrypt = vcd_akcipher_decrypt;
	alg->set_pub_key = vcd_akcipher_pub;
	alg->set_priv_key = vcd_akcipher_priv;
	alg->max_size = vcd_akcipher_size;
	alg->init = vcd_akcipher_init;
	alg->exit = vcd_akcipher_exit;
	return crypto_register_akcipher(alg);
}

static void vcd_akcipher_del(struct vcd_kalg *a)
{
	crypto_unregister_akcipher(&container_of(a, struct vcd_akcipher, a)->alg);
}

static const struct vcd_cipher vcd_rsa = {
	.algo = VIRTIO_CRYPTO_AKCIPHER_RSA,
	.kind = VCD_RSA,
	.name = "rsa",
	.driver_name = "virtio-cryptodev-rsa",
};

struct vcd_kalg *vcd_akciphers(unsigned int i)
{
	static struct vcd_akcipher rsa = {
		.a.cipher = &vcd_rsa,
		.a.add = vcd_akcipher_add,
		.a.del = vcd_akcipher_del,
	};

	return i ? NULL : &rsa.a;
}
