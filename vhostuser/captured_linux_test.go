// SPDX-License-Identifier: Apache-2.0

package vhostuser

import (
	"bytes"
	"sync"
	"testing"

	"vcrypto/virtio"
	"vcrypto/virtio/virtqdrv"
)

// These tests send what real front-ends were seen to send, message by
// message, with the flags they set.

const (
	capturedQuiet = 0             // "flags=1" in a capture
	capturedAcked = FlagNeedReply // "flags=9"
)

// The requests that a crypto device adds, as an extension would define them.
const (
	reqCreateSession Request = 26
	reqCloseSession  Request = 27
	protocolSession  uint64  = 1 << 7
	sizeSession              = 1072
	sessionIDAt              = 1064
)

// sessions is an extension for tests: one that takes over two requests, and
// with its protocol feature the control of the device.
type sessions struct {
	queues int

	mu      sync.Mutex
	created [][]byte
	closed  []uint64
}

func (s *sessions) ProtocolFeatures() uint64 { return protocolSession }
func (s *sessions) FrontEndControls(acked uint64) bool {
	return acked&protocolSession != 0 && acked&ProtocolConfig == 0
}
func (s *sessions) DataQueues() int { return s.queues }
func (s *sessions) Handle(r ExtensionRequest) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch r.Request {
	case reqCreateSession:
		if len(r.Payload) != sizeSession {
			return nil, wrongSize("session", len(r.Payload), sizeSession)
		}
		s.created = append(s.created, bytes.Clone(r.Payload))
		order.PutUint64(r.Payload[sessionIDAt:], uint64(len(s.created)))
		return r.Payload, nil
	case reqCloseSession:
		id, err := DecodeU64(r.Payload)
		if err != nil {
			return nil, err
		}
		s.closed = append(s.closed, id)
		return nil, nil
	}
	return nil, ErrUnknownRequest
}

// send sends a request as captured, and takes the acknowledgement it asked
// for.
func (r *rig) send(req Request, flags uint32, payload []byte, fds ...int) {
	r.t.Helper()
	r.must(r.fe.SendFlags(req, flags, payload, fds...))
	if flags&FlagNeedReply != 0 {
		r.must(r.fe.ReceiveAck(req))
	}
}

// ask sends a request that is answered with a number.
func (r *rig) ask(req Request, want uint64) {
	r.t.Helper()
	if got, err := r.fe.callU64(req); err != nil || got != want {
		r.t.Fatalf("%v: %#x, %v; want %#x", req, got, err, want)
	}
}

func TestCapturedCryptodevVhostUser(t *testing.T) {
	ext := &sessions{queues: 1}
	r := newRig(t, ext)
	m := r.memory(testMemory, testGuestAddr)
	q := r.driver(m, 0, virtqdrv.Config{Indirect: 4})
	events, err := newEvents(3)
	r.must(err)
	kick, call, errs := events[0], events[1], events[2]
	for _, e := range events {
		defer e.Close()
	}
	q.fq = &FrontQueue{Kick: kick, Call: call, Err: errs}

	offered := r.dev.Features() | virtio.RingFeatures | FeatureProtocolFeatures
	r.ask(ReqGetFeatures, offered)
	r.ask(ReqGetProtocolFeatures, testProtocol|ProtocolStatus|protocolSession)
	r.send(ReqSetProtocolFeatures, capturedQuiet, AppendU64(nil, 0x89))
	r.ask(ReqGetQueueNum, 1) // the other queues are the front-end's own
	r.send(ReqSetOwner, capturedQuiet, nil)
	r.ask(ReqGetFeatures, offered)
	r.send(ReqSetVringCall, capturedQuiet, VringFD{}.Append(nil), call.FD())
	r.send(ReqSetVringErr, capturedQuiet, VringFD{}.Append(nil), errs.FD())
	r.send(ReqSetFeatures, capturedQuiet, AppendU64(nil, 0x40000000))
	low := r.memory(0xa0000, 0)
	r.send(ReqSetMemTable, capturedAcked, AppendMemTable(nil, []MemRegion{low.Region(), m.Region()}),
		int(low.File.Fd()), int(m.File.Fd()))
	r.fe.memory = []*SharedMemory{low, m}
	r.send(ReqSetVringNum, capturedQuiet, VringState{0, testQueueSize}.Append(nil))
	r.send(ReqSetVringBase, capturedQuiet, VringState{0, 0}.Append(nil))
	r.send(ReqSetVringAddr, capturedQuiet, VringAddr{
		Desc: r.fe.user(q.Desc()), Avail: r.fe.user(q.Avail()), Used: r.fe.user(q.Used()),
	}.Append(nil))
	r.send(ReqSetVringKick, capturedQuiet, VringFD{}.Append(nil), kick.FD())
	r.send(ReqSetVringCall, capturedQuiet, VringFD{}.Append(nil), call.FD())

	// A session: answered with the whole message, though no reply was asked.
	session := bytes.Repeat([]byte{0x5a}, sizeSession)
	for id := uint64(1); id <= 3; id++ {
		reply, err := r.fe.Call(reqCreateSession, session)
		r.must(err)
		if len(reply) != sizeSession || order.Uint64(reply[sessionIDAt:]) != id || !bytes.Equal(reply[:sessionIDAt], session[:sessionIDAt]) {
			t.Fatalf("session %d: reply %x", id, reply)
		}
	}
	// The ring runs without SET_VRING_ENABLE, takes indirect descriptors and
	// assumes VERSION_1, of which the front-end said nothing.
	for range 3 {
		q.roundTrip()
	}
	if got := r.dev.negotiated.Load(); got != virtio.FeatureVersion1 {
		t.Errorf("negotiated %#x", got)
	}
	r.send(reqCloseSession, capturedAcked, AppendU64(nil, 2))
	r.send(reqCloseSession, capturedQuiet, AppendU64(nil, 3))

	// A ring that starts elsewhere means nothing here: sessions are the
	// front-end's to close.
	resets := r.dev.resets.Load()
	if base, err := r.fe.StopQueue(0); err != nil || base != 3 {
		t.Fatalf("stopped at %d, %v", base, err)
	}
	q = r.driver(m, 0, virtqdrv.Config{})
	q.fq = &FrontQueue{Kick: kick, Call: call, Err: errs}
	r.send(ReqSetVringBase, capturedQuiet, VringState{0, 0}.Append(nil))
	r.send(ReqSetVringAddr, capturedQuiet, VringAddr{
		Desc: r.fe.user(q.Desc()), Avail: r.fe.user(q.Avail()), Used: r.fe.user(q.Used()),
	}.Append(nil))
	r.send(ReqSetVringKick, capturedQuiet, VringFD{}.Append(nil), kick.FD())
	q.roundTrip()
	if got := r.dev.resets.Load(); got != resets {
		t.Errorf("%d resets", got-resets)
	}
	// Said explicitly, it is disabled.
	r.send(ReqSetVringEnable, capturedAcked, VringState{0, 0}.Append(nil))
	q.submit()
	r.ask(ReqGetQueueNum, 1)
	if q.Pending() {
		t.Error("a disabled ring was served")
	}
	r.send(ReqSetVringEnable, capturedAcked, VringState{0, 1}.Append(nil))
	q.finish()

	r.fe.Close()
	r.must(r.wait())
	if len(ext.created) != 3 || len(ext.closed) != 2 || ext.closed[0] != 2 || ext.closed[1] != 3 {
		t.Errorf("%d sessions created, %v closed", len(ext.created), ext.closed)
	}
}

