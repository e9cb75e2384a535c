// SPDX-License-Identifier: GPL-2.0
/*
 * Algorithms: their numbers in the cryptodev API, their numbers on the wire,
 * and their shapes.
 */
#include <linux/module.h>

#include "driver.h"

/* The kernel's own code for what has no form on the wire, or not this device's. */
MODULE_SOFTDEP("pre: md5 rmd160 sha1_generic sha256_generic sha512_generic hmac");
MODULE_SOFTDEP("pre: aes_generic ecb cbc ctr xts gcm ccm ghash_generic authenc rsa_generic");

static const struct vcd_cipher vcd_ciphers[] = {
	{
		.id = CRYPTO_AES_CBC,
		.algo = VIRTIO_CRYPTO_CIPHER_AES_CBC,
		.name = "cbc(aes)",
		.driver_name = "virtio-cryptodev-cbc-aes",
		.chain = VCD_CHAIN_CBC,
		.block = 16,
		.ivsize = 16,
		.keys = { 16, 24, 32 },
	}, {
		.id = CRYPTO_AES_ECB,
		.algo = VIRTIO_CRYPTO_CIPHER_AES_ECB,
		.name = "ecb(aes)",
		.driver_name = "virtio-cryptodev-ecb-aes",
		.block = 16,
		.keys = { 16, 24, 32 },
	}, {
		.id = CRYPTO_AES_CTR,
		.algo = VIRTIO_CRYPTO_CIPHER_AES_CTR,
		.name = "ctr(aes)",
		.driver_name = "virtio-cryptodev-ctr-aes",
		.chain = VCD_CHAIN_CTR,
		.stream = true,
		.block = 1,
		.ivsize = 16,
		.keys = { 16, 24, 32 },
	}, {
		.id = CRYPTO_AES_XTS,
		.algo = VIRTIO_CRYPTO_CIPHER_AES_XTS,
		.name = "xts(aes)",
		.driver_name = "virtio-cryptodev-xts-aes",
		.whole = true,
		.block = 16,
		.ivsize = 16,
		.keys = { 32, 64 },
	}, {
		.id = CRYPTO_DES_CBC,
		.algo = VIRTIO_CRYPTO_CIPHER_DES_CBC,
		.name = "cbc(des)",
		.driver_name = "virtio-cryptodev-cbc-des",
		.chain = VCD_CHAIN_CBC,
		.block = 8,
		.ivsize = 8,
		.keys = { 8 },
	}, {
		.id = CRYPTO_3DES_CBC,
		.algo = VIRTIO_CRYPTO_CIPHER_3DES_CBC,
		.name = "cbc(des3_ede)",
		.driver_name = "virtio-cryptodev-cbc-des3_ede",
		.chain = VCD_CHAIN_CBC,
		.block = 8,
		.ivsize = 8,
		.keys = { 24 },
	}, {
		.id = CRYPTO_AES_GCM,
		.algo = VIRTIO_CRYPTO_AEAD_GCM,
		.kind = VCD_AEAD,
		.name = "gcm(aes)",
		.driver_name = "virtio-cryptodev-gcm-aes",
		.stream = true,
		.whole = true,
		.block = 1,
		.ivsize = 12,
		.keys = { 16, 24, 32 },
		/* NIST SP 800-38D, 5.2.1.2 */
		.tags = BIT(4) | BIT(8) | BIT(12) | BIT(13) | BIT(14) | BIT(15) |
			BIT(16),
	}, {
		.id = CRYPTO_AES_CCM,
		.algo = VIRTIO_CRYPTO_AEAD_CCM,
		.kind = VCD_AEAD,
		.name = "ccm(aes)",
		.driver_name = "virtio-cryptodev-ccm-aes",
		.stream = true,
		.whole = true,
		.block = 1,
		.ivsize = 16,
		.keys = { 16, 24, 32 },
		/* NIST SP 800-38C, A.1 */
		.tags = BIT(4) | BIT(6) | BIT(8) | BIT(10) | BIT(12) | BIT(14) |
			BIT(16),
	}, {
		/* What goes in comes out: the floor of this interface. */
		.id = CRYPTO_NULL,
		.kind = VCD_NULL,
		.name = "ecb(cipher_null)",
		.driver_name = "virtio-cryptodev-null",
		.stream = true,
		.block = 1,
	},
};

