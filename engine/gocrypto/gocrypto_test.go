// SPDX-License-Identifier: Apache-2.0

package gocrypto

import (
	"testing"

	"vcrypto/engine"
	"vcrypto/engine/enginetest"
)

func TestConformance(t *testing.T) {
	enginetest.Run(t, func(testing.TB) engine.Engine { return New() })
}
