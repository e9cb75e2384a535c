// SPDX-License-Identifier: Apache-2.0

package virtiocrypto_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"flag"
	"runtime"
	"testing"
	"time"

	"vcrypto/virtio/virtqdrv"
	"vcrypto/virtiocrypto"
	"vcrypto/virtiocrypto/cryptodrv"
)

// fuzzed is a device with open sessions and a window of guest memory of which
// all is known.
type fuzzed struct {
	*machine
	window virtqdrv.Buf
	bytes  []byte
	shadow []byte // what window holds, as far as the driver knows
}

const (
	windowSize = 256 << 10 // bytes
	maxPieces  = 64        // that a part is cut into

	// fuzzPatience is how long a fuzzing engine's process waits for an answer.
	// Go's ends it 10 s after an input began, without a word of why and also
	// where it was stopped meanwhile: a device that does not answer is to be
	// found out before that.
	fuzzPatience = 7 * time.Second
)

func newFuzzed(f *testing.F) *fuzzed {
	f.Helper()
	z := newFuzzedIn(f, cryptodrv.Form{})
	for _, algo := range algos {
		for _, d := range directions {
			direction, _ := wire(d)
			z.session(algo, direction, key128)
		}
	}
	return z
}

// newFuzzedIn returns a device without sessions, for requests of a form.
func newFuzzedIn(f *testing.F, form cryptodrv.Form) *fuzzed {
	f.Helper()
	m := newMachine(f, options{form: form, device: virtiocrypto.Options{MaxSize: 8 << 10, MaxSessions: 16}}, newLocal)
	if worker := flag.Lookup("test.fuzzworker"); worker != nil && worker.Value.String() == "true" {
		for i, q := range m.queues {
			q.Wait = func() error { return await(m.link.(*local).queues[i].call, fuzzPatience) }
		}
	}
	window, err := m.mem.Alloc(windowSize, 4096)
	if err != nil {
		f.Fatal(err)
	}
	z := &fuzzed{machine: m, window: window, bytes: m.mem.Bytes(window)}
	for i := range z.bytes {
		z.bytes[i] = byte(i*7) | 0x80 // no status
	}
	z.shadow = bytes.Clone(z.bytes)
	return z
}

// send sends a chain: the readable bytes, cut where cuts say, and writable
// buffers of these sizes. Neither may be empty. It returns the last byte of
// the writable part.
func (z *fuzzed) send(t *testing.T, q *cryptodrv.Queue, readable, cuts, sizes []byte) (last byte, written uint32) {
	z.TB = t
	var in, out []virtqdrv.Buf
	at := uint32(0)
	next := func(n int) virtqdrv.Buf {
		b := virtqdrv.Buf{Addr: z.window.Addr + uint64(at), Len: uint32(n)}
		at += uint32(n) + 1
		return b
	}
	for _, c := range cuts[:min(len(cuts), maxPieces)] {
		n := min(int(c), len(readable))
		b := next(n)
		copy(z.bytes[b.Addr-z.window.Addr:], readable[:n])
		in = append(in, b)
		readable = readable[n:]
	}
	b := next(len(readable))
	copy(z.bytes[b.Addr-z.window.Addr:], readable)
	in = append(in, b)
	for _, n := range sizes[:min(len(sizes), maxPieces)] {
		// Sizes up to 2 KiB from a byte, small ones exactly.
		size := int(n)
		if n >= 128 {
			size = int(n-127) * 16
		}
		out = append(out, next(size))
	}
	copy(z.shadow, z.bytes)
	written, err := q.Exchange(in, out)
	if err != nil {
		stacks := make([]byte, 1<<20)
		t.Fatalf("%v; the log says %q\n%s", err, z.log.take(), stacks[:runtime.Stack(stacks, true)])
	}
	total := uint32(0)
	for _, b := range out {
		off := b.Addr - z.window.Addr
		copy(z.shadow[off:off+uint64(b.Len)], z.bytes[off:])
		total += b.Len
		if b.Len > 0 {
			last = z.bytes[off+uint64(b.Len)-1]
		}
	}
	if !bytes.Equal(z.shadow, z.bytes) {
		t.Fatal("memory outside the writable part was written to")
	}
	if written > total {
		t.Fatalf("%d bytes written to %d", written, total)
	}
	if total == 0 {
		last = byte(virtiocrypto.StatusErr)
	}
	// Forget the answer, so that the next is not taken for it.
	for _, b := range out {
		off := b.Addr - z.window.Addr
		for i := range z.bytes[off : off+uint64(b.Len)] {
			z.bytes[off+uint64(i)] = 0xff
		}
	}
	return last, written
}

// FuzzDataRequest: whatever the readable part holds and however both parts
// are cut, the request is answered and nothing else is written to.
func FuzzDataRequest(f *testing.F) {
	for slot := range uint64(6) {
		for op := range uint32(2) {
			h := cryptodrv.Header{
				Opcode: op, SessionID: 1<<16 | slot, IVLen: 16, SrcLen: 32, DstLen: 32, OpType: virtiocrypto.SymOpCipher,
			}
			b := h.Bytes()
			f.Add(append(b[:], make([]byte, 48)...), []byte{72, 16, 32}, []byte{32, 1})
			f.Add(append(b[:], make([]byte, 48)...), []byte{1, 30, 40, 2, 20}, []byte{33})
			h.SrcLen, h.DstLen = 1<<32-16, 1<<32-16
			b = h.Bytes()
			f.Add(append(b[:], make([]byte, 48)...), []byte{}, []byte{10, 200, 1})
		}
	}
	z := newFuzzed(f)
	f.Fuzz(func(t *testing.T, readable, cuts, sizes []byte) {
		if len(readable) > windowSize/4 {
			return
		}
		if s, _ := z.send(t, z.data, readable, cuts, sizes); s > byte(virtiocrypto.StatusKeyRejected) {
			t.Fatalf("status %#x", s)
		}
	})
}

