// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"bytes"
	"fmt"
	"runtime"
	"time"

	"vcrypto/virtio/virtqdrv"
	"vcrypto/virtiocrypto"
)

// load is the driver of one data queue: requests that are each sent again as
// soon as they were answered.
type load struct {
	c        DeviceCase
	ring     virtqdrv.Ring
	end      *endpoint
	requests []*request
	slots    []virtqdrv.Slot
	class    []uint8         // by cookie
	sent     []time.Duration // by cookie, since run began
	used     []virtqdrv.Used
	latency  [classes]histogram

	// pause is how long to wait before a request is sent again: who sends the
	// next at once sends few while answers are slow, and so hardly counts it.
	pause time.Duration

	done, kicks, interrupts, errors uint64
}

// classes of requests, whose latencies are counted apart.
const classes = 2

// newLoad makes a queue's ring, for so many requests.
func newLoad(m *virtqdrv.Memory, c DeviceCase, depth int) (*load, error) {
	size := 1
	for size < depth {
		size *= 2
	}
	ring, err := newRing(m, c.Packed, virtqdrv.Config{Size: size, Indirect: descriptors + 2*max(c.Pieces, 1), EventIdx: true})
	return &load{c: c, ring: ring}, err
}

// add makes requests ready, one for each input, of which none is sent yet.
func (l *load) add(m *virtqdrv.Memory, c Case, sessions []uint64, inputs []input, class int) error {
	requests, err := layOut(m, c, sessions, inputs, l.c.Pieces)
	if err != nil {
		return err
	}
	for _, r := range requests {
		slot, err := l.ring.Prepare(r.readable, r.writable, uint64(len(l.requests)))
		if err != nil {
			return err
		}
		l.requests = append(l.requests, r)
		l.slots = append(l.slots, slot)
		l.class = append(l.class, uint8(class))
	}
	l.sent = make([]time.Duration, len(l.requests))
	l.used = make([]virtqdrv.Used, min(len(l.requests), reapMost))
	return nil
}

// reapMost is how many answers are taken at once: so few that the device has
// new requests while the rest are taken.
const reapMost = 64

// descriptors of a request beside those of source and destination: header and
// IV, status.
const descriptors = 2

// run keeps all requests in flight until stop says so, and then waits for
// the rest. It belongs to a thread.
func (l *load) run(stop func() bool) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	start := time.Now()
	for i, s := range l.slots {
		l.sent[i] = 0
		if err := l.ring.AddSlot(s); err != nil {
			return err
		}
	}
	l.publish()
	inFlight := len(l.requests)
	for last := time.Duration(0); inFlight > 0; {
		n, err := l.reap()
		if err != nil {
			return err
		}
		now := time.Since(start)
		if n == 0 {
			if now-last > deviceSilence {
				return fmt.Errorf("queue %d: no answer for %v to %d requests", l.end.index, deviceSilence, inFlight)
			}
			continue
		}
		last = now
		again := !stop()
		if l.pause > 0 {
			time.Sleep(l.pause)
			last = time.Since(start)
		}
		if err := l.account(l.used[:n], now, last, again); err != nil {
			return err
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

// account counts the latencies of answers that came at a time, and adds their
// requests again, as sent at another.
func (l *load) account(answers []virtqdrv.Used, now, next time.Duration, again bool) error {
	// Requests that were sent together are mostly answered together.
	var class uint8
	sent, same := time.Duration(-1), uint64(0)
	for i := range answers {
		u := &answers[i]
		if l.sent[u.Cookie] != sent || l.class[u.Cookie] != class {
			l.latency[class].add(now-sent, same)
			sent, class, same = l.sent[u.Cookie], l.class[u.Cookie], 0
		}
		same++
		if !again {
			continue
		}
		l.sent[u.Cookie] = next
		if err := l.ring.AddSlot(u.Slot); err != nil {
			return err
		}
	}
	l.latency[class].add(now-sent, same)
	return nil
}

func (l *load) publish() {
	if l.ring.Publish() {
		l.end.kick()
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
		if !l.end.await(deviceSilence) {
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
			r.forget()
		}
		if err := l.run(func() bool { return true }); err != nil {
			return err
		}
		for i, r := range l.requests {
			if s := r.status(); s != virtiocrypto.StatusOK {
				l.errors++
				return fmt.Errorf("queue %d, request %d: the device answered %s", l.end.index, i, s)
			}
			if !bytes.HasPrefix(r.result(), r.want) {
				l.errors++
				return fmt.Errorf("queue %d, request %d: the device's answer is wrong", l.end.index, i)
			}
		}
	}
	return nil
}

// reset forgets what was counted.
func (l *load) reset() {
	clear(l.latency[:])
	l.done, l.kicks, l.interrupts = 0, 0, 0
}
