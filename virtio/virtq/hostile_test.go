// SPDX-License-Identifier: Apache-2.0

package virtq_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"vcrypto/virtio/mem"
	"vcrypto/virtio/virtq"
	"vcrypto/virtio/virtqdrv"
)

const (
	next     = virtqdrv.FlagNext
	write    = virtqdrv.FlagWrite
	indirect = virtqdrv.FlagIndirect

	mainSize = 1 << 16 // of the region with the rings
	sideSize = 1 << 12 // of the one that follows it
)

// newHostileRig is a queue of 8 with a second region right behind its first.
func newHostileRig(t testing.TB, change func(*virtq.Config)) (r *rig, side []byte) {
	side = mapped(t, sideSize)
	return newRig(t, mainSize, virtqdrv.Config{Size: 8}, func(c *virtq.Config) {
		c.Indirect = true
		if change != nil {
			change(c)
		}
	}, mem.Region{Addr: guestAddr + mainSize, Data: side}), side
}

// TestBrokenRings shows the device one broken ring each. It must say so, take
// nothing that is broken, and touch nothing outside memory.
func TestBrokenRings(t *testing.T) {
	const end = guestAddr + mainSize + sideSize // of all memory
	type descs = []virtqdrv.Desc
	ok := virtqdrv.Desc{Addr: guestAddr, Len: 16}
	// table writes an indirect table and sends a chain that is one.
	table := func(r *rig, t *testing.T, d descs) virtqdrv.Desc {
		b := r.alloc(t, virtqdrv.DescSize*len(d))
		for i := range d {
			virtqdrv.PutDesc(r.Bytes(b), i, d[i])
		}
		return virtqdrv.Desc{Addr: b.Addr, Len: b.Len, Flags: indirect}
	}
	send := func(d ...virtqdrv.Desc) func(*rig, *testing.T) {
		return func(r *rig, _ *testing.T) {
			for i := range d {
				r.drv.RawDesc(i, d[i])
			}
			r.drv.RawSend(0)
		}
	}
	sendTable := func(d ...virtqdrv.Desc) func(*rig, *testing.T) {
		return func(r *rig, t *testing.T) { send(table(r, t, d))(r, t) }
	}
	for _, test := range []struct {
		name   string
		want   string // in the error
		do     func(*rig, *testing.T)
		change func(*virtq.Config)
	}{
		{name: "loop of one", want: "loops", do: send(virtqdrv.Desc{Addr: guestAddr, Len: 1, Flags: next, Next: 0})},
		{name: "loop of two", want: "loops", do: send(
			virtqdrv.Desc{Addr: guestAddr, Len: 1, Flags: next, Next: 1},
			virtqdrv.Desc{Addr: guestAddr, Len: 1, Flags: next, Next: 0})},
		{name: "loop of empty buffers", want: "loops", do: send(virtqdrv.Desc{Flags: next, Next: 0})},
		{name: "next out of range", want: "follows", do: send(virtqdrv.Desc{Addr: guestAddr, Len: 1, Flags: next, Next: 8})},
		{name: "next far out of range", want: "follows", do: send(virtqdrv.Desc{Addr: guestAddr, Len: 1, Flags: next, Next: 65535})},
		{name: "second next out of range", want: "follows", do: send(
			virtqdrv.Desc{Addr: guestAddr, Len: 1, Flags: next, Next: 1},
			virtqdrv.Desc{Addr: guestAddr, Len: 1, Flags: next, Next: 8})},
		{name: "head out of range", want: "of a queue", do: func(r *rig, _ *testing.T) { r.drv.RawSend(8) }},
		{name: "head far out of range", want: "of a queue", do: func(r *rig, _ *testing.T) { r.drv.RawSend(65535) }},
		{name: "index jumps", want: "ahead", do: func(r *rig, t *testing.T) { send(ok)(r, t); r.drv.RawAvailIdx(9) }},
		{name: "index goes back", want: "ahead", do: func(r *rig, _ *testing.T) { r.drv.RawAvailIdx(65535) }},
		{name: "readable after writable", want: "readable", do: send(
			virtqdrv.Desc{Addr: guestAddr, Len: 1, Flags: next | write, Next: 1}, ok)},
		{name: "readable after writable, later", want: "readable", do: send(
			virtqdrv.Desc{Addr: guestAddr, Len: 1, Flags: next, Next: 1},
			virtqdrv.Desc{Addr: guestAddr, Len: 1, Flags: next | write, Next: 2}, ok)},
		{name: "readable after empty writable", want: "readable", do: send(
			virtqdrv.Desc{Flags: next | write, Next: 1}, ok)},
		{name: "below memory", want: "buffer", do: send(virtqdrv.Desc{Addr: guestAddr - 1, Len: 1})},
		{name: "into memory from below", want: "buffer", do: send(virtqdrv.Desc{Addr: guestAddr - 1, Len: 16})},
		{name: "behind memory", want: "buffer", do: send(virtqdrv.Desc{Addr: end, Len: 1})},
		{name: "out of memory", want: "buffer", do: send(virtqdrv.Desc{Addr: end - 15, Len: 16})},
		{name: "longest length", want: "buffer", do: send(virtqdrv.Desc{Addr: guestAddr, Len: 0xffffffff})},
		{name: "around 2^64", want: "buffer", do: send(virtqdrv.Desc{Addr: ^uint64(0) - 7, Len: 16})},
		{name: "last byte of all", want: "buffer", do: send(virtqdrv.Desc{Addr: ^uint64(0), Len: 1})},
		{name: "address zero", want: "buffer", do: send(virtqdrv.Desc{Len: 1})},
		{name: "second buffer behind memory", want: "buffer", do: send(
			virtqdrv.Desc{Addr: guestAddr, Len: 1, Flags: next, Next: 1},
			virtqdrv.Desc{Addr: guestAddr + 16, Len: 1, Flags: next, Next: 2},
			virtqdrv.Desc{Addr: end, Len: 1})},
		{name: "second buffer out of memory", want: "buffer", do: send(
			virtqdrv.Desc{Addr: guestAddr, Len: 1, Flags: next, Next: 1},
			virtqdrv.Desc{Addr: guestAddr + 16, Len: 1, Flags: next, Next: 2},
			virtqdrv.Desc{Addr: end - 1, Len: 2})},

		{name: "indirect not negotiated", want: "negotiated", do: sendTable(ok), change: func(c *virtq.Config) { c.Indirect = false }},
		{name: "indirect with next", want: "has a next", do: func(r *rig, t *testing.T) {
			d := table(r, t, descs{ok})
			d.Flags |= next
			send(d, ok)(r, t)
		}},
		{name: "indirect in indirect", want: "in an indirect table", do: func(r *rig, t *testing.T) {
			sendTable(table(r, t, descs{ok}))(r, t)
		}},
		{name: "indirect in indirect, later", want: "in an indirect table", do: func(r *rig, t *testing.T) {
			sendTable(
				virtqdrv.Desc{Addr: guestAddr, Len: 1, Flags: next, Next: 1},
				virtqdrv.Desc{Addr: guestAddr + 16, Len: 1, Flags: next, Next: 2},
				table(r, t, descs{ok}))(r, t)
		}},
		{name: "table of no bytes", want: "table of 0 bytes", do: send(virtqdrv.Desc{Addr: guestAddr, Flags: indirect})},
		{name: "table of odd size", want: "table of 24", do: send(virtqdrv.Desc{Addr: guestAddr, Len: 24, Flags: indirect})},
		{name: "table too big", want: "table of", do: send(virtqdrv.Desc{Addr: guestAddr, Len: 16 * (virtq.MaxChain + 1), Flags: indirect})},
		{name: "table of 4 GiB", want: "table of", do: send(virtqdrv.Desc{Addr: guestAddr, Len: 0xfffffff0, Flags: indirect})},
		{name: "table behind memory", want: "indirect table", do: send(virtqdrv.Desc{Addr: end, Len: 16, Flags: indirect})},
		{name: "table out of memory", want: "indirect table", do: send(virtqdrv.Desc{Addr: end - 16, Len: 32, Flags: indirect})},
		{name: "table around 2^64", want: "indirect table", do: send(virtqdrv.Desc{Addr: ^uint64(0) - 15, Len: 32, Flags: indirect})},
		{name: "table loops", want: "loops", do: sendTable(
			virtqdrv.Desc{Addr: guestAddr, Len: 1, Flags: next, Next: 1},
			virtqdrv.Desc{Addr: guestAddr + 16, Len: 1, Flags: next, Next: 0})},
		{name: "table next out of range", want: "follows", do: sendTable(
			virtqdrv.Desc{Addr: guestAddr, Len: 1, Flags: next, Next: 2}, ok)},
		{name: "table next out of range, later", want: "follows", do: sendTable(
			virtqdrv.Desc{Addr: guestAddr, Len: 1, Flags: next, Next: 1},
			virtqdrv.Desc{Addr: guestAddr, Len: 1, Flags: next, Next: 65535})},
		{name: "table buffer out of memory", want: "buffer", do: sendTable(
			virtqdrv.Desc{Addr: guestAddr, Len: 1, Flags: next, Next: 1},
			virtqdrv.Desc{Addr: end - 1, Len: 2})},
		{name: "readable after writable across a table", want: "readable", do: func(r *rig, t *testing.T) {
			send(virtqdrv.Desc{Addr: guestAddr, Len: 1, Flags: next | write, Next: 1}, table(r, t, descs{ok}))(r, t)
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			r, _ := newHostileRig(t, test.change)
			test.do(r, t)
			var batch [8]*virtq.Chain
			n, err := r.dev.Next(batch[:])
			var broken *virtq.BrokenError
			if !errors.As(err, &broken) {
				t.Fatalf("error %v, want a *BrokenError", err)
			}
			if !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %q does not say %q", err, test.want)
			}
			if n != 0 || r.dev.Held() != 0 || r.dev.Base() != 0 {
				t.Errorf("%d chains taken, %d held, base %d", n, r.dev.Held(), r.dev.Base())
			}
			if test.want == "buffer" && !errors.Is(err, mem.ErrNotMapped) {
				t.Errorf("%v is no ErrNotMapped", err)
			}
		})
	}
}

