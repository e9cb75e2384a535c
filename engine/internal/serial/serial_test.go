// SPDX-License-Identifier: Apache-2.0

package serial

import (
	"bytes"
	"errors"
	"log/slog"
	"math"
	"strings"
	"testing"
)

// TestTrouble: it tells the log that it was given, once, and counts the others.
func TestTrouble(t *testing.T) {
	new(Trouble).Log("some", errors.New("nobody hears that"))

	var out bytes.Buffer
	trouble := Trouble{Logger: slog.New(slog.NewTextHandler(&out, nil)).With("device", "vm1")}
	trouble.Log("some", errors.New("no luck"))
	trouble.next.Store(math.MaxInt64) // no moment comes that a line is due in
	for range 5 {
		trouble.Log("some", errors.New("no luck"))
	}
	trouble.next.Store(0)
	trouble.Log("some", errors.New("still none"))
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 2 {
		t.Fatalf("%d lines, want 2: %q", len(lines), lines)
	}
	for i, want := range []string{
		`msg="request failed" device=vm1 engine=some err="no luck" silent=0`,
		`msg="request failed" device=vm1 engine=some err="still none" silent=5`,
	} {
		if !strings.HasSuffix(lines[i], want) {
			t.Errorf("line %d is %q, want %q at its end", i, lines[i], want)
		}
	}
}
