// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"vcrypto/internal/chat/hub/natstest"
	"vcrypto/internal/chat/relay"
	"vcrypto/internal/chat/suite"
)

// patience is how long a test waits for what must happen.
const patience = 2 * time.Minute

// start runs a hub and returns its address. stop ends it before the test does.
func start(t testing.TB, c Config) (h *Hub, addr string, stop func()) {
	t.Helper()
	c.Log = func(format string, args ...any) { t.Logf("hub: "+format, args...) }
	h, err := New(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- h.Serve(ctx, l) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		h.Close()
	})
	t.Cleanup(stop)
	return h, l.Addr().String(), stop
}

// peer is a client of the test.
type peer struct {
	t    testing.TB
	id   relay.ID
	conn net.Conn
	r    *bufio.Reader
}

var (
	testRoom = relay.ID{'r', 'o', 'o', 'm'}
	ids      byte
)

func connect(t testing.TB, addr string) *peer {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(patience))
	ids++
	p := &peer{t, relay.ID{'m', ids}, conn, bufio.NewReader(conn)}
	conn.Write(relay.Preface(p.id))
	if _, err := relay.ReadPreface(p.r); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *peer) send(f relay.Frame) { p.conn.Write(f.Append(nil)) }

// receive waits for a frame of a type; no other may come before it.
func (p *peer) receive(want relay.Type) *relay.Frame {
	p.t.Helper()
	f, err := relay.Read(p.r)
	if err != nil || f.Type != want {
		p.t.Fatalf("received %+v, %v; expected a frame of type %d", f, err, want)
	}
	return f
}

func (p *peer) join(room relay.ID) *relay.Frame {
	p.t.Helper()
	p.send(relay.Frame{Type: relay.Join, Room: room, Data: []byte("label of " + room.String())})
	return p.receive(relay.Joined)
}

// envelope makes one that looks right to a hub.
func (p *peer) envelope(room relay.ID, seq uint64, text string) []byte {
	e := relay.Envelope{Room: room, Sender: p.id, Seq: seq, Suite: suite.CBC}
	b := e.Head(nil)
	return append(b, append([]byte(text), make([]byte, suite.CBC.SealedSize(len(text))-len(text))...)...)
}

func (p *peer) post(seq uint64, text string) {
	p.send(relay.Frame{Type: relay.Post, Data: p.envelope(testRoom, seq, text)})
}

// hears waits for a message with a text, and returns its number.
func (p *peer) hears(text string) uint64 {
	p.t.Helper()
	f := p.receive(relay.Message)
	if e, err := relay.ParseEnvelope(f.Data); err != nil || !bytes.HasPrefix(e.Sealed, []byte(text+"\x00")) {
		p.t.Fatalf("heard %q, %v; expected %q", e.Sealed, err, text)
	}
	return f.Seq
}

// lists waits until so many rooms are listed: hubs take a moment to tell each
// other.
func (p *peer) lists(want int) *relay.Frame {
	p.t.Helper()
	for begin := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		p.send(relay.Frame{Type: relay.List})
		f := p.receive(relay.Rooms)
		if len(f.Rooms) == want {
			return f
		}
		if time.Since(begin) > patience {
			p.t.Fatalf("%d rooms are listed, expected %d", len(f.Rooms), want)
		}
	}
}

func TestRoom(t *testing.T) {
	_, addr, _ := start(t, Config{})
	ann, bob, cat := connect(t, addr), connect(t, addr), connect(t, addr)
	ann.join(testRoom)
	bob.join(testRoom)
	other := relay.ID{'o'}
	cat.join(other)
	ann.post(0, "one")
	bob.post(0, "two")
	for _, p := range []*peer{ann, bob} {
		heard := map[bool]int{}
		for range 2 {
			f := p.receive(relay.Message)
			heard[bytes.Contains(f.Data, []byte("one"))]++
		}
		if heard[true] != 1 || heard[false] != 1 {
			t.Errorf("heard %v", heard)
		}
	}
	// The same again is taken once.
	ann.post(0, "one")
	ann.post(1, "three")
	bob.hears("three")
	// To one member, from anywhere.
	cat.send(relay.Frame{Type: relay.Direct, To: bob.id, Data: cat.envelope(other, 0, "psst")})
	if f := bob.receive(relay.Direct); !bytes.Contains(f.Data, []byte("psst")) {
		t.Errorf("received %q", f.Data)
	}
	cat.lists(2)
	bob.send(relay.Frame{Type: relay.Part, Room: testRoom})
	bob.send(relay.Frame{Type: relay.Ping})
	bob.receive(relay.Pong)
	ann.post(2, "is bob there?")
	ann.hears("three")
	ann.hears("is bob there?")
	bob.send(relay.Frame{Type: relay.Ping})
	bob.receive(relay.Pong) // and nothing before it
	// What was said before somebody came is not theirs.
	dan := connect(t, addr)
	dan.join(testRoom)
	ann.post(3, "hello dan")
	dan.hears("hello dan")
}

