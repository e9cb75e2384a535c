// SPDX-License-Identifier: Apache-2.0

package virtiocrypto

import (
	"vcrypto/virtio"
	"vcrypto/virtio/virtq"
)

// controlWorker serves the control queue: it opens and closes sessions,
// section 5.9.7.2.
type controlWorker struct {
	d *Device
	q *virtio.Queue
}

// newControlWorker returns the worker of a queue that sleeps at once when it
// has nothing to do: the CPU is for the data queues.
func newControlWorker(d *Device, q *virtio.Queue) *controlWorker {
	q.SetPolling(virtio.Polling{})
	return &controlWorker{d, q}
}

// Handle answers each request at once.
func (w *controlWorker) Handle(chains []*virtq.Chain) {
	for _, c := range chains {
		w.q.Push(c, w.answer(c))
	}
}

// Poll has nothing left to do.
func (w *controlWorker) Poll(bool) bool { return false }

// Close does nothing.
func (w *controlWorker) Close() {}

// answer does a request and returns the number of bytes written.
func (w *controlWorker) answer(c *virtq.Chain) uint32 {
	var req [ctrlSize]byte
	in := c.Reader()
	if in.Read(req[:]) != len(req) {
		w.d.log.Debug("control request too short", "bytes", c.ReadLen)
		return w.created(c, 0, StatusErr)
	}
	switch op := le.Uint32(req[ctrlOpcode:]); op {
	case opCipherCreate:
		if c.WriteLen < inputSize {
			// Its ID could not be told: do not make a session that nobody
			// can name.
			return w.created(c, 0, StatusErr)
		}
		id, err := w.create(&req, in)
		if err != nil {
			w.d.log.Debug("session refused", "err", err)
		}
		return w.created(c, id, StatusOf(err))
	case opCipherDestroy, opHashDestroy, opMACDestroy, opAEADDestroy, opAKDestroy:
		status := StatusOK
		if err := w.d.DestroySession(le.Uint64(req[destroyID:])); err != nil {
			status = StatusErr // INVSESS is for data requests
		}
		w.count(status)
		return w.write(c, []byte{byte(status)})
	default:
		w.d.log.Debug("control request not supported", "opcode", op)
		return w.created(c, 0, StatusNotSupp)
	}
}

// create opens the session of a request whose key follows at in.
func (w *controlWorker) create(req *[ctrlSize]byte, in virtq.Cursor) (uint64, error) {
	if le.Uint32(req[symOpType:]) != SymOpCipher {
		return 0, ErrUnsupported
	}
	var key [maxCipherKey]byte
	defer clear(key[:])
	n := le.Uint32(req[cipherKeyLen:])
	if n > maxCipherKey || in.Read(key[:n]) != int(n) {
		return 0, ErrParams
	}
	return w.d.createSession(CipherParams{
		Algo:      CipherAlgo(le.Uint32(req[cipherAlgo:])),
		Direction: le.Uint32(req[cipherOp:]),
		Key:       key[:n],
	})
}

// created writes the answer to create.
func (w *controlWorker) created(c *virtq.Chain, id uint64, s Status) uint32 {
	w.count(s)
	var input [inputSize]byte
	le.PutUint64(input[inputSessionID:], id)
	le.PutUint32(input[inputStatus:], uint32(s))
	if c.WriteLen < inputSize {
		// Only an answer of one byte, as destroy has, finds room.
		return w.write(c, []byte{byte(s)})
	}
	return w.write(c, input[:])
}

func (w *controlWorker) count(s Status) {
	if s != StatusOK {
		w.d.counters.Errors.Add(1)
	}
}

func (w *controlWorker) write(c *virtq.Chain, answer []byte) uint32 {
	out := c.Writer()
	n := out.Write(answer)
	if n < len(answer) {
		w.d.log.Debug("control request without room for its answer", "bytes", c.WriteLen)
	}
	return uint32(n)
}
