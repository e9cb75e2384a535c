// SPDX-License-Identifier: Apache-2.0

package virtiocrypto_test

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"vcrypto/vhostuser"
	"vcrypto/virtio"
	"vcrypto/virtio/sock"
	"vcrypto/virtio/virtqdrv"
	"vcrypto/virtiocrypto/vhostcrypto"
)

// socket is a link through the real thing: a vhost-user back-end that listens
// on a Unix socket, as vcrypto serve does, and a front-end that shares memory
// and eventfds with it.
type socket struct {
	m      *machine
	fe     *vhostuser.FrontEnd
	queues []*vhostuser.FrontQueue
	memory []*vhostuser.SharedMemory
	end    context.CancelFunc // of the back-end
	done   chan error
}

const socketProtocol = vhostuser.ProtocolMQ | vhostuser.ProtocolReplyAck | vhostuser.ProtocolConfig | vhostuser.ProtocolResetDevice

func newSocket(m *machine) link {
	path := filepath.Join(m.TempDir(), "device")
	l, err := sock.Listen(path)
	if err != nil {
		m.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	s := &socket{m: m, done: make(chan error, 1), end: cancel, queues: make([]*vhostuser.FrontQueue, m.dev.Queues())}
	go func() {
		factory := func() (*virtio.Instance, vhostuser.Extension, error) {
			in := virtio.NewInstance(m.dev, virtio.Options{Log: m.o.device.Log, Polling: m.o.polling})
			return in, vhostcrypto.New(m.dev, m.o.device.Log), nil
		}
		err := vhostuser.ServeListener(ctx, l, factory, vhostuser.Options{Log: m.o.device.Log})
		l.Close()
		s.done <- err
	}()
	s.connect(path)
	return s
}

// connect connects to the back-end and shares memory with it.
func (s *socket) connect(path string) {
	m := s.m
	m.Helper()
	var err error
	if s.fe, err = vhostuser.Dial(path); err != nil {
		m.Fatal(err)
	}
	s.fe.Timeout = patience
	s.must(s.fe.Negotiate(s.features(), socketProtocol))
	for _, at := range []uint64{0, borderAt} {
		part := &vhostuser.SharedMemory{
			Memory: virtqdrv.Memory{Data: m.all[at : at+guestSize/2], Addr: guestAddr + at},
			User:   0x7f00_0000_0000 + at,
			Offset: at,
			File:   m.memory,
		}
		s.memory = append(s.memory, part)
	}
	s.must(s.fe.ShareMemory(s.memory...))
}

func (s *socket) must(err error) {
	s.m.Helper()
	if err != nil {
		s.m.Fatal(err)
	}
}

// features are what the rings of the test need.
func (s *socket) features() uint64 {
	f := uint64(virtio.FeatureVersion1) | s.m.o.form.Features()
	if s.m.o.ring.Indirect > 0 {
		f |= virtio.FeatureIndirectDesc
	}
	if s.m.o.ring.EventIdx {
		f |= virtio.FeatureEventIdx
	}
	return f
}

func (s *socket) start(i int, q *virtqdrv.Queue, c virtqdrv.Config) {
	s.m.Helper()
	fq, err := s.fe.SetupQueue(i, vhostuser.QueueSetup{
		Size: c.Size, Desc: q.Desc(), Avail: q.Avail(), Used: q.Used(), Base: c.Base,
	})
	s.must(err)
	s.queues[i] = fq
	s.must(s.fe.Enable(i, true))
}

func (s *socket) stop(i int) uint16 {
	s.m.Helper()
	s.must(s.fe.Enable(i, false))
	base, err := s.fe.StopQueue(i)
	s.must(err)
	return base
}

func (s *socket) kick(i int) { s.queues[i].Kick.Notify() }

func (s *socket) wait(i int) error {
	if !s.queues[i].WaitCall(patience) {
		return fmt.Errorf("%w for %v", errSilence, patience)
	}
	return nil
}

func (s *socket) broken(i int) error {
	if !s.queues[i].WaitErr(patience) {
		return errSilence
	}
	return nil
}

func (s *socket) gaveUp(i int) bool { return s.queues[i].WaitErr(0) }

func (s *socket) reset() {
	s.m.Helper()
	s.must(s.fe.ResetDevice())
	s.must(s.fe.SetFeatures(s.features() | vhostuser.FeatureProtocolFeatures))
}

func (s *socket) readConfig(offset, n int) []byte {
	s.m.Helper()
	if n == 0 {
		return nil
	}
	b, err := s.fe.GetConfig(uint32(offset), uint32(n))
	s.must(err)
	return b
}

func (s *socket) close() {
	if err := s.fe.Close(); err != nil {
		s.m.Error(err)
	}
	s.end()
	select {
	case err := <-s.done:
		if err != nil {
			s.m.Error(err)
		}
	case <-time.After(patience):
		s.m.Fatal("the back-end does not end")
	}
}
