// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"runtime"
	"time"

	"vcrypto/vhostuser"
	"vcrypto/virtio/virtqdrv"
	"vcrypto/virtiocrypto"
	"vcrypto/virtiocrypto/cryptodrv"
)

// load is the driver of one data queue: Depth requests, each sent again as
// soon as it was answered.
type load struct {
	c        DeviceCase
	ring     *virtqdrv.Queue
	events   *vhostuser.FrontQueue
	requests []*cryptodrv.Request
	expected [][]byte
	slots    []virtqdrv.Slot
	sent     []time.Time // by cookie
	used     []virtqdrv.Used
	latency  histogram

	done, kicks, interrupts, errors uint64
}

// newLoad lays out a queue's ring and requests. The sources of all requests
// are one array, and so are the destinations, as in the raw loop.
func newLoad(m *virtqdrv.Memory, c DeviceCase, sessions []uint64, opcode uint32, answer func(key int, iv, src []byte) ([]byte, error)) (*load, error) {
	size := 1
	for size < c.Depth {
		size *= 2
	}
	ring, err := virtqdrv.New(m, virtqdrv.Config{Size: size, Indirect: descriptors, EventIdx: true})
	if err != nil {
		return nil, err
	}
	l := &load{
		c:        c,
		ring:     ring,
		requests: make([]*cryptodrv.Request, c.Depth),
		expected: make([][]byte, c.Depth),
		slots:    make([]virtqdrv.Slot, c.Depth),
		sent:     make([]time.Time, c.Depth),
		used:     make([]virtqdrv.Used, c.Depth),
	}
	ivSize := c.Algorithm.IVSize()
	shape := cryptodrv.Shape{IV: ivSize, Size: c.Size}
	iv, src := make([]byte, ivSize), make([]byte, c.Size)
	for i := range l.requests {
		if l.requests[i], err = cryptodrv.NewRequest(m, shape); err != nil {
			return nil, err
		}
		rand.Read(iv) // never fails
		rand.Read(src)
		key := i % len(sessions)
		l.requests[i].Fill(sessions[key], opcode, iv, src)
		if l.expected[i], err = answer(key, iv, src); err != nil {
			return nil, err
		}
		if l.slots[i], err = l.requests[i].Prepare(ring, uint64(i)); err != nil {
			return nil, err
		}
	}
	return l, nil
}

// descriptors of a request: header, IV, source, destination, status.
const descriptors = 5

// run keeps Depth requests in flight until stop says so, and then waits for
// the rest. It belongs to a thread.
func (l *load) run(stop func() bool) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	now := time.Now()
	for i, s := range l.slots {
		if err := l.send(i, s, now); err != nil {
			return err
		}
	}
	l.publish()
	inFlight := l.c.Depth
	for last := now; inFlight > 0; {
		n, err := l.reap()
		if err != nil {
			return err
		}
		if n == 0 {
			if now := time.Now(); now.Sub(last) > deviceSilence {
				return fmt.Errorf("queue %d: no answer for %v to %d requests", l.events.Index, deviceSilence, inFlight)
			}
			continue
		}
		now := time.Now()
		last = now
		again := !stop()
		for _, u := range l.used[:n] {
			l.latency.add(now.Sub(l.sent[u.Cookie]), 1)
			if !again {
				continue
			}
			if err := l.send(int(u.Cookie), u.Slot, now); err != nil {
				return err
			}
		}
		l.done += uint64(n)
		if !again {
			inFlight -= n
			continue
		}
		l.publish()
	}
	return nil
}

func (l *load) send(i int, s virtqdrv.Slot, now time.Time) error {
	l.sent[i] = now
	return l.ring.AddSlot(s)
}

func (l *load) publish() {
	if l.ring.Publish() {
		l.events.Kick.Notify()
		l.kicks++
	}
}

// reap returns how many requests were answered. If both sides sleep it waits
// for an interrupt.
func (l *load) reap() (int, error) {
	n, err := l.ring.Reap(l.used)
	if n > 0 || err != nil || !l.c.Asleep {
		return n, err
	}
	if !l.ring.EnableInterrupts() {
		if !l.events.WaitCall(deviceSilence) {
			return 0, nil
		}
		l.interrupts++
	}
	return l.ring.Reap(l.used)
}

// verify sends every request until at least a number were answered, and
// compares each answer with that of a second implementation.
func (l *load) verify(atLeast int) error {
	for done := 0; done < atLeast; done += len(l.requests) {
		for _, r := range l.requests {
			r.Forget()
		}
		if err := l.run(func() bool { return true }); err != nil {
			return err
		}
		for i, r := range l.requests {
			if s := r.Status(); s != virtiocrypto.StatusOK {
				l.errors++
				return fmt.Errorf("queue %d, request %d: the device answered %s", l.events.Index, i, s)
			}
			if !bytes.Equal(r.Result(), l.expected[i]) {
				l.errors++
				return fmt.Errorf("queue %d, request %d: the device's answer is wrong", l.events.Index, i)
			}
		}
	}
	return nil
}

// reset forgets what was counted.
func (l *load) reset() {
	l.latency = histogram{}
	l.done, l.kicks, l.interrupts = 0, 0, 0
}
