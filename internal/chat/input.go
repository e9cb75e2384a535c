// SPDX-License-Identifier: Apache-2.0

package chat

import (
	"errors"
	"io"
	"sync"

	"vcrypto/internal/chat/wire"
)

// Input reads the user's input, when it is asked to: while there is no peer
// nothing is taken from a pipe that could be lost.
//
// A read cannot be called off. It may outlast a conversation, and its result
// is the next one's. Next, Took and Ended are called by one goroutine at a
// time.
type Input struct {
	source   func() Chunk
	terminal bool

	start sync.Once
	want  chan struct{}
	got   chan Chunk
	asked bool // a read was asked for whose result was not taken yet
	ended bool
}

// Chunk is what one read gave. Bytes are valid until the next call of Next.
type Chunk struct {
	// Kind is what the bytes are; 0 is Data, the next of the stream.
	Kind  wire.Kind
	Bytes []byte
	Err   error // after the bytes: io.EOF, ErrQuit, or why reading failed
}

// NewInput returns an input that reads from r. On a terminal the end of input
// (Ctrl-D) is the end of a conversation; there may be more for the next.
// Elsewhere it is final.
func NewInput(r io.Reader, terminal bool) *Input {
	buf := make([]byte, wire.MaxPayload)
	return newInput(terminal, func() Chunk {
		n, err := r.Read(buf)
		return Chunk{Bytes: buf[:n], Err: err}
	})
}

// NewTyped returns an input whose chunks come from a channel. When that is
// closed the input has ended. person says that it is a person who types: what
// they say while nobody is there goes nowhere, and does not wait for the next
// peer.
func NewTyped(typed <-chan Chunk, person bool) *Input {
	return newInput(person, func() Chunk {
		c, ok := <-typed
		if !ok {
			return Chunk{Err: io.EOF}
		}
		return c
	})
}

func newInput(terminal bool, source func() Chunk) *Input {
	return &Input{source: source, terminal: terminal, want: make(chan struct{}, 1), got: make(chan Chunk)}
}

// Terminal says whether the input is a person's.
func (in *Input) Terminal() bool { return in.terminal }

// Ended says whether the input has ended for good.
func (in *Input) Ended() bool { return in.ended }

// Next asks for a read, if none is under way, and returns the channel that
// its result comes from. What was received from it must be given to Took.
func (in *Input) Next() <-chan Chunk {
	in.start.Do(func() { go in.read() })
	if !in.asked {
		in.asked = true
		in.want <- struct{}{}
	}
	return in.got
}

// Took notes that c was received.
func (in *Input) Took(c Chunk) {
	in.asked = false
	in.ended = c.Err != nil && !(in.terminal && errors.Is(c.Err, io.EOF))
}

// read makes a read for each wish. It lives as long as the program.
func (in *Input) read() {
	for range in.want {
		in.got <- in.source()
	}
}
