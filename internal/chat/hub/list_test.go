// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"testing"
	"time"

	"vcrypto/internal/chat/hub/natstest"
	"vcrypto/internal/chat/relay"
)

// TestStrangersDoNotCrowd: whoever makes many rooms has none of those left out
// of a list that others are in, at this hub or at another.
func TestStrangersDoNotCrowd(t *testing.T) {
	url := natstest.Start(t, natstest.Options(t)).ClientURL()
	hub := Config{NATS: url, Limits: Limits{Posts: 1e6, PostsBurst: 1e6}}
	_, addrA, _ := start(t, hub)
	_, addrB, _ := start(t, hub)
	made := 0
	for _, addr := range []string{addrA, addrB} {
		for range 5 {
			p := connect(t, addr)
			for range 25 {
				made++
				p.join(relay.ID{0, byte(made)})
			}
		}
	}
	ours := []relay.ID{{0xff, 1}, {0xff, 2}}
	ann, bob := connect(t, addrA), connect(t, addrB)
	ann.join(ours[0])
	bob.join(ours[1])
	for _, p := range []*peer{ann, bob} {
		for begin := time.Now(); ; time.Sleep(10 * time.Millisecond) { // hubs take a moment to tell each other
			f := p.lists(relay.MaxListed)
			have := map[relay.ID]bool{}
			for _, l := range f.Rooms {
				have[l.Room] = true
			}
			if have[ours[0]] && have[ours[1]] && int(f.More) == made+len(ours)-relay.MaxListed {
				break
			}
			if time.Since(begin) > patience {
				t.Fatalf("of %d rooms %d are listed, and %d more; ours %v, %v", made+len(ours), len(f.Rooms), f.More, have[ours[0]], have[ours[1]])
			}
		}
	}
}
