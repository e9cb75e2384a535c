// SPDX-License-Identifier: Apache-2.0

package vhostuser

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"vcrypto/virtio/virtqdrv"
)

// Messages that are not as the protocol wants them.

// rightSize is a size of a request's payload that is taken.
func rightSize(r Request) int {
	if size := rules[r].size; size >= 0 {
		return size
	}
	switch r {
	case ReqGetConfig, ReqSetConfig:
		return sizeConfigHeader
	case ReqSetMemTable:
		return sizeMemHeader
	}
	return 0
}

// goesOn checks that the back-end still answers.
func (r *rig) goesOn() {
	r.t.Helper()
	if _, err := r.fe.callU64(ReqGetFeatures); err != nil {
		r.t.Errorf("the connection does not go on: %v (log: %s)", err, r.log)
	}
}

// refused checks the fate of a request that must fail, asked to be
// acknowledged: its failure is told, or the connection ends.
func (r *rig) refused(req Request, payload []byte, fds ...int) {
	r.t.Helper()
	r.must(r.fe.SendFlags(req, FlagNeedReply, payload, fds...))
	if rules[req].replies && req != ReqGetConfig {
		if err := r.wait(); !errors.Is(err, ErrProtocol) {
			r.t.Errorf("%v, %d bytes, %d descriptors: the connection ends with %v", req, len(payload), len(fds), err)
		}
		return
	}
	if req == ReqGetConfig {
		if b, err := r.fe.Receive(req); err != nil || len(b) != 0 {
			r.t.Errorf("%v, %d bytes: answer %x, %v; want an empty one", req, len(payload), b, err)
		}
	} else {
		var nack *AckError
		if err := r.fe.ReceiveAck(req); !errors.As(err, &nack) {
			r.t.Errorf("%v, %d bytes, %d descriptors: acknowledged with %v", req, len(payload), len(fds), err)
		}
	}
	r.goesOn()
}

func TestPayloadsOfTheWrongSize(t *testing.T) {
	for req := range rules {
		if req == ReqNone {
			continue // means nothing, whatever it carries
		}
		for _, delta := range []int{-rightSize(req), -1, 1, 3, rightSize(req), MaxPayload - rightSize(req)} {
			size := rightSize(req) + delta
			if delta == 0 || size < 0 {
				continue
			}
			t.Run(fmt.Sprintf("%v/%d", req, size), func(t *testing.T) {
				r := newRig(t, nil)
				r.negotiate()
				var fds []int
				for range rules[req].minFDs {
					fds = append(fds, int(os.Stdin.Fd()))
				}
				r.refused(req, make([]byte, size), fds...)
			})
		}
	}
}

func TestUnaskedErrorsEndTheConnection(t *testing.T) {
	for req, rule := range rules {
		if req == ReqNone {
			continue
		}
		t.Run(req.String(), func(t *testing.T) {
			r := newRig(t, nil)
			r.negotiate()
			r.must(r.fe.Send(req, make([]byte, rightSize(req)+1)))
			if rule.harmless {
				r.goesOn()
				return
			}
			if req == ReqGetConfig {
				if _, err := r.fe.Receive(req); err != nil {
					t.Error(err)
				}
				return
			}
			if err := r.wait(); !errors.Is(err, ErrProtocol) {
				t.Errorf("the connection ends with %v", err)
			}
		})
	}
}

