// SPDX-License-Identifier: Apache-2.0

package virtiocrypto_test

import (
	"time"

	"vcrypto/virtio"
	"vcrypto/virtio/mem"
	"vcrypto/virtio/virtq"
	"vcrypto/virtio/virtqdrv"
)

// local is a link within the process: it does with a virtio.Instance what a
// transport does, and nothing of a transport's own.
type local struct {
	m      *machine
	in     *virtio.Instance
	queues []localQueue
}

type localQueue struct {
	kick, call *virtio.Event
	broken     chan error
}

func newLocal(m *machine) link {
	l := &local{m: m, in: virtio.NewInstance(m.dev, virtio.Options{Log: m.o.device.Log, Polling: m.o.polling, Patience: m.o.patient})}
	l.queues = make([]localQueue, m.dev.Queues())
	var regions []mem.Region
	for _, at := range []uint64{0, borderAt} {
		r, err := mem.Map(m.memory, at, guestSize/2)
		if err != nil {
			m.Fatal(err)
		}
		r.Addr = guestAddr + at
		regions = append(regions, r)
	}
	if err := l.in.Memory().Set(regions); err != nil {
		m.Fatal(err)
	}
	l.negotiate()
	return l
}

func (l *local) negotiate() {
	if err := l.in.SetFeatures(virtio.RingFeatures | l.m.o.form.Features()); err != nil {
		l.m.Fatal(err)
	}
}

func (l *local) start(i int, q *virtqdrv.Queue, c virtqdrv.Config) {
	lq := &l.queues[i]
	if lq.kick == nil { // a queue that goes on keeps its events
		*lq = localQueue{newEvent(l.m), newEvent(l.m), make(chan error, 1)}
	}
	broken := lq.broken
	err := l.in.Start(i, virtio.QueueConfig{
		Ring: virtq.Config{
			Size: c.Size, Desc: q.Desc(), Avail: q.Avail(), Used: q.Used(), Base: c.Base,
			Indirect: c.Indirect > 0, EventIdx: c.EventIdx,
		},
		Kick:   lq.kick,
		Call:   lq.call,
		Broken: func(err error) { broken <- err },
	})
	if err != nil {
		l.m.Fatal(err)
	}
}

func (l *local) stop(i int) uint16 {
	base, err := l.in.Stop(i)
	if err != nil {
		l.m.Fatal(err)
	}
	return base
}

func (l *local) closeEvents(i int) {
	if q := &l.queues[i]; q.kick != nil {
		q.kick.Close()
		q.call.Close()
		*q = localQueue{}
	}
}

func (l *local) kick(i int)       { l.queues[i].kick.Notify() }
func (l *local) wait(i int) error { return await(l.queues[i].call, patience) }
func (l *local) broken(i int) error {
	select {
	case <-l.queues[i].broken:
		return nil
	case <-time.After(patience):
		return errSilence
	}
}

func (l *local) gaveUp(i int) bool {
	select {
	case <-l.queues[i].broken:
		return true
	default:
		return false
	}
}

func (l *local) readConfig(off, n int) []byte {
	b := make([]byte, n)
	l.m.dev.ReadConfig(b, uint32(off))
	return b
}

func (l *local) reset() {
	l.in.Reset()
	for i := range l.queues {
		l.closeEvents(i)
	}
	l.negotiate()
}

func (l *local) close() {
	if err := l.in.Close(); err != nil {
		l.m.Error(err)
	}
	for i := range l.queues {
		l.closeEvents(i)
	}
}
