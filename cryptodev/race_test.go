// SPDX-License-Identifier: Apache-2.0

//go:build race

package cryptodev_test

// The race detector makes sync.Pool forget now and then.
const raceEnabled = true
