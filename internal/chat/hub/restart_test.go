// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"net"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"vcrypto/internal/chat/hub/natstest"
	"vcrypto/internal/chat/relay"
)

// TestNATSRestarts: with a cluster that comes back without what it kept, hubs
// go on.
func TestNATSRestarts(t *testing.T) {
	run := func(port int) *server.Server {
		o := natstest.Options(t)
		o.Port = port
		return natstest.Start(t, o)
	}
	s := run(server.RANDOM_PORT)
	_, addr, _ := start(t, Config{NATS: s.ClientURL()})
	ann := connect(t, addr)
	joined := ann.join(testRoom)
	ann.post(0, "one")
	ann.hears("one")
	port := s.Addr().(*net.TCPAddr).Port
	natstest.Stop(s)
	for begin := time.Now(); ; time.Sleep(50 * time.Millisecond) { // who comes is sent to another hub
		if time.Since(begin) > patience {
			t.Fatal("the hub takes clients that it can do nothing for")
		}
		bob := connect(t, addr)
		bob.send(relay.Frame{Type: relay.Join, Room: testRoom})
		f, err := relay.Read(bob.r)
		bob.conn.Close()
		if err == nil && f.Type == relay.Closing && f.Code == relay.CodeTrouble {
			break
		}
	}
	run(port)
	for begin := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		if time.Since(begin) > patience {
			t.Fatal("the hub does not go on")
		}
		bob := connect(t, addr)
		bob.send(relay.Frame{Type: relay.Join, Room: testRoom, Stream: joined.Stream, Seq: 1})
		f, err := relay.Read(bob.r)
		if err != nil || f.Type != relay.Joined || f.Stream == joined.Stream {
			bob.conn.Close()
			continue // NATS is away, or the hub does not know yet what it lost
		}
		if !f.Lost {
			t.Error("nothing was lost, says the hub")
		}
		bob.post(1, "two")
		f, err = relay.Read(bob.r)
		if err == nil && f.Type == relay.Message {
			break
		}
		bob.conn.Close() // clients are dropped when it finds out
	}
}
