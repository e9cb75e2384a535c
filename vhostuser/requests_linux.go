// SPDX-License-Identifier: Apache-2.0

package vhostuser

import (
	"errors"
	"fmt"
	"math"

	"vcrypto/virtio"
	"vcrypto/virtio/sock"
)

// rule is what a request must look like, and who handles it.
type rule struct {
	// size is the payload's size in bytes; negative if the handler checks it.
	size int
	// minFDs and maxFDs bound the number of descriptors.
	minFDs, maxFDs int
	// needs are protocol features that must have been acknowledged.
	needs uint64
	// replies: the request has an answer of its own.
	replies bool
	// harmless: if the request fails unnoticed, all goes on as before.
	harmless bool

	handle func(*backend, *Message) (reply []byte, err error)
}

// rules are the requests that are known. It is filled in init because the
// handlers refer to it.
var rules map[Request]rule

func init() {
	rules = map[Request]rule{
		ReqNone:                {size: -1, harmless: true, handle: (*backend).nothing},
		ReqGetFeatures:         {replies: true, handle: (*backend).getFeatures},
		ReqSetFeatures:         {size: sizeU64, handle: (*backend).setFeatures},
		ReqGetProtocolFeatures: {replies: true, handle: (*backend).getProtocolFeatures},
		ReqSetProtocolFeatures: {size: sizeU64, handle: (*backend).setProtocolFeatures},
		ReqGetQueueNum:         {replies: true, handle: (*backend).getQueueNum},
		ReqSetOwner:            {harmless: true, handle: (*backend).nothing},
		ReqResetOwner:          {handle: (*backend).resetOwner},
		ReqResetDevice:         {needs: ProtocolResetDevice, handle: (*backend).resetDevice},

		ReqGetConfig:       {size: -1, needs: ProtocolConfig, replies: true, handle: (*backend).getConfig},
		ReqSetConfig:       {size: -1, needs: ProtocolConfig, harmless: true, handle: (*backend).setConfig},
		ReqSetBackendReqFD: {minFDs: 1, maxFDs: 1, needs: ProtocolBackendReq, handle: (*backend).setChannel},

		ReqIOTLBMsg: {size: -1, handle: (*backend).iotlb},

		ReqSetStatus: {size: sizeU64, needs: ProtocolStatus, handle: (*backend).setStatus},
		ReqGetStatus: {needs: ProtocolStatus, replies: true, handle: (*backend).getStatus},

		ReqSetMemTable:    {size: -1, maxFDs: MaxFDs, handle: (*backend).setMemTable},
		ReqGetMaxMemSlots: {needs: ProtocolConfigureMemSlots, replies: true, handle: (*backend).getMaxMemSlots},
		ReqAddMemReg:      {size: sizeSingleRegion, minFDs: 1, maxFDs: 1, needs: ProtocolConfigureMemSlots, handle: (*backend).addMemReg},
		// "For compatibility with existing incorrect implementations, the
		// back-end MAY accept messages with one file descriptor."
		ReqRemMemReg: {size: sizeSingleRegion, maxFDs: 1, needs: ProtocolConfigureMemSlots, handle: (*backend).remMemReg},

		ReqSetVringNum:    {size: sizeVringState, handle: (*backend).setVringNum},
		ReqSetVringAddr:   {size: sizeVringAddr, handle: (*backend).setVringAddr},
		ReqSetVringBase:   {size: sizeVringState, handle: (*backend).setVringBase},
		ReqGetVringBase:   {size: sizeVringState, replies: true, handle: (*backend).getVringBase},
		ReqSetVringKick:   {size: sizeU64, maxFDs: 1, handle: (*backend).setVringKick},
		ReqSetVringCall:   {size: sizeU64, maxFDs: 1, handle: (*backend).setVringCall},
		ReqSetVringErr:    {size: sizeU64, maxFDs: 1, handle: (*backend).setVringErr},
		ReqSetVringEnable: {size: sizeVringState, handle: (*backend).setVringEnable},
	}
}

// nothing handles requests that ask for nothing.
func (b *backend) nothing(*Message) ([]byte, error) { return nil, nil }

func (b *backend) offered() uint64 { return b.in.Offered() | FeatureProtocolFeatures }

func (b *backend) getFeatures(*Message) ([]byte, error) {
	return AppendU64(nil, b.offered()), nil
}

// setFeatures: the driver negotiated these.
func (b *backend) setFeatures(m *Message) ([]byte, error) {
	f, err := DecodeU64(m.Payload)
	if err != nil {
		return nil, err
	}
	extra := f &^ b.offered()
	if extra&virtio.FeatureAccessPlatform != 0 {
		return nil, fmt.Errorf("%w: features %#x: %w", ErrProtocol, f, ErrIOMMU)
	}
	if extra != 0 {
		return nil, violation("features %#x were not offered", extra)
	}
	if b.anyRunning() {
		if f == b.features {
			return nil, nil
		}
		return nil, violation("features %#x while rings run with %#x", f, b.features)
	}
	if err := b.negotiated(f); err != nil {
		return nil, err
	}
	b.features, b.haveFeatures = f, true
	return nil, nil
}

