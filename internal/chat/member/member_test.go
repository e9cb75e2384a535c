// SPDX-License-Identifier: Apache-2.0

package member_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"vcrypto/internal/chat/hub"
	"vcrypto/internal/chat/hub/natstest"
	"vcrypto/internal/chat/member"
	"vcrypto/internal/chat/relay"
	"vcrypto/internal/chat/room"
	"vcrypto/internal/chat/suite"
	"vcrypto/internal/chat/suite/suitetest"
	"vcrypto/internal/chat/transfer"
)

// patience is how long a test waits for what must happen.
const patience = 3 * time.Minute

const testRoom = "#room"

// startHub runs a hub; stop ends it before the test does.
func startHub(t testing.TB, nats string) (addr string, stop func()) {
	t.Helper()
	h, err := newHub(t, hub.Config{NATS: nats})
	if err != nil {
		t.Fatal(err)
	}
	return serve(t, h)
}

func newHub(t testing.TB, c hub.Config) (*hub.Hub, error) {
	c.Limits = hub.Limits{Posts: 1e6, PostsBurst: 1e6}
	c.Log = func(f string, a ...any) { t.Logf("hub: "+f, a...) }
	return hub.New(context.Background(), c)
}

func serve(t testing.TB, h *hub.Hub) (addr string, stop func()) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- h.Serve(ctx, l) }()
	stop = sync.OnceFunc(func() {
		cancel()
		<-done
		h.Close()
	})
	t.Cleanup(stop)
	return l.Addr().String(), stop
}

// user is a client whose events are kept.
type user struct {
	*member.Client
	t    testing.TB
	name string
	dir  string
	stop func()

	mu     sync.Mutex
	events []member.Event
}

// join starts a client and brings it into the room.
func join(t testing.TB, nick string, addrs ...string) *user {
	t.Helper()
	return joinIn(t, testRoom, nick, addrs...)
}

func joinIn(t testing.TB, in, nick string, addrs ...string) *user {
	t.Helper()
	key, err := room.NewKey([]byte("0123456789abcdef0123456789abcdef"))
	if err != nil {
		t.Fatal(err)
	}
	u := &user{t: t, name: nick, dir: t.TempDir()}
	u.Client, err = member.New(member.Config{Addrs: addrs, Key: key, Place: suitetest.All, Nick: nick, Files: u.dir, Show: func(e member.Event) {
		u.mu.Lock()
		defer u.mu.Unlock()
		if e.Type != member.Progress {
			u.events = append(u.events, e)
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- u.Run(ctx) }()
	u.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("%s: %v", nick, err)
		}
	})
	t.Cleanup(u.stop)
	t.Cleanup(func() {
		if t.Failed() {
			for _, s := range u.seen(func(e member.Event) bool { return e.Type != room.Sent }) {
				t.Logf("%s: %s", nick, s)
			}
		}
	})
	u.enter(in)
	return u
}

// enter brings a user into a room.
func (u *user) enter(in string) {
	u.t.Helper()
	if err := u.Join(in); err != nil {
		u.t.Fatal(err)
	}
	u.await(func(e member.Event) bool { return e.Type == member.Entered && e.Room == in }, "to be in "+in)
}

// met is who has a nick in a room, as soon as that is known.
func (u *user) met(in, nick string) room.ID {
	u.t.Helper()
	return u.await(func(e member.Event) bool { return e.Type == room.Came && e.Nick == nick && e.Room == in }, "for "+nick).Person
}

func show(e member.Event) string {
	return strings.TrimSpace(fmt.Sprintf("%s %s %s %s%s", e.Type, e.Nick, e.Text, e.File, e.Saved))
}

// seen returns the events that are wanted.
func (u *user) seen(want func(member.Event) bool) []string {
	u.mu.Lock()
	defer u.mu.Unlock()
	var all []string
	for _, e := range u.events {
		if want(e) {
			all = append(all, show(e))
		}
	}
	return all
}

func (u *user) find(want func(member.Event) bool) (member.Event, bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if i := slices.IndexFunc(u.events, want); i >= 0 {
		return u.events[i], true
	}
	return member.Event{}, false
}

// await waits for an event.
func (u *user) await(want func(member.Event) bool, what string) member.Event {
	u.t.Helper()
	for begin := time.Now(); ; time.Sleep(5 * time.Millisecond) {
		if e, ok := u.find(want); ok {
			return e
		}
		if time.Since(begin) > patience {
			u.t.Fatalf("%s waits %s", u.name, what)
		}
	}
}