// TestBreakAfterGoodChains: what was good before the break is handed out and
// can be given back.
func TestBreakAfterGoodChains(t *testing.T) {
	r, _ := newHostileRig(t, nil)
	b := r.alloc(t, 16)
	for range 3 {
		if err := r.drv.Add([]virtqdrv.Buf{b}, nil, 0); err != nil {
			t.Fatal(err)
		}
	}
	r.drv.Publish()
	r.drv.RawSend(99)
	var batch [8]*virtq.Chain
	n, err := r.dev.Next(batch[:])
	if n != 3 || err == nil {
		t.Fatalf("Next: %d, %v; want 3 and an error", n, err)
	}
	if r.dev.Base() != 3 || r.dev.Held() != 3 {
		t.Fatalf("base %d, held %d", r.dev.Base(), r.dev.Held())
	}
	for _, c := range batch[:n] {
		r.dev.Push(c, 0)
	}
	r.dev.Publish()
	if r.drv.RawUsedIdx() != 3 || r.dev.Held() != 0 {
		t.Fatalf("used index %d, %d held", r.drv.RawUsedIdx(), r.dev.Held())
	}
}

func TestBusyHeadReused(t *testing.T) {
	r, _ := newHostileRig(t, nil)
	r.drv.RawDesc(3, virtqdrv.Desc{Addr: guestAddr, Len: 16})
	r.drv.RawSend(3)
	c := r.one(t)
	r.drv.RawSend(3)
	var batch [8]*virtq.Chain
	if n, err := r.dev.Next(batch[:]); n != 0 || err == nil || !strings.Contains(err.Error(), "in use") {
		t.Fatalf("Next: %d, %v", n, err)
	}
	if c.ReadLen != 16 || len(c.Readable()) != 1 {
		t.Errorf("the held chain was changed: %d bytes", c.ReadLen)
	}
	r.dev.Push(c, 0)
	if r.one(t) == nil {
		t.Error("descriptor not available after it was pushed")
	}
}

