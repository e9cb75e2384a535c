// SPDX-License-Identifier: Apache-2.0

package virtiocrypto_test

import (
	"bytes"
	"fmt"
	"testing"

	"vcrypto/engine"
	"vcrypto/virtio/virtqdrv"
	"vcrypto/virtiocrypto"
	"vcrypto/virtiocrypto/cryptodrv"
)

// cbcJob is a CBC encryption whose result is known.
type cbcJob struct {
	id            uint64
	iv, src, want []byte
}

func (m *machine) cbcJob(n int) cbcJob {
	m.Helper()
	r := newRand(3)
	p := engine.Params{Algorithm: engine.AESCBC, Direction: engine.Encrypt, Key: random(r, 32)}
	j := cbcJob{id: m.session(virtiocrypto.CipherAESCBC, virtiocrypto.DirectionEncrypt, p.Key), iv: random(r, 16), src: random(r, n)}
	j.want = reference(m, p, j.iv, j.src)
	return j
}

// check does the job in a request.
func (m *machine) check(j cbcJob, r *cryptodrv.Request, what string, args ...any) {
	m.Helper()
	r.Fill(j.id, cryptodrv.OpCipherEncrypt, j.iv, j.src)
	if s := m.do(r); s != virtiocrypto.StatusOK || !bytes.Equal(r.Result(), j.want) {
		m.Fatalf("%s: %s, result %x, want %x", fmt.Sprintf(what, args...), s, r.Result(), j.want)
	}
}

// direct and indirect are the two ways to write a chain.
var rings = []struct {
	name string
	ring virtqdrv.Config
}{
	{"direct", virtqdrv.Config{Size: 256}},
	{"indirect", virtqdrv.Config{Size: 64, Indirect: 160, EventIdx: true}},
	{"odd", virtqdrv.Config{Size: 256, AvailOdd: true}},
}

func onEachRing(t *testing.T, o options, test func(*machine)) {
	for _, r := range rings {
		t.Run(r.name, func(t *testing.T) {
			o.ring = r.ring
			onEachLink(t, o, test)
		})
	}
}

// TestSplitAnywhere cuts the readable part at each byte, and the writable
// part: CVE-2018-1059 and CVE-2022-2132 are headers that span descriptors.
func TestSplitAnywhere(t *testing.T) {
	onEachRing(t, options{}, func(m *machine) {
		j := m.cbcJob(32)
		heap := *m.mem
		for cut := range cryptodrv.HeaderSize + 16 + 32 + 1 {
			mem := heap
			m.check(j, newRequest(m, &mem, cryptodrv.Shape{IV: 16, Size: 32, ReadCuts: []int{cut}}), "readable part cut at %d", cut)
			m.check(j, newRequest(m, &mem, cryptodrv.Shape{IV: 16, Size: 32, ReadCuts: []int{cut}, InPlace: true}), "readable part cut at %d, in place", cut)
		}
		for cut := range 32 + cryptodrv.StatusSize + 1 {
			mem := heap
			m.check(j, newRequest(m, &mem, cryptodrv.Shape{IV: 16, Size: 32, WriteCuts: []int{cut}}), "writable part cut at %d", cut)
		}
	})
}

// TestManySegments cuts everything into up to 64 pieces, down to single
// bytes.
func TestManySegments(t *testing.T) {
	onEachRing(t, options{}, func(m *machine) {
		const size = 48
		j := m.cbcJob(size)
		heap := *m.mem
		even := func(total, pieces int) []int {
			c := make([]int, pieces-1)
			for i := range c {
				c[i] = total * (i + 1) / pieces
			}
			return c
		}
		for pieces := 1; pieces <= 64; pieces++ {
			for _, inPlace := range []bool{false, true} {
				mem := heap
				r := newRequest(m, &mem, cryptodrv.Shape{
					IV: 16, Size: size, InPlace: inPlace, Align: 1,
					ReadCuts:  even(cryptodrv.HeaderSize+16+size, pieces),
					WriteCuts: even(size+cryptodrv.StatusSize, min(pieces, size+1)),
				})
				m.check(j, r, "%d pieces, in place %t", pieces, inPlace)
			}
		}
	})
}

// TestAcrossRegions lets the border between two memory regions, which are
// mapped at different places, fall on each byte of a request.
func TestAcrossRegions(t *testing.T) {
	onEachRing(t, options{}, func(m *machine) {
		const size = 32
		j := m.cbcJob(size)
		total := cryptodrv.HeaderSize + 16 + size + 1 + size + cryptodrv.StatusSize + 1
		for before := range total + 1 {
			from := borderAt - before
			for _, s := range []cryptodrv.Shape{
				{ReadCuts: []int{}, WriteCuts: []int{}},
				{ReadCuts: []int{}, InPlace: true},
			} {
				s.IV, s.Size, s.Align = 16, size, 1
				mem := &virtqdrv.Memory{Data: m.all[from : borderAt+borderRoom], Addr: guestAddr + uint64(from)}
				m.check(j, newRequest(m, mem, s), "%d bytes before the border, in place %t", before, s.InPlace)
			}
		}
	})
}

