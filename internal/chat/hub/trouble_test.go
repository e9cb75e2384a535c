// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"

	"vcrypto/internal/chat/relay"
)

// slowStream is a stream whose state is asked for.
type slowStream struct {
	jetstream.Stream
	asked func() error
}

func (s slowStream) Info(ctx context.Context, o ...jetstream.StreamInfoOpt) (*jetstream.StreamInfo, error) {
	if err := s.asked(); err != nil {
		return nil, err
	}
	return s.Stream.Info(ctx, o...)
}

// TestStreamIsAskedUnlocked: a client that makes the hub ask the stream, which
// may take long, keeps no room from anybody; and if the stream does not answer
// the client is sent to another hub, not told that nothing was lost.
func TestStreamIsAskedUnlocked(t *testing.T) {
	h, err := New(context.Background(), Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	var asked, locked atomic.Int32
	var broken atomic.Bool
	h.bus.stream = slowStream{h.bus.stream, func() error {
		asked.Add(1)
		h.mu.RLock()
		r := h.rooms[testRoom]
		h.mu.RUnlock()
		if !r.mu.TryLock() {
			locked.Add(1)
		} else {
			r.mu.Unlock()
		}
		if broken.Load() {
			return errors.New("no answer")
		}
		return nil
	}}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- h.Serve(ctx, l) }()
	defer func() { cancel(); <-done }()

	p := connect(t, l.Addr().String())
	joined := p.join(testRoom)
	p.send(relay.Frame{Type: relay.Join, Room: testRoom, Stream: joined.Stream, Seq: 1 << 62})
	if f := p.receive(relay.Joined); !f.Lost {
		t.Error("a number that never was is known")
	}
	if asked.Load() == 0 || locked.Load() > 0 {
		t.Errorf("the stream was asked %d times, %d of them with the room locked", asked.Load(), locked.Load())
	}
	broken.Store(true)
	p.send(relay.Frame{Type: relay.Join, Room: testRoom, Stream: joined.Stream, Seq: joined.Seq})
	if f := p.receive(relay.Closing); f.Code != relay.CodeTrouble {
		t.Errorf("received %+v", f)
	}
}

// TestBlocksLeaveRoom: blocks, which may be lost, do not have a client dropped
// by what may not.
func TestBlocksLeaveRoom(t *testing.T) {
	h := &Hub{limits: Limits{Queue: 100_000}.complete()}
	conn, other := net.Pipe()
	defer conn.Close()
	defer other.Close()
	c := newClient(h, conn, relay.ID{}) // nothing is written
	for range 1000 {
		c.send(make([]byte, 1000), true)
	}
	for range 20 {
		c.send(make([]byte, 1000), false)
	}
	if c.ended() {
		t.Error("the client was dropped")
	}
	for range 100 {
		c.send(make([]byte, 1000), false)
	}
	if !c.ended() || c.queued > h.limits.Queue {
		t.Errorf("%d bytes are queued", c.queued)
	}
}

// TestEmbeddedDoesNotListen: the server inside has no port.
func TestEmbeddedDoesNotListen(t *testing.T) {
	h, err := New(t.Context(), Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	for what, addr := range map[string]net.Addr{"clients": h.bus.own.Addr(), "monitoring": monitorAddr(h.bus.own), "a cluster": clusterAddr(h.bus.own)} {
		if addr != nil {
			t.Errorf("it listens for %s at %s", what, addr)
		}
	}
}

func monitorAddr(s *server.Server) net.Addr {
	if a := s.MonitorAddr(); a != nil {
		return a
	}
	return nil
}

func clusterAddr(s *server.Server) net.Addr {
	if a := s.ClusterAddr(); a != nil {
		return a
	}
	return nil
}

// TestNoSecretsInErrors: a URL may have a password, which is not for the log.
func TestNoSecretsInErrors(t *testing.T) {
	for _, url := range []string{"nats://ann:hunter2@127.0.0.1:1", "nats://hunter2@127.0.0.1:1", "hunter2@127.0.0.1:1", "nats://127.0.0.1:1, nats://a:hunter2@127.0.0.1:2", "nats://a:hun@ter2hunter2@127.0.0.1:1"} {
		_, err := New(t.Context(), Config{NATS: url})
		if err == nil || strings.Contains(err.Error(), "hunter2") || !strings.Contains(err.Error(), "127.0.0.1") {
			t.Errorf("%s: %v", url, err)
		}
	}
}
