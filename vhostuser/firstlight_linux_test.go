// SPDX-License-Identifier: Apache-2.0

package vhostuser

import "testing"

func TestFirstLight(t *testing.T) {
	r := newRig(t, nil)
	r.negotiate()
	m := r.memory(testMemory, testGuestAddr)
	r.must(r.fe.ShareMemory(m))
	q := r.start(m, 0)
	for range 100 {
		q.roundTrip()
	}
	r.fe.Close()
	if err := r.wait(); err != nil {
		t.Error(err)
	}
}
