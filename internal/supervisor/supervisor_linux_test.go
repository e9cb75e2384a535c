// SPDX-License-Identifier: Apache-2.0

package supervisor

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// patience is how long a test waits for what must happen.
const patience = 2 * time.Minute

// records keeps what is logged.
type records struct {
	mu    sync.Mutex
	lines []string
}

func (r *records) Enabled(context.Context, slog.Level) bool { return true }
func (r *records) WithGroup(string) slog.Handler            { return r }
func (r *records) WithAttrs([]slog.Attr) slog.Handler       { return r }
func (r *records) Handle(_ context.Context, record slog.Record) error {
	line := record.Message
	record.Attrs(func(a slog.Attr) bool { line += " " + a.String(); return true })
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines = append(r.lines, line)
	return nil
}

// with returns the lines that have a part.
func (r *records) with(part string) (lines []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, l := range r.lines {
		if strings.Contains(l, part) {
			lines = append(lines, l)
		}
	}
	return lines
}

// buffer is a bytes.Buffer for several writers.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not in %v: %s", patience, what)
		}
	}
}

// shell returns a child that runs a script.
func shell(name, script string) Child { return Child{Name: name, Args: []string{"-c", script}} }

func start(t *testing.T, o Options, children ...Child) (*Supervisor, *records, *buffer) {
	log, out := new(records), new(buffer)
	o.Program, o.Log, o.Stderr = "/bin/sh", slog.New(log), out
	s := New(o)
	t.Cleanup(s.Close)
	s.Reload(children)
	return s, log, out
}

// TestPauses: a child that ends at once is started again after pauses that
// grow to a limit; after one that ran for a while they are short again.
func TestPauses(t *testing.T) {
	flag := filepath.Join(t.TempDir(), "run")
	script := fmt.Sprintf("test -e %[1]s && { rm %[1]s; sleep 0.3; }; echo boom >&2; exit 3", flag)
	_, log, _ := start(t, Options{MinPause: 10 * time.Millisecond, MaxPause: 40 * time.Millisecond, Steady: 250 * time.Millisecond}, shell("a", script))
	until(t, "five starts", func() bool { return len(log.with("started pid")) >= 5 })
	if err := os.WriteFile(flag, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	until(t, "the pause is short again", func() bool { return len(log.with("in=10ms")) >= 2 })
	ends := log.with("started again")
	for i, want := range []string{"in=10ms", "in=20ms", "in=40ms", "in=40ms"} {
		if !strings.Contains(ends[i], want) || !strings.Contains(ends[i], "exit status 3") {
			t.Errorf("end %d: %s, want %s", i, ends[i], want)
		}
	}
	if len(log.with("line=boom")) == 0 {
		t.Error("what the child said that is no log record was not logged")
	}
}

// TestReload: only what changes is touched, and what one child gave up another
// can have.
func TestReload(t *testing.T) {
	lock := filepath.Join(t.TempDir(), "lock")
	// holds takes the lock, or says so and ends.
	holds := func(name string) Child {
		return shell(name, fmt.Sprintf("mkdir %[1]s || exit 9; trap 'sleep 0.2; rmdir %[1]s; exit 0' TERM; echo time=now %[2]s has it >&2; while :; do sleep 0.05; done", lock, name))
	}
	stays := shell("stays", "echo time=now stays $$ >&2; while read x; do echo time=now told $x >&2; done")
	s, log, out := start(t, Options{}, stays, holds("a"))
	until(t, "both run", func() bool {
		return strings.Contains(out.String(), "a has it") && strings.Contains(out.String(), "stays")
	})
	c := s.Reload([]Child{holds("b"), stays})
	if !slices.Equal(c.Added, []string{"b"}) || !slices.Equal(c.Removed, []string{"a"}) || !slices.Equal(c.Kept, []string{"stays"}) || c.Replaced != nil {
		t.Errorf("changes %+v", c)
	}
	until(t, "b has what a had", func() bool { return strings.Contains(out.String(), "b has it") })
	stays.Drain = true
	s.Reload([]Child{holds("b"), stays})
	until(t, "drain", func() bool { return strings.Contains(out.String(), "told drain") })
	stays.Drain = false
	c = s.Reload([]Child{shell("b", "sleep 100"), stays})
	if !slices.Equal(c.Replaced, []string{"b"}) || c.Added != nil || c.Removed != nil {
		t.Errorf("changes %+v", c)
	}
	until(t, "undrain", func() bool { return strings.Contains(out.String(), "told undrain") })
	s.Close()
	if n := strings.Count(out.String(), "stays"); n != 1 {
		t.Errorf("the child that stays was started %d times", n)
	}
	if again := log.with("started again"); again != nil {
		t.Errorf("a child ended by itself: %v", again)
	}
}

// TestDrainFromTheStart: a child that is to drain learns it whenever it is
// started.
func TestDrainFromTheStart(t *testing.T) {
	c := shell("a", "read x; echo time=now told $x >&2")
	c.Drain = true
	_, _, out := start(t, Options{MinPause: time.Millisecond}, c)
	until(t, "told twice", func() bool { return strings.Count(out.String(), "told drain") >= 2 })
}

// TestStubborn: a child that does not end when it is asked to is killed.
func TestStubborn(t *testing.T) {
	s, _, out := start(t, Options{Grace: 100 * time.Millisecond}, shell("a", "trap '' TERM; echo time=now up >&2; while :; do read x || sleep 1; done"))
	until(t, "it runs", func() bool { return strings.Contains(out.String(), "up") })
	done := make(chan struct{})
	go func() { defer close(done); s.Close() }()
	select {
	case <-done:
	case <-time.After(patience):
		t.Fatal("it was not killed")
	}
}

// TestMissingProgram is a failure like others.
func TestMissingProgram(t *testing.T) {
	log := new(records)
	s := New(Options{Program: "/nonexistent", Log: slog.New(log), MinPause: time.Millisecond})
	defer s.Close()
	s.Reload([]Child{{Name: "a"}})
	until(t, "two attempts", func() bool { return len(log.with("no such file")) >= 2 })
}
