// SPDX-License-Identifier: Apache-2.0

//go:build !race

package cryptodev_test

const raceEnabled = false
