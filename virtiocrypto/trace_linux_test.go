// SPDX-License-Identifier: Apache-2.0

package virtiocrypto_test

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"vcrypto/virtiocrypto"
	"vcrypto/virtiocrypto/cryptodrv"
)

// traces keeps the lines that tell of requests.
type traces struct {
	mu  sync.Mutex
	all []map[string]slog.Value
}

func (l *traces) Enabled(context.Context, slog.Level) bool { return true }
func (l *traces) WithAttrs([]slog.Attr) slog.Handler       { return l }
func (l *traces) WithGroup(string) slog.Handler            { return l }

func (l *traces) Handle(_ context.Context, r slog.Record) error {
	if r.Message != "request" {
		return nil
	}
	line := make(map[string]slog.Value)
	r.Attrs(func(a slog.Attr) bool {
		line[a.Key] = a.Value
		return true
	})
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, line)
	return nil
}

// last waits for a line that is newer than n, and returns it.
func (l *traces) last(t testing.TB, n int) map[string]slog.Value {
	t.Helper()
	for range 6000 {
		l.mu.Lock()
		if len(l.all) > n {
			defer l.mu.Unlock()
			return l.all[len(l.all)-1]
		}
		l.mu.Unlock()
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("no request was told of, after %d", n)
	return nil
}

// TestTrace: a request's steps are told in their order, with its status and
// sizes; nothing else is.
func TestTrace(t *testing.T) {
	for _, l := range links {
		t.Run(l.name, func(t *testing.T) {
			log := new(traces)
			o := options{device: virtiocrypto.Options{Trace: virtiocrypto.MaxTrace}}
			m := newMachine(t, o, func(m *machine) link {
				m.o.device.Log = slog.New(log)
				var err error
				if m.dev, err = virtiocrypto.New(m.o.device); err != nil {
					t.Fatal(err)
				}
				return l.open(m)
			})
			id := m.session(virtiocrypto.CipherAESCTR, virtiocrypto.DirectionEncrypt, make([]byte, 16))
			send := func(id uint64) virtiocrypto.Status {
				r := m.request(cryptodrv.Shape{IV: 16, Size: 1000})
				r.Fill(id, cryptodrv.OpCipherEncrypt, make([]byte, 16), make([]byte, 1000))
				return m.do(r)
			}
			known := []string{"tag", "what", "session", "source", "readable", "writable", "batch", "kick", "taken", "submitted", "done", "answered", "used", "interrupt", "status"}
			for n := range 3 {
				time.Sleep(time.Millisecond) // longer than between two traces
				if s := send(id); s != virtiocrypto.StatusOK {
					t.Fatal(s)
				}
				line := log.last(t, n)
				var before time.Duration
				for _, step := range []string{"taken", "submitted", "done", "answered", "used"} {
					at, ok := line[step]
					if !ok || at.Duration() < before {
						t.Errorf("%s at %v, after %v: %v", step, at, before, line)
						continue
					}
					before = at.Duration()
				}
				if got, want := fmt.Sprintln(line["tag"], line["what"], line["session"], line["source"], line["writable"], line["status"]),
					fmt.Sprintln(n, "cipher, encrypt", id, 1000, 1001, "OK"); got != want {
					t.Errorf("told %s, want %s", got, want)
				}
				for name := range maps.Keys(line) {
					if !slices.Contains(known, name) {
						t.Errorf("%s is told", name)
					}
				}
			}
			time.Sleep(time.Millisecond)
			if s := send(id + 1<<20); s != virtiocrypto.StatusInvSess {
				t.Fatal(s)
			}
			line := log.last(t, 3)
			if line["status"].String() != "INVSESS" || line["what"].String() != "refused" || line["submitted"].Kind() == slog.KindDuration {
				t.Errorf("a request that was refused: %v", line)
			}
		})
	}
}

// TestTraceBounded: of many requests a few are told.
func TestTraceBounded(t *testing.T) {
	log := new(traces)
	start := time.Now()
	m := newMachine(t, options{device: virtiocrypto.Options{Trace: 10}}, func(m *machine) link {
		m.o.device.Log = slog.New(log)
		var err error
		if m.dev, err = virtiocrypto.New(m.o.device); err != nil {
			t.Fatal(err)
		}
		return newLocal(m)
	})
	m.flood(0, 2000, 32, 256)
	log.last(t, 0)
	m.link.stop(0)
	log.mu.Lock()
	defer log.mu.Unlock()
	if most := 2 + int(time.Since(start)/(100*time.Millisecond)); len(log.all) > most {
		t.Errorf("%d of 2000 requests were told of, at most %d", len(log.all), most)
	}
	for _, line := range log.all {
		if s := line["status"].String(); s != "OK" {
			t.Errorf("status %s", s)
		}
		if strings.Contains(fmt.Sprint(line), "none") {
			t.Errorf("told %v", line)
		}
	}
}
