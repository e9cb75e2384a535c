// SPDX-License-Identifier: Apache-2.0

#include "textflag.h"

// func Fence()
//
// A locked operation is a full barrier on x86 and quicker than MFENCE.
TEXT ·Fence(SB), NOSPLIT, $8-0
	LOCK
	ADDL $0, 0(SP)
	RET
