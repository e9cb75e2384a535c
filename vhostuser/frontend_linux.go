// SPDX-License-Identifier: Apache-2.0

package vhostuser

import (
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"vcrypto/virtio"
)

// answerTimeout is how long a front-end waits for an answer by default. A
// back-end may have to finish a long request first.
const answerTimeout = time.Minute

// AckError says that the back-end acknowledged a request as failed.
type AckError struct {
	Request Request
	Result  uint64
}

func (e *AckError) Error() string {
	return fmt.Sprintf("%v: the back-end answers %d: failed", e.Request, e.Result)
}

// FrontEnd is the other end of the protocol, for tests and benchmarks. It
// does what a virtual machine monitor does, or, with [FrontEnd.Send],
// [FrontEnd.Call] and [FrontEnd.SendRaw], what none should. It belongs to one
// goroutine at a time.
type FrontEnd struct {
	// Timeout bounds the wait for each answer.
	Timeout time.Duration

	conn     *Conn
	offered  uint64
	features uint64
	protocol uint64
	memory   []*SharedMemory
	queues   map[int]*FrontQueue
}

// Dial connects to a back-end's socket.
func Dial(path string) (*FrontEnd, error) {
	c, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("vhost-user front-end: %w", err)
	}
	return NewFrontEnd(c), nil
}

// NewFrontEnd returns a front-end that owns a connection.
func NewFrontEnd(c *net.UnixConn) *FrontEnd {
	return &FrontEnd{Timeout: answerTimeout, conn: NewConn(c), queues: make(map[int]*FrontQueue)}
}

// Close closes the connection and the queues' events. Shared memory stays.
func (fe *FrontEnd) Close() error {
	err := fe.conn.Close()
	for _, q := range fe.queues {
		q.close()
	}
	clear(fe.queues)
	return err
}

// Send sends a request and waits for nothing. The descriptors stay the
// caller's.
func (fe *FrontEnd) Send(r Request, payload []byte, fds ...int) error {
	return fe.conn.Send(r, 0, payload, fds...)
}

// SendFlags is Send with header flags beside the version.
func (fe *FrontEnd) SendFlags(r Request, flags uint32, payload []byte, fds ...int) error {
	return fe.conn.Send(r, flags, payload, fds...)
}

// SendRaw sends bytes as they are.
func (fe *FrontEnd) SendRaw(b []byte, fds ...int) error { return fe.conn.SendRaw(b, fds...) }

// Call sends a request that has an answer of its own and returns the answer's
// payload.
func (fe *FrontEnd) Call(r Request, payload []byte, fds ...int) ([]byte, error) {
	if err := fe.conn.Send(r, 0, payload, fds...); err != nil {
		return nil, err
	}
	return fe.Receive(r)
}

// Do sends a request that has no answer of its own. If REPLY_ACK was
// negotiated it asks for an acknowledgement and waits for it; a failure is an
// [*AckError].
func (fe *FrontEnd) Do(r Request, payload []byte, fds ...int) error {
	if fe.protocol&ProtocolReplyAck == 0 {
		return fe.conn.Send(r, 0, payload, fds...)
	}
	if err := fe.conn.Send(r, FlagNeedReply, payload, fds...); err != nil {
		return err
	}
	return fe.ReceiveAck(r)
}

// ReceiveAck waits for the acknowledgement of a request.
func (fe *FrontEnd) ReceiveAck(r Request) error {
	b, err := fe.Receive(r)
	if err != nil {
		return err
	}
	result, err := DecodeU64(b)
	if err != nil {
		return fmt.Errorf("acknowledgement of %v: %w", r, err)
	}
	if result != ackOK {
		return &AckError{r, result}
	}
	return nil
}

// Receive waits for the answer to a request and returns its payload.
func (fe *FrontEnd) Receive(r Request) ([]byte, error) {
	if err := fe.conn.uc.SetReadDeadline(time.Now().Add(fe.Timeout)); err != nil {
		return nil, err
	}
	m, err := fe.conn.Receive()
	if err != nil {
		return nil, fmt.Errorf("answer to %v: %w", r, err)
	}
	defer m.Close()
	if m.Request != r || m.Flags&FlagReply == 0 || m.FDs() != 0 {
		return nil, violation("answer to %v is %v with flags %#x and %d descriptors", r, m.Request, m.Flags, m.FDs())
	}
	return slices.Clone(m.Payload), nil
}

// callU64 asks for a number.
func (fe *FrontEnd) callU64(r Request) (uint64, error) {
	b, err := fe.Call(r, nil)
	if err != nil {
		return 0, err
	}
	return DecodeU64(b)
}

// ErrNotOffered: the back-end does not offer a feature.
var ErrNotOffered = errors.New("not offered by the back-end")

