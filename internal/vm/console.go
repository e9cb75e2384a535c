// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"regexp"
	"strings"
	"sync"
)

// maxLog bounds how much of a log is kept, in bytes; the oldest goes first.
const maxLog = 4 << 20

// tailLines is how many of a log's last lines an error shows.
const tailLines = 20

// logBuffer keeps the end of a text that grows, and tells who waits for it.
type logBuffer struct {
	tee io.Writer // may be nil

	mu    sync.Mutex
	text  []byte
	start int64         // how many bytes were dropped before text
	grown chan struct{} // closed and renewed when text grows
	ended bool
}

func newLogBuffer(tee io.Writer) *logBuffer {
	return &logBuffer{tee: tee, grown: make(chan struct{})}
}

// Write appends p. It never fails: a log must not stop what it watches.
func (l *logBuffer) Write(p []byte) (int, error) {
	if l.tee != nil {
		l.tee.Write(p)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = append(l.text, p...)
	// Trim rarely, so that it costs nothing on average.
	if len(l.text) > 2*maxLog {
		drop := len(l.text) - maxLog
		l.text = append([]byte(nil), l.text[drop:]...)
		l.start += int64(drop)
	}
	close(l.grown)
	l.grown = make(chan struct{})
	return len(p), nil
}

// end says that nothing more will come.
func (l *logBuffer) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = true
	close(l.grown)
	l.grown = make(chan struct{})
}

// String returns what is kept, with the console's line ends made plain.
func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.ReplaceAll(string(l.text), "\r", "")
}

// tail returns the last lines, for an error.
func (l *logBuffer) tail() string {
	lines := strings.Split(strings.TrimSpace(l.String()), "\n")
	return strings.Join(lines[max(0, len(lines)-tailLines):], "\n")
}

// wait returns the first line that matches, which may be in the log already.
func (l *logBuffer) wait(ctx context.Context, re *regexp.Regexp) (string, error) {
	var next int64 // everything before it was searched
	for {
		l.mu.Lock()
		grown, ended := l.grown, l.ended
		next = max(next, l.start)
		fresh := l.text[next-l.start:]
		for len(fresh) > 0 {
			line, _, whole := bytes.Cut(fresh, []byte("\n"))
			if re.Match(line) {
				found := strings.TrimRight(string(line), "\r")
				l.mu.Unlock()
				return found, nil
			}
			if !whole {
				break // the rest of the line is still to come
			}
			fresh = fresh[len(line)+1:]
			next += int64(len(line) + 1)
		}
		l.mu.Unlock()
		if ended {
			return "", fmt.Errorf("the guest's log ended without a line like %q", re)
		}
		select {
		case <-grown:
		case <-ctx.Done():
			return "", fmt.Errorf("waiting for a line like %q in the guest's log: %w", re, context.Cause(ctx))
		}
	}
}
