// SPDX-License-Identifier: Apache-2.0

//go:build openssl

#include "session.h"

#include <string.h>

#include <openssl/err.h>

/* Many of the library's lengths are C ints; what is longer goes in pieces. */
#define PIECE (1 << 30)

/* Lengths of CCM's nonce, bytes: NIST SP 800-38C appendix A.1 */
#define CCM_MIN_IV 7
#define CCM_MAX_IV 13

/* Memory of no length may be at NULL, which means other things to OpenSSL. */
static uint8_t nowhere[16];

static inline uint8_t *some(uint8_t *p)
{
	return p ? p : nowhere;
}

/* update passes len bytes through a cipher; dst is NULL for additional data. */
static int update(EVP_CIPHER_CTX *c, uint8_t *dst, const uint8_t *src, uint64_t len)
{
	int n;

	while (len > 0) {
		int m = len < PIECE ? (int)len : PIECE;

		if (!EVP_CipherUpdate(c, dst, &n, src, m))
			return 0;
		if (dst)
			dst += m;
		src += m;
		len -= (uint64_t)m;
	}
	return 1;
}

static int run_cipher(struct vco_session *s, struct vco_ctx *c, struct vco_request *r)
{
	uint64_t len = (uint64_t)r->src.len;

	if (len != (uint64_t)r->dst.len || r->iv_len != s->iv_len || (len & s->block_mask) ||
	    len < s->min_len || len > s->max_len)
		return VCO_BAD_REQUEST;
	if (len == 0)
		return VCO_OK;
	if (s->iv_len && !EVP_CipherInit_ex2(c->cipher, NULL, NULL, r->iv, -1, NULL))
		return VCO_FAILED;
	return update(c->cipher, r->dst.p, r->src.p, len) ? VCO_OK : VCO_FAILED;
}

static int run_hash(struct vco_session *s, struct vco_ctx *c, struct vco_request *r)
{
	uint64_t out = (uint64_t)r->dst.len;

	if (r->iv_len != 0 || out == 0 || (s->kind == VCO_HASH && out != s->tag_len))
		return VCO_BAD_REQUEST;
	if (!EVP_DigestInit_ex2(c->md, s->md, NULL) ||
	    !EVP_DigestUpdate(c->md, some(r->src.p), (size_t)r->src.len))
		return VCO_FAILED;
	if (s->kind == VCO_XOF)
		return EVP_DigestFinalXOF(c->md, r->dst.p, (size_t)out) ? VCO_OK : VCO_FAILED;
	return EVP_DigestFinal_ex(c->md, r->dst.p, NULL) ? VCO_OK : VCO_FAILED;
}

static int run_mac(struct vco_session *s, struct vco_ctx *c, struct vco_request *r)
{
	uint8_t whole[EVP_MAX_MD_SIZE];
	size_t n;

	if (r->iv_len != 0 || r->dst.len < 1 || r->dst.len > s->tag_len)
		return VCO_BAD_REQUEST;
	if (!EVP_MAC_init(c->mac, NULL, 0, NULL) ||
	    !EVP_MAC_update(c->mac, some(r->src.p), (size_t)r->src.len) ||
	    !EVP_MAC_final(c->mac, whole, &n, sizeof(whole)))
		return VCO_FAILED;
	memcpy(r->dst.p, whole, (size_t)r->dst.len);
	return VCO_OK;
}

/* set_iv_len tells the library the length of the IVs to come. */
static int set_iv_len(struct vco_session *s, struct vco_ctx *c, uint8_t iv_len)
{
	if (c->iv_len == iv_len)
		return 1;
	c->iv_len = 0; /* until it worked */
	if (!EVP_CIPHER_CTX_ctrl(c->cipher, EVP_CTRL_AEAD_SET_IVLEN, iv_len, NULL))
		return 0;
	/* CCM computes with it when it is keyed. */
	if (s->kind == VCO_CCM && !EVP_CipherInit_ex2(c->cipher, NULL, s->key, NULL, -1, NULL))
		return 0;
	c->iv_len = iv_len;
	return 1;
}

/* bad_tag leaves no plaintext behind. */
static int bad_tag(struct vco_request *r)
{
	if (r->dst.len > 0)
		memset(r->dst.p, 0, (size_t)r->dst.len);
	return VCO_BAD_TAG;
}