func (u *user) hears(text string) {
	u.t.Helper()
	u.await(func(e member.Event) bool { return e.Text == text && !e.Own }, "to hear "+text)
}

func (u *user) knows(nicks ...string) {
	u.t.Helper()
	for _, n := range nicks {
		u.await(func(e member.Event) bool { return e.Type == room.Came && e.Nick == n }, "for "+n)
	}
}

func (u *user) say(text string) {
	u.t.Helper()
	if err := u.Say(u.t.Context(), testRoom, text); err != nil {
		u.t.Errorf("%s: %v", u.name, err)
	}
}

// heardAll waits until another has counted to the end, and fails unless all of
// it was shown, once and in order.
func (u *user) heardAll(from *user, each int) {
	u.t.Helper()
	u.hears(fmt.Sprintf("%s %d", from.name, each-1))
	var want []string
	for n := range each {
		want = append(want, fmt.Sprintf("message %s %s %d", from.name, from.name, n))
	}
	if got := u.seen(func(e member.Event) bool { return e.Type == room.Said && e.Nick == from.name }); !slices.Equal(got, want) {
		u.t.Errorf("%s heard %d messages of %s: %q", u.name, len(got), from.name, got)
	}
}

// noWarnings fails if something was wrong.
func (u *user) noWarnings() {
	u.t.Helper()
	if all := u.seen(func(e member.Event) bool { return e.Type == room.Warning }); len(all) > 0 {
		u.t.Errorf("%s was warned: %q", u.name, all)
	}
}

func TestTalk(t *testing.T) {
	t.Parallel()
	addr, _ := startHub(t, "")
	ann, bob := join(t, "ann", addr), join(t, "bob", addr)
	ann.knows("bob")
	bob.knows("ann")
	ann.say("hello bob")
	bob.hears("hello bob")
	if err := bob.Tell(t.Context(), testRoom, ann.ID(), "psst", false); err != nil {
		t.Fatal(err)
	}
	if e := ann.await(func(e member.Event) bool { return e.Type == room.Told }, "to be told"); e.Text != "psst" || e.Nick != "bob" {
		t.Errorf("ann was told %+v", e)
	}
	if err := ann.SetNick("anna"); err != nil {
		t.Fatal(err)
	}
	bob.await(func(e member.Event) bool { return e.Type == room.Renamed && e.Nick == "anna" && e.Old == "ann" }, "for the new nick")
	if err := ann.SetNick("bob"); err == nil {
		t.Error("ann took bob's nick")
	}
	if who, ignored, err := bob.Ignore(testRoom, "anna"); !ignored || err != nil || who.ID != ann.ID() {
		t.Error(who, ignored, err)
	}
	ann.say("do you hear me?")
	if err := ann.SetTopic(t.Context(), testRoom, "nothing"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := ann.Quit(ctx); err != nil {
		t.Error(err)
	}
	bob.await(func(e member.Event) bool { return e.Type == room.Went }, "for ann to leave")
	if _, heard := bob.find(func(e member.Event) bool { return e.Text == "do you hear me?" }); heard {
		t.Error("bob heard whom he ignores")
	}
	ann.noWarnings()
	bob.noWarnings()
}

// TestHubDies: what members say goes on over another hub, all of it, once, and
// in order.
func TestHubDies(t *testing.T) {
	t.Parallel()
	nats := natstest.Start(t, natstest.Options(t)).ClientURL()
	addrA, stopA := startHub(t, nats)
	addrB, _ := startHub(t, nats)
	ann, bob := join(t, "ann", addrA, addrB), join(t, "bob", addrB, addrA)
	cat := join(t, "cat", addrA, addrB)
	for _, u := range []*user{ann, bob, cat} {
		for _, n := range []string{"ann", "bob", "cat"} {
			if n != u.name {
				u.knows(n)
			}
		}
	}
	const each = 300
	var talking sync.WaitGroup
	for _, u := range []*user{ann, bob, cat} {
		talking.Go(func() {
			for n := range each {
				u.say(fmt.Sprintf("%s %d", u.name, n))
				if n == each/3 && u == ann {
					go stopA()
				}
			}
		})
	}
	talking.Wait()
	stopA()
	for _, u := range []*user{ann, bob, cat} {
		for _, from := range []*user{ann, bob, cat} {
			if from == u {
				continue
			}
			u.heardAll(from, each)
		}
		u.noWarnings()
	}
	if _, moved := ann.find(func(e member.Event) bool { return e.Type == member.Away }); !moved {
		t.Error("ann did not lose her hub: nothing was tested")
	}
}

// relayed puts a relay between a client and the hub, which may change what
// comes down.
func relayed(t testing.TB, hub string, bend func(*relay.Frame) []*relay.Frame) (addr string, cut func()) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	var mu sync.Mutex
	var conns []net.Conn
	cut = func() {
		mu.Lock()
		defer mu.Unlock()
		for _, c := range conns {
			c.Close()
		}
		conns = nil
	}
	go func() {
		for {
			down, err := l.Accept()
			if err != nil {
				return
			}
			up, err := net.Dial("tcp", hub)
			if err != nil {
				down.Close()
				continue
			}
			mu.Lock()
			conns = append(conns, up, down)
			mu.Unlock()
			go func() {
				defer up.Close()
				bufio.NewReader(down).WriteTo(up)
			}()
			go func() {
				defer down.Close()
				r := bufio.NewReader(up)
				if _, err := relay.ReadPreface(r); err != nil {
					return
				}
				down.Write(relay.Preface(relay.ID{}))
				for {
					f, err := relay.Read(r)
					if err != nil {
						return
					}
					for _, f := range bend(f) {
						down.Write(f.Append(nil))
					}
				}
			}()
		}
	}()
	return l.Addr().String(), cut
}

