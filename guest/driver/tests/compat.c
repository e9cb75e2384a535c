// SPDX-License-Identifier: GPL-2.0
/*
 * 32-bit callers. A 64-bit x86 program can be one: int 0x80 enters the kernel
 * by the 32-bit system calls, if all it names lies below 4 GiB.
 */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "aes_ref.h"
#include "harness.h"

#ifdef __x86_64__

#define NR_IOCTL_32 54

struct session_op32 {
	uint32_t cipher, mac, keylen, key, mackeylen, mackey, ses;
};

struct crypt_op32 {
	uint32_t ses;
	uint16_t op, flags;
	uint32_t len, src, dst, mac, iv;
};

#define CIOCGSESSION32	_IOWR('c', 102, struct session_op32)
#define CIOCCRYPT32	_IOWR('c', 104, struct crypt_op32)

static int ioctl32(int fd, uint32_t cmd, const void *arg)
{
	long rc;

	__asm__ volatile("int $0x80" : "=a"(rc)
			 : "a"(NR_IOCTL_32), "b"((long)fd), "c"((long)cmd), "d"(arg)
			 : "memory", "r8", "r9", "r10", "r11");
	rc = (int)rc;
	if (rc < 0) {
		errno = -rc;
		return -1;
	}
	return rc;
}

/* All that is named by 32-bit pointers. */
struct low {
	struct session_op32 sop;
	struct crypt_op32 cop;
	struct session_info_op siop;
	uint32_t word;
	uint8_t key[16], iv[16], in[1024], out[1024];
};

#define LOW(p) ((uint32_t)(uintptr_t)(p))

int main(int argc, char **argv)
{
	uint8_t want[1024], iv[16];
	struct aes_ref a;

	setup(argc, argv);
	int fd = open_node();
	struct low *m = mmap(NULL, sizeof(*m), PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);

	if (m == MAP_FAILED)
		die("no memory below 4 GiB");
	ok_errno(ioctl32(fd, CIOCASYMFEAT, &m->word), 0, "CIOCASYMFEAT (else the kernel has no 32-bit calls)");

	fill(m->key, 16, 1);
	fill(m->iv, 16, 2);
	fill(m->in, 1024, 3);
	memcpy(iv, m->iv, 16);
	aes_ref_key(&a, m->key, 16);
	aes_ref_cbc(&a, iv, m->in, want, 1024);

	m->sop = (struct session_op32){ .cipher = CRYPTO_AES_CBC, .keylen = 16, .key = LOW(m->key) };
	ok_errno(ioctl32(fd, CIOCGSESSION32, &m->sop), 0, "CIOCGSESSION");
	ok(m->sop.key == LOW(m->key) && m->sop.keylen == 16, "only the id was written");
	m->cop = (struct crypt_op32){
		.ses = m->sop.ses, .op = COP_ENCRYPT, .flags = COP_FLAG_WRITE_IV, .len = 1024,
		.src = LOW(m->in), .dst = LOW(m->out), .iv = LOW(m->iv),
	};
	ok(!ioctl32(fd, CIOCCRYPT32, &m->cop) && !memcmp(m->out, want, 1024), "CIOCCRYPT encrypts");
	ok(!memcmp(m->iv, iv, 16), "and writes the IV");
	fill(m->iv, 16, 2);
	m->cop.op = COP_DECRYPT;
	m->cop.src = m->cop.dst;
	ok(!ioctl32(fd, CIOCCRYPT32, &m->cop) && !memcmp(m->out, m->in, 1024), "CIOCCRYPT decrypts in place");
	m->siop.ses = m->sop.ses;
	ok(!ioctl32(fd, CIOCGSESSINFO, &m->siop) && !strcmp(m->siop.cipher_info.cra_name, "cbc(aes)"),
	   "CIOCGSESSINFO");
	m->cop.src = 0;
	ok_errno(ioctl32(fd, CIOCCRYPT32, &m->cop), EFAULT, "CIOCCRYPT from NULL");
	m->word = m->sop.ses;
	ok_errno(ioctl32(fd, CIOCFSESSION, &m->word), 0, "CIOCFSESSION");
	ok_errno(ioctl32(fd, CIOCCRYPT32, &m->cop), EINVAL, "after which the session is unknown");
	m->sop.keylen = 17;
	ok_errno(ioctl32(fd, CIOCGSESSION32, &m->sop), EINVAL, "a key of 17 bytes");
	ok_errno(ioctl32(fd, CIOCGSESSION32, NULL), EFAULT, "CIOCGSESSION of NULL");
	ok_errno(ioctl32(fd, CIOCKEY, m->out), EINVAL, "CIOCKEY");
	ok_errno(ioctl32(fd, CRIOGET, &m->word), cuse ? EINVAL : 0, "CRIOGET");
	return finish();
}

#else

int main(int argc, char **argv)
{
	setup(argc, argv);
	skip("32-bit calls are made on x86-64 only");
	return finish();
}

#endif