// TestResume: who comes back is given what came since, once.
func TestResume(t *testing.T) {
	_, addr, _ := start(t, Config{})
	ann, bob := connect(t, addr), connect(t, addr)
	ann.join(testRoom)
	joined := bob.join(testRoom)
	ann.post(0, "one")
	seq := bob.hears("one")
	bob.conn.Close()
	for n := range uint64(20) {
		ann.post(n+1, fmt.Sprint("more ", n))
	}
	ann.hears("one")
	for n := range uint64(20) {
		ann.hears(fmt.Sprint("more ", n))
	}
	bob = connect(t, addr)
	bob.send(relay.Frame{Type: relay.Join, Room: testRoom, Stream: joined.Stream, Seq: seq})
	for n := range uint64(20) {
		bob.hears(fmt.Sprint("more ", n))
	}
	if f := bob.receive(relay.Joined); f.Lost || f.Seq <= seq {
		t.Errorf("came back to %+v", f)
	}
	ann.post(21, "and now")
	bob.hears("and now")
	// A number of another stream means nothing here.
	bob.send(relay.Frame{Type: relay.Join, Room: testRoom, Stream: joined.Stream + 1, Seq: 3})
	if f := bob.receive(relay.Joined); !f.Lost {
		t.Errorf("came back to %+v", f)
	}
}

// TestTwoHubs: one network of rooms; a client goes from one to the other.
func TestTwoHubs(t *testing.T) {
	url := natstest.Start(t, natstest.Options(t)).ClientURL()
	_, addrA, stopA := start(t, Config{NATS: url})
	_, addrB, _ := start(t, Config{NATS: url})
	ann, bob := connect(t, addrA), connect(t, addrB)
	joined := ann.join(testRoom)
	bob.join(testRoom)
	ann.post(0, "from one hub")
	bob.hears("from one hub")
	seq := ann.hears("from one hub")
	bob.send(relay.Frame{Type: relay.Direct, To: ann.id, Data: bob.envelope(testRoom, 0, "psst")})
	ann.receive(relay.Direct)
	other := connect(t, addrB)
	other.join(relay.ID{'o'})
	ann.lists(2)

	stopA()
	if f := ann.receive(relay.Closing); f.Code != relay.CodeShutdown {
		t.Errorf("received %+v", f)
	}
	bob.post(0, "where are you?")
	bob.hears("where are you?")
	again := connect(t, addrB)
	again.id = ann.id
	again.send(relay.Frame{Type: relay.Join, Room: testRoom, Stream: joined.Stream, Seq: seq})
	again.hears("where are you?")
	if f := again.receive(relay.Joined); f.Lost {
		t.Error("something was lost")
	}
	again.post(0, "from one hub") // it did not know that this had arrived
	again.post(1, "here")
	bob.hears("here")
}

// TestFlood: who posts without end is slowed down, and nobody else is.
func TestFlood(t *testing.T) {
	h, addr, _ := start(t, Config{Limits: Limits{Posts: 20, PostsBurst: 5}})
	begin := time.Now()
	flood, ann, bob := connect(t, addr), connect(t, addr), connect(t, addr)
	flood.join(relay.ID{'f'})
	ann.join(testRoom)
	bob.join(testRoom)
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		for n := uint64(0); ; n++ {
			f := relay.Frame{Type: relay.Post, Data: flood.envelope(relay.ID{'f'}, n, "flood")}
			if _, err := flood.conn.Write(f.Append(nil)); err != nil {
				return
			}
		}
	}()
	for n := range uint64(10) {
		ann.post(n, fmt.Sprint(n))
		bob.hears(fmt.Sprint(n))
	}
	flood.conn.Close()
	<-stopped
	most := 5 + 20*time.Since(begin).Seconds() // what the limit lets through, and what ann said
	if n := h.position.Load(); float64(n) > most+20 {
		t.Errorf("%d messages got through, at most %.0f may", n, most)
	}
}

