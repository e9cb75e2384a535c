// SPDX-License-Identifier: Apache-2.0

package virtiocrypto

import (
	"fmt"

	"vcrypto/virtio"
	"vcrypto/virtio/virtq"
)

// controlWorker serves the control queue: it opens and closes sessions,
// section 5.9.7.2.
type controlWorker struct {
	d      *Device
	q      *virtio.Queue
	layout layout
	keys   *keyMemory // of the session that is being opened

	throttle *throttle // nil without limits
}

// newControlWorker returns the worker of a queue that sleeps at once when it
// has nothing to do: the CPU is for the data queues.
func newControlWorker(d *Device, q *virtio.Queue) (*controlWorker, error) {
	keys, err := newKeyMemory(d.log)
	if err != nil {
		return nil, fmt.Errorf("control queue: %w", err)
	}
	q.SetPolling(virtio.Polling{})
	w := &controlWorker{d: d, q: q, layout: d.layout, keys: keys, throttle: d.newThrottle()}
	if w.throttle != nil {
		q.SetLimiter(w.throttle)
	}
	return w, nil
}

// Handle answers each request at once.
func (w *controlWorker) Handle(chains []*virtq.Chain) {
	if w.throttle != nil {
		w.throttle.charge(chains)
	}
	for _, c := range chains {
		w.q.Push(c, w.answer(c))
	}
}

// Poll has nothing left to do.
func (w *controlWorker) Poll(bool) bool { return false }

// Close gives the memory for keys back.
func (w *controlWorker) Close() { w.keys.free() }

// answer does a request and returns the number of bytes written.
func (w *controlWorker) answer(c *virtq.Chain) uint32 {
	var hdr [ctrlHdrSize]byte
	var flf [ctrlFLFSize]byte
	in := c.Reader()
	short := in.Read(hdr[:]) != len(hdr)
	op := le.Uint32(hdr[ctrlOpcode:])
	if n := w.layout.controlFLF(op); short || in.Read(flf[:n]) != n {
		w.d.log.Debug("control request too short", "bytes", c.ReadLen)
		return w.created(c, 0, StatusErr)
	}
	switch op {
	case opCipherCreate, opHashCreate, opMACCreate, opAEADCreate, opAKCreate:
		if c.WriteLen < inputSize {
			// Its ID could not be told: do not make a session that nobody
			// can name.
			return w.created(c, 0, StatusErr)
		}
		id, err := w.create(op, &flf, in)
		if err != nil {
			w.d.log.Debug("session refused", "opcode", op, "err", err)
		}
		status := StatusOf(err)
		if status == StatusNoSpc && !w.layout.revision1 {
			status = StatusErr // section 5.9.7.1
		}
		return w.created(c, id, status)
	case opCipherDestroy, opHashDestroy, opMACDestroy, opAEADDestroy, opAKDestroy:
		status := StatusOK
		if err := w.d.DestroySession(le.Uint64(flf[destroyID:])); err != nil {
			status = StatusErr // INVSESS is for data requests
		}
		w.count(status)
		return w.write(c, []byte{byte(status)})
	default:
		w.d.log.Debug("control request not supported", "opcode", op)
		return w.created(c, 0, StatusNotSupp)
	}
}

// create opens the session of a request whose keys follow at in.
func (w *controlWorker) create(op uint32, flf *[ctrlFLFSize]byte, in virtq.Cursor) (uint64, error) {
	defer w.keys.erase()
	p, err := w.params(op, flf, &in)
	if err != nil {
		return 0, err
	}
	return w.d.createSession(p)
}

// params takes the parameters out of a request, and the keys that follow at
// in.
func (w *controlWorker) params(op uint32, flf *[ctrlFLFSize]byte, in *virtq.Cursor) (SessionParams, error) {
	switch op {
	case opHashCreate:
		return hashParams(flf[:]), nil
	case opMACCreate:
		return w.macParams(flf[:], in)
	case opAEADCreate:
		key, err := w.keys.read(in, le.Uint32(flf[aeadKeyLen:]), maxCipherKey)
		return AEADParams{
			Algo:      AEADAlgo(le.Uint32(flf[aeadAlgo:])),
			Direction: le.Uint32(flf[aeadOp:]),
			Tag:       le.Uint32(flf[aeadTagLen:]),
			Key:       key,
		}, err
	case opAKCreate:
		key, err := w.keys.read(in, le.Uint32(flf[akKeyLen:]), maxAKKey)
		return akParams(flf[akAlgo:], flf[akKeyType:], flf[akPara:], key), err
	}
	switch le.Uint32(flf[symOpType:]) {
	case SymOpCipher:
		return w.cipherParams(flf[:], in)
	case SymOpChain:
		return w.chainParams(flf, in)
	}
	return nil, ErrUnsupported
}

func hashParams(p []byte) HashParams {
	return HashParams{HashAlgo(le.Uint32(p[hashAlgo:])), le.Uint32(p[hashResultLen:])}
}

func (w *controlWorker) macParams(p []byte, in *virtq.Cursor) (MACParams, error) {
	key, err := w.keys.read(in, le.Uint32(p[macKeyLen:]), maxAuthKey)
	return MACParams{MACAlgo(le.Uint32(p[hashAlgo:])), le.Uint32(p[hashResultLen:]), key}, err
}

func (w *controlWorker) cipherParams(p []byte, in *virtq.Cursor) (CipherParams, error) {
	key, err := w.keys.read(in, le.Uint32(p[cipherKeyLen:]), maxCipherKey)
	return CipherParams{CipherAlgo(le.Uint32(p[cipherAlgo:])), le.Uint32(p[cipherOp:]), key}, err
}

// chainParams: the cipher's key lies before the MAC's.
func (w *controlWorker) chainParams(flf *[ctrlFLFSize]byte, in *virtq.Cursor) (p ChainParams, err error) {
	p.Order = le.Uint32(flf[chainOrder:])
	p.HashMode = le.Uint32(flf[chainHashMode:])
	if p.Cipher, err = w.cipherParams(flf[chainCipher:], in); err != nil {
		return p, err
	}
	if p.HashMode == HashModeAuth {
		p.MAC, err = w.macParams(flf[chainHash:], in)
	} else {
		p.Hash = hashParams(flf[chainHash:])
	}
	return p, err
}

// akParams puts the parameters of a public-key session together, of where
// they are in one request or the other.
func akParams(algo, keyType, para, key []byte) AKCipherParams {
	return AKCipherParams{
		Algo:    AKCipherAlgo(le.Uint32(algo)),
		KeyType: le.Uint32(keyType),
		Padding: le.Uint32(para),
		Curve:   le.Uint32(para), // a union
		Hash:    le.Uint32(para[4:]),
		Key:     key,
	}
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
