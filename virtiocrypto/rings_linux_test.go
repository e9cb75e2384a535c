// SPDX-License-Identifier: Apache-2.0

package virtiocrypto_test

import (
	"strings"
	"testing"

	"vcrypto/virtio/virtqdrv"
	"vcrypto/virtiocrypto"
	"vcrypto/virtiocrypto/cryptodrv"
)

// TestBrokenRing: rings that make no sense stop their queue, which says so
// once by each way it has; other queues go on, and after a reset so does this
// one. A request that came before the nonsense is answered.
func TestBrokenRing(t *testing.T) {
	const (
		next     = virtqdrv.FlagNext
		write    = virtqdrv.FlagWrite
		indirect = virtqdrv.FlagIndirect
		end      = guestAddr + guestSize
		all      = 1<<64 - 1
		size     = 64 // of the ring
		free     = 32 // a descriptor that nothing else uses
	)
	type desc = virtqdrv.Desc
	// table writes an indirect table and returns the descriptor of it.
	table := func(m *machine, descs ...desc) desc {
		b, err := m.mem.Alloc(len(descs)*virtqdrv.DescSize, 16)
		if err != nil {
			m.Fatal(err)
		}
		for i, d := range descs {
			virtqdrv.PutDesc(m.mem.Bytes(b), i, d)
		}
		return desc{Addr: b.Addr, Len: b.Len, Flags: indirect}
	}
	// one sends a chain that begins with these descriptors, each at the
	// place after the other's.
	one := func(descs ...desc) func(*machine) {
		return func(m *machine) {
			for i, d := range descs {
				m.data.RawDesc(free+i, d)
			}
			m.data.RawSend(free)
		}
	}
	inTable := func(descs ...desc) func(*machine) {
		return func(m *machine) { one(table(m, descs...))(m) }
	}
	for _, tt := range []struct {
		name   string
		breaks func(*machine)
	}{
		{"CVE-2024-3446: readable address outside memory", one(desc{Addr: end, Len: 72})},
		{"CVE-2024-3446: writable address outside memory", one(desc{Addr: guestAddr, Len: 72, Flags: next, Next: free + 1}, desc{Addr: end, Len: 1, Flags: write})},
		{"CVE-2024-3446: device registers", one(desc{Addr: 0xfee0_0000, Len: 4096, Flags: write})},
		{"address 0", one(desc{Addr: 0, Len: 1})},
		{"address before memory", one(desc{Addr: guestAddr - 1, Len: 72})},
		{"buffer that begins in memory and ends outside", one(desc{Addr: end - 71, Len: 72})},
		{"buffer of almost 4 GiB", one(desc{Addr: guestAddr, Len: 1<<32 - 1})},
		{"buffer that wraps around", one(desc{Addr: all - 15, Len: 1<<32 - 1})},
		{"buffer at the last address", one(desc{Addr: all, Len: 1, Flags: write})},
		{"address outside memory in a table", inTable(desc{Addr: guestAddr, Len: 72, Flags: next, Next: 1}, desc{Addr: end, Len: 16, Flags: write})},
		{"loop of one", one(desc{Addr: guestAddr, Len: 16, Flags: next, Next: free})},
		{"loop of two", one(desc{Addr: guestAddr, Len: 16, Flags: next, Next: free + 1}, desc{Addr: guestAddr, Len: 16, Flags: next, Next: free})},
		{"loop of empty buffers", one(desc{Flags: next, Next: free})},
		{"loop in a table", inTable(desc{Addr: guestAddr, Len: 16, Flags: next, Next: 1}, desc{Addr: guestAddr, Len: 16, Flags: next})},
		{"next beyond the ring", one(desc{Addr: guestAddr, Len: 16, Flags: next, Next: size})},
		{"next at all ones", one(desc{Addr: guestAddr, Len: 16, Flags: next, Next: 1<<16 - 1})},
		{"next beyond a table", inTable(desc{Addr: guestAddr, Len: 16, Flags: next, Next: 1})},
		{"table in a table", inTable(desc{Addr: guestAddr, Len: 16, Flags: indirect})},
		{"table with a next", func(m *machine) {
			d := table(m, desc{Addr: guestAddr, Len: 72})
			d.Flags |= next
			d.Next = free + 1
			one(d, desc{Addr: guestAddr, Len: 1, Flags: write})(m)
		}},
		{"table of no bytes", one(desc{Addr: guestAddr, Flags: indirect})},
		{"table of 17 bytes", one(desc{Addr: guestAddr, Len: 17, Flags: indirect})},
		{"table of almost 4 GiB", one(desc{Addr: guestAddr, Len: 0xffff_fff0, Flags: indirect})},
		{"table outside memory", one(desc{Addr: end - 15, Len: 16, Flags: indirect})},
		{"table that wraps around", one(desc{Addr: all - 15, Len: 32, Flags: indirect})},
		{"readable after writable", one(desc{Addr: guestAddr, Len: 1, Flags: write | next, Next: free + 1}, desc{Addr: guestAddr, Len: 72})},
		{"head beyond the ring", func(m *machine) { m.data.RawSend(size) }},
		{"head at all ones", func(m *machine) { m.data.RawSend(1<<16 - 1) }},
		{"index that jumps", func(m *machine) { m.data.RawAvailIdx(size + 2) }},
		{"index that goes back", func(m *machine) { m.data.RawAvailIdx(1<<16 - 1) }},
		{"a head twice", func(m *machine) {
			m.data.RawDesc(free, desc{Addr: guestAddr, Len: 1, Flags: write})
			m.data.RawAvail(1, free)
			m.data.RawAvail(2, free)
			m.data.RawAvailIdx(3)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := options{device: virtiocrypto.Options{DataQueues: 2}}
			o.ring = virtqdrv.Config{Size: size, Indirect: 8}
			onEachLink(t, o, func(m *machine) {
				r := m.request(cryptodrv.Shape{IV: 16, Size: 16})
				r.Fill(m.session(virtiocrypto.CipherAESCBC, virtiocrypto.DirectionEncrypt, key128), cryptodrv.OpCipherEncrypt, nil, nil)
				r.Forget()
				if err := r.Add(m.data.Queue, 0); err != nil {
					m.Fatal(err)
				}
				tt.breaks(m)
				m.link.kick(0)
				if err := m.link.broken(0); err != nil {
					m.Fatal(err)
				}
				lines := m.log.take()
				if len(lines) != 1 || !strings.Contains(lines[0], "queue stopped") {
					m.Errorf("the log says %q", lines)
				}
				// If the index itself makes no sense nothing was taken.
				if m.data.RawUsedIdx() == 1 && r.Status() != virtiocrypto.StatusOK || m.data.RawUsedIdx() == 0 && r.Status() != cryptodrv.Unanswered {
					m.Errorf("the request before: %s, the device's index is %d", r.Status(), m.data.RawUsedIdx())
				}
				m.works(1)
				m.reset()
				m.works(0)
				m.works(1)
				if lines := m.log.take(); len(lines) != 0 {
					m.Errorf("the log says %q after the reset", lines)
				}
			})
		})
	}
}

