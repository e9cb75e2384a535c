// SPDX-License-Identifier: Apache-2.0

package ring

// swapIsFence: an atomic swap is a full barrier, for plain accesses too. XCHG
// locks.
const swapIsFence = true
