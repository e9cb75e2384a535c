// SPDX-License-Identifier: Apache-2.0

package vhostuser

import (
	"testing"

	"vcrypto/virtio"
	"vcrypto/virtio/virtqdrv"
)

// What Cloud Hypervisor 53 acknowledges of what it is offered, by its source
// (virtio-devices/src/vhost_user, and rust-vmm's vhost crate).
const (
	cloudFeatures = virtio.FeatureIndirectDesc | virtio.FeatureEventIdx | virtio.FeatureVersion1 | FeatureProtocolFeatures |
		1<<35 | 1<<36 | 1<<38 | 1<<26 // IN_ORDER, ORDER_PLATFORM, NOTIFICATION_DATA, LOG_ALL
	cloudProtocol = ProtocolConfig | ProtocolMQ | ProtocolConfigureMemSlots | ProtocolReplyAck | ProtocolBackendReq |
		1<<12 | 1<<1 | 1<<19 // INFLIGHT_SHMFD, LOG_SHMFD, DEVICE_STATE
)

// TestCloudHypervisor: what Cloud Hypervisor sends for a --generic-vhost-user, in
// its order: the owner first, then features; with REPLY_ACK the flag for it on
// every message, those that are answered anyway included; the addresses of a ring
// before its base; the channel for requests last. Configuration is read as the
// guest reads it, and an answer that is none would end the VM.
func TestCloudHypervisor(t *testing.T) {
	r := newRig(t, nil)
	m := r.memory(testMemory, testGuestAddr)
	low := r.memory(0xa0000, 0)

	r.send(ReqSetOwner, 0, nil)
	offered := r.dev.Features() | virtio.RingFeatures | FeatureProtocolFeatures
	r.ask(ReqGetFeatures, offered)
	r.ask(ReqGetProtocolFeatures, testProtocol|ProtocolStatus)
	const protocol = cloudProtocol & testProtocol
	if protocol&(ProtocolConfig|ProtocolReplyAck|ProtocolMQ|ProtocolBackendReq) == 0 {
		t.Fatalf("protocol features %#x", protocol)
	}
	r.send(ReqSetProtocolFeatures, 0, AppendU64(nil, protocol))
	r.fe.protocol = protocol
	// asked sends a request with the flag, of which the answer is the reply and
	// nothing else: what is left over would be taken for the next one's.
	asked := func(req Request, payload []byte) []byte {
		t.Helper()
		r.must(r.fe.SendFlags(req, FlagNeedReply, payload))
		b, err := r.fe.Receive(req)
		r.must(err)
		return b
	}
	if n, err := DecodeU64(asked(ReqGetQueueNum, nil)); err != nil || n != 3 {
		t.Fatalf("%d queues, %v", n, err)
	}
	for _, read := range []struct{ offset, size int }{{0, 4}, {4, 4}, {8, 8}, {55, 1}, {0, 1}, {56, 4}, {200, 56}} {
		b := asked(ReqGetConfig, Config{Offset: uint32(read.offset), Data: make([]byte, read.size)}.Append(nil))
		c, err := DecodeConfig(b)
		if err != nil || int(c.Offset) != read.offset || len(c.Data) != read.size {
			t.Fatalf("%d bytes of configuration at %d: %x, %v", read.size, read.offset, b, err)
		}
	}

	var rings []*ring
	var channel *Channel
	activate := func() {
		t.Helper()
		r.send(ReqSetFeatures, FlagNeedReply, AppendU64(nil, cloudFeatures&offered))
		r.send(ReqSetMemTable, FlagNeedReply, AppendMemTable(nil, []MemRegion{low.Region(), m.Region()}),
			int(low.File.Fd()), int(m.File.Fd()))
		r.fe.memory = []*SharedMemory{low, m}
		rings = nil
		for i := range 3 {
			q := r.driver(m, i, virtqdrv.Config{Indirect: 4, EventIdx: true})
			events, err := newEvents(2)
			r.must(err)
			q.fq = &FrontQueue{Kick: events[0], Call: events[1]}
			t.Cleanup(func() { events[0].Close(); events[1].Close() })
			rings = append(rings, q)
			r.send(ReqSetVringNum, FlagNeedReply, VringState{uint32(i), testQueueSize}.Append(nil))
		}
		for i, q := range rings {
			r.send(ReqSetVringAddr, FlagNeedReply, VringAddr{
				Index: uint32(i), Desc: r.fe.user(q.Desc()), Avail: r.fe.user(q.Avail()), Used: r.fe.user(q.Used()),
			}.Append(nil))
			r.send(ReqSetVringBase, FlagNeedReply, VringState{uint32(i), 0}.Append(nil))
			r.send(ReqSetVringCall, FlagNeedReply, VringFD{Index: uint8(i)}.Append(nil), q.fq.Call.FD())
			r.send(ReqSetVringKick, FlagNeedReply, VringFD{Index: uint8(i)}.Append(nil), q.fq.Kick.FD())
		}
		for i := range rings {
			r.send(ReqSetVringEnable, FlagNeedReply, VringState{uint32(i), 1}.Append(nil))
		}
		var err error
		if channel, err = r.fe.OpenChannel(); err != nil {
			t.Fatal(err)
		}
	}

	resets := r.dev.resets.Load()
	for life := range uint32(3) {
		activate()
		for range 5 {
			for _, q := range rings {
				q.roundTrip()
			}
		}
		r.must(r.dev.configChanged())
		if req, err := channel.Receive(patience); err != nil || req != BackendConfigChange {
			t.Errorf("on the channel: %v, %v", req, err)
		}
		if got := r.dev.resets.Load(); life > 0 && got == resets {
			t.Errorf("life %d: a driver began anew, and the device was not reset", life)
		}
		resets = r.dev.resets.Load()
		// The guest resets the device: each ring is stopped, and no more said.
		for i := range rings {
			r.send(ReqSetVringEnable, FlagNeedReply, VringState{uint32(i), 0}.Append(nil))
			s, err := DecodeVringState(asked(ReqGetVringBase, VringState{uint32(i), 0}.Append(nil)))
			if err != nil || s.Num != 5 {
				t.Fatalf("ring %d stopped at %+v, %v", i, s, err)
			}
		}
		channel.Close()
	}
	r.fe.Close()
	r.must(r.wait())
}
