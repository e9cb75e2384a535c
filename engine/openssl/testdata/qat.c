// SPDX-License-Identifier: Apache-2.0

/*
 * Loaded before qatengine by TestQATEngine: says that the CPU will do, which
 * qatengine believes of those with Intel's name only, and reports each call of
 * the multi-buffer library with the number of its lanes in use.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>

#define LANES 8

typedef unsigned rsa_private(void **, void *, void *, void *, void *, void *, void *, int);

int qat_sw_cpu_support(void)
{
	return 1;
}

unsigned mbx_rsa_private_crt_ssl_mb8(void **from, void *to, void *p, void *q, void *dp, void *dq,
				     void *qi, int bits)
{
	static rsa_private *real;
	int n = 0;

	if (!real)
		real = (rsa_private *)dlsym(dlopen("libcrypto_mb.so.11", RTLD_NOW),
					    "mbx_rsa_private_crt_ssl_mb8");
	for (int i = 0; i < LANES; i++)
		n += from[i] != NULL;
	fprintf(stderr, "qat lanes %d\n", n);
	return real(from, to, p, q, dp, dq, qi, bits);
}
