// SPDX-License-Identifier: Apache-2.0

package virtqdrv

import (
	"fmt"

	"vcrypto/virtio/internal/ring"
)

// Packed is the driver's side of a packed virtqueue. It belongs to one
// goroutine at a time and is used as a [Queue] is. The Raw methods it does not
// have, and it prepares chains only where it has indirect tables.
type Packed struct {
	cfg  Config
	size uint16

	descAt, driverAt, deviceAt, tableAt uint64 // guest addresses

	desc           []ring.Desc
	tables         []byte
	driver, device *uint32 // event suppression: ours, and the device's

	next     uint16 // the place of the next chain
	nextWrap bool
	used     uint16 // the place of the next used descriptor to look at
	usedWrap bool

	// What was added and not published: the first of it, whose flags show the
	// rest, and over how many places.
	first      uint16
	firstID    uint16
	firstFlags uint16
	staged     int

	room     int // places that are free
	inFlight int // chains
	ids      []uint16
	chains   []packedChain // by id
}

type packedChain struct {
	cookie   uint64
	length   uint32 // of its indirect table, in bytes
	places   uint16 // 0: not in flight
	prepared bool
}

// NewPacked cuts a queue's areas from m and makes it ready. Config.Base is a
// place, with its wrap counter in the highest bit; a new queue's is
// PackedBase. AvailOdd is not used.
func NewPacked(m *Memory, c Config) (*Packed, error) {
	if c.Size < 1 || c.Size > ring.MaxSize || int(c.Base&^PackedBase) >= c.Size {
		return nil, fmt.Errorf("packed queue of %d that begins at %d: must be 1 to %d", c.Size, c.Base&^PackedBase, ring.MaxSize)
	}
	if c.Indirect < 0 || c.Indirect > ring.MaxSize {
		return nil, fmt.Errorf("%d descriptors a table: must be 0 to %d", c.Indirect, ring.MaxSize)
	}
	q := &Packed{cfg: c, size: uint16(c.Size), room: c.Size, chains: make([]packedChain, c.Size)}
	q.next, q.nextWrap = c.Base&^PackedBase, c.Base&PackedBase != 0
	q.used, q.usedWrap = q.next, q.nextWrap
	for i := range c.Size {
		q.ids = append(q.ids, uint16(c.Size-1-i))
	}
	var areas [4]Buf
	for i, a := range []struct{ n, align uint64 }{
		{ring.DescBytes(c.Size), cacheLine}, {ring.EventBytes, cacheLine}, {ring.EventBytes, cacheLine},
		{ring.DescBytes(c.Size * c.Indirect), cacheLine},
	} {
		var err error
		if areas[i], err = m.Alloc(int(a.n), a.align); err != nil {
			return nil, fmt.Errorf("place a packed queue of %d: %w", c.Size, err)
		}
		clear(m.Bytes(areas[i]))
	}
	q.descAt, q.driverAt, q.deviceAt, q.tableAt = areas[0].Addr, areas[1].Addr, areas[2].Addr, areas[3].Addr
	q.desc, q.tables = ring.Descs(m.Bytes(areas[0])), m.Bytes(areas[3])
	var err error
	if q.driver, err = ring.Word(m.Bytes(areas[1])); err != nil {
		return nil, err
	}
	if q.device, err = ring.Word(m.Bytes(areas[2])); err != nil {
		return nil, err
	}
	// Until its first lap nothing may look available or used: a ring of zeros
	// is neither for a counter of 1, but looks used for one of 0.
	for i := range q.desc {
		wrap := q.nextWrap
		if uint16(i) < q.next {
			wrap = !wrap
		}
		q.desc[i].StoreTail(0, ring.PackedUsed(!wrap))
	}
	q.EnableInterrupts()
	return q, nil
}

// PackedBase is the base of a new queue.
const PackedBase = 1 << ring.WrapShift

