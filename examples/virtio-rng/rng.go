// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/rand"

	"vcrypto/virtio"
	"vcrypto/virtio/virtq"
)

// entropy is a virtio entropy device, virtio 1.3 section 5.4: one queue, no
// features, no configuration. A driver makes buffers available that the device
// may write; it fills them with random bytes.
type entropy struct{}

func (entropy) ID() virtio.DeviceID     { return virtio.IDEntropy }
func (entropy) Features() uint64        { return 0 }
func (entropy) Queues() int             { return 1 }
func (entropy) Negotiated(uint64) error { return nil }
func (entropy) Reset()                  {}

// ReadConfig: the configuration space is empty.
func (entropy) ReadConfig(p []byte, _ uint32) { clear(p) }

// NewWorker returns a worker, which lives on the queue's own thread.
func (entropy) NewWorker(q *virtio.Queue) (virtio.Worker, error) {
	return &worker{q: q}, nil
}

// chunk bounds what is made for one request, in bytes: the specification asks
// for one byte at least, and a driver asks again.
const chunk = 4096

type worker struct {
	q   *virtio.Queue
	buf [chunk]byte
}

// Handle fills a batch of requests. All are done when it returns.
func (w *worker) Handle(chains []*virtq.Chain) {
	for _, c := range chains {
		n := min(c.WriteLen, chunk)
		rand.Read(w.buf[:n])
		out := c.Writer()
		w.q.Push(c, uint32(out.Write(w.buf[:n])))
		clear(w.buf[:n]) // they are the guest's now and nobody else's
	}
}

// Poll has nothing to wait for.
func (w *worker) Poll(bool) bool { return false }

// Close has nothing to give back.
func (w *worker) Close() {}
