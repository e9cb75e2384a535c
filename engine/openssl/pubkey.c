// SPDX-License-Identifier: Apache-2.0

//go:build openssl

#include "session.h"

#include <poll.h>
#include <string.h>

#include <openssl/async.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/decoder.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/objects.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>

/* What PKCS #1 v1.5 padding adds at least, bytes: RFC 8017 section 7.2.1 */
#define PKCS1_OVERHEAD 11

/* The longest digest that ECDSA is asked to sign, bytes: SHA-512's. */
#define DIGEST_MAX 64

/* The longest input of a job: a signature, a ciphertext, a digest. */
#define INPUT_MAX VCO_RSA_MAX

/* How long to wait for jobs, milliseconds: some do not say what they wait for. */
#define MS_WAIT 100
#define MS_UNKNOWN 1

/*
 * sane says that no part of an RSA key is one that takes the library longer
 * than its modulus allows. That there are two primes was checked.
 */
static int sane(EVP_PKEY *k, int private)
{
	static const char *const parts[] = {
		OSSL_PKEY_PARAM_RSA_E, OSSL_PKEY_PARAM_RSA_D,
		OSSL_PKEY_PARAM_RSA_FACTOR1, OSSL_PKEY_PARAM_RSA_FACTOR2,
		OSSL_PKEY_PARAM_RSA_EXPONENT1, OSSL_PKEY_PARAM_RSA_EXPONENT2,
		OSSL_PKEY_PARAM_RSA_COEFFICIENT1,
	};
	const size_t count = private ? sizeof(parts) / sizeof(*parts) : 1;
	BIGNUM *n = NULL, *b = NULL;
	int ok = EVP_PKEY_get_bn_param(k, OSSL_PKEY_PARAM_RSA_N, &n) && BN_is_odd(n);

	for (size_t i = 0; ok && i < count; i++) {
		ok = EVP_PKEY_get_bn_param(k, parts[i], &b) && !BN_is_negative(b) &&
		     !BN_is_zero(b) && BN_ucmp(b, n) < 0;
		/* The exponent is odd, greater than one, and so are the primes. */
		if (ok && (i == 0 || i == 2 || i == 3))
			ok = BN_is_odd(b) && !BN_is_one(b);
		BN_clear_free(b);
		b = NULL;
	}
	BN_free(n);
	return ok;
}

static int rsa_open(struct vco_session *s, const uint8_t *key, size_t key_len)
{
	const int selection = s->private ? EVP_PKEY_KEYPAIR : EVP_PKEY_PUBLIC_KEY;
	OSSL_DECODER_CTX *d = OSSL_DECODER_CTX_new_for_pkey(&s->pkey, "DER", "type-specific", "RSA",
							    selection, s->lib->ctx,
							    s->lib->properties);
	const int known = d && OSSL_DECODER_CTX_get_num_decoders(d) > 0;
	const int ok = known && OSSL_DECODER_from_data(d, &key, &key_len);

	OSSL_DECODER_CTX_free(d);
	if (!known)
		return VCO_NO_ALGORITHM;
	if (!ok || key_len != 0 || !sane(s->pkey, s->private))
		return VCO_BAD_KEY;

	const int bits = EVP_PKEY_get_bits(s->pkey);

	if (bits < VCO_RSA_MIN_BITS || bits > VCO_RSA_MAX_BITS)
		return VCO_KEY_SIZE;
	s->size = (uint32_t)(bits + 7) / 8;
	s->modulus = OPENSSL_malloc(s->size);

	BIGNUM *n = NULL;
	const int have = s->modulus && EVP_PKEY_get_bn_param(s->pkey, OSSL_PKEY_PARAM_RSA_N, &n) &&
			 BN_bn2binpad(n, s->modulus, (int)s->size) > 0;

	BN_free(n);
	return have ? 0 : VCO_NO_MEMORY;
}

/* point makes the public point of a private scalar. */
static size_t point(const EC_GROUP *g, const BIGNUM *d, uint8_t *out, size_t size)
{
	EC_POINT *p = EC_POINT_new(g);
	size_t n = 0;

	if (p && EC_POINT_mul(g, p, d, NULL, NULL, NULL))
		n = EC_POINT_point2oct(g, p, POINT_CONVERSION_UNCOMPRESSED, out, size, NULL);
	EC_POINT_free(p);
	return n;
}

