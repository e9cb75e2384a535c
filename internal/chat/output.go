// SPDX-License-Identifier: Apache-2.0

package chat

import (
	"bytes"
	"fmt"
	"io"
	"unicode/utf8"

	"vcrypto/internal/chat/safetext"
	"vcrypto/internal/chat/wire"
)

// Peer is whom a conversation is with, and what protects it.
type Peer struct {
	Addr        string
	Suite       string // "no encryption" without a key
	Fingerprint string // the same at both ends; "" without a key
}

// Display shows a conversation. Sent is called by the goroutine that sends,
// Begin before and End after all others, the rest by the one that receives.
type Display interface {
	// Begin starts with a peer whose name is not known yet.
	Begin(p Peer)
	// SetNick sets the peer's name. It is harmless.
	SetNick(nick string)
	// Write shows p, the next bytes of what the peer says. The bytes are
	// valid during the call. An error ends the conversation.
	Write(p []byte) error
	// Act shows what the peer does, in words of its own: hostile ones.
	Act(text string) error
	// Sent tells that something of ours is on its way: Data, Act or Nick.
	Sent(k wire.Kind, p []byte)
	// End ends the conversation; err says why, nil that all was said and
	// taken, or that the user left.
	End(err error)
}

// Output shows what the peer says: byte by byte the same into a pipe or
// file, made harmless and with the peer's name before each line on a
// terminal. One goroutine uses it at a time.
type Output struct {
	w        io.Writer
	terminal bool

	nick    string
	midline bool
	tail    []byte // the beginning of a rune whose rest has not come yet
	clean   safetext.Cleaner
	text    []byte
}

// NewOutput returns an output that writes to w.
func NewOutput(w io.Writer, terminal bool) *Output { return &Output{w: w, terminal: terminal} }

// Begin starts with a peer whose name is not known yet.
func (o *Output) Begin(Peer) { o.nick, o.midline, o.tail = "peer", false, nil }

// SetNick sets the name shown from the next line on. It must be harmless.
func (o *Output) SetNick(n string) { o.nick = n }

// Write shows p.
func (o *Output) Write(p []byte) error {
	if o.terminal {
		p = o.harmless(p)
	}
	_, err := o.w.Write(p)
	return err
}

// Act shows what the peer does on a line of its own on a terminal. Elsewhere
// it is not shown: what comes out is the peer's bytes.
func (o *Output) Act(text string) error {
	if !o.terminal {
		return nil
	}
	o.End(nil)
	_, err := fmt.Fprintf(o.w, "* %s %s\n", o.nick, safetext.Line(text))
	return err
}

// Sent does nothing: who typed it has seen it.
func (o *Output) Sent(wire.Kind, []byte) {}

// End ends the peer's last line on a terminal.
func (o *Output) End(error) {
	if !o.terminal {
		return
	}
	o.text = o.text[:0]
	for _, c := range o.tail {
		o.text = o.begin(o.text)
		o.text = o.clean.Append(o.text, string([]byte{c}))
	}
	if o.midline {
		o.text = append(o.text, '\n')
	}
	o.tail, o.midline = nil, false
	o.w.Write(o.text) // nothing is to be done about an error here
}

// harmless returns p as a terminal may show it. A rune that is cut off at the
// end of p waits for its rest.
func (o *Output) harmless(p []byte) []byte {
	o.text = o.text[:0]
	p = append(o.tail, p...)
	o.tail = nil
	for len(p) > 0 {
		if !utf8.FullRune(p) {
			o.tail = bytes.Clone(p)
			break
		}
		r, n := utf8.DecodeRune(p)
		if r == '\r' && len(p) == 1 {
			o.tail = []byte{'\r'} // half a line break, perhaps
			break
		}
		switch {
		case r == '\r' && p[1] == '\n':
			n = 1 // the line feed follows
		case r == '\n':
			o.text = append(o.begin(o.text), '\n')
			o.midline = false
		case r == '\t':
			o.text = append(o.begin(o.text), '\t')
		default:
			o.text = o.clean.Append(o.begin(o.text), string(p[:n]))
		}
		p = p[n:]
	}
	return o.text
}

// begin puts the peer's name before a new line.
func (o *Output) begin(text []byte) []byte {
	if o.midline {
		return text
	}
	o.midline = true
	o.clean.Reset()
	return append(append(text, o.nick...), "> "...)
}
