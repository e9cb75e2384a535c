// SPDX-License-Identifier: Apache-2.0

package virtiocrypto

import (
	"math"
	"testing"
)

// TestBoundlessRates: rates beyond all that is possible are as good as none.
func TestBoundlessRates(t *testing.T) {
	for _, r := range []Rates{
		{Requests: math.MaxInt},
		{Requests: math.MaxInt, RequestBurst: math.MaxInt},
		{Bytes: math.MaxInt, ByteBurst: math.MaxInt},
		{Requests: 1, RequestBurst: math.MaxInt, Bytes: math.MaxInt, ByteBurst: 1},
	} {
		if err := r.check(); err != nil {
			t.Fatal(err)
		}
		th := throttle{newLimits(r), 1}
		const most = 128
		for range 3 {
			if n, wait := th.Allow(most); n < 0 || n > most || n == 0 && wait <= 0 {
				t.Errorf("%+v: %d of %d requests, after %v", r, n, most, wait)
			}
			th.count(1, 64)
		}
	}
}