// Desc, Avail and Used are the guest physical addresses of the three areas:
// the ring, the driver's event suppression, the device's.
func (q *Packed) Desc() uint64  { return q.descAt }
func (q *Packed) Avail() uint64 { return q.driverAt }
func (q *Packed) Used() uint64  { return q.deviceAt }

// Size is the number of descriptors, Free how many of them are free, InFlight
// the number of chains the device may still use.
func (q *Packed) Size() int     { return q.cfg.Size }
func (q *Packed) Free() int     { return q.room }
func (q *Packed) InFlight() int { return q.inFlight }

// Add makes a chain available. See [Queue.Add].
func (q *Packed) Add(readable, writable []Buf, cookie uint64) error {
	n, most := len(readable)+len(writable), q.cfg.Size
	if q.cfg.Indirect > 0 {
		most = q.cfg.Indirect
	}
	if n == 0 || n > most {
		return fmt.Errorf("%d buffers, at most %d: %w", n, most, ErrChain)
	}
	places := n
	if q.cfg.Indirect > 0 {
		places = 1
	}
	if places > q.room || len(q.ids) == 0 {
		return ErrFull
	}
	id := q.ids[len(q.ids)-1]
	q.ids = q.ids[:len(q.ids)-1]
	q.chains[id] = packedChain{cookie: cookie}
	if q.cfg.Indirect > 0 {
		q.writeTable(id, readable, writable)
		q.addTable(id)
		return nil
	}
	q.chains[id].places = uint16(places)
	q.room -= places
	q.inFlight++
	// From the last to the first, so that in a batch's other chains, too, the
	// flags of the first come last.
	type placed struct {
		at   uint16
		wrap bool
	}
	head := placed{q.next, q.nextWrap}
	q.step()
	for i := 1; i < n; i++ {
		var d Desc
		fill(&d, readable, writable, i)
		q.desc[q.next].StoreBody(d.Addr, d.Len)
		q.desc[q.next].StoreTail(id, d.Flags|ring.PackedAvail(q.nextWrap))
		q.step()
	}
	end := placed{q.next, q.nextWrap}
	q.next, q.nextWrap = head.at, head.wrap
	var d Desc
	fill(&d, readable, writable, 0)
	q.put(d.Addr, d.Len, id, d.Flags, false)
	q.next, q.nextWrap = end.at, end.wrap
	q.staged += n
	return nil
}

// writeTable writes a chain's indirect table.
func (q *Packed) writeTable(id uint16, readable, writable []Buf) {
	n := len(readable) + len(writable)
	size := ring.DescSize * q.cfg.Indirect
	table := ring.Descs(q.tables[size*int(id):][:size])
	for i := range n {
		var d Desc
		fill(&d, readable, writable, i)
		table[i].StoreBody(d.Addr, d.Len)
		table[i].PutTail(0, d.Flags&^ring.DescFNext)
	}
	q.chains[id].length = uint32(ring.DescSize * n)
}

// addTable makes a chain in an indirect table available.
func (q *Packed) addTable(id uint16) {
	c := &q.chains[id]
	c.places = 1
	q.room--
	q.inFlight++
	q.put(q.tableAt+uint64(ring.DescSize*q.cfg.Indirect)*uint64(id), c.length, id, ring.DescFIndirect, true)
}

// Prepare writes a chain's indirect table without making the chain available.
// See [Queue.Prepare].
func (q *Packed) Prepare(readable, writable []Buf, cookie uint64) (Slot, error) {
	if n := len(readable) + len(writable); n == 0 || n > q.cfg.Indirect {
		return 0, fmt.Errorf("%d buffers, at most %d: %w", n, q.cfg.Indirect, ErrChain)
	}
	if len(q.ids) == 0 {
		return 0, ErrFull
	}
	id := q.ids[len(q.ids)-1]
	q.ids = q.ids[:len(q.ids)-1]
	q.chains[id] = packedChain{cookie: cookie, prepared: true}
	q.writeTable(id, readable, writable)
	return Slot(id), nil
}