// Negotiate acknowledges features and protocol features and becomes the
// back-end's owner. With any protocol features, FeatureProtocolFeatures is
// acknowledged too.
func (fe *FrontEnd) Negotiate(features, protocol uint64) error {
	var err error
	if fe.offered, err = fe.callU64(ReqGetFeatures); err != nil {
		return err
	}
	if protocol != 0 {
		features |= FeatureProtocolFeatures
	}
	if missing := features &^ fe.offered; missing != 0 {
		return fmt.Errorf("features %#x: %w", missing, ErrNotOffered)
	}
	if protocol != 0 {
		offered, err := fe.callU64(ReqGetProtocolFeatures)
		if err != nil {
			return err
		}
		if missing := protocol &^ offered; missing != 0 {
			return fmt.Errorf("protocol features %#x: %w", missing, ErrNotOffered)
		}
		if err := fe.Send(ReqSetProtocolFeatures, AppendU64(nil, protocol)); err != nil {
			return err
		}
		fe.protocol = protocol
	}
	if err := fe.Do(ReqSetOwner, nil); err != nil {
		return err
	}
	return fe.SetFeatures(features)
}

// SetFeatures acknowledges features, as they are.
func (fe *FrontEnd) SetFeatures(features uint64) error {
	if err := fe.Do(ReqSetFeatures, AppendU64(nil, features)); err != nil {
		return err
	}
	fe.features = features
	return nil
}

// Offered are the features that the back-end offered to Negotiate.
func (fe *FrontEnd) Offered() uint64 { return fe.offered }

// ProtocolFeatures asks which protocol features the back-end offers.
func (fe *FrontEnd) ProtocolFeatures() (uint64, error) { return fe.callU64(ReqGetProtocolFeatures) }

// Queues asks how many queues the back-end has.
func (fe *FrontEnd) Queues() (int, error) {
	n, err := fe.callU64(ReqGetQueueNum)
	return int(n), err
}

// GetConfig reads size bytes of the configuration space.
func (fe *FrontEnd) GetConfig(offset, size uint32) ([]byte, error) {
	b, err := fe.Call(ReqGetConfig, Config{Offset: offset, Data: make([]byte, size)}.Append(nil))
	if err != nil {
		return nil, err
	}
	if len(b) == 0 {
		return nil, fmt.Errorf("%d bytes of configuration at %d: the back-end refuses", size, offset)
	}
	c, err := DecodeConfig(b)
	if err != nil {
		return nil, err
	}
	if c.Offset != offset || len(c.Data) != int(size) {
		return nil, violation("%d bytes of configuration at %d, but %d at %d were asked for", len(c.Data), c.Offset, size, offset)
	}
	return c.Data, nil
}

// SetConfig writes to the configuration space.
func (fe *FrontEnd) SetConfig(offset uint32, data []byte) error {
	return fe.Do(ReqSetConfig, Config{Offset: offset, Data: data}.Append(nil))
}

// ResetDevice asks for the device's initial state. Features and queues must
// be set up again.
func (fe *FrontEnd) ResetDevice() error { return fe.Do(ReqResetDevice, nil) }

// SetStatus sets the device status. ProtocolStatus must have been negotiated.
func (fe *FrontEnd) SetStatus(s uint8) error {
	return fe.Do(ReqSetStatus, AppendU64(nil, uint64(s)))
}

// Status reads the device status.
func (fe *FrontEnd) Status() (uint64, error) { return fe.callU64(ReqGetStatus) }

// Channel is where a back-end's own requests arrive.
type Channel struct{ conn *Conn }

// OpenChannel gives the back-end a channel for its requests. The protocol
// feature for it must have been negotiated.
func (fe *FrontEnd) OpenChannel() (*Channel, error) {
	ours, theirs, err := SocketPair()
	if err != nil {
		return nil, err
	}
	f, err := theirs.File()
	if err != nil {
		return nil, errors.Join(err, ours.Close(), theirs.Close())
	}
	defer f.Close()
	defer theirs.Close()
	if err := fe.Do(ReqSetBackendReqFD, nil, int(f.Fd())); err != nil {
		return nil, errors.Join(err, ours.Close())
	}
	return &Channel{NewConn(ours)}, nil
}

// Receive waits for a request.
func (c *Channel) Receive(timeout time.Duration) (Request, error) {
	if err := c.conn.uc.SetReadDeadline(time.Now().Add(timeout)); err != nil {
		return 0, err
	}
	m, err := c.conn.Receive()
	if err != nil {
		return 0, err
	}
	defer m.Close()
	return m.Request, nil
}

// Close closes the channel.
func (c *Channel) Close() error { return c.conn.Close() }

// SocketPair returns two connected Unix sockets.
func SocketPair() (a, b *net.UnixConn, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	var conns [2]*net.UnixConn
	for i, fd := range fds {
		f := file(fd, "socket pair")
		c, cerr := net.FileConn(f)
		f.Close()
		if cerr != nil {
			err = errors.Join(err, cerr)
			continue
		}
		conns[i] = c.(*net.UnixConn)
	}
	if err != nil {
		for _, c := range conns {
			if c != nil {
				c.Close()
			}
		}
		return nil, nil, err
	}
	return conns[0], conns[1], nil
}

// newEvents makes n events, or none.
func newEvents(n int) ([]*virtio.Event, error) {
	var events []*virtio.Event
	for range n {
		e, err := virtio.NewEvent()
		if err != nil {
			for _, e := range events {
				e.Close()
			}
			return nil, err
		}
		events = append(events, e)
	}
	return events, nil
}