func TestChainAcrossRegions(t *testing.T) {
	const border = guestAddr + mainSize
	for _, viaTable := range []bool{false, true} {
		r, side := newHostileRig(t, nil)
		chain := []virtqdrv.Desc{
			{Addr: border - 6, Len: 16, Flags: next, Next: 1},          // across
			{Addr: border + 10, Len: 10, Flags: next | write, Next: 2}, // not joined: writable
			{Addr: border - 100, Len: 100, Flags: next | write, Next: 3},
			{Addr: border, Len: 4, Flags: write}, // ends where the side begins
		}
		if viaTable {
			b := r.alloc(t, virtqdrv.DescSize*len(chain))
			for i, d := range chain {
				virtqdrv.PutDesc(r.Bytes(b), i, d)
			}
			r.drv.RawDesc(0, virtqdrv.Desc{Addr: b.Addr, Len: b.Len, Flags: indirect})
		} else {
			for i, d := range chain {
				r.drv.RawDesc(i, d)
			}
		}
		for i := range 6 {
			r.Data[mainSize-6+i] = byte(1 + i)
		}
		for i := range 10 {
			side[i] = byte(7 + i)
		}
		r.drv.RawSend(0)
		c := r.one(t)
		if c.ReadLen != 16 || c.WriteLen != 114 {
			t.Errorf("%d and %d bytes", c.ReadLen, c.WriteLen)
		}
		if got := lens(c.Readable()); !slices.Equal(got, []int{6, 10}) {
			t.Errorf("readable segments of %v bytes", got)
		}
		if got := lens(c.Writable()); !slices.Equal(got, []int{10, 100, 4}) && !slices.Equal(got, []int{10, 104}) {
			t.Errorf("writable segments of %v bytes", got)
		}
		var all []byte
		for _, s := range c.Readable() {
			all = append(all, s...)
		}
		for i, b := range all {
			if b != byte(1+i) {
				t.Errorf("byte %d is %d", i, b)
			}
		}
		cur := c.Writer()
		cur.Skip(110)
		cur.Write([]byte{0xaa})
		if side[0] != 0xaa {
			t.Error("the last writable buffer is not where it should be")
		}
	}
}

