// SPDX-License-Identifier: Apache-2.0

// Package e2e holds the end-to-end tests: real virtual machines under the
// QEMUs that this machine has, the binaries as they are shipped, the guest
// kernel of the distribution. "make test" provides what they need and runs
// them; VCRYPTO_TEST_ALL=1 adds the QEMUs and the length that "make test-all"
// asks for.
package e2e
