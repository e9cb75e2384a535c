// SPDX-License-Identifier: Apache-2.0

package virtq_test

import (
	"errors"
	"math/rand/v2"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"vcrypto/virtio/mem"
	"vcrypto/virtio/virtq"
	"vcrypto/virtio/virtqdrv"
)

const (
	fuzzMemory = 64 << 10
	fuzzRegion = fuzzMemory / 2 // there are two, side by side for the guest only
)

// fuzzRegions are two regions with a page that cannot be touched on each side
// of each.
func fuzzRegions(t testing.TB) [2][]byte {
	page := unix.Getpagesize()
	stride := fuzzRegion + page
	all := mapped(t, page+2*stride)
	var out [2][]byte
	for i := range out {
		if err := unix.Mprotect(all[i*stride:i*stride+page], unix.PROT_NONE); err != nil {
			t.Fatal(err)
		}
		out[i] = all[page+i*stride:][:fuzzRegion:fuzzRegion]
	}
	if err := unix.Mprotect(all[2*stride:2*stride+page], unix.PROT_NONE); err != nil {
		t.Fatal(err)
	}
	return out
}

// FuzzNext makes guest memory, ring and all, of the input. Whatever it is,
// Next returns, with segments inside memory whose sums are right.
func FuzzNext(f *testing.F) {
	for _, c := range []virtqdrv.Config{{Size: 1}, {Size: 8}, {Size: 16, Indirect: 4}, {Size: 256, Indirect: 4}, {Size: 8, AvailOdd: true}} {
		m := &virtqdrv.Memory{Data: make([]byte, fuzzMemory), Addr: guestAddr}
		q, err := virtqdrv.New(m, c)
		if err != nil {
			f.Fatal(err)
		}
		border := virtqdrv.Buf{Addr: guestAddr + fuzzRegion - 8, Len: 16}
		for q.Free() > 0 {
			if err := q.Add([]virtqdrv.Buf{border}, nil, 0); err != nil {
				f.Fatal(err)
			}
		}
		q.Publish()
		f.Add(m.Data, uint16(c.Size), uint16(q.Desc()-guestAddr), uint16(q.Avail()-guestAddr), uint16(q.Used()-guestAddr), uint16(0), c.EventIdx)
	}
	regions := fuzzRegions(f)
	table := tableOf(f,
		mem.Region{Addr: guestAddr, Data: regions[0]},
		mem.Region{Addr: guestAddr + fuzzRegion, Data: regions[1]})

	f.Fuzz(func(t *testing.T, memory []byte, size, desc, avail, used, base uint16, eventIdx bool) {
		for i := range regions {
			clear(regions[i])
			if off := i * fuzzRegion; off < len(memory) {
				copy(regions[i], memory[off:])
			}
		}
		serve(t, regions, table, virtq.Config{
			Size: int(size), Base: base, Indirect: true, EventIdx: eventIdx,
			Desc: guestAddr + uint64(desc), Avail: guestAddr + uint64(avail), Used: guestAddr + uint64(used),
		})
	})
}

// TestRandomRings is the same with memory full of descriptors that are nearly
// right, which a fuzzer is long in finding.
func TestRandomRings(t *testing.T) {
	regions := fuzzRegions(t)
	table := tableOf(t,
		mem.Region{Addr: guestAddr, Data: regions[0]},
		mem.Region{Addr: guestAddr + fuzzRegion, Data: regions[1]})
	rng := rand.New(rand.NewPCG(1, 2))
	addrs := []uint64{guestAddr, guestAddr + fuzzRegion - 64, guestAddr + fuzzRegion, guestAddr + fuzzMemory - 64, guestAddr + fuzzMemory}
	chains := 0
	for range 20_000 {
		const size = 32
		for i := range 256 { // the ring's own and many that may be a table's
			d := virtqdrv.Desc{
				Addr: addrs[rng.IntN(len(addrs))] + 16*uint64(rng.IntN(8)) - 16,
				Len:  uint32(rng.IntN(8)) * 16,
				Next: uint16(rng.IntN(size + 1)),
			}
			if rng.IntN(3) > 0 {
				d.Flags |= next
			}
			if rng.IntN(3) == 0 {
				d.Flags |= write
			}
			if rng.IntN(6) == 0 {
				d.Flags = indirect
				d.Next = 0
			}
			if rng.IntN(100) == 0 {
				d.Addr, d.Len = rng.Uint64(), rng.Uint32()
			}
			virtqdrv.PutDesc(regions[0], i, d)
			virtqdrv.PutDesc(regions[0][fuzzRegion-256*virtqdrv.DescSize:], i, d)
			virtqdrv.PutDesc(regions[1], i, d)
		}
		const avail, used = 0x2000, 0x3000
		clear(regions[0][used : used+4])
		for i := range size {
			regions[0][avail+4+2*i], regions[0][avail+5+2*i] = byte(rng.IntN(size)), 0
		}
		copy(regions[0][avail:], []byte{0, 0, byte(rng.IntN(size + 1)), 0})
		chains += serve(t, regions, table, virtq.Config{
			Size: size, Indirect: true, Desc: guestAddr, Avail: guestAddr + avail, Used: guestAddr + used,
		})
	}
	if chains < 5_000 {
		t.Errorf("only %d chains made sense: the test tests little", chains)
	}
}

// serve is a device that uses a ring for a while, until it is empty or broken.
func serve(t *testing.T, regions [2][]byte, table *mem.Table, c virtq.Config) (chains int) {
	t.Helper()
	q, err := virtq.NewSplit(c)
	if err != nil || q.Attach(table) != nil {
		return 0
	}
	batch := make([]*virtq.Chain, 64)
	for range 4 {
		n, err := q.Next(batch)
		chains += n
		for _, c := range batch[:n] {
			inside(t, regions, c.Readable(), c.ReadLen)
			inside(t, regions, c.Writable(), c.WriteLen)
			for _, s := range c.Writable() {
				s[0], s[len(s)-1] = 0xff, 0xff // into the ring itself, too
			}
			q.Push(c, uint32(c.WriteLen))
		}
		q.Publish()
		q.WantKicks()
		if q.Held() != 0 {
			t.Fatalf("%d held", q.Held())
		}
		var broken *virtq.BrokenError
		if err != nil && !errors.As(err, &broken) {
			t.Fatalf("%v is no *BrokenError", err)
		}
		if err != nil || n == 0 {
			break
		}
	}
	return chains
}

// inside checks that segments lie in regions and have n bytes.
func inside(t *testing.T, regions [2][]byte, segs [][]byte, n uint64) {
	t.Helper()
	for _, s := range segs {
		n -= uint64(len(s))
		at := uintptr(unsafe.Pointer(unsafe.SliceData(s)))
		ok := false
		for _, r := range regions {
			start := uintptr(unsafe.Pointer(unsafe.SliceData(r)))
			ok = ok || at >= start && at+uintptr(len(s)) <= start+uintptr(len(r))
		}
		if !ok || len(s) == 0 {
			t.Fatalf("segment of %d bytes outside memory", len(s))
		}
	}
	if n != 0 {
		t.Fatalf("segments and their sum differ by %d", int64(n))
	}
}