func TestIndirectTableAcrossRegions(t *testing.T) {
	r, side := newHostileRig(t, nil)
	// Three descriptors; the second one is cut in two by the border.
	table := make([]byte, 3*virtqdrv.DescSize)
	for round := range uint32(3) { // again: the copy's memory is reused
		virtqdrv.PutDesc(table, 0, virtqdrv.Desc{Addr: guestAddr + 1000, Len: 5 + round, Flags: next, Next: 1})
		virtqdrv.PutDesc(table, 1, virtqdrv.Desc{Addr: guestAddr + 2000, Len: 6 + round, Flags: next, Next: 2})
		virtqdrv.PutDesc(table, 2, virtqdrv.Desc{Addr: guestAddr + 3000, Len: 7 + round, Flags: write})
		n := copy(r.Data[mainSize-24:], table)
		copy(side, table[n:])
		r.drv.RawDesc(0, virtqdrv.Desc{Addr: guestAddr + mainSize - 24, Len: uint32(len(table)), Flags: indirect})
		r.drv.RawSend(0)
		c := r.one(t)
		k := int(round)
		if got := append(lens(c.Readable()), lens(c.Writable())...); !slices.Equal(got, []int{5 + k, 6 + k, 7 + k}) {
			t.Errorf("round %d: segments of %v bytes", round, got)
		}
		r.dev.Push(c, 0)
	}
}

func TestContiguousBuffersJoin(t *testing.T) {
	r, _ := newHostileRig(t, nil)
	const at = guestAddr + 4096
	for i, d := range []virtqdrv.Desc{
		{Addr: at, Len: 10, Flags: next, Next: 1},
		{Addr: at + 10, Len: 10, Flags: next, Next: 2},
		{Addr: 0xdead0000, Len: 0, Flags: next, Next: 3}, // empty: its address is nobody's business
		{Addr: at + 20, Len: 10, Flags: next, Next: 4},
		{Addr: at + 40, Len: 10, Flags: next, Next: 5}, // a gap
		{Addr: at + 50, Len: 10, Flags: next | write, Next: 6},
		{Addr: at + 60, Len: 10, Flags: write | next, Next: 7},
		{Addr: at + 60, Len: 10, Flags: write}, // the same again
	} {
		r.drv.RawDesc(i, d)
	}
	r.drv.RawSend(0)
	c := r.one(t)
	if got := lens(c.Readable()); !slices.Equal(got, []int{30, 10}) {
		t.Errorf("readable segments of %v bytes", got)
	}
	if got := lens(c.Writable()); !slices.Equal(got, []int{20, 10}) {
		t.Errorf("writable segments of %v bytes", got)
	}
	if cap(c.Readable()) != len(c.Readable()) || cap(c.Writable()) != len(c.Writable()) {
		t.Error("what is appended to one list would land in another")
	}
	if &c.Readable()[0][0] != &r.Data[4096] || &c.Readable()[0][29] != &r.Data[4096+29] {
		t.Error("joined segment is not in place")
	}
}

