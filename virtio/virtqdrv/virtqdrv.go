// SPDX-License-Identifier: Apache-2.0

// Package virtqdrv is the driver's side of a split virtqueue: what a guest
// does, for tests and benchmarks. It runs in the process that owns "guest"
// memory, which is a memfd shared with the device, or in the device's own.
//
//	m := &virtqdrv.Memory{Data: mapping, Addr: guestAddr}
//	q, err := virtqdrv.New(m, virtqdrv.Config{Size: 256, Indirect: 8})
//	// tell the device q.Desc(), q.Avail(), q.Used()
//	err = q.Add(readable, writable, cookie)
//	if q.Publish() { kick() }
//	...
//	n, err := q.Reap(batch) // cookies of what the device has used
//
// Everything is written for speed: nothing is allocated after New, and a
// chain that is sent again and again can be [Queue.Prepare]d once, so that
// sending it costs two bytes in the ring.
//
// It can also do what no driver should: the Raw methods write any descriptor,
// ring entry or index, for tests of a device's checks.
package virtqdrv

import (
	"errors"
	"fmt"
	"math"

	"vcrypto/virtio/internal/ring"
)

// Errors of this package. Test with errors.Is.
var (
	// ErrNoSpace: the memory has no room left.
	ErrNoSpace = errors.New("out of guest memory")
	// ErrFull: not enough descriptors are free; reap first.
	ErrFull = errors.New("virtqueue is full")
	// ErrChain: a chain has no buffers, or more than the queue or an
	// indirect table has descriptors.
	ErrChain = errors.New("bad number of buffers in a chain")
	// ErrInFlight: a slot was added or released while the device has it.
	ErrInFlight = errors.New("slot is in flight")
	// ErrDevice: the device wrote nonsense to the used ring.
	ErrDevice = errors.New("device broke the used ring")
)

// Buf is a buffer by its guest physical address and its length in bytes.
type Buf struct {
	Addr uint64
	Len  uint32
}

// Memory is guest memory from which rings and buffers are cut. The zero
// value plus Data is ready for use; what was cut is never given back.
type Memory struct {
	Data []byte
	Addr uint64 // guest physical address of Data[0]

	used uint64 // bytes of Data that were given out
}

// Alloc cuts off n bytes at a guest address that is a multiple of align, a
// power of two.
func (m *Memory) Alloc(n int, align uint64) (Buf, error) {
	at := (m.Addr+m.used+align-1)&^(align-1) - m.Addr
	if n < 0 || int64(n) > math.MaxUint32 || at > uint64(len(m.Data)) || uint64(n) > uint64(len(m.Data))-at {
		return Buf{}, fmt.Errorf("%d bytes of %d, %d in use: %w", n, len(m.Data), m.used, ErrNoSpace)
	}
	m.used = at + uint64(n)
	return Buf{m.Addr + at, uint32(n)}, nil
}

// Bytes are a buffer's bytes. The buffer must come from Alloc.
func (m *Memory) Bytes(b Buf) []byte {
	off := b.Addr - m.Addr
	end := off + uint64(b.Len)
	return m.Data[off:end:end]
}

// Config says what queue to make.
type Config struct {
	// Size is the number of descriptors: a power of two up to 32768.
	Size int
	// Indirect is the number of descriptors in each chain's indirect table,
	// 0 for direct descriptors. VIRTIO_F_INDIRECT_DESC must be negotiated.
	Indirect int
	// EventIdx: VIRTIO_F_EVENT_IDX was negotiated.
	EventIdx bool
	// Base is the index at which both rings begin. A new queue's is 0; others
	// bring the wrap-around of indices near.
	Base uint16
	// AvailOdd places the available ring at an address that is a multiple of
	// 2 only, as the specification allows.
	AvailOdd bool
}