func TestBadFraming(t *testing.T) {
	header := func(r Request, flags, size uint32) []byte { return Header{r, flags, size}.Append(nil) }
	for _, c := range []struct {
		name  string
		bytes []byte
		want  error
	}{
		{"version 0", header(ReqGetFeatures, 0, 0), ErrProtocol},
		{"version 2", header(ReqGetFeatures, 2, 0), ErrProtocol},
		{"version 3", header(ReqGetFeatures, 3, 0), ErrProtocol},
		{"oversized", header(ReqSetConfig, flagVersion, MaxPayload+1), ErrProtocol},
		{"as large as can be", header(ReqSetConfig, flagVersion, 1<<32-1), ErrProtocol},
		{"a reply", header(ReqGetFeatures, flagVersion|FlagReply, 0), ErrProtocol},
		{"half a header", header(ReqGetFeatures, flagVersion, 0)[:5], io.ErrUnexpectedEOF},
		{"no payload", header(ReqSetFeatures, flagVersion, 8), io.ErrUnexpectedEOF},
		{"half a payload", append(header(ReqSetFeatures, flagVersion, 8), 1, 2, 3), io.ErrUnexpectedEOF},
		{"nothing", nil, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, nil)
			before := count(t)
			if len(c.bytes) > 0 {
				r.must(r.fe.SendRaw(c.bytes, int(os.Stdin.Fd())))
			}
			if !errors.Is(c.want, ErrProtocol) {
				r.must(r.fe.conn.uc.CloseWrite())
			}
			if err := r.wait(); !errors.Is(err, c.want) {
				t.Errorf("the connection ends with %v, want %v", err, c.want)
			}
			before.goroutines-- // the back-end's
			before.fds--        // its socket
			before.same(t)
		})
	}
}