// TestDirectThenIndirect: direct descriptors may be followed by one indirect
// one, section 2.7.5.3.2, whose write flag means nothing.
func TestDirectThenIndirect(t *testing.T) {
	r, _ := newHostileRig(t, nil)
	b := r.alloc(t, 2*virtqdrv.DescSize)
	virtqdrv.PutDesc(r.Bytes(b), 0, virtqdrv.Desc{Addr: guestAddr + 100, Len: 2, Flags: next, Next: 1})
	virtqdrv.PutDesc(r.Bytes(b), 1, virtqdrv.Desc{Addr: guestAddr + 200, Len: 3, Flags: write})
	r.drv.RawDesc(0, virtqdrv.Desc{Addr: guestAddr, Len: 1, Flags: next, Next: 1})
	r.drv.RawDesc(1, virtqdrv.Desc{Addr: b.Addr, Len: b.Len, Flags: indirect | write})
	r.drv.RawSend(0)
	c := r.one(t)
	if got := append(lens(c.Readable()), lens(c.Writable())...); !slices.Equal(got, []int{1, 2, 3}) {
		t.Errorf("segments of %v bytes", got)
	}
}

func TestZeroLengthChain(t *testing.T) {
	r, _ := newHostileRig(t, nil)
	r.drv.RawDesc(0, virtqdrv.Desc{Flags: next, Next: 1})
	r.drv.RawDesc(1, virtqdrv.Desc{Flags: write})
	r.drv.RawSend(0)
	c := r.one(t)
	if len(c.Readable())+len(c.Writable()) != 0 || c.ReadLen+c.WriteLen != 0 {
		t.Errorf("segments %v and %v", lens(c.Readable()), lens(c.Writable()))
	}
}

// TestChainTooLong: a large ring does not make long chains legal. Many heads
// on one long row of descriptors would make a device collect gigabytes.
func TestChainTooLong(t *testing.T) {
	const size = 4 * virtq.MaxChain
	for _, n := range []int{virtq.MaxChain, virtq.MaxChain + 1} {
		m := &virtqdrv.Memory{Data: make([]byte, 1<<20), Addr: guestAddr}
		drv, err := virtqdrv.New(m, virtqdrv.Config{Size: size})
		if err != nil {
			t.Fatal(err)
		}
		dev, err := virtq.NewSplit(virtq.Config{Size: size, Desc: drv.Desc(), Avail: drv.Avail(), Used: drv.Used()})
		if err != nil {
			t.Fatal(err)
		}
		var memory mem.Memory
		if err := memory.Set([]mem.Region{{Addr: guestAddr, Data: m.Data}}); err != nil {
			t.Fatal(err)
		}
		table := memory.Acquire()
		defer table.Release()
		if err := dev.Attach(table); err != nil {
			t.Fatal(err)
		}
		for i := range n {
			d := virtqdrv.Desc{Addr: guestAddr + uint64(2*i), Len: 1, Flags: next, Next: uint16(i + 1)}
			if i == n-1 {
				d.Flags = 0
			}
			drv.RawDesc(i, d)
		}
		drv.RawSend(0)
		var batch [1]*virtq.Chain
		taken, err := dev.Next(batch[:])
		if legal := n <= virtq.MaxChain; (err == nil) != legal || (taken == 1) != legal {
			t.Errorf("a chain of %d: %d taken, %v", n, taken, err)
		}
	}
}

// TestLongestChain: as many descriptors as the queue and its table have.
func TestLongestChain(t *testing.T) {
	for _, n := range []int{1, 7, 8, 9, 128, 129, virtq.MaxChain} {
		r, _ := newHostileRig(t, nil)
		b := r.alloc(t, virtqdrv.DescSize*n)
		for i := range n {
			d := virtqdrv.Desc{Addr: guestAddr + uint64(2*i), Len: 1, Flags: next, Next: uint16(i + 1)}
			if i == n-1 {
				d.Flags = write
			}
			virtqdrv.PutDesc(r.Bytes(b), i, d)
		}
		r.drv.RawDesc(0, virtqdrv.Desc{Addr: b.Addr, Len: b.Len, Flags: indirect})
		for range 3 {
			r.drv.RawSend(0)
			c := r.one(t)
			if len(c.Readable()) != n-1 || len(c.Writable()) != 1 {
				t.Fatalf("%d+%d segments of %d", len(c.Readable()), len(c.Writable()), n)
			}
			for i, s := range append(slices.Clone(c.Readable()), c.Writable()...) {
				if &s[0] != &r.Data[2*i] {
					t.Fatalf("segment %d of %d is elsewhere", i, n)
				}
			}
			r.dev.Push(c, 1)
		}
	}
}