// FuzzControlRequest: the same for the control queue.
func FuzzControlRequest(f *testing.F) {
	for _, algo := range []virtiocrypto.CipherAlgo{0, 1, 2, 3, 4, 5} {
		for _, n := range []int{0, 15, 16, 24, 32, 64, 65} {
			f.Add(cryptodrv.CreateRequest(virtiocrypto.CipherParams{Algo: algo, Direction: 1, Key: make([]byte, n)}), []byte{72}, []byte{16})
		}
	}
	for slot := range uint64(8) {
		f.Add(cryptodrv.DestroyRequest(1<<16|slot), []byte{}, []byte{1})
	}
	z := newFuzzed(f)
	f.Fuzz(func(t *testing.T, readable, cuts, sizes []byte) {
		if len(readable) > windowSize/4 {
			return
		}
		_, written := z.send(t, z.queues[1], readable, cuts, sizes)
		room := 0
		for _, n := range sizes[:min(len(sizes), maxPieces)] {
			room += int(n)
		}
		if room > 0 && written == 0 || written > cryptodrv.InputSize {
			t.Fatalf("an answer of %d bytes", written)
		}
	})
}

// fuzzServices fuzzes one kind of queue in a form: the data queue with
// sessions of all services open, or the control queue.
func fuzzServices(f *testing.F, form cryptodrv.Form, control bool) {
	params := append(sampleParams(), fuzzKeys(f)...)
	works := samples()
	for _, p := range params[len(works):] {
		op := cryptodrv.OpAKSign
		if p.(virtiocrypto.AKCipherParams).KeyType == virtiocrypto.KeyPublic {
			op = cryptodrv.OpAKVerify
		}
		w := cryptodrv.Work{Opcode: op, Src: key128, Dst: 256}
		if op == cryptodrv.OpAKVerify {
			w.Dst, w.Signed = 0, key128
		}
		works = append(works, w)
	}
	z := newFuzzedIn(f, form)
	for i, p := range params {
		id, err := z.control.Create(p)
		if err != nil {
			f.Fatal(err)
		}
		if control {
			request := form.Control(p)
			f.Add(request, []byte{16, 8}, []byte{16})
			f.Add(changed(bytes.Clone(request), 16+4, allOnes), []byte{}, []byte{8, 8})
			f.Add(form.Destroy(cryptodrv.OpHashDestroy, id), []byte{}, []byte{1})
			continue
		}
		w := works[i]
		for range 2 {
			w.Session = id
			readable, room, _ := form.Data(w)
			f.Add(readable, []byte{24, 48, 12}, []byte{byte(min(room, 127)), 127, 127, 1})
			for field := range 2 {
				f.Add(changed(bytes.Clone(readable), fixedPart+4*field, allOnes-15), []byte{}, []byte{100, 1})
			}
			w.Params = p // stateless, where that is a form
		}
	}
	queue := z.data
	if control {
		queue = z.queues[1]
	}
	f.Fuzz(func(t *testing.T, readable, cuts, sizes []byte) {
		if len(readable) > windowSize/4 {
			return
		}
		s, written := z.send(t, queue, readable, cuts, sizes)
		if !control && s > byte(virtiocrypto.StatusKeyRejected) {
			t.Fatalf("status %#x", s)
		}
		if control && written > cryptodrv.InputSize {
			t.Fatalf("an answer of %d bytes", written)
		}
	})
}

// fuzzKeys are sessions of keys, the same each time.
func fuzzKeys(f *testing.F) []virtiocrypto.SessionParams {
	f.Helper()
	private, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), bytes.Repeat([]byte{1}, 32))
	if err != nil {
		f.Fatal(err)
	}
	der, err := x509.MarshalECPrivateKey(private)
	if err != nil {
		f.Fatal(err)
	}
	point, err := private.PublicKey.Bytes()
	if err != nil {
		f.Fatal(err)
	}
	p := virtiocrypto.AKCipherParams{Algo: virtiocrypto.AKCipherECDSA, Curve: 3, KeyType: virtiocrypto.KeyPrivate, Key: der}
	u := p
	u.KeyType, u.Key = virtiocrypto.KeyPublic, point
	return []virtiocrypto.SessionParams{p, u}
}

// Each parser, in each form that has one of its own.
func FuzzServiceRequest(f *testing.F)          { fuzzServices(f, forms[0].form, false) }
func FuzzServiceRequestRevision1(f *testing.F) { fuzzServices(f, forms[1].form, false) }
func FuzzServiceRequestStateless(f *testing.F) { fuzzServices(f, forms[2].form, false) }
func FuzzServiceSession(f *testing.F)          { fuzzServices(f, forms[0].form, true) }
func FuzzServiceSessionRevision1(f *testing.F) { fuzzServices(f, forms[1].form, true) }