// TestMaliciousHub: bob's hub changes what comes to him. What he is shown is
// what was said, and a warning says what was done. (Package room's tests have
// all of the cases.)
func TestMaliciousHub(t *testing.T) {
	t.Parallel()
	good, _ := startHub(t, "")
	var mu sync.Mutex
	var held *relay.Frame
	var seen [][]byte
	mode := ""
	evil, _ := relayed(t, good, func(f *relay.Frame) []*relay.Frame {
		mu.Lock()
		defer mu.Unlock()
		// What ann says; her greetings are in the other suite.
		if e, err := relay.ParseEnvelope(f.Data); f.Type != relay.Message || err != nil || e.Suite != suite.GCM {
			if f.Type == relay.Message {
				seen = append(seen, f.Data)
			}
			return []*relay.Frame{f}
		}
		switch mode {
		case "replay":
			return []*relay.Frame{f, f}
		case "drop":
			mode = ""
			return nil
		case "reorder":
			if held == nil {
				held = f
				return nil
			}
			both := []*relay.Frame{f, held}
			held, mode = nil, ""
			return both
		case "swap": // the words of one in the name of another
			other := bytes.Clone(f.Data)
			for _, of := range seen {
				if !bytes.Equal(of[relay.IDSize:2*relay.IDSize], other[relay.IDSize:2*relay.IDSize]) {
					copy(other[relay.IDSize:2*relay.IDSize], of[relay.IDSize:])
					break
				}
			}
			return []*relay.Frame{f, {Type: relay.Message, Seq: f.Seq, Data: other}}
		}
		return []*relay.Frame{f}
	})
	bob := join(t, "bob", evil)
	ann := join(t, "ann", good)
	ann.knows("bob")
	bob.knows("ann")
	set := func(m string) {
		mu.Lock()
		defer mu.Unlock()
		mode = m
	}
	warned := func(p room.Problem) {
		t.Helper()
		bob.await(func(e member.Event) bool { return e.Type == room.Warning && e.Problem == p }, "for the warning "+string(p))
	}
	ann.say("one")
	bob.hears("one")
	bob.noWarnings()
	set("replay")
	ann.say("two")
	warned(room.Replayed)
	set("swap")
	ann.say("three")
	warned(room.Forged)
	set("reorder")
	ann.say("four")
	ann.say("five")
	warned(room.Disorder)
	set("drop")
	ann.say("six")
	time.Sleep(10 * time.Millisecond)
	ann.say("seven")
	warned(room.Missing)
	bob.hears("seven")
	said := bob.seen(func(e member.Event) bool { return e.Type == room.Said && !e.Own })
	if want := []string{"message ann one", "message ann two", "message ann three", "message ann four", "message ann five", "message ann seven"}; !slices.Equal(said, want) {
		t.Errorf("bob heard %q, expected %q", said, want)
	}
}

