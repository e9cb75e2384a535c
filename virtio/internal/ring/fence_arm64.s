// SPDX-License-Identifier: Apache-2.0

#include "textflag.h"

// DMB's option for the inner shareable domain, all accesses.
#define ISH $0xb

// func Fence()
TEXT ·Fence(SB), NOSPLIT, $0-0
	DMB ISH
	RET