// TestMessageInPieces: a stream has no message boundaries.
func TestMessageInPieces(t *testing.T) {
	r := newRig(t, nil)
	two := Header{ReqGetFeatures, flagVersion, 0}.Append(nil)
	two = Header{ReqSetFeatures, flagVersion, 8}.Append(two)
	two = AppendU64(two, testFeatures)
	two = Header{ReqGetProtocolFeatures, flagVersion, 0}.Append(two)
	for _, b := range two {
		r.must(r.fe.SendRaw([]byte{b}))
	}
	r.must(r.fe.SendRaw(two)) // and all at once
	for range 2 {
		for _, req := range []Request{ReqGetFeatures, ReqGetProtocolFeatures} {
			if _, err := r.fe.Receive(req); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestDescriptorsStayWithTheirMessage: two messages in flight, each with a
// descriptor of its own.
func TestDescriptorsStayWithTheirMessage(t *testing.T) {
	r := newRig(t, nil)
	r.negotiate()
	events, err := newEvents(2)
	r.must(err)
	m := r.memory(testMemory, testGuestAddr)
	r.must(r.fe.ShareMemory(m))
	q := r.driver(m, 0, virtqdrv.Config{})
	q.setup(0)
	for _, e := range events {
		defer e.Close()
		r.must(r.fe.Send(ReqSetVringCall, VringFD{}.Append(nil), e.FD()))
	}
	q.enable(true)
	q.submit()
	eventually(t, "an answer", q.Pending)
	if !waitEvent(events[1], patience) {
		t.Error("the newest call descriptor was not used")
	}
	if waitEvent(events[0], 0) {
		t.Error("an older call descriptor was used")
	}
}

func TestUnknownRequests(t *testing.T) {
	r := newRig(t, nil)
	r.negotiate()
	before := count(t)
	for range 1000 {
		r.must(r.fe.Send(99, make([]byte, 64), int(os.Stdin.Fd())))
	}
	r.must(r.fe.SendFlags(99, FlagNeedReply, nil))
	var nack *AckError
	if err := r.fe.ReceiveAck(99); !errors.As(err, &nack) {
		t.Errorf("acknowledged with %v", err)
	}
	r.goesOn()
	before.same(t)
	if n := strings.Count(r.log.String(), "unknown"); n != 1 {
		t.Errorf("%d log lines", n)
	}
}

// TestFailuresOfTheExtensionDoNotFillTheLog: a guest causes them, by closing
// sessions that are not there.
func TestFailuresOfTheExtensionDoNotFillTheLog(t *testing.T) {
	r := newRig(t, &sessions{queues: 1})
	r.negotiate()
	for range 1000 {
		r.must(r.fe.Send(reqCloseSession, nil)) // of a wrong size
	}
	var nack *AckError
	r.must(r.fe.SendFlags(reqCloseSession, FlagNeedReply, nil))
	if err := r.fe.ReceiveAck(reqCloseSession); !errors.As(err, &nack) {
		t.Errorf("acknowledged with %v", err)
	}
	r.goesOn()
	if n := strings.Count(r.log.String(), "request failed"); n != 1 {
		t.Errorf("%d log lines", n)
	}
}

// TestReplyAckTakesEffectAfterwards: neither before it is negotiated nor for
// the message that negotiates it is there an acknowledgement, and never beside
// an answer.
func TestReplyAckTakesEffectAfterwards(t *testing.T) {
	r := newRig(t, nil)
	r.must(r.fe.SendFlags(ReqSetOwner, FlagNeedReply, nil))
	r.must(r.fe.SendFlags(ReqSetProtocolFeatures, FlagNeedReply, AppendU64(nil, ProtocolReplyAck)))
	r.must(r.fe.SendFlags(ReqGetFeatures, FlagNeedReply, nil))
	if _, err := r.fe.Receive(ReqGetFeatures); err != nil {
		t.Error(err)
	}
	r.must(r.fe.SendFlags(ReqSetOwner, FlagNeedReply, nil))
	r.must(r.fe.ReceiveAck(ReqSetOwner))
	r.goesOn()
}

func TestTooManyErrorsEndTheConnection(t *testing.T) {
	r := newRig(t, nil)
	r.negotiate()
	for range maxErrors + 1 {
		if err := r.fe.SendFlags(ReqSetVringNum, FlagNeedReply, nil); err != nil {
			break // it closed before we were through
		}
	}
	if err := r.wait(); !errors.Is(err, ErrProtocol) {
		t.Error(err)
	}
	if n := strings.Count(r.log.String(), "request failed"); n > maxErrors {
		t.Errorf("%d log lines", n)
	}
}

func TestFeaturesNotOffered(t *testing.T) {
	r := newRig(t, nil)
	r.negotiate()
	r.refused(ReqSetFeatures, AppendU64(nil, 1<<63))
	r.refused(ReqSetProtocolFeatures, AppendU64(nil, 1<<12))
	if err := r.fe.Negotiate(1<<63, testProtocol); !errors.Is(err, ErrNotOffered) {
		t.Error(err)
	}
}

func TestRequestsNeedTheirProtocolFeature(t *testing.T) {
	for req, rule := range rules {
		if rule.needs == 0 {
			continue
		}
		t.Run(req.String(), func(t *testing.T) {
			r := newRig(t, nil)
			r.must(r.fe.Negotiate(testFeatures, testProtocol&^rule.needs))
			var fds []int
			for range rule.minFDs {
				fds = append(fds, int(os.Stdin.Fd()))
			}
			r.must(r.fe.SendFlags(req, FlagNeedReply, make([]byte, rightSize(req)), fds...))
			if rule.replies {
				if err := r.wait(); !errors.Is(err, ErrProtocol) {
					t.Error(err)
				}
				return
			}
			var nack *AckError
			if err := r.fe.ReceiveAck(req); !errors.As(err, &nack) {
				t.Errorf("acknowledged with %v", err)
			}
		})
	}
}

func TestConfig(t *testing.T) {
	r := newRig(t, nil)
	r.negotiate()
	b, err := r.fe.GetConfig(4, MaxConfigSize-4)
	if err != nil || b[0] != 0xc4 || b[12] != 0 {
		t.Errorf("%x, %v", b, err)
	}
	var nack *AckError
	if err := r.fe.SetConfig(0, []byte{1}); !errors.As(err, &nack) {
		t.Errorf("a write to a read-only configuration: %v", err)
	}
	ch, err := r.fe.OpenChannel()
	r.must(err)
	defer ch.Close()
	r.must(r.dev.configChanged())
	if req, err := ch.Receive(patience); err != nil || req != BackendConfigChange {
		t.Errorf("%v, %v", req, err)
	}
	// A front-end that does not read must not hold the device up.
	for range 100000 {
		if err = r.dev.configChanged(); err != nil {
			break
		}
	}
	if err == nil {
		t.Error("a channel that nobody reads never fills")
	}
	r.refused(ReqSetBackendReqFD, nil, int(r.memory(4096, 0).File.Fd()))
	r.fe.Close()
	r.must(r.wait())
	if err := r.dev.configChanged(); !errors.Is(err, ErrNoChannel) {
		t.Errorf("after the end: %v", err)
	}
}
