// SPDX-License-Identifier: Apache-2.0

package vfiouser

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// settleTime is how long the client must leave memory alone until the
	// device goes on: QEMU takes a region away and at once maps its new parts.
	settleTime = 20 * time.Millisecond

	// settleShort is that time while less memory is mapped than before: more
	// is likely to come, however busy the client's machine is, and a ring may
	// be in it.
	settleShort = 2 * time.Second

	// maxWarnings bounds what a client can write into the log.
	maxWarnings = 64
)

// Options are settings of a server.
type Options struct {
	Log *slog.Logger // nil for none
}

// server is one connection.
type server struct {
	conn   *Conn
	dev    Device
	dma    *DMA
	irqs   *Interrupts
	log    *slog.Logger
	greets bool // VERSION came

	// settling: memory is being rearranged and the device on hold, since
	// lastDMA at the latest; before is how much memory there was.
	settling bool
	lastDMA  time.Time
	before   uint64

	reply    []byte
	warnings int
}

// Serve serves a device to a client until the connection ends, and then
// closes both. The error is nil if the client closed the connection between
// two messages, or if ctx ended.
func Serve(ctx context.Context, conn *net.UnixConn, dev Device, o Options) error {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &server{
		conn: NewConn(conn),
		dev:  dev,
		dma:  dev.DMA(),
		irqs: dev.Interrupts(),
		log:  o.Log,
	}
	stop := context.AfterFunc(ctx, func() { s.conn.SetDeadline(time.Unix(0, 0)) })
	defer stop()
	err := s.loop()
	if ctx.Err() != nil {
		err = nil
	}
	// The client sees the connection end before what may take a while.
	return errors.Join(err, s.conn.Close(), dev.Close())
}

// loop takes messages until the connection ends.
func (s *server) loop() error {
	for {
		s.settle()
		m, err := s.conn.Receive()
		if err == io.EOF {
			return nil
		}
		if err == nil {
			err = s.message(m)
			m.Close()
		}
		if err != nil {
			return fmt.Errorf("vfio-user: %w", err)
		}
	}
}

// settle waits, while memory is being rearranged, until there is a message to
// read or memory has come to rest. In the latter case the device goes on.
func (s *server) settle() {
	for s.settling {
		quiet := settleTime
		if s.dma.Size() < s.before {
			quiet = settleShort
		}
		left := quiet - time.Since(s.lastDMA)
		if left > 0 && !s.conn.idle(max(left, time.Millisecond)) {
			return
		}
		if left <= 0 {
			s.settling = false
			s.dev.GoOn()
		}
	}
}

// message handles a message and answers it. An error ends the connection.
func (s *server) message(m *Message) error {
	if m.Reply() {
		return violation("%v came as a reply, but nothing was asked", m.Command)
	}
	if !s.greets && m.Command != CmdVersion {
		return violation("%v came before VERSION", m.Command)
	}
	reply, err := s.handle(m)
	if s.log.Enabled(context.Background(), slog.LevelDebug) {
		s.log.Debug("vfio-user message", "command", m.Command, "id", m.ID, "flags", m.Flags, "size", m.Size, "fds", m.FDs(), "err", err)
	}
	if errors.Is(err, ErrProtocol) {
		return fmt.Errorf("%v: %w", m.Command, err)
	}
	if err != nil {
		s.warn(m.Command, err)
	}
	if m.Flags&FlagNoReply != 0 {
		return nil
	}
	h := Header{ID: m.ID, Command: m.Command, Flags: typeReply}
	if err != nil {
		h.Flags |= FlagError
		h.Error = uint32(errno(err))
		reply = nil
	}
	return s.conn.Send(h, reply)
}

// warn logs a command that failed.
func (s *server) warn(c Command, err error) {
	if s.warnings++; s.warnings > maxWarnings {
		return
	}
	s.log.Warn("vfio-user command failed", "command", c, "err", err)
	if s.warnings == maxWarnings {
		s.log.Warn("this is the last such warning of this connection")
	}
}

// errno returns the number that tells the client of an error.
func errno(err error) unix.Errno {
	var e unix.Errno
	if errors.As(err, &e) {
		return e
	}
	return unix.EINVAL
}

// rule is what a command must look like, and who handles it.
type rule struct {
	fds    int // the most descriptors that come with it
	handle func(*server, *Message) (reply []byte, err error)
}

// rules are the commands that are known. It is filled in init because the
// handlers refer to it.
var rules [numCommands]rule

func init() {
	rules = [numCommands]rule{
		CmdVersion:     {0, (*server).version},
		CmdDMAMap:      {1, (*server).dmaMap},
		CmdDMAUnmap:    {0, (*server).dmaUnmap},
		CmdGetInfo:     {0, (*server).getInfo},
		CmdRegionInfo:  {0, (*server).regionInfo},
		CmdIRQInfo:     {0, (*server).irqInfo},
		CmdSetIRQs:     {MaxFDs, (*server).setIRQs},
		CmdRegionRead:  {0, (*server).regionRead},
		CmdRegionWrite: {0, (*server).regionWrite},
		CmdReset:       {0, (*server).reset},
	}
}

// handle finds the rule of a command and follows it.
func (s *server) handle(m *Message) ([]byte, error) {
	if int(m.Command) >= len(rules) || rules[m.Command].handle == nil {
		return nil, fmt.Errorf("%w: not a command of this server", unix.EOPNOTSUPP)
	}
	r := &rules[m.Command]
	if n := m.FDs(); n > r.fds {
		return nil, malformed("%d descriptors, at most %d", n, r.fds)
	}
	return r.handle(s, m)
}
