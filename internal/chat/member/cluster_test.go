// SPDX-License-Identifier: Apache-2.0

package member_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/nats-io/nats-server/v2/server"

	"vcrypto/internal/chat/hub"
	"vcrypto/internal/chat/hub/natstest"
	"vcrypto/internal/chat/member"
	"vcrypto/internal/chat/room"
)

// TestCluster: two hubs on a cluster of three servers that all keep the
// stream are one network of rooms. When the server ends that leads the stream,
// all that is said arrives, once and in order.
func TestCluster(t *testing.T) {
	t.Parallel()
	servers := natstest.Cluster(t, 3)
	config := hub.Config{NATS: natstest.URLs(servers), Replicas: len(servers)}
	var hubs [2]*hub.Hub
	var errs [2]error
	var starting sync.WaitGroup
	for i := range hubs { // at once: who makes the stream is open
		starting.Go(func() { hubs[i], errs[i] = newHub(t, config) })
	}
	starting.Wait()
	if err := errors.Join(errs[:]...); err != nil {
		t.Fatal(err)
	}
	addrA, _ := serve(t, hubs[0])
	addrB, _ := serve(t, hubs[1])
	ann, bob := join(t, "ann", addrA, addrB), join(t, "bob", addrB, addrA)
	ann.knows("bob")
	bob.knows("ann")
	const each = 60
	var talking sync.WaitGroup
	for _, u := range []*user{ann, bob} {
		talking.Go(func() {
			for n := range each {
				u.say(fmt.Sprintf("%s %d", u.name, n))
				if n == each/3 && u == ann {
					natstest.Stop(leader(t, servers))
				}
			}
		})
	}
	talking.Wait()
	for _, u := range []*user{ann, bob} {
		from := ann
		if u == ann {
			from = bob
		}
		u.heardAll(from, each)
		// What was under way when the leader ended may be overtaken by what was
		// said after it, and is put right.
		if all := u.seen(func(e member.Event) bool { return e.Type == room.Warning && e.Problem != room.Disorder }); len(all) > 0 {
			t.Errorf("%s was warned: %q", u.name, all)
		}
	}
}

// leader is the server that leads the hubs' stream.
func leader(t testing.TB, servers []*server.Server) *server.Server {
	t.Helper()
	for _, s := range servers {
		if s.JetStreamIsStreamLeader(server.DEFAULT_GLOBAL_ACCOUNT, hub.Stream) {
			return s
		}
	}
	t.Error("no server leads the stream")
	return servers[0]
}