// TestFile: offered, accepted, cut in the middle, gone on with, checked; under
// a name that does no harm.
func TestFile(t *testing.T) {
	t.Parallel()
	addr, _ := startHub(t, "")
	var mu sync.Mutex
	blocks := 0
	cutAt := 30
	var cut func()
	evil, cut := relayed(t, addr, func(f *relay.Frame) []*relay.Frame {
		mu.Lock()
		defer mu.Unlock()
		if f.Type == relay.Direct {
			if blocks++; blocks == cutAt {
				go cut()
			}
		}
		return []*relay.Frame{f}
	})
	ann, bob := join(t, "ann", addr), join(t, "bob", evil)
	cat := join(t, "cat", addr)
	ann.knows("bob", "cat")
	bob.knows("ann")
	cat.knows("ann")
	content := make([]byte, 3<<20+17)
	rand.Read(content)
	path := filepath.Join(t.TempDir(), "..-photo \x1b[1m.jpg")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := ann.Send(t.Context(), testRoom, bob.ID(), path); err != nil {
		t.Fatal(err)
	}
	offer := bob.await(func(e member.Event) bool { return e.Type == room.Offered }, "for the offer")
	if offer.Size != int64(len(content)) || offer.Nick != "ann" {
		t.Errorf("bob was offered %+v", offer)
	}
	if names, _ := os.ReadDir(bob.dir); len(names) != 0 {
		t.Errorf("bob has %v before he said yes", names)
	}
	if err := os.WriteFile(filepath.Join(bob.dir, "photo _x1b[1m.jpg"), []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := bob.Accept(offer.Offer); err != nil {
		t.Fatal(err)
	}
	end := bob.await(func(e member.Event) bool { return e.Type == member.File }, "for the file")
	got, err := os.ReadFile(end.Saved)
	if err != nil || !bytes.Equal(got, content) {
		t.Errorf("%+v: %d bytes came, %v", end, len(got), err)
	}
	if name := filepath.Base(end.Saved); filepath.Dir(end.Saved) != bob.dir || name != transfer.FileName(filepath.Base(path)) || strings.ContainsAny(name, "\x1b/\\") || name[0] == '.' {
		t.Errorf("it was saved as %q", end.Saved)
	}
	if _, away := bob.find(func(e member.Event) bool { return e.Type == member.Away }); !away {
		t.Error("bob's connection was not cut: nothing was tested")
	}
	if _, offered := cat.find(func(e member.Event) bool { return e.Type == room.Offered }); offered {
		t.Error("cat was offered bob's file")
	}
	bob.noWarnings()
}

// TestFileResumes: in another session, from where it stopped; a name that is
// taken is left alone; what is not the file that was offered is refused.
func TestFileResumes(t *testing.T) {
	t.Parallel()
	addr, _ := startHub(t, "")
	ann, bob := join(t, "ann", addr), join(t, "bob", addr)
	ann.knows("bob")
	bob.knows("ann")
	content := make([]byte, 200_000)
	rand.Read(content)
	path := filepath.Join(t.TempDir(), "notes.txt")
	os.WriteFile(path, content, 0o600)
	os.WriteFile(filepath.Join(bob.dir, "notes.txt"), []byte("mine"), 0o600)
	offer := func(n int) member.Event {
		if err := ann.Send(t.Context(), testRoom, room.ID{}, path); err != nil {
			t.Fatal(err)
		}
		return bob.await(func(e member.Event) bool { return e.Type == room.Offered && e.Offer == n }, "for the offer")
	}
	accept := func(o member.Event) member.Event {
		if err := bob.Accept(o.Offer); err != nil {
			t.Fatal(err)
		}
		return bob.await(func(e member.Event) bool { return e.Type == member.File && e.Offer == o.Offer }, "for the file")
	}
	first := offer(1)
	part := member.PartName(content)
	os.WriteFile(filepath.Join(bob.dir, part), content[:100_000], 0o600)
	end := accept(first)
	if got, err := os.ReadFile(end.Saved); err != nil || !bytes.Equal(got, content) || filepath.Base(end.Saved) != "notes-1.txt" {
		t.Errorf("%+v: %d bytes, %v", end, len(got), err)
	}
	if mine, _ := os.ReadFile(filepath.Join(bob.dir, "notes.txt")); string(mine) != "mine" {
		t.Errorf("bob's own file is %q", mine)
	}
	// What lies there is not the beginning of the file.
	second := offer(2)
	os.WriteFile(filepath.Join(bob.dir, part), make([]byte, 100_000), 0o600)
	if end = accept(second); end.Saved != "" || !strings.Contains(end.Text, "SHA-256") {
		t.Errorf("%+v", end)
	}
	if _, err := os.Stat(filepath.Join(bob.dir, part)); err == nil {
		t.Error("what was wrong is still there")
	}
	third := offer(3)
	if err := bob.Decline(third.Offer); err != nil {
		t.Error(err)
	}
	if err := bob.Accept(third.Offer); err == nil {
		t.Error("bob took what he had declined")
	}
}