func TestCapturedGenericVhostUser(t *testing.T) {
	r := newRig(t, nil)
	m := r.memory(testMemory, testGuestAddr)
	low := r.memory(0xa0000, 0)
	offered := r.dev.Features() | virtio.RingFeatures | FeatureProtocolFeatures

	r.ask(ReqGetFeatures, offered)
	r.ask(ReqGetProtocolFeatures, testProtocol|ProtocolStatus)
	r.send(ReqSetProtocolFeatures, capturedQuiet, AppendU64(nil, 0x209))
	r.fe.protocol = 0x209
	r.ask(ReqGetQueueNum, 3)
	r.send(ReqSetOwner, capturedQuiet, nil)
	r.ask(ReqGetFeatures, offered)
	var rings []*ring
	var spare []*virtio.Event
	for i := range 3 {
		q := r.driver(m, i, virtqdrv.Config{Indirect: 4})
		events, err := newEvents(4)
		r.must(err)
		q.fq = &FrontQueue{Kick: events[0], Call: events[1], Err: events[2]}
		r.fe.queues[i] = q.fq // for Close
		rings, spare = append(rings, q), append(spare, events[3])
		defer events[3].Close()
		r.send(ReqSetVringCall, capturedAcked, VringFD{Index: uint8(i)}.Append(nil), events[3].FD())
		r.send(ReqSetVringErr, capturedAcked, VringFD{Index: uint8(i)}.Append(nil), events[2].FD())
	}
	for range 3 {
		config, err := r.fe.GetConfig(0, 56)
		r.must(err)
		if config[0] != 0xc0 || config[15] != 0xcf || config[16] != 0 {
			t.Fatalf("configuration %x", config)
		}
	}

	start := func(bases []uint16) {
		t.Helper()
		r.send(ReqSetFeatures, capturedQuiet, AppendU64(nil, 0x150000000))
		r.send(ReqSetMemTable, capturedAcked, AppendMemTable(nil, []MemRegion{low.Region(), m.Region()}),
			int(low.File.Fd()), int(m.File.Fd()))
		r.fe.memory = []*SharedMemory{low, m}
		for i, q := range rings {
			index := uint32(i)
			r.send(ReqSetVringNum, capturedQuiet, VringState{index, testQueueSize}.Append(nil))
			r.send(ReqSetVringBase, capturedQuiet, VringState{index, uint32(bases[i])}.Append(nil))
			r.send(ReqSetVringAddr, capturedQuiet, VringAddr{
				Index: index, Desc: r.fe.user(q.Desc()), Avail: r.fe.user(q.Avail()), Used: r.fe.user(q.Used()),
			}.Append(nil))
			r.send(ReqSetVringKick, capturedAcked, VringFD{Index: uint8(i)}.Append(nil), q.fq.Kick.FD())
			r.send(ReqSetVringCall, capturedAcked, VringFD{Index: uint8(i)}.Append(nil), spare[i].FD())
		}
		for i := range rings {
			r.must(r.fe.Enable(i, true))
		}
		// A request that is served before the last message is called for on
		// the descriptor before it. It is not lost.
		rings[0].submit()
		eventually(t, "the first request", rings[0].Pending)
		for i, q := range rings {
			r.send(ReqSetVringCall, capturedAcked, VringFD{Index: uint8(i)}.Append(nil), q.fq.Call.FD())
		}
		if !rings[0].fq.WaitCall(patience) {
			t.Error("the call was lost with the descriptor it was made on")
		}
		rings[0].finish()
	}
	stop := func() (bases []uint16) {
		t.Helper()
		for i := range rings {
			r.must(r.fe.Enable(i, false))
		}
		for i := range rings {
			base, err := r.fe.StopQueue(i)
			r.must(err)
			bases = append(bases, base)
		}
		return bases
	}

	start([]uint16{0, 0, 0})
	for range 20 {
		rings[0].roundTrip()
		rings[2].roundTrip()
	}
	if got := r.dev.negotiated.Load(); got != testFeatures {
		t.Errorf("negotiated %#x", got)
	}
	bases := stop()
	if bases[0] != 21 || bases[1] != 0 || bases[2] != 20 {
		t.Fatalf("stopped at %v", bases)
	}

	// Stop and cont: all goes on, nothing is dropped.
	resets := r.dev.resets.Load()
	start(bases)
	for _, q := range rings {
		q.roundTrip()
	}
	if got := r.dev.resets.Load(); got != resets {
		t.Errorf("stop and cont: %d resets", got-resets)
	}
	if bases = stop(); bases[0] != 23 || bases[1] != 1 || bases[2] != 21 {
		t.Fatalf("stopped at %v", bases)
	}

	// The guest starts anew, which nothing says but where the rings begin.
	for i := range rings {
		fq := rings[i].fq
		rings[i] = r.driver(m, i, virtqdrv.Config{Indirect: 4})
		rings[i].fq = fq
	}
	start([]uint16{0, 0, 0})
	for _, q := range rings {
		q.roundTrip()
	}
	if got := r.dev.resets.Load(); got != resets+1 {
		t.Errorf("guest reset: %d resets, want 1", got-resets)
	}
	if got := r.dev.negotiated.Load(); got != testFeatures {
		t.Errorf("after a reset, negotiated %#x", got)
	}
	stop()
	r.fe.Close()
	r.must(r.wait())
}

