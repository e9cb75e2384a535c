// SPDX-License-Identifier: Apache-2.0

// Package cryptodrv is the driver's side of a virtio-crypto device, for
// tests, examples and benchmarks: what a guest's driver writes into guest
// memory and reads back from it. It knows virtqueues ([virtqdrv.Queue]) and
// no transport.
//
// A session is made on the control queue, or with the messages of a
// vhost-user front-end that keeps the control queue to itself ([Messages]):
//
//	control := cryptodrv.NewControl(queue)
//	id, err := control.Create(virtiocrypto.CipherParams{...})
//
// A [Request] is laid out in guest memory once and can be sent again and
// again; its source, IV and session can be changed in between, and need not
// be:
//
//	r, err := cryptodrv.NewRequest(mem, cryptodrv.Shape{IV: 16, Size: 4096})
//	r.Fill(id, cryptodrv.OpCipherEncrypt, iv, plaintext)
//	status, err := queue.Do(r)
//	ciphertext := r.Result()
//
// Where throughput counts, requests are prepared, and what is left of one is
// two bytes in the ring:
//
//	slot, err := r.Prepare(queue.Queue, cookie) // once
//	queue.AddSlot(slot)                         // again and again
//	if queue.Publish() { kick() }
//	n, err := queue.Reap(batch)
package cryptodrv

import (
	"errors"
	"fmt"
	"time"

	"vcrypto/virtio/virtqdrv"
	"vcrypto/virtiocrypto"
)

// StatusError is a status other than OK as an error.
type StatusError struct{ Status virtiocrypto.Status }

func (e *StatusError) Error() string { return "the device answered " + e.Status.String() }

// Errors of this package. Test with errors.Is.
var (
	// ErrShape: a request's shape is impossible.
	ErrShape = errors.New("impossible shape of a request")
	// ErrAnswer: the device wrote less than an answer.
	ErrAnswer = errors.New("the device's answer is too short")
	// ErrBusy: other chains of the queue are in flight.
	ErrBusy = errors.New("other requests of the queue are in flight")
)

// Queue is a virtqueue with the way to its device. It belongs to one
// goroutine at a time.
type Queue struct {
	*virtqdrv.Queue
	Mem *virtqdrv.Memory

	// Packed takes the place of Queue if it is not nil.
	Packed *virtqdrv.Packed

	// Kick tells the device to look at the ring; nil if it looks by itself.
	Kick func()

	// Wait returns when the device may have used a chain; an error ends the
	// waiting. With nil the ring is looked at in short intervals.
	Wait func() error
}

func (q *Queue) ring() virtqdrv.Ring {
	if q.Packed != nil {
		return q.Packed
	}
	return q.Queue
}

// nap is how long a queue without Wait sleeps between looks.
const nap = 20 * time.Microsecond

// Show publishes what was added and kicks the device if it wants that.
func (q *Queue) Show() {
	if q.ring().Publish() && q.Kick != nil {
		q.Kick()
	}
}

// Await reaps into batch, waiting until there is at least one used chain.
func (q *Queue) Await(batch []virtqdrv.Used) (int, error) {
	ring := q.ring()
	for {
		if n, err := ring.Reap(batch); n > 0 || err != nil {
			return n, err
		}
		if q.Wait == nil {
			time.Sleep(nap)
			continue
		}
		if ring.EnableInterrupts() {
			continue
		}
		if err := q.Wait(); err != nil {
			return 0, err
		}
	}
}

// Exchange sends one chain, waits for it and returns how many bytes the
// device says it wrote. Nothing else may be in flight.
func (q *Queue) Exchange(readable, writable []virtqdrv.Buf) (written uint32, err error) {
	if q.ring().InFlight() != 0 {
		return 0, ErrBusy
	}
	if err := q.ring().Add(readable, writable, 0); err != nil {
		return 0, fmt.Errorf("send a chain: %w", err)
	}
	q.Show()
	var used [1]virtqdrv.Used
	if _, err := q.Await(used[:]); err != nil {
		return 0, fmt.Errorf("wait for the device: %w", err)
	}
	return used[0].Written, nil
}

// Do sends one request, waits for it and returns its status. Nothing else may
// be in flight.
func (q *Queue) Do(r *Request) (virtiocrypto.Status, error) {
	r.Forget()
	if _, err := q.Exchange(r.Readable, r.Writable); err != nil {
		return 0, err
	}
	return r.Status(), nil
}
