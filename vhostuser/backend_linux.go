// SPDX-License-Identifier: Apache-2.0

package vhostuser

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"vcrypto/virtio"
)

const (
	// ownProtocolFeatures are the protocol features that this package
	// provides for every device.
	ownProtocolFeatures = ProtocolMQ | ProtocolReplyAck | ProtocolBackendReq |
		ProtocolConfig | ProtocolResetDevice | ProtocolConfigureMemSlots | ProtocolStatus

	// maxErrors is how many failed requests a connection survives.
	maxErrors = 64

	// ackOK and ackFailed are the answers to FlagNeedReply.
	ackOK     = 0
	ackFailed = 1
)

// Options are settings of a back-end.
type Options struct {
	Log *slog.Logger // nil for none
}

// ErrNoChannel: the front-end gave no channel for requests to it.
var ErrNoChannel = errors.New("the front-end takes no requests of the back-end")

// backend is one connection.
type backend struct {
	conn *Conn
	in   *virtio.Instance
	ext  Extension // may be nil
	log  *slog.Logger

	protocol     uint64 // acknowledged protocol features
	features     uint64 // acknowledged features, with FeatureProtocolFeatures
	haveFeatures bool   // SET_FEATURES came
	status       uint8  // of the device, as SET_STATUS said
	controlled   bool   // Extension.FrontEndControls
	rings        []*vring
	regions      []MemRegion // what Instance.Memory holds

	resetPending bool // a driver started anew: reset before the next ring starts
	settling     bool // memory is being rearranged: no ring starts

	errors int
	// complained: requests of the extension of which a failure was logged.
	// What fails there may be what a guest asked for, as often as it likes.
	complained map[Request]bool

	channel channel
}

// Serve serves a driver: it takes the front-end's messages until the
// connection ends, and then gives back all that was made for it. It closes
// conn and in; neither may be used afterwards. ext may be nil.
//
// The error is nil if the front-end closed the connection between two
// messages, or if ctx ended.
func Serve(ctx context.Context, conn *net.UnixConn, in *virtio.Instance, ext Extension, o Options) error {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	b := &backend{
		conn:       NewConn(conn),
		in:         in,
		ext:        ext,
		log:        o.Log,
		complained: make(map[Request]bool),
	}
	// SET_VRING_KICK and its like name a ring in one byte.
	for i := range min(in.Device().Queues(), vringFDIndex+1) {
		b.rings = append(b.rings, &vring{index: i})
	}
	if d, ok := in.Device().(interface{ SetConfigChanger(virtio.ConfigChanger) }); ok {
		d.SetConfigChanger(&b.channel)
	}
	stop := context.AfterFunc(ctx, func() { b.conn.SetDeadline(time.Unix(0, 0)) })
	defer stop()
	err := b.loop()
	if ctx.Err() != nil {
		err = nil
	}
	return errors.Join(err, b.close())
}

// loop takes messages until the connection ends.
func (b *backend) loop() error {
	for {
		if b.settling && b.conn.idle(settleTime) {
			b.settled()
		}
		m, err := b.conn.Receive()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("vhost-user: %w", err)
		}
		err = b.message(m)
		m.Close()
		if err != nil {
			return fmt.Errorf("vhost-user: %w", err)
		}
	}
}

// close gives everything back. Rings first: they use the rest.
func (b *backend) close() error {
	b.in.StopAll()
	for _, v := range b.rings {
		v.closeFDs()
	}
	b.channel.close()
	err := b.in.Close()
	return errors.Join(err, b.conn.Close())
}