// TestSlowReader: who does not read is dropped, and holds nobody up.
func TestSlowReader(t *testing.T) {
	h, addr, _ := start(t, Config{Limits: Limits{Posts: 1e6, PostsBurst: 1e6, Queue: 256 << 10, Write: patience}})
	slow, ann := connect(t, addr), connect(t, addr)
	slow.conn.(*net.TCPConn).SetReadBuffer(4 << 10)
	slow.join(testRoom)
	ann.join(testRoom)
	text := string(bytes.Repeat([]byte("x"), 16<<10))
	for n := uint64(0); h.Clients() > 1; n++ {
		ann.post(n, text)
		ann.hears(text)
		if n > 10_000 {
			t.Fatal("the slow reader is never dropped")
		}
	}
	ann.post(1e6, "still here")
	ann.hears("still here")
}

// TestHalfOpen: who says nothing, or half of something, is dropped.
func TestHalfOpen(t *testing.T) {
	h, addr, _ := start(t, Config{Limits: Limits{Greet: 50 * time.Millisecond, Idle: 100 * time.Millisecond}})
	for _, says := range [][]byte{nil, relay.Preface(relay.ID{})[:5], []byte("GET / HTTP/1.1\r\n\r\n"), relay.Preface(relay.ID{1}), append(relay.Preface(relay.ID{1}), 0, 0)} {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conn.Write(says)
		conn.SetReadDeadline(time.Now().Add(patience))
		if _, err := io.Copy(io.Discard, conn); err != nil {
			if e, ok := err.(net.Error); ok && e.Timeout() {
				t.Errorf("%q: the hub does not hang up", says)
			}
		}
	}
	for begin := time.Now(); h.Clients() > 0; time.Sleep(5 * time.Millisecond) {
		if time.Since(begin) > patience {
			t.Fatalf("%d clients are still there", h.Clients())
		}
	}
}

// TestRudeFrames: each ends its sender, and nobody else.
func TestRudeFrames(t *testing.T) {
	_, addr, _ := start(t, Config{})
	ann := connect(t, addr)
	ann.join(testRoom)
	for name, b := range map[string][]byte{
		"oversized":           {0xff, 0xff, 0xff, 0xff, 3},
		"empty":               {0, 0, 0, 0},
		"unknown":             {0, 0, 0, 1, 99},
		"a hub's":             (&relay.Frame{Type: relay.Pong}).Append(nil),
		"no envelope":         (&relay.Frame{Type: relay.Post, Data: []byte("hello")}).Append(nil),
		"a room it is not in": (&relay.Frame{Type: relay.Post, Data: ann.envelope(relay.ID{'x'}, 0, "x")}).Append(nil),
		"direct, no envelope": (&relay.Frame{Type: relay.Direct, Data: []byte("x")}).Append(nil),
	} {
		rude := connect(t, addr)
		rude.conn.Write(b)
		if f, err := relay.Read(rude.r); err == nil {
			t.Errorf("%s: the hub said %+v", name, f)
		}
	}
	ann.post(0, "still here")
	ann.hears("still here")
}

func TestFull(t *testing.T) {
	_, addr, _ := start(t, Config{Limits: Limits{Clients: 1, Rooms: 1}})
	ann := connect(t, addr)
	ann.join(testRoom)
	ann.send(relay.Frame{Type: relay.Join, Room: relay.ID{'x'}})
	if f := ann.receive(relay.Refused); f.Code != relay.CodeFull || f.Room != (relay.ID{'x'}) {
		t.Errorf("received %+v", f)
	}
	late := connect(t, addr)
	if f := late.receive(relay.Closing); f.Code != relay.CodeFull {
		t.Errorf("received %+v", f)
	}
}