// negotiated tells the device of features.
func (b *backend) negotiated(f uint64) error {
	f &^= FeatureProtocolFeatures
	if b.controlled {
		// The front-end says nothing of what the driver negotiated with it.
		f |= virtio.FeatureVersion1 & b.in.Offered()
	}
	return b.in.SetFeatures(f)
}

func (b *backend) offeredProtocol() uint64 {
	f := uint64(ownProtocolFeatures)
	if b.ext != nil {
		f |= b.ext.ProtocolFeatures()
	}
	return f
}

func (b *backend) getProtocolFeatures(*Message) ([]byte, error) {
	return AppendU64(nil, b.offeredProtocol()), nil
}

func (b *backend) setProtocolFeatures(m *Message) ([]byte, error) {
	f, err := DecodeU64(m.Payload)
	if err != nil {
		return nil, err
	}
	if extra := f &^ b.offeredProtocol(); extra != 0 {
		return nil, violation("protocol features %#x were not offered", extra)
	}
	if f != b.protocol && b.anyRunning() {
		return nil, violation("protocol features %#x while rings run with %#x", f, b.protocol)
	}
	b.protocol = f
	b.controlled = b.ext != nil && b.ext.FrontEndControls(f)
	return nil, nil
}

// queues is the number of queues the front-end can use.
func (b *backend) queues() int {
	if b.controlled {
		return min(len(b.rings), max(b.ext.DataQueues(), 0))
	}
	return len(b.rings)
}

func (b *backend) getQueueNum(*Message) ([]byte, error) {
	return AppendU64(nil, uint64(b.queues())), nil
}

// resetOwner stops and disables all rings: what the protocol recommends for a
// request that was never well defined.
func (b *backend) resetOwner(*Message) ([]byte, error) {
	b.pauseRunning()
	for _, v := range b.rings {
		b.stop(v)
		v.enable = unsaid
	}
	return nil, nil
}

// resetDevice brings the device to its initial state. Memory stays (a
// front-end that configures memory slots does not send it again), and so do
// the descriptors for calls and errors, which are sent only once.
func (b *backend) resetDevice(*Message) ([]byte, error) {
	b.in.Reset()
	for _, v := range b.rings {
		v.reset()
	}
	b.features, b.haveFeatures = 0, false
	b.status = 0
	b.resetPending = false
	return nil, nil
}

// getConfig reads the configuration space. "Back-end uses zero length of
// payload to indicate an error to the front-end."
func (b *backend) getConfig(m *Message) ([]byte, error) {
	c, err := DecodeConfig(m.Payload)
	if err != nil {
		b.log.Warn("vhost-user request failed", "request", m.Request, "err", err)
		if b.errors++; b.errors > maxErrors {
			return nil, err
		}
		return nil, nil
	}
	clear(c.Data)
	b.in.Device().ReadConfig(c.Data, c.Offset)
	return m.Payload, nil
}

var errReadOnlyConfig = errors.New("the configuration space is read-only")

func (b *backend) setConfig(m *Message) ([]byte, error) {
	if _, err := DecodeConfig(m.Payload); err != nil {
		return nil, err
	}
	return nil, errReadOnlyConfig
}

func (b *backend) setChannel(m *Message) ([]byte, error) {
	fd := m.TakeFD()
	if err := sock.CheckStream(fd); err != nil {
		closeFDs([]int{fd})
		return nil, fmt.Errorf("channel: %w", err)
	}
	b.channel.set(fd)
	return nil, nil
}

// ring returns the ring of an index in a message.
func (b *backend) ring(index uint32) (*vring, error) {
	if n := b.queues(); uint64(index) >= uint64(n) {
		return nil, violation("ring %d, the device has %d", index, n)
	}
	return b.rings[index], nil
}

// state decodes a VringState and finds its ring.
func (b *backend) state(m *Message) (*vring, uint32, error) {
	s, err := DecodeVringState(m.Payload)
	if err != nil {
		return nil, 0, err
	}
	v, err := b.ring(s.Index)
	return v, s.Num, err
}

// event decodes a VringFD, finds its ring and takes its descriptor; nil if
// there is none.
func (b *backend) event(m *Message) (*vring, *virtio.Event, error) {
	p, err := DecodeVringFD(m.Payload)
	if err != nil {
		return nil, nil, err
	}
	v, err := b.ring(uint32(p.Index))
	if err != nil {
		return nil, nil, err
	}
	if p.None != (m.FDs() == 0) {
		return nil, nil, violation("%d descriptors for ring %d, and the message says none: %t", m.FDs(), p.Index, p.None)
	}
	if p.None {
		return v, nil, nil
	}
	return v, virtio.EventFromFD(m.TakeFD()), nil
}

// maxBase is the largest index in a split virtqueue.
const maxBase = math.MaxUint16