/* run_aead does GCM and ChaCha20-Poly1305. */
static int run_aead(struct vco_session *s, struct vco_ctx *c, struct vco_request *r)
{
	uint64_t len = (uint64_t)r->src.len;
	uint8_t none[16]; /* where a stream's last bytes would go */
	int n;

	if (len != (uint64_t)r->dst.len || r->tag_len != s->tag_len)
		return VCO_BAD_REQUEST;
	if (s->iv_len ? r->iv_len != s->iv_len : r->iv_len == 0 || r->iv_len > sizeof(r->iv))
		return VCO_BAD_REQUEST;
	if (len > s->max_len)
		return VCO_BAD_REQUEST;
	if (!set_iv_len(s, c, r->iv_len) ||
	    !EVP_CipherInit_ex2(c->cipher, NULL, NULL, r->iv, -1, NULL))
		return VCO_FAILED;
	if (!s->encrypt &&
	    !EVP_CIPHER_CTX_ctrl(c->cipher, EVP_CTRL_AEAD_SET_TAG, s->tag_len, r->tag))
		return VCO_FAILED;
	if (!update(c->cipher, NULL, r->aad.p, (uint64_t)r->aad.len) ||
	    !update(c->cipher, r->dst.p, r->src.p, len)) {
		bad_tag(r);
		return VCO_FAILED;
	}
	if (!s->encrypt)
		return EVP_CipherFinal_ex(c->cipher, none, &n) ? VCO_OK : bad_tag(r);
	if (!EVP_CipherFinal_ex(c->cipher, none, &n) ||
	    !EVP_CIPHER_CTX_ctrl(c->cipher, EVP_CTRL_AEAD_GET_TAG, s->tag_len, r->tag))
		return VCO_FAILED;
	return VCO_OK;
}

static int run_ccm(struct vco_session *s, struct vco_ctx *c, struct vco_request *r)
{
	uint64_t len = (uint64_t)r->src.len;
	int n;

	if (len != (uint64_t)r->dst.len || r->tag_len != s->tag_len ||
	    r->iv_len < CCM_MIN_IV || r->iv_len > CCM_MAX_IV)
		return VCO_BAD_REQUEST;

	/* What the nonce leaves of 15 bytes holds the length. */
	const int bits = (15 - r->iv_len) * 8;

	if (bits < 64 && len >> bits)
		return VCO_BAD_REQUEST;
	if (len > s->max_len || (uint64_t)r->aad.len > s->max_len)
		return VCO_FAILED; /* 2 GiB and more: the library cannot */
	if (!set_iv_len(s, c, r->iv_len))
		return VCO_FAILED;
	if (!s->encrypt &&
	    !EVP_CIPHER_CTX_ctrl(c->cipher, EVP_CTRL_AEAD_SET_TAG, s->tag_len, r->tag))
		return VCO_FAILED;
	if (!EVP_CipherInit_ex2(c->cipher, NULL, NULL, r->iv, -1, NULL) ||
	    !EVP_CipherUpdate(c->cipher, NULL, &n, NULL, (int)len))
		return VCO_FAILED;
	if (r->aad.len > 0 && !EVP_CipherUpdate(c->cipher, NULL, &n, r->aad.p, (int)r->aad.len))
		return VCO_FAILED;
	if (!EVP_CipherUpdate(c->cipher, some(r->dst.p), &n, some(r->src.p), (int)len))
		return s->encrypt ? VCO_FAILED : bad_tag(r);
	if (s->encrypt && !EVP_CIPHER_CTX_ctrl(c->cipher, EVP_CTRL_AEAD_GET_TAG, s->tag_len, r->tag))
		return VCO_FAILED;
	return VCO_OK;
}

static int run(struct vco_session *s, struct vco_ctx *c, struct vco_request *r)
{
	switch (s->kind) {
	case VCO_HASH:
	case VCO_XOF:
		return run_hash(s, c, r);
	case VCO_HMAC:
	case VCO_CMAC:
		return run_mac(s, c, r);
	case VCO_GCM:
	case VCO_CHACHA_POLY:
		return run_aead(s, c, r);
	case VCO_CCM:
		return run_ccm(s, c, r);
	default:
		return run_cipher(s, c, r);
	}
}

uint32_t vco_run(uintptr_t type, uintptr_t reqs, uint32_t n)
{
	struct vco_session *s = NULL; /* whose context c is */
	struct vco_ctx *c = NULL;
	uint32_t pending = 0;
	int failed = 0;

	for (uint32_t i = 0; i < n; i++) {
		struct vco_request *r = ((struct vco_request **)reqs)[i];
		struct vco_session *rs = r->type == type ? *r->session : NULL;

		if (!rs) {
			r->status = VCO_FAILED;
			continue;
		}
		if (rs->kind >= VCO_RSA_RAW) {
			r->status = VCO_PENDING;
			pending++;
			continue;
		}
		if (rs != s) {
			if (c)
				vco_put(s, 0, c);
			s = rs;
			c = vco_take(s, 0);
		}
		r->status = c ? (uint8_t)run(s, c, r) : VCO_FAILED;
		if (r->status == VCO_FAILED || r->status == VCO_BAD_TAG) {
			failed = 1;
			/* Who knows in what state it is. */
			if (r->status == VCO_FAILED && c) {
				vco_ctx_free(s, c);
				s = NULL;
				c = NULL;
			}
		}
	}
	if (c)
		vco_put(s, 0, c);
	if (failed)
		ERR_clear_error();
	return pending;
}