// TestChainInTooManyPieces: memory in many small regions makes a few descriptors
// many segments. Together with chains of the longest they would be gigabytes.
func TestChainInTooManyPieces(t *testing.T) {
	const regions, size = 512, 16
	side := mapped(t, regions*size)
	const sideAddr = 2 * guestAddr
	var more []mem.Region
	for i := range regions {
		more = append(more, mem.Region{Addr: sideAddr + uint64(i*size), Data: side[i*size:][:size]})
	}
	c := virtqdrv.Config{Size: 16, Indirect: 16}
	for _, packed := range []bool{false, true} {
		for _, n := range []int{virtq.MaxSegments / regions, virtq.MaxSegments/regions + 1} {
			in := make([]virtqdrv.Buf, n)
			for i := range in {
				in[i] = virtqdrv.Buf{Addr: sideAddr, Len: regions * size}
			}
			var batch [1]*virtq.Chain
			var taken int
			var err error
			if packed {
				c.Base = virtqdrv.PackedBase
				r := newPackedRig(t, c, nil)
				r.dev.Detach()
				if err := r.dev.Attach(tableOf(t, append(more, mem.Region{Addr: r.Addr, Data: r.Data})...)); err != nil {
					t.Fatal(err)
				}
				if err := r.drv.Add(in, nil, 0); err != nil {
					t.Fatal(err)
				}
				r.drv.Publish()
				taken, err = r.dev.Next(batch[:])
			} else {
				r := newRig(t, mainSize, c, nil, more...)
				if err := r.drv.Add(in, nil, 0); err != nil {
					t.Fatal(err)
				}
				r.drv.Publish()
				taken, err = r.dev.Next(batch[:])
			}
			if legal := n <= virtq.MaxSegments/regions; (err == nil) != legal || (taken == 1) != legal {
				t.Errorf("%d descriptors of %d regions each, packed %t: %d taken, %v", n, regions, packed, taken, err)
			}
			if taken == 1 && batch[0].ReadLen != uint64(n*regions*size) {
				t.Errorf("%d descriptors are %d bytes", n, batch[0].ReadLen)
			}
		}
	}
}

func TestBadConfig(t *testing.T) {
	good := virtq.Config{Size: 8, Desc: guestAddr, Avail: guestAddr + 128, Used: guestAddr + 256}
	table := tableOf(t, mem.Region{Addr: guestAddr, Data: mapped(t, 4096)})
	attach := func(change func(*virtq.Config)) error {
		c := good
		change(&c)
		q, err := virtq.NewSplit(c)
		if err != nil {
			return err
		}
		return q.Attach(table)
	}
	if err := attach(func(*virtq.Config) {}); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*virtq.Config){
		"size 0":            func(c *virtq.Config) { c.Size = 0 },
		"size negative":     func(c *virtq.Config) { c.Size = -8 },
		"size 100":          func(c *virtq.Config) { c.Size = 100 },
		"size 65536":        func(c *virtq.Config) { c.Size = 65536 },
		"desc odd":          func(c *virtq.Config) { c.Desc += 8 },
		"avail odd":         func(c *virtq.Config) { c.Avail++ },
		"used odd":          func(c *virtq.Config) { c.Used += 2 },
		"desc outside":      func(c *virtq.Config) { c.Desc = guestAddr + 4096 - 112 },
		"avail outside":     func(c *virtq.Config) { c.Avail = guestAddr + 4096 - 20 },
		"used outside":      func(c *virtq.Config) { c.Used = guestAddr + 4096 - 68 },
		"used below":        func(c *virtq.Config) { c.Used = guestAddr - 4 },
		"desc around 2^64":  func(c *virtq.Config) { c.Desc = ^uint64(15) },
		"avail around 2^64": func(c *virtq.Config) { c.Avail = ^uint64(1) },
	} {
		if err := attach(change); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