#define POINT_MAX (1 + 2 * 66) /* P-521: SEC 1 section 2.3.3 */

static int ecdsa_open(struct vco_session *s, const char *curve, const uint8_t *key, size_t key_len)
{
	EC_GROUP *g = EC_GROUP_new_by_curve_name_ex(s->lib->ctx, s->lib->properties, OBJ_txt2nid(curve));
	EVP_PKEY_CTX *c = EVP_PKEY_CTX_new_from_name(s->lib->ctx, "EC", s->lib->properties);
	OSSL_PARAM_BLD *b = OSSL_PARAM_BLD_new();
	OSSL_PARAM *params = NULL;
	BIGNUM *d = NULL;
	uint8_t pub[POINT_MAX];
	size_t field, pub_len;
	int err = VCO_NO_ALGORITHM;

	if (!g || !c || !b)
		goto out;
	err = VCO_BAD_KEY;
	field = (size_t)(EC_GROUP_get_degree(g) + 7) / 8;
	if (s->private) {
		if (key_len == 0 || key_len > field)
			goto out;
		d = BN_secure_new();
		if (!d || !BN_bin2bn(key, (int)key_len, d) || BN_is_zero(d) ||
		    BN_ucmp(d, EC_GROUP_get0_order(g)) >= 0)
			goto out;
		BN_set_flags(d, BN_FLG_CONSTTIME);
		pub_len = point(g, d, pub, sizeof(pub));
	} else {
		if (key_len != 1 + 2 * field || key[0] != POINT_CONVERSION_UNCOMPRESSED)
			goto out;
		memcpy(pub, key, key_len);
		pub_len = key_len;
	}
	if (pub_len == 0 ||
	    !OSSL_PARAM_BLD_push_utf8_string(b, OSSL_PKEY_PARAM_GROUP_NAME, curve, 0) ||
	    !OSSL_PARAM_BLD_push_octet_string(b, OSSL_PKEY_PARAM_PUB_KEY, pub, pub_len) ||
	    (d && !OSSL_PARAM_BLD_push_BN_pad(b, OSSL_PKEY_PARAM_PRIV_KEY, d, field)) ||
	    !(params = OSSL_PARAM_BLD_to_param(b)))
		goto out;
	if (EVP_PKEY_fromdata_init(c) <= 0 ||
	    EVP_PKEY_fromdata(c, &s->pkey, d ? EVP_PKEY_KEYPAIR : EVP_PKEY_PUBLIC_KEY, params) <= 0)
		goto out;
	s->size = (uint32_t)EVP_PKEY_get_size(s->pkey);
	err = 0;
out:
	OSSL_PARAM_free(params); /* zeroes what came from a secure BIGNUM */
	OSSL_PARAM_BLD_free(b);
	EVP_PKEY_CTX_free(c);
	BN_clear_free(d);
	EC_GROUP_free(g);
	return err;
}

/* can says what a session's algorithm and key have in them. */
static int can(const struct vco_session *s, int op)
{
	if (!s->private && (op == VCO_DECRYPT || op == VCO_SIGN))
		return 0;
	switch (s->kind) {
	case VCO_RSA_RAW:
		return op == VCO_ENCRYPT || op == VCO_DECRYPT;
	case VCO_ECDSA:
		return op == VCO_SIGN || op == VCO_VERIFY;
	default:
		return op >= VCO_ENCRYPT && op <= VCO_VERIFY;
	}
}

int vco_pk_open(struct vco_session *s, const char *name, const uint8_t *key, size_t key_len)
{
	int err;

	if (s->kind == VCO_ECDSA) {
		err = ecdsa_open(s, name, key, key_len);
	} else {
		if (name && !(s->md = EVP_MD_fetch(s->lib->ctx, name, s->lib->properties)))
			return VCO_NO_ALGORITHM;
		err = rsa_open(s, key, key_len);
	}
	/* A key can be there without what uses it. */
	for (int op = 0; op < OPS && !err; op++) {
		struct vco_ctx *c;

		if (!can(s, op + 1))
			continue;
		c = vco_ctx_new(s, op);
		if (c)
			vco_put(s, op, c);
		else
			err = VCO_NO_ALGORITHM;
	}
	return err;
}

