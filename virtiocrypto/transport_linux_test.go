// SPDX-License-Identifier: Apache-2.0

package virtiocrypto_test

import (
	"testing"

	"vcrypto/vhostuser"
	"vcrypto/virtio/virtqdrv"
	"vcrypto/virtiocrypto"
	"vcrypto/virtiocrypto/cryptodrv"
)

// TestGuestReset: of a guest that boots again vhost-user says nothing but
// that its rings begin elsewhere than where they stopped. Its sessions go.
func TestGuestReset(t *testing.T) {
	m := newMachine(t, options{device: virtiocrypto.Options{MaxSessions: 2}}, newSocket)
	for range 3 {
		id := m.session(virtiocrypto.CipherAESCBC, virtiocrypto.DirectionEncrypt, key128)
		m.works0(id)
		for i := range m.queues {
			if base := m.link.stop(i); base == 0 {
				m.Fatalf("queue %d did nothing", i)
			}
		}
		for i := range m.queues {
			m.startQueue(i, 0)
		}
		m.useQueues()
		r := m.request(cryptodrv.Shape{IV: 16, Size: 16})
		r.Fill(id, cryptodrv.OpCipherEncrypt, nil, nil)
		if s := m.do(r); s != virtiocrypto.StatusInvSess {
			m.Errorf("a session of before the reset: %s", s)
		}
		m.fillSessions(2)
	}
}

// TestKickBeforeEnable: the kick comes when the ring is known and not yet
// enabled.
func TestKickBeforeEnable(t *testing.T) {
	m := newMachine(t, options{}, newSocket)
	id := m.session(virtiocrypto.CipherAESCBC, virtiocrypto.DirectionEncrypt, key128)
	r := m.request(cryptodrv.Shape{IV: 16, Size: 16})
	r.Fill(id, cryptodrv.OpCipherEncrypt, nil, nil)
	s := m.link.(*socket)
	for range 20 {
		base := s.stop(0)
		q, c := m.data, m.o.ring
		_, err := s.fe.SetupQueue(0, vhostuser.QueueSetup{
			Size: c.Size, Desc: q.Desc(), Avail: q.Avail(), Used: q.Used(), Base: base,
		})
		s.must(err)
		r.Forget()
		if err := r.Add(q.Queue, 0); err != nil {
			m.Fatal(err)
		}
		q.Publish()
		s.kick(0)
		s.must(s.fe.Enable(0, true))
		var used [1]virtqdrv.Used
		if _, err := q.Await(used[:]); err != nil || r.Status() != virtiocrypto.StatusOK {
			m.Fatalf("%v, %s", err, r.Status())
		}
	}
}

// TestMemoryGoesWhileInUse: memory is taken from under a queue that an engine
// is working for. The requests it has are done first; the next that needs the
// memory breaks the ring.
func TestMemoryGoesWhileInUse(t *testing.T) {
	for _, h := range []habits{{late: true}, {lazy: true}} {
		m := newMachine(t, options{engine: newOddEngine(h)}, newSocket)
		s := m.link.(*socket)
		id := m.session(virtiocrypto.CipherAESCBC, virtiocrypto.DirectionEncrypt, key128)
		high := &virtqdrv.Memory{Data: m.all[borderAt+borderRoom:], Addr: guestAddr + borderAt + borderRoom}
		requests := make([]*cryptodrv.Request, 32)
		for i := range requests {
			requests[i] = newRequest(m, high, cryptodrv.Shape{IV: 16, Size: 16 << 10, WriteCuts: []int{i}})
			requests[i].Fill(id, cryptodrv.OpCipherEncrypt, nil, nil)
			requests[i].Forget()
			if err := requests[i].Add(m.data.Queue, uint64(i)); err != nil {
				m.Fatal(err)
			}
		}
		m.data.Show()
		// Acknowledged when nothing of the old memory is used any more.
		s.must(s.fe.ShareMemory(s.memory[0]))
		used := make([]virtqdrv.Used, len(requests))
		n, err := m.data.Reap(used)
		if err != nil {
			m.Fatal(err)
		}
		for _, u := range used[:n] {
			if st := requests[u.Cookie].Status(); st != virtiocrypto.StatusOK {
				m.Errorf("request %d: %s", u.Cookie, st)
			}
		}
		for i := range m.all[borderAt:] {
			m.all[borderAt+i] = 0x77
		}
		if n < len(requests) {
			if err := m.link.broken(0); err != nil {
				m.Errorf("%d requests of %d done before the memory went: %v", n, len(requests), err)
			}
		}
		for i, c := range m.all[borderAt:] {
			if c != 0x77 {
				m.Fatalf("byte %d of the memory that went was written to", i)
			}
		}
		s.must(s.fe.ShareMemory(s.memory...))
		m.reset()
		m.works(0)
	}
}
