// SPDX-License-Identifier: Apache-2.0

//go:build race

package virtiocrypto_test

const raceDetector = true // it makes things escape to the heap that otherwise do not