// TestCapturedResetDevice: QEMU 10.0 and 11.1 send RESET_DEVICE for a cryptodev
// when the machine is reset, which it is once before the guest begins; the
// descriptors for calls and errors were sent before, and are not sent again
// until the ring runs.
func TestCapturedResetDevice(t *testing.T) {
	r := newRig(t, &sessions{queues: 1})
	m := r.memory(testMemory, testGuestAddr)
	q := r.driver(m, 0, virtqdrv.Config{})
	events, err := newEvents(3)
	r.must(err)
	for _, e := range events {
		defer e.Close()
	}
	q.fq = &FrontQueue{Kick: events[0], Call: events[1], Err: events[2]}
	const acked = 0xa0a9 // all that is offered, without CONFIG
	r.send(ReqSetProtocolFeatures, capturedQuiet, AppendU64(nil, acked))
	r.send(ReqSetVringCall, capturedQuiet, VringFD{}.Append(nil), q.fq.Call.FD())
	r.send(ReqSetVringErr, capturedQuiet, VringFD{}.Append(nil), q.fq.Err.FD())
	for resets := range int64(3) {
		r.send(ReqResetDevice, capturedQuiet, nil)
		r.send(ReqSetFeatures, capturedQuiet, AppendU64(nil, 0x40000000))
		r.send(ReqSetMemTable, capturedAcked, AppendMemTable(nil, []MemRegion{m.Region()}), int(m.File.Fd()))
		r.fe.memory = []*SharedMemory{m}
		r.send(ReqSetVringNum, capturedQuiet, VringState{0, testQueueSize}.Append(nil))
		r.send(ReqSetVringBase, capturedQuiet, VringState{0, 0}.Append(nil))
		r.send(ReqSetVringAddr, capturedQuiet, VringAddr{
			Desc: r.fe.user(q.Desc()), Avail: r.fe.user(q.Avail()), Used: r.fe.user(q.Used()),
		}.Append(nil))
		r.send(ReqSetVringKick, capturedQuiet, VringFD{}.Append(nil), q.fq.Kick.FD())
		q.roundTrip()
		if got := r.dev.resets.Load(); got != resets+1 {
			t.Errorf("%d resets, want %d", got, resets+1)
		}
		if base, err := r.fe.StopQueue(0); err != nil || base != 1 {
			t.Errorf("stopped at %d, %v", base, err)
		}
		fq := q.fq
		q = r.driver(m, 0, virtqdrv.Config{})
		q.fq = fq
	}
}