int vco_pk_ctx_init(struct vco_session *s, int op, struct vco_ctx *c)
{
	const int padding = s->kind == VCO_RSA_RAW ? RSA_NO_PADDING : RSA_PKCS1_PADDING;
	int ok;

	c->pkey = EVP_PKEY_CTX_new_from_pkey(s->lib->ctx, s->pkey, s->lib->properties);
	if (!c->pkey)
		return 0;
	switch (op + 1) {
	case VCO_ENCRYPT:
		ok = EVP_PKEY_encrypt_init(c->pkey);
		break;
	case VCO_DECRYPT:
		ok = EVP_PKEY_decrypt_init(c->pkey);
		break;
	case VCO_SIGN:
		ok = EVP_PKEY_sign_init(c->pkey);
		break;
	default:
		ok = EVP_PKEY_verify_init(c->pkey);
	}
	if (ok <= 0)
		return 0;
	if (s->kind == VCO_ECDSA)
		return 1;
	if (EVP_PKEY_CTX_set_rsa_padding(c->pkey, padding) <= 0)
		return 0;
	if (s->md && op + 1 >= VCO_SIGN && EVP_PKEY_CTX_set_signature_md(c->pkey, s->md) <= 0)
		return 0;
	return 1;
}

/* check is what is wrong with a request, or 0. */
static int check(const struct vco_session *s, const struct vco_request *r)
{
	const int op = r->op;
	const uint64_t src = (uint64_t)r->src.len, dst = (uint64_t)r->dst.len, size = s->size;
	const uint64_t digest = op == VCO_VERIFY ? (uint64_t)r->aad.len : src;

	if (!can(s, op) || r->iv_len != 0 || src == 0 || src > INPUT_MAX)
		return VCO_BAD_REQUEST;
	if (op != VCO_VERIFY && !(op == VCO_DECRYPT && s->kind == VCO_RSA_PKCS1) && dst < size)
		return VCO_BAD_REQUEST;
	switch (s->kind) {
	case VCO_RSA_RAW:
		return src > size ? VCO_BAD_REQUEST : 0;
	case VCO_ECDSA:
		return digest == 0 || digest > DIGEST_MAX ? VCO_BAD_REQUEST : 0;
	}
	if (op == VCO_DECRYPT)
		return src != size ? VCO_BAD_REQUEST : 0;
	if (op >= VCO_SIGN && s->md) {
		if (digest != (uint64_t)EVP_MD_get_size(s->md))
			return VCO_BAD_REQUEST;
	} else if (digest == 0 || digest > size - PKCS1_OVERHEAD) {
		return VCO_BAD_REQUEST;
	}
	/* RFC 8017 section 8.2.2 step 1 */
	return op == VCO_VERIFY && src != size ? VCO_BAD_SIGNATURE : 0;
}

/*
 * run does a request. Input is copied before it is looked at: a guest may
 * change it meanwhile.
 */
