// SPDX-License-Identifier: Apache-2.0

//go:build !race

package virtiocrypto_test

const raceDetector = false