// TestTableAcrossRegions puts an indirect table across the border.
func TestTableAcrossRegions(t *testing.T) {
	onEachLink(t, options{}, func(m *machine) {
		j := m.cbcJob(32)
		r := m.request(cryptodrv.Shape{IV: 16, Size: 32})
		for before := 0; before <= 5*virtqdrv.DescSize; before++ {
			r.Fill(j.id, cryptodrv.OpCipherEncrypt, j.iv, j.src)
			r.Forget()
			at := borderAt - before
			table := m.all[at:]
			n := len(r.Readable) + len(r.Writable)
			for i := range n {
				d := virtqdrv.Desc{Next: uint16(i + 1), Flags: virtqdrv.FlagNext}
				if i < len(r.Readable) {
					d.Addr, d.Len = r.Readable[i].Addr, r.Readable[i].Len
				} else {
					b := r.Writable[i-len(r.Readable)]
					d.Addr, d.Len = b.Addr, b.Len
					d.Flags |= virtqdrv.FlagWrite
				}
				if i == n-1 {
					d.Flags &^= virtqdrv.FlagNext
				}
				virtqdrv.PutDesc(table, i, d)
			}
			m.raw(virtqdrv.Desc{Addr: guestAddr + uint64(at), Len: uint32(n * virtqdrv.DescSize), Flags: virtqdrv.FlagIndirect})
			if s := r.Status(); s != virtiocrypto.StatusOK || !bytes.Equal(r.Result(), j.want) {
				m.Fatalf("a table with %d bytes before the border: %s", before, s)
			}
		}
	})
}

// raw sends one descriptor of the test's own making on the first data queue
// and waits until it is used.
func (m *machine) raw(d virtqdrv.Desc) {
	m.Helper()
	q := m.data
	used := q.RawUsedIdx()
	q.RawUsedEvent(used)
	q.RawDesc(0, d)
	q.RawSend(0)
	q.Kick()
	for q.RawUsedIdx() == used {
		if err := q.Wait(); err != nil {
			m.Fatal(err)
		}
	}
}

// TestOverlap: source and destination that overlap by halves, which Go's
// ciphers refuse with a panic. The result is what it is without overlap.
func TestOverlap(t *testing.T) {
	onEachLink(t, options{}, func(m *machine) {
		const size = 256
		j := m.cbcJob(size)
		ctr := m.session(virtiocrypto.CipherAESCTR, virtiocrypto.DirectionEncrypt, key128)
		wantCTR := reference(m, engine.Params{Algorithm: engine.AESCTR, Direction: engine.Encrypt, Key: key128}, j.iv, j.src)
		r := m.request(cryptodrv.Shape{IV: 16, Size: size})
		arena, err := m.mem.Alloc(3*size, 64)
		if err != nil {
			m.Fatal(err)
		}
		b := m.mem.Bytes(arena)
		for _, session := range []struct {
			id   uint64
			want []byte
		}{{j.id, j.want}, {ctr, wantCTR}} {
			for _, pieces := range []bool{false, true} {
				for shift := -size; shift <= size; shift++ {
					src, dst := size, size+shift
					r.Fill(session.id, cryptodrv.OpCipherEncrypt, j.iv, nil)
					copy(b[src:], j.src)
					r.Forget()
					at := func(off, n int) virtqdrv.Buf {
						return virtqdrv.Buf{Addr: arena.Addr + uint64(off), Len: uint32(n)}
					}
					readable := append([]virtqdrv.Buf{}, r.Readable[:2]...)
					writable := []virtqdrv.Buf{}
					if pieces { // the same bytes, in two descriptors that the device may join
						readable = append(readable, at(src, 100), at(src+100, size-100))
						writable = append(writable, at(dst, 60), at(dst+60, size-60))
					} else {
						readable = append(readable, at(src, size))
						writable = append(writable, at(dst, size))
					}
					writable = append(writable, r.Writable[1])
					if _, err := m.data.Exchange(readable, writable); err != nil {
						m.Fatal(err)
					}
					if s := r.Status(); s != virtiocrypto.StatusOK || !bytes.Equal(b[dst:dst+size], session.want) {
						m.Fatalf("destination %d bytes after the source: %s, result wrong", shift, s)
					}
				}
			}
		}
	})
}