// Queue is the driver's side of a split virtqueue. It belongs to one
// goroutine at a time.
type Queue struct {
	cfg  Config
	mask uint16

	descAt, availAt, usedAt uint64 // guest addresses
	tableAt                 uint64 // of the first indirect table

	desc, avail, used []byte
	tables            []byte // cfg.Indirect descriptors for each head
	availWord         *uint32
	availOdd          bool // availWord is idx and ring[0], not flags and idx
	usedIdx           ring.Index

	next   uint16 // the next entry of the available ring to fill
	shown  uint16 // what the device can see of next
	reaped uint16 // the next entry of the used ring to look at
	flags  uint16 // of the available ring

	free  []uint16 // descriptors that are free, a stack
	heads []head   // by head descriptor
	links []uint16 // the chain's next descriptor; the device does not write here
}

// head is what is known of the chain that begins at a descriptor.
type head struct {
	cookie   uint64
	count    uint16 // descriptors of the chain; 0 where no chain begins
	prepared bool
	inFlight bool
}

// New cuts a queue's areas from m and makes it ready.
func New(m *Memory, c Config) (*Queue, error) {
	if c.Size < 1 || c.Size > ring.MaxSize || c.Size&(c.Size-1) != 0 {
		return nil, fmt.Errorf("queue size %d: must be a power of two up to %d", c.Size, ring.MaxSize)
	}
	if c.Indirect < 0 || c.Indirect > ring.MaxSize {
		return nil, fmt.Errorf("%d descriptors a table: must be 0 to %d", c.Indirect, ring.MaxSize)
	}
	q := &Queue{cfg: c, mask: uint16(c.Size - 1), next: c.Base, shown: c.Base, reaped: c.Base}
	if err := q.place(m); err != nil {
		return nil, fmt.Errorf("place a queue of %d: %w", c.Size, err)
	}
	q.free = make([]uint16, c.Size)
	for i := range q.free {
		q.free[i] = uint16(c.Size - 1 - i) // descriptor 0 is taken first
	}
	q.heads = make([]head, c.Size)
	q.links = make([]uint16, c.Size)
	ring.Store16(q.used[ring.UsedIdx:], c.Base)
	q.storeAvail()
	q.EnableInterrupts()
	return q, nil
}

// cacheLine is what areas are a multiple of, as Linux has it: what one side
// writes then shares no line with what the other does.
const cacheLine = 64

// place cuts out the areas and finds their words.
func (q *Queue) place(m *Memory) error {
	var err error
	cut := func(n uint64, align uint64) (at uint64, b []byte) {
		var buf Buf
		if err == nil {
			buf, err = m.Alloc(int(n), align)
		}
		if err != nil {
			return 0, nil
		}
		b = m.Bytes(buf)
		clear(b)
		return buf.Addr, b
	}
	q.descAt, q.desc = cut(ring.DescBytes(q.cfg.Size), cacheLine)
	if q.cfg.AvailOdd {
		const word = 4
		cut(0, word)
		cut(ring.AvailAlign, ring.AvailAlign)
	} else {
		cut(0, ring.UsedAlign)
	}
	q.availAt, q.avail = cut(ring.AvailBytes(q.cfg.Size), ring.AvailAlign)
	q.usedAt, q.used = cut(ring.UsedBytes(q.cfg.Size), cacheLine)
	q.tableAt, q.tables = cut(ring.DescBytes(q.cfg.Size*q.cfg.Indirect), cacheLine)
	if err != nil {
		return err
	}
	if q.usedIdx, err = ring.NewIndex(q.used); err != nil {
		return err
	}
	if q.availWord, err = ring.Word(q.avail); err != nil {
		q.availOdd = true
		q.availWord, err = ring.Word(q.avail[ring.AvailIdx:])
	}
	return err
}

// Desc, Avail and Used are the guest physical addresses of the three areas.
func (q *Queue) Desc() uint64  { return q.descAt }
func (q *Queue) Avail() uint64 { return q.availAt }
func (q *Queue) Used() uint64  { return q.usedAt }

// Size is the number of descriptors, Free how many of them are free. With
// indirect descriptors a chain takes one.
func (q *Queue) Size() int { return q.cfg.Size }
func (q *Queue) Free() int { return len(q.free) }