// AddSlot makes a prepared chain available.
func (q *Packed) AddSlot(s Slot) error {
	if c := &q.chains[s]; !c.prepared || c.places != 0 {
		return ErrInFlight
	}
	if q.room == 0 {
		return ErrFull
	}
	q.addTable(uint16(s))
	return nil
}

// Release gives a prepared chain's table back.
func (q *Packed) Release(s Slot) error {
	if c := &q.chains[s]; !c.prepared || c.places != 0 {
		return ErrInFlight
	}
	q.chains[s] = packedChain{}
	q.ids = append(q.ids, uint16(s))
	return nil
}

// put writes the first descriptor of a chain at the next place; if alone it is
// all of the chain.
func (q *Packed) put(addr uint64, length uint32, id, flags uint16, alone bool) {
	flags |= ring.PackedAvail(q.nextWrap)
	q.desc[q.next].StoreBody(addr, length)
	if q.staged == 0 {
		q.first, q.firstID, q.firstFlags = q.next, id, flags
	} else {
		q.desc[q.next].PutTail(id, flags)
	}
	if alone {
		q.step()
		q.staged++
	}
}

// step moves on by a place.
func (q *Packed) step() {
	if q.next++; q.next == q.size {
		q.next, q.nextWrap = 0, !q.nextWrap
	}
}

// Publish shows the added chains to the device and reports whether it wants a
// kick for them.
func (q *Packed) Publish() (kick bool) {
	if q.staged == 0 {
		return false
	}
	n := q.staged
	q.staged = 0
	q.desc[q.first].StoreTailFence(q.firstID, q.firstFlags)
	return ring.NeedPackedEvent(ring.LoadWord(q.device), q.next, q.nextWrap, n, q.cfg.Size, q.cfg.EventIdx)
}

// Pending reports whether there is something to reap.
func (q *Packed) Pending() bool {
	_, flags := q.desc[q.used].LoadTail()
	return q.inFlight > 0 && ring.UsedNow(flags, q.usedWrap)
}

// Reap takes up to len(batch) used chains. See [Queue.Reap].
func (q *Packed) Reap(batch []Used) (int, error) {
	for i := range batch {
		id, flags := q.desc[q.used].LoadTail()
		if q.inFlight == 0 || !ring.UsedNow(flags, q.usedWrap) {
			return i, nil
		}
		if int(id) >= len(q.chains) || q.chains[id].places == 0 {
			return i, fmt.Errorf("%w: place %d has id %d, which is not in flight", ErrDevice, q.used, id)
		}
		c := &q.chains[id]
		_, written := q.desc[q.used].LoadBody()
		batch[i] = Used{Cookie: c.cookie, Written: written, Slot: Slot(id)}
		if int(c.places) >= int(q.size)-int(q.used) {
			q.used, q.usedWrap = c.places-(q.size-q.used), !q.usedWrap
		} else {
			q.used += c.places
		}
		q.room += int(c.places)
		q.inFlight--
		if c.places = 0; !c.prepared {
			*c = packedChain{}
			q.ids = append(q.ids, id)
		}
	}
	return len(batch), nil
}

// DisableInterrupts tells the device that it need not interrupt.
func (q *Packed) DisableInterrupts() { ring.StoreWord(q.driver, ring.EventDisable<<16) }

// EnableInterrupts asks the device for an interrupt when it uses the next
// chain, and reports whether one is there already, for which none may come.
func (q *Packed) EnableInterrupts() (more bool) {
	wish := uint32(ring.EventEnable) << 16
	if q.cfg.EventIdx {
		wish = ring.EventDesc<<16 | uint32(ring.OffWrap(q.used, q.usedWrap))
	}
	ring.StoreWord(q.driver, wish)
	ring.Fence()
	return q.Pending()
}
