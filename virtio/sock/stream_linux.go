// SPDX-License-Identifier: Apache-2.0

package sock

import (
	"net"
	"time"
)

// Descriptors are those that came with a message and were not taken yet. A
// message embeds them.
type Descriptors struct{ fds []int }

// NewDescriptors takes descriptors over.
func NewDescriptors(fds []int) Descriptors { return Descriptors{fds} }

// FDs returns the number of descriptors that came and were not taken.
func (d *Descriptors) FDs() int { return len(d.fds) }

// TakeFD returns the next descriptor, which is the caller's from then on, or
// -1 if there is none.
func (d *Descriptors) TakeFD() int {
	if len(d.fds) == 0 {
		return -1
	}
	fd := d.fds[0]
	d.fds = d.fds[1:]
	return fd
}

// Close closes the descriptors that were not taken.
func (d *Descriptors) Close() {
	CloseFDs(d.fds)
	d.fds = nil
}

// Stream is a connection that carries messages with descriptors. A protocol's
// connection embeds it. One goroutine may read while another sends.
type Stream struct {
	uc *net.UnixConn
	*Reader
}

// NewStream returns a Stream that owns uc, of messages with at most so many
// descriptors.
func NewStream(uc *net.UnixConn, maxFDs int) Stream { return Stream{uc, NewReader(uc, maxFDs)} }

// Socket returns the socket, which stays the Stream's.
func (s Stream) Socket() *net.UnixConn { return s.uc }

// Close closes the socket.
func (s Stream) Close() error { return s.uc.Close() }

// SetDeadline bounds sends and receives that are made and that come.
func (s Stream) SetDeadline(t time.Time) error { return s.uc.SetDeadline(t) }

// SendRaw sends bytes, with descriptors beside the first of them. The
// descriptors stay the caller's.
func (s Stream) SendRaw(b []byte, fds ...int) error { return Write(s.uc, b, fds...) }

// Idle reports whether nothing comes for a while.
func (s Stream) Idle(d time.Duration) bool { return Idle(s.uc, d) }
