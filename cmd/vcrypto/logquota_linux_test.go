// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vcrypto/vfiouser"
	"vcrypto/vfiouser/virtiopci"
	"vcrypto/virtio"
)

func TestQuota(t *testing.T) {
	var out bytes.Buffer
	q := newQuota(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))
	now := time.Now()
	say := func(h slog.Handler, level slog.Level, message string) {
		if err := h.Handle(context.Background(), slog.NewRecord(now, level, message, 0)); err != nil {
			t.Fatal(err)
		}
	}
	said := func(what string, want int) {
		t.Helper()
		if n := strings.Count(out.String(), "\n"); n != want {
			t.Errorf("%s: %d lines, want %d", what, n, want)
		}
		out.Reset()
	}
	for i := range 5 * quotaBurst {
		// A logger with attributes has no quota of its own.
		h := slog.Handler(q)
		if i%2 == 0 {
			h = q.WithAttrs([]slog.Attr{slog.Int("queue", i)}).WithGroup("g")
		}
		say(h, slog.LevelError, "broken")
	}
	said("a flood", quotaBurst)
	say(q, slog.LevelWarn, "something else")
	said("something else", 1)
	for range 2 * quotaBurst {
		say(q, slog.LevelDebug, "broken")
		say(q, slog.LevelInfo, traced)
	}
	said("what is wished for", 4*quotaBurst)

	now = now.Add(2 * time.Second)
	for range 10 {
		say(q, slog.LevelError, "broken")
	}
	if text := out.String(); !strings.Contains(text, fmt.Sprint("kept_back=", 4*quotaBurst)) {
		t.Errorf("what was kept back is not told: %s", text)
	}
	said("two seconds later", 2)
	now = now.Add(time.Hour)
	for range 2 * quotaBurst {
		say(q, slog.LevelError, "broken")
	}
	said("an hour later", quotaBurst)
	for i := range 2 * quotaMessages {
		say(q, slog.LevelError, fmt.Sprint("message ", i))
	}
	if n := len(q.spent.by); n > quotaMessages+1 {
		t.Errorf("%d messages are remembered", n)
	}
}

// TestGuestFloodsTheLog: a driver that does nothing but what is worth a line in
// the log.
func TestGuestFloodsTheLog(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "s")
	d := startProgram(t, "serve", "--socket-path", socket, "--transport", "vfio-user", "--engine", "gocrypto")
	start := time.Now()
	d.says("serving", 1)
	c, err := vfiouser.Dial(socket)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	driver, err := virtiopci.NewDriver(c)
	if err != nil {
		t.Fatal(err)
	}
	for range 10 * quotaBurst {
		for _, status := range []byte{virtio.StatusFeaturesOK, 0} { // without any features
			if err := driver.SetStatus(status); err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, err := driver.Status(); err != nil { // all was handled
		t.Fatal(err)
	}
	d.says("driver refused", quotaBurst)
	for _, message := range []string{"driver refused", "device reset"} {
		if n, most := strings.Count(d.said(), message), quotaBurst+int(time.Since(start).Seconds()*quotaRate)+1; n > most {
			t.Errorf("%q is in the log %d times, more than %d", message, n, most)
		}
	}
	c.Close()
	d.end()
}