static int run(struct vco_session *s, struct vco_request *r)
{
	uint8_t in[INPUT_MAX], out[VCO_RSA_MAX];
	size_t n = sizeof(out), in_len = (size_t)r->src.len;
	const int op = r->op - 1;
	int ok, status = check(s, r);
	struct vco_ctx *c;

	if (status)
		return status;
	c = vco_take(s, op);
	if (!c)
		return VCO_FAILED;
	if (s->kind == VCO_RSA_RAW) {
		/* Numbers may come without leading zeros. */
		memset(in, 0, s->size - in_len);
		memcpy(in + s->size - in_len, r->src.p, in_len);
		in_len = s->size;
	} else {
		memcpy(in, r->src.p, in_len);
	}
	/*
	 * A number must be below the modulus. OpenSSL says so too, but not all
	 * ENGINEs do, and what they take instead verifies signatures twice.
	 */
	if (s->modulus && (s->kind == VCO_RSA_RAW || r->op == VCO_DECRYPT || r->op == VCO_VERIFY) &&
	    memcmp(in, s->modulus, s->size) >= 0) {
		vco_put(s, op, c);
		return r->op == VCO_VERIFY ? VCO_BAD_SIGNATURE : VCO_BAD_REQUEST;
	}
	switch (r->op) {
	case VCO_ENCRYPT:
		ok = EVP_PKEY_encrypt(c->pkey, out, &n, in, in_len);
		break;
	case VCO_DECRYPT:
		ok = EVP_PKEY_decrypt(c->pkey, out, &n, in, in_len);
		break;
	case VCO_SIGN:
		ok = EVP_PKEY_sign(c->pkey, out, &n, in, in_len);
		break;
	default:
		memcpy(out, r->aad.p, (size_t)r->aad.len);
		ok = EVP_PKEY_verify(c->pkey, in, in_len, out, (size_t)r->aad.len);
	}
	status = VCO_OK;
	if (r->op == VCO_VERIFY) {
		if (ok != 1)
			status = VCO_BAD_SIGNATURE;
	} else if (ok <= 0) {
		status = VCO_FAILED;
	} else if (n > (size_t)r->dst.len) {
		status = VCO_BAD_REQUEST;
	} else {
		memcpy(r->dst.p, out, n);
		r->n = (int64_t)n;
	}
	if (ok <= 0)
		ERR_clear_error();
	if (ok < 0 || status == VCO_FAILED)
		vco_ctx_free(s, c);
	else
		vco_put(s, op, c);
	OPENSSL_cleanse(out, sizeof(out));
	OPENSSL_cleanse(in, sizeof(in));
	return status;
}

static struct vco_request *at(uintptr_t reqs, uint32_t i)
{
	return ((struct vco_request **)reqs)[i];
}

static int job(void *arg)
{
	struct vco_request *r = *(struct vco_request **)arg;

	r->status = (uint8_t)run(*r->session, r);
	return 1;
}

/*
 * wait_for returns those of the open jobs that may go on: what they wait for
 * has come, or they do not say what it is.
 */
static uint32_t wait_for(ASYNC_WAIT_CTX *const *wait, uint32_t open)
{
	struct pollfd fds[VCO_PK_BATCH];
	uint32_t of[VCO_PK_BATCH], n = 0, ready = 0;

	for (uint32_t i = 0; i < VCO_PK_BATCH; i++) {
		OSSL_ASYNC_FD fd[2];
		size_t count = 0;

		if (!(open & (1u << i)))
			continue;
		if (ASYNC_WAIT_CTX_get_all_fds(wait[i], NULL, &count) && count == 1 &&
		    ASYNC_WAIT_CTX_get_all_fds(wait[i], fd, &count)) {
			fds[n].fd = fd[0];
			fds[n].events = POLLIN;
			of[n++] = 1u << i;
		} else {
			ready |= 1u << i;
		}
	}
	if (poll(fds, n, ready ? MS_UNKNOWN : MS_WAIT) > 0)
		for (uint32_t k = 0; k < n; k++)
			if (fds[k].revents)
				ready |= of[k];
	return ready;
}

void vco_pk_run(uintptr_t reqs, uint32_t n, int async)
{
	ASYNC_WAIT_CTX *wait[VCO_PK_BATCH] = {NULL};
	ASYNC_JOB *jobs[VCO_PK_BATCH] = {NULL};
	uint32_t open = 0; /* a bit for each that is not done */

	for (uint32_t i = 0; i < n; i++) {
		struct vco_request *r = at(reqs, i);

		if (async && ASYNC_is_capable() && (wait[i] = ASYNC_WAIT_CTX_new()))
			open |= 1u << i;
		else
			r->status = (uint8_t)run(*r->session, r);
	}
	for (uint32_t go = open; open; go = wait_for(wait, open)) {
		for (uint32_t i = 0; i < n; i++) {
			struct vco_request *r = at(reqs, i);
			int ret;

			if (!(go & (1u << i)))
				continue;
			switch (ASYNC_start_job(&jobs[i], wait[i], &ret, job, &r, sizeof(r))) {
			case ASYNC_PAUSE:
				break;
			case ASYNC_FINISH:
				open &= ~(1u << i);
				break;
			default:
				/* It did not begin: what did goes on until it ends. */
				r->status = (uint8_t)run(*r->session, r);
				open &= ~(1u << i);
			}
		}
		if (!open)
			break;
	}
	for (uint32_t i = 0; i < n; i++)
		ASYNC_WAIT_CTX_free(wait[i]);
}