// TestBrokenControlRing: the data queues go on with the sessions they have.
func TestBrokenControlRing(t *testing.T) {
	onEachLink(t, options{}, func(m *machine) {
		id := m.session(virtiocrypto.CipherAESCBC, virtiocrypto.DirectionEncrypt, key128)
		control := m.queues[1]
		control.RawDesc(0, virtqdrv.Desc{Addr: guestAddr + guestSize, Len: 72})
		control.RawSend(0)
		m.link.kick(1)
		if err := m.link.broken(1); err != nil {
			m.Fatal(err)
		}
		m.works0(id)
		m.reset()
		m.works(0)
	})
}

// TestRestart stops and starts queues between requests, as a VM that is
// paused does: what was available is done once, and sessions stay.
func TestRestart(t *testing.T) {
	onEachLink(t, options{}, func(m *machine) {
		id := m.session(virtiocrypto.CipherAESCBC, virtiocrypto.DirectionEncrypt, key128)
		r := make([]*cryptodrv.Request, 8)
		for i := range r {
			r[i] = m.request(cryptodrv.Shape{IV: 16, Size: 16})
			r[i].Fill(id, cryptodrv.OpCipherEncrypt, nil, nil)
		}
		for round := range 20 {
			m.batch(m.data, len(r), func(i int) *cryptodrv.Request { return r[i] })
			base := m.link.stop(0)
			if want := uint16(len(r) * (2*round + 1)); base != want {
				m.Fatalf("base is %d, want %d", base, want)
			}
			// A kick that comes before the queue is started must not be lost:
			// these are made available to a queue that does not run.
			for i := range r {
				r[i].Forget()
				if err := r[i].Add(m.data.Queue, uint64(i)); err != nil {
					m.Fatal(err)
				}
			}
			m.data.Publish()
			m.resume(0, base)
			used := make([]virtqdrv.Used, 64)
			for done := 0; done < len(r); {
				n, err := m.data.Await(used)
				if err != nil {
					m.Fatal(err)
				}
				done += n
			}
			for i := range r {
				if s := r[i].Status(); s != virtiocrypto.StatusOK {
					m.Errorf("request %d: %s", i, s)
				}
			}
		}
		if n := m.dev.Counters().Operations.Load(); n != 20*2*uint64(len(r)) {
			m.Errorf("%d operations for %d requests", n, 20*2*len(r))
		}
	})
}

// resume starts a queue that was stopped, with the ring it has.
func (m *machine) resume(i int, base uint16) {
	m.Helper()
	c := m.o.ring
	c.Base = base
	m.link.start(i, m.queues[i].Queue, c)
}

// TestIndexWrapsAround begins just before the 16-bit indices do.
func TestIndexWrapsAround(t *testing.T) {
	onEachRing(t, options{}, func(m *machine) {
		m.link.stop(0)
		m.startQueue(0, 1<<16-5)
		m.useQueues()
		j := m.cbcJob(48)
		r := m.request(cryptodrv.Shape{IV: 16, Size: 48})
		for i := range 20 {
			m.check(j, r, "request %d", i)
		}
	})
}

// TestKickBeforeStart: the kick is signalled when the ring is still unknown
// to the device.
func TestKickBeforeStart(t *testing.T) {
	onEachLink(t, options{}, func(m *machine) {
		id := m.session(virtiocrypto.CipherAESCBC, virtiocrypto.DirectionEncrypt, key128)
		base := m.link.stop(0)
		r := m.request(cryptodrv.Shape{IV: 16, Size: 16})
		r.Fill(id, cryptodrv.OpCipherEncrypt, nil, nil)
		r.Forget()
		if err := r.Add(m.data.Queue, 1); err != nil {
			m.Fatal(err)
		}
		m.data.Publish()
		m.link.kick(0)
		m.resume(0, base)
		var used [1]virtqdrv.Used
		if _, err := m.data.Await(used[:]); err != nil || r.Status() != virtiocrypto.StatusOK {
			m.Fatalf("%v, %s", err, r.Status())
		}
		m.works(0)
	})
}
