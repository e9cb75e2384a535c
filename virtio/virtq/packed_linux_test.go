// SPDX-License-Identifier: Apache-2.0

package virtq_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"vcrypto/virtio/mem"
	"vcrypto/virtio/virtq"
	"vcrypto/virtio/virtqdrv"
)

// packedRig is a packed queue with both of its sides.
type packedRig struct {
	*virtqdrv.Memory
	drv *virtqdrv.Packed
	dev *virtq.Packed
}

func newPackedRig(t testing.TB, c virtqdrv.Config, change func(*virtq.Config)) *packedRig {
	t.Helper()
	r := &packedRig{Memory: &virtqdrv.Memory{Data: mapped(t, 4<<20), Addr: guestAddr}}
	var err error
	if r.drv, err = virtqdrv.NewPacked(r.Memory, c); err != nil {
		t.Fatal(err)
	}
	cfg := virtq.Config{
		Size: c.Size, Desc: r.drv.Desc(), Avail: r.drv.Avail(), Used: r.drv.Used(),
		Base: c.Base, Indirect: c.Indirect > 0, EventIdx: c.EventIdx,
	}
	if change != nil {
		change(&cfg)
	}
	if r.dev, err = virtq.NewPacked(cfg); err != nil {
		t.Fatal(err)
	}
	if err := r.dev.Attach(tableOf(t, mem.Region{Addr: r.Addr, Data: r.Data})); err != nil {
		t.Fatal(err)
	}
	return r
}

// TestPackedProperties: whatever the sizes of ring, chains and batches, the
// place it begins at, and the order of completion, each chain comes back once,
// with its bytes, and both sides agree on what is free.
func TestPackedProperties(t *testing.T) {
	for _, size := range []int{1, 2, 3, 7, 16, 100, 256} {
		for _, indirect := range []int{0, 5} {
			for _, events := range []bool{false, true} {
				for _, base := range []uint16{virtqdrv.PackedBase, virtqdrv.PackedBase | uint16(size-1), uint16(size / 2)} {
					t.Run(fmt.Sprintf("size %d indirect %d events %t base %#x", size, indirect, events, base), func(t *testing.T) {
						testPacked(t, virtqdrv.Config{Size: size, Indirect: indirect, EventIdx: events, Base: base})
					})
				}
			}
		}
	}
}

