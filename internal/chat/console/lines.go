// SPDX-License-Identifier: Apache-2.0

package console

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"vcrypto/internal/chat/member"
	"vcrypto/internal/chat/room"
)

// Lines is a console for scripts: a line in is typed, a line out is an event.
type Lines struct {
	In  io.Reader
	Out io.Writer // what is said; with JSON everything
	Err io.Writer // the rest
	// JSON writes each event as one.
	JSON bool
	// Stay goes on after the end of In, until the context is done.
	Stay bool

	mu     sync.Mutex
	failed error
}

// Show shows an event. Text is made harmless; JSON has it as it is, escaped.
func (l *Lines) Show(e member.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failed != nil {
		return
	}
	if l.JSON {
		if e.Type == member.Progress {
			return // there are many, and File tells the end
		}
		b, err := json.Marshal(e)
		if err == nil {
			_, err = l.Out.Write(append(plain(b), '\n'))
		}
		l.failed = err
		return
	}
	text, quiet := Text(&e)
	if text == "" || e.Own && !quiet {
		return // who typed it knows it
	}
	if e.Room != "" {
		text = e.Room + " " + text
	}
	if quiet {
		fmt.Fprintln(l.Err, text) // if that fails there is nobody to tell
		return
	}
	_, l.failed = fmt.Fprintln(l.Out, text)
}

// plain escapes in JSON what is no plain text: it may be read at a terminal,
// which takes some characters for more than that. It says the same as before.
func plain(b []byte) []byte {
	out := make([]byte, 0, len(b)+1)
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		switch {
		case unicode.IsPrint(r):
			out = append(out, b[:n]...)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			out = fmt.Appendf(out, `\u%04x\u%04x`, high, low)
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
		b = b[n:]
	}
	return out
}

// maxLine is the longest line that is taken: the longest text, with a command.
const maxLine = room.MaxText + 1024

// How long what was said may take to get its place, when we leave: a script
// wants to know, a person wants to go.
const (
	scriptPatience = 3 * time.Minute
	personPatience = 5 * time.Second
)

// Talker does what is typed, and shows what comes of it: a Console, or a Pair.
type Talker interface {
	// Type does what was typed, in a room if there are any. The error is for
	// the user; after ErrQuit there is no more.
	Type(ctx context.Context, where, line string) error
	// Quit leaves in good order, also when the context is done.
	Quit(ctx context.Context, patience time.Duration) error
	// EndInput leaves when all there is to be said was typed.
	EndInput(ctx context.Context, patience time.Duration) error

	info(format string, args ...any)
}

// Quit implements Talker.
func (c *Console) Quit(ctx context.Context, patience time.Duration) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	return c.Client.Quit(ctx)
}

// EndInput implements Talker.
func (c *Console) EndInput(ctx context.Context, patience time.Duration) error {
	return c.Quit(ctx, patience)
}

// Failed says why events can no longer be written, nil if they can.
func (l *Lines) Failed() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.failed
}

// Run types what comes in, until it ends or /quit. It returns when all of it
// has its place in the rooms.
func (l *Lines) Run(ctx context.Context, c Talker, where string) error {
	lines := make(chan string)
	ended := make(chan error, 1)
	go func() {
		s := bufio.NewScanner(l.In)
		s.Buffer(make([]byte, 4096), maxLine)
		for s.Scan() {
			select {
			case lines <- s.Text():
			case <-ctx.Done():
				return
			}
		}
		ended <- s.Err()
	}()
	var unsaid error // the last line that was to be said and was not
	leave := func(how func(context.Context, time.Duration) error) error {
		return errors.Join(how(ctx, scriptPatience), unsaid)
	}
	for {
		select {
		case line := <-lines:
			err := c.Type(ctx, where, line)
			if errors.Is(err, ErrQuit) {
				return leave(c.Quit)
			}
			if errors.Is(err, member.ErrStopped) {
				return err
			}
			if err != nil {
				c.info("%v", err)
				if !strings.HasPrefix(line, "/") || strings.HasPrefix(line, "//") {
					unsaid = fmt.Errorf("not all was said: %w", err)
				}
			}
		case err := <-ended:
			if err != nil {
				return fmt.Errorf("read input: %w", err)
			}
			if l.Stay {
				ended = nil
				continue
			}
			return leave(c.EndInput)
		case <-ctx.Done():
			return leave(c.Quit)
		}
		if err := l.Failed(); err != nil {
			return fmt.Errorf("write: %w", err)
		}
	}
}