// message handles a message and answers it. An error ends the connection.
func (b *backend) message(m *Message) error {
	if b.log.Enabled(context.Background(), slog.LevelDebug) {
		b.log.Debug("vhost-user message", "request", m.Request, "flags", m.Flags, "size", m.Size, "fds", m.FDs())
	}
	if m.Flags&FlagReply != 0 {
		return violation("%v came as a reply, but nothing was asked", m.Request)
	}
	// Read before the request is handled: REPLY_ACK takes effect after the
	// message that acknowledges it.
	ack := m.Flags&FlagNeedReply != 0 && b.protocol&ProtocolReplyAck != 0
	if b.settling && m.Request != ReqAddMemReg && m.Request != ReqRemMemReg {
		b.settled()
	}
	rule, ok := rules[m.Request]
	if !ok {
		return b.foreign(m, ack)
	}
	reply, err := b.checked(m, rule)
	switch {
	case err == nil && rule.replies:
		return b.conn.Send(m.Request, FlagReply, reply)
	case err == nil:
		return b.ack(m.Request, ack, ackOK)
	}
	if b.errors++; b.errors > maxErrors {
		return fmt.Errorf("%v: %w; this was the last of %d errors", m.Request, err, b.errors)
	}
	if rule.replies || !ack && !rule.harmless {
		return fmt.Errorf("%v: %w", m.Request, err)
	}
	b.log.Warn("vhost-user request failed", "request", m.Request, "err", err)
	return b.ack(m.Request, ack, ackFailed)
}

func (b *backend) ack(r Request, wanted bool, result uint64) error {
	if !wanted {
		return nil
	}
	return b.conn.Send(r, FlagReply, AppendU64(nil, result))
}

// checked checks a message against its rule and handles it.
func (b *backend) checked(m *Message, r rule) (reply []byte, err error) {
	switch n := m.FDs(); {
	case r.size >= 0 && len(m.Payload) != r.size:
		return nil, wrongSize("payload", len(m.Payload), r.size)
	case n < r.minFDs || n > r.maxFDs:
		return nil, violation("%d descriptors, must be %d to %d", n, r.minFDs, r.maxFDs)
	case b.protocol&r.needs != r.needs:
		return nil, violation("protocol features %#x were not acknowledged", r.needs)
	}
	return r.handle(b, m)
}

// foreign hands a request to the extension.
func (b *backend) foreign(m *Message, ack bool) error {
	err := ErrUnknownRequest
	var reply []byte
	switch {
	case m.FDs() > 0:
		// None that could be ours comes with descriptors.
	case b.ext != nil:
		reply, err = b.ext.Handle(ExtensionRequest{m.Request, m.Payload, b.protocol})
	}
	switch {
	case err == nil:
	case b.complained[m.Request] || len(b.complained) >= maxErrors:
		b.log.Debug("vhost-user request failed again", "request", m.Request, "err", err)
	case errors.Is(err, ErrUnknownRequest):
		b.complained[m.Request] = true
		b.log.Warn("unknown vhost-user request ignored", "request", m.Request, "size", m.Size, "fds", m.FDs())
	default:
		b.complained[m.Request] = true
		b.log.Warn("vhost-user request failed; more such are told at level debug", "request", m.Request, "err", err)
	}
	switch {
	case reply != nil:
		defer clear(reply)
		return b.conn.Send(m.Request, FlagReply, reply)
	case err != nil:
		return b.ack(m.Request, ack, ackFailed)
	}
	return b.ack(m.Request, ack, ackOK)
}

// channel is the way to make requests to the front-end. It may be used from
// any goroutine.
type channel struct {
	mu sync.Mutex
	fd int // valid if open
	// open says that there is one.
	open bool
}

// ConfigChanged tells the front-end, and so the driver, that the
// configuration space changed. It does not wait for an answer.
func (c *channel) ConfigChanged() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.open {
		return fmt.Errorf("configuration change: %w", ErrNoChannel)
	}
	b := Header{BackendConfigChange, flagVersion, 0}.Append(nil)
	// The front-end shares the socket's flags: it is asked not to block call
	// by call.
	if err := unix.Sendto(c.fd, b, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, nil); err != nil {
		return fmt.Errorf("configuration change: tell the front-end: %w", err)
	}
	return nil
}

// set takes over a descriptor.
func (c *channel) set(fd int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open {
		unix.Close(c.fd)
	}
	c.fd, c.open = fd, true
}

func (c *channel) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open {
		unix.Close(c.fd)
	}
	c.open = false
}
