// SPDX-License-Identifier: Apache-2.0

package virtqdrv

import "vcrypto/virtio/internal/ring"

// Descriptor flags, section 2.7.5.
const (
	FlagNext     uint16 = ring.DescFNext
	FlagWrite    uint16 = ring.DescFWrite
	FlagIndirect uint16 = ring.DescFIndirect
)

// DescSize is the size of a descriptor in bytes.
const DescSize = ring.DescSize

// Desc is a descriptor, section 2.7.5.
type Desc struct {
	Addr  uint64
	Len   uint32
	Flags uint16
	Next  uint16
}

// put writes the descriptor as number i of a table.
func (d *Desc) put(table []byte, i int) {
	b := table[DescSize*i:][:DescSize]
	ring.Store64(b[ring.DescAddr:], d.Addr)
	ring.Store32(b[ring.DescLen:], d.Len)
	ring.Store16(b[ring.DescFlags:], d.Flags)
	ring.Store16(b[ring.DescNext:], d.Next)
}

// PutDesc writes a descriptor as number i of a table anywhere in memory.
func PutDesc(table []byte, i int, d Desc) { d.put(table, i) }

// RawDesc writes descriptor i of the queue's own table. Nothing is checked
// and nothing is accounted for.
func (q *Queue) RawDesc(i int, d Desc) { d.put(q.desc, i) }

// RawAvail writes an entry of the available ring; i is taken modulo the size.
func (q *Queue) RawAvail(i, head uint16) {
	ring.Store16(q.avail[ring.AvailRing+ring.AvailElem*int(i&q.mask):], head)
}

// RawAvailIdx shows the device any index. Later calls of Add and Publish go
// on from it.
func (q *Queue) RawAvailIdx(idx uint16) {
	q.next, q.shown = idx, idx
	q.storeAvail()
}

// RawSend makes a chain that Raw methods wrote available at the next entry
// and shows it. Reap will not know it: use RawUsed.
func (q *Queue) RawSend(head uint16) {
	q.RawAvail(q.next, head)
	q.RawAvailIdx(q.next + 1)
}

// RawUsedEvent writes used_event.
func (q *Queue) RawUsedEvent(idx uint16) { q.storeUsedEvent(idx) }

// RawUsedIdx is the device's index.
func (q *Queue) RawUsedIdx() uint16 { return q.usedIdx.Load() }

// RawUsed is an entry of the used ring; i is taken modulo the size.
func (q *Queue) RawUsed(i uint16) (id, written uint32) {
	e := q.used[ring.UsedRing+ring.UsedElem*int(i&q.mask):]
	return ring.Load32(e), ring.Load32(e[ring.UsedElemLen:])
}

// RawAvailEvent is avail_event, RawUsedFlags the device's flags.
func (q *Queue) RawAvailEvent() uint16 {
	return ring.Load16(q.used[ring.UsedRing+ring.UsedElem*q.cfg.Size:])
}
func (q *Queue) RawUsedFlags() uint16 { return ring.Load16(q.used[ring.UsedFlags:]) }