func testPacked(t *testing.T, c virtqdrv.Config) {
	r := newPackedRig(t, c, nil)
	rng := rand.New(rand.NewPCG(uint64(c.Size), uint64(c.Base)))
	const bufSize = 24
	type chain struct{ in, out []virtqdrv.Buf }
	var chains []chain
	for range c.Size {
		var one chain
		for range 5 {
			in, err := r.Alloc(bufSize, 1)
			if err != nil {
				t.Fatal(err)
			}
			r.Alloc(3, 1) // neighbours are not joined
			out, _ := r.Alloc(bufSize, 1)
			r.Alloc(3, 1)
			one.in, one.out = append(one.in, in), append(one.out, out)
		}
		chains = append(chains, one)
	}
	idle := rng.Perm(c.Size) // chains that are not in flight
	sent := make(map[uint64]int)
	var held []*virtq.Chain
	done := 0
	for step := 0; done < 40*c.Size+200; step++ {
		if step > 1_000_000 {
			t.Fatal("it does not go on")
		}
		// The driver adds some.
		for range rng.IntN(4) {
			if len(idle) == 0 {
				break
			}
			k := idle[len(idle)-1]
			most := 5
			if c.Indirect == 0 {
				most = min(most, c.Size)
			}
			n := 1 + rng.IntN(most)
			reads := rng.IntN(n + 1)
			in, out := chains[k].in[:reads], chains[k].out[:min(n-reads, 5)]
			for _, b := range in {
				for i := range r.Bytes(b) {
					r.Bytes(b)[i] = byte(rng.Uint32())
				}
			}
			err := r.drv.Add(in, out, uint64(k)|uint64(reads)<<32)
			if errors.Is(err, virtqdrv.ErrFull) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			idle = idle[:len(idle)-1]
			sent[uint64(k)] = n
		}
		r.drv.Publish()
		// The device takes some,
		batch := make([]*virtq.Chain, rng.IntN(4))
		n, err := r.dev.Next(batch)
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, batch[:n]...)
		// and finishes some, in any order.
		rng.Shuffle(len(held), func(i, j int) { held[i], held[j] = held[j], held[i] })
		for range rng.IntN(len(held) + 1) {
			ch := held[0]
			held = held[1:]
			var data [5 * bufSize]byte
			in, out := ch.Reader(), ch.Writer()
			got := in.Read(data[:])
			if uint64(got) != ch.ReadLen {
				t.Fatalf("read %d bytes of %d", got, ch.ReadLen)
			}
			r.dev.Push(ch, uint32(out.Write(data[:got])))
		}
		r.dev.Publish()
		if r.dev.Held() != len(held) {
			t.Fatalf("%d held, not %d", r.dev.Held(), len(held))
		}
		// The driver takes some back.
		used := make([]virtqdrv.Used, rng.IntN(5))
		n, err = r.drv.Reap(used)
		if err != nil {
			t.Fatal(err)
		}
		for _, u := range used[:n] {
			k, reads := u.Cookie&0xffff_ffff, int(u.Cookie>>32)
			total, ok := sent[k]
			if !ok {
				t.Fatalf("chain %d came back twice", k)
			}
			delete(sent, k)
			writes := total - reads
			if want := uint32(min(reads, writes) * bufSize); u.Written != want {
				t.Fatalf("chain %d: %d bytes written, want %d", k, u.Written, want)
			}
			for i := range min(reads, writes) {
				if !bytes.Equal(r.Bytes(chains[k].in[i]), r.Bytes(chains[k].out[i])) {
					t.Fatalf("chain %d, buffer %d differs", k, i)
				}
			}
			idle = append(idle, int(k))
			done++
		}
		if r.drv.InFlight() != len(sent) {
			t.Fatalf("%d in flight, not %d", r.drv.InFlight(), len(sent))
		}
	}
}

// TestPackedEvents: two threads that sleep whenever the other need not wake
// them: no wake-up is lost.
func TestPackedEvents(t *testing.T) {
	for _, events := range []bool{false, true} {
		for _, size := range []int{1, 3, 16} {
			t.Run(fmt.Sprintf("events %t size %d", events, size), func(t *testing.T) {
				r := newPackedRig(t, virtqdrv.Config{Size: size, EventIdx: events, Base: virtqdrv.PackedBase}, nil)
				b, _ := r.Alloc(8, 1)
				const total = 20000
				kick, call := make(chan struct{}, 1), make(chan struct{}, 1)
				signal := func(c chan struct{}) {
					select {
					case c <- struct{}{}:
					default:
					}
				}
				wait := func(c chan struct{}, who string) bool {
					select {
					case <-c:
						return true
					case <-time.After(2 * time.Minute):
						t.Errorf("%s was not woken", who)
						return false
					}
				}
				var kicks, calls atomic.Int64
				go func() {
					batch := make([]*virtq.Chain, size)
					for done := 0; done < total; {
						n, err := r.dev.Next(batch)
						if err != nil {
							t.Error(err)
							return
						}
						for _, c := range batch[:n] {
							r.dev.Push(c, 1)
						}
						if r.dev.Publish() {
							calls.Add(1)
							signal(call)
						}
						done += n
						if n > 0 || r.dev.WantKicks() {
							r.dev.SuppressKicks()
							continue
						}
						if done < total && !wait(kick, "the device") {
							return
						}
						r.dev.SuppressKicks()
					}
				}()
				used := make([]virtqdrv.Used, size)
				for added, reaped := 0, 0; reaped < total; {
					for added < total && r.drv.Add(nil, []virtqdrv.Buf{b}, 0) == nil {
						added++
					}
					if r.drv.Publish() {
						kicks.Add(1)
						signal(kick)
					}
					n, err := r.drv.Reap(used)
					if err != nil {
						t.Fatal(err)
					}
					reaped += n
					if n == 0 && !r.drv.EnableInterrupts() && !wait(call, "the driver") {
						return
					}
				}
				t.Logf("%d chains, %d kicks, %d calls", total, kicks.Load(), calls.Load())
			})
		}
	}
}