static const struct vcd_hash vcd_hashes[] = {
#define HASH(api, wire, cra, size)					\
	{								\
		.id = CRYPTO_##api,					\
		.algo = VIRTIO_CRYPTO_HASH_##wire,			\
		.name = cra,						\
		.driver_name = "virtio-cryptodev-" cra,			\
		.digestsize = size,					\
	}, {								\
		.id = CRYPTO_##api##_HMAC,				\
		.algo = VIRTIO_CRYPTO_MAC_HMAC_##wire,			\
		.keyed = true,						\
		.name = "hmac(" cra ")",				\
		.driver_name = "virtio-cryptodev-hmac-" cra,		\
		.digestsize = size,					\
	}
	HASH(MD5, MD5, "md5", 16),
	HASH(SHA1, SHA1, "sha1", 20),
	HASH(SHA2_224, SHA_224, "sha224", 28),
	HASH(SHA2_256, SHA_256, "sha256", 32),
	HASH(SHA2_384, SHA_384, "sha384", 48),
	HASH(SHA2_512, SHA_512, "sha512", 64),
#undef HASH
	/* No number on the wire: by the kernel's code alone. */
	{
		.id = CRYPTO_RIPEMD160,
		.name = "rmd160",
		.digestsize = 20,
	}, {
		.id = CRYPTO_RIPEMD160_HMAC,
		.keyed = true,
		.name = "hmac(rmd160)",
		.digestsize = 20,
	},
};

/* The cipher with this number in the API, or NULL. */
const struct vcd_cipher *vcd_cipher_by_id(u32 id)
{
	for (int i = 0; i < ARRAY_SIZE(vcd_ciphers); i++)
		if (vcd_ciphers[i].id == id)
			return &vcd_ciphers[i];
	return NULL;
}

/*
 * The numbers that cryptodev-linux knows; others it refuses before it looks
 * at the key. What it knows and we do not serve is refused after, as there
 * when the kernel has no such algorithm.
 */
bool vcd_known_cipher(u32 id)
{
	switch (id) {
	case 0:
	case CRYPTO_BLF_CBC:
	case CRYPTO_AES_CFB:
	case CRYPTO_AES_OFB:
	case CRYPTO_CAMELLIA_CBC:
	case CRYPTO_TLS11_AES_CBC_HMAC_SHA1:
	case CRYPTO_TLS12_AES_CBC_HMAC_SHA256:
		return true;
	}
	return vcd_cipher_by_id(id);
}

bool vcd_known_mac(u32 id)
{
	return !id || vcd_hash_find(id);
}

/* Those of which cryptodev-linux ignores the mac, as it is theirs already. */
bool vcd_is_aead(u32 id)
{
	return id == CRYPTO_AES_GCM || id == CRYPTO_AES_CCM ||
	       id == CRYPTO_TLS11_AES_CBC_HMAC_SHA1 ||
	       id == CRYPTO_TLS12_AES_CBC_HMAC_SHA256;
}

/* Whether the device's configuration names it. */
bool vcd_cipher_offered(struct vcd_device *d, const struct vcd_cipher *c)
{
	switch (c->kind) {
	case VCD_NULL:
		return true;
	case VCD_AEAD:
		return d->aeads & BIT(c->algo);
	case VCD_RSA:
		return d->akciphers & BIT(c->algo);
	default:
		return d->ciphers & BIT(c->algo);
	}
}

/* The cipher, or NULL if we do not know it or the device does not offer it. */
const struct vcd_cipher *vcd_cipher_find(struct vcd_device *d, u32 id)
{
	const struct vcd_cipher *c = vcd_cipher_by_id(id);

	return c && vcd_cipher_offered(d, c) ? c : NULL;
}

const struct vcd_hash *vcd_hash_find(u32 id)
{
	for (int i = 0; i < ARRAY_SIZE(vcd_hashes); i++)
		if (vcd_hashes[i].id == id)
			return &vcd_hashes[i];
	return NULL;
}

/* Whether the device's configuration names it. */
bool vcd_hash_offered(struct vcd_device *d, const struct vcd_hash *h)
{
	u32 mask = h->keyed ? READ_ONCE(d->macs) : READ_ONCE(d->hashes);

	return h->algo && (mask & BIT(h->algo));
}

bool vcd_key_ok(struct vcd_device *d, const struct vcd_cipher *c, u32 keylen)
{
	if (c->kind == VCD_NULL)
		return true;
	if (d->max_key && keylen > d->max_key)
		return false;
	for (int i = 0; i < ARRAY_SIZE(c->keys) && c->keys[i]; i++)
		if (c->keys[i] == keylen)
			return true;
	return false;
}

/* Whether the device takes a MAC's key of this length. Without one it has none. */
bool vcd_mackey_ok(struct vcd_device *d, u32 keylen)
{
	return keylen && keylen <= CRYPTO_HMAC_MAX_KEY_LEN &&
	       (!d->max_mackey || keylen <= d->max_mackey);
}