// TestPackedBroken: rings that make no sense are reported.
func TestPackedBroken(t *testing.T) {
	good := virtqdrv.Config{Size: 8, Base: virtqdrv.PackedBase}
	add := func(r *packedRig, in, out []virtqdrv.Buf) {
		t.Helper()
		if err := r.drv.Add(in, out, 0); err != nil {
			t.Fatal(err)
		}
		r.drv.Publish()
	}
	for name, test := range map[string]struct {
		c      virtqdrv.Config
		change func(*virtq.Config)
		break_ func(*packedRig)
	}{
		"buffer outside memory": {good, nil, func(r *packedRig) {
			add(r, []virtqdrv.Buf{{Addr: 1, Len: 1}}, nil)
		}},
		"no end": {good, nil, func(r *packedRig) {
			for i := range 8 {
				r.raw(i, virtqdrv.Desc{Addr: guestAddr, Len: 1}, 1|1<<7)
			}
		}},
		"readable after writable": {good, nil, func(r *packedRig) {
			r.raw(1, virtqdrv.Desc{Addr: guestAddr, Len: 1}, 1<<7)
			r.raw(0, virtqdrv.Desc{Addr: guestAddr, Len: 1}, 1|2|1<<7)
		}},
		"indirect not negotiated": {virtqdrv.Config{Size: 8, Indirect: 2, Base: virtqdrv.PackedBase}, func(c *virtq.Config) { c.Indirect = false }, func(r *packedRig) {
			add(r, []virtqdrv.Buf{{Addr: guestAddr, Len: 1}}, nil)
		}},
		"indirect in a chain": {virtqdrv.Config{Size: 8, Indirect: 2, Base: virtqdrv.PackedBase}, nil, func(r *packedRig) {
			r.raw(1, virtqdrv.Desc{Addr: guestAddr, Len: 16}, 4|1<<7)
			r.raw(0, virtqdrv.Desc{Addr: guestAddr, Len: 1}, 1|1<<7)
		}},
		"odd table": {virtqdrv.Config{Size: 8, Indirect: 2, Base: virtqdrv.PackedBase}, nil, func(r *packedRig) {
			r.raw(0, virtqdrv.Desc{Addr: guestAddr, Len: 17}, 4|1<<7)
		}},
		"table outside memory": {virtqdrv.Config{Size: 8, Indirect: 2, Base: virtqdrv.PackedBase}, nil, func(r *packedRig) {
			r.raw(0, virtqdrv.Desc{Addr: 16, Len: 16}, 4|1<<7)
		}},
		"nested": {virtqdrv.Config{Size: 8, Indirect: 2, Base: virtqdrv.PackedBase}, nil, func(r *packedRig) {
			table, _ := r.Alloc(16, 16)
			b := r.Bytes(table)
			b[14] = 4
			r.raw(0, virtqdrv.Desc{Addr: table.Addr, Len: 16}, 4|1<<7)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			r := newPackedRig(t, test.c, test.change)
			test.break_(r)
			var batch [4]*virtq.Chain
			n, err := r.dev.Next(batch[:])
			var want *virtq.BrokenError
			if n != 0 || !errors.As(err, &want) {
				t.Errorf("%d chains, %v", n, err)
			}
		})
	}
	for name, c := range map[string]virtq.Config{
		"no size":   {Base: virtq.PackedBase},
		"too large": {Size: 32769, Base: virtq.PackedBase},
		"base":      {Size: 8, Base: virtq.PackedBase | 8},
		"alignment": {Size: 8, Desc: 8},
	} {
		if _, err := virtq.NewPacked(c); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// raw writes any descriptor, with any flags, last.
func (r *packedRig) raw(i int, d virtqdrv.Desc, flags uint16) {
	at := r.drv.Desc() - r.Addr + uint64(16*i)
	d.Flags, d.Next = 0, flags // where a packed descriptor has its id and flags
	virtqdrv.PutDesc(r.Data[at:at+16], 0, d)
}
