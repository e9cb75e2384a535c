// SPDX-License-Identifier: Apache-2.0

package node

import (
	"syscall"

	"vcrypto/cryptodev/abi"
	"vcrypto/engine"
)

// resets says whether a hash begins anew with an operation: cryptodev-linux's
// rule, exactly.
func (o *cryptOp) resets() bool { return o.flags == 0 || o.flags&abi.FlagReset != 0 }

// finishes says whether it ends with it.
func (o *cryptOp) finishes() bool {
	return o.flags&abi.FlagFinal != 0 || o.flags&abi.FlagUpdate == 0 || o.len == 0
}

// check refuses what no memory need be read for.
func (s *session) check(o *cryptOp) error {
	switch {
	case o.op != abi.OpEncrypt && o.op != abi.OpDecrypt:
		return syscall.EINVAL
	case s.cipher == nil:
		return nil
	case s.cipher.aead:
		return syscall.EINVAL // CIOCAUTHCRYPT is for them
	case int(o.len)%s.cipher.block != 0:
		return syscall.EINVAL
	}
	return nil
}

// crypt is CIOCCRYPT.
func (f *File) crypt(m Memory, arg uint64, ptr int) error {
	b, err := get(m, arg, cryptSize(ptr), true)
	if err != nil {
		return err
	}
	o := parseCrypt(b, ptr)
	s := f.find(o.session)
	if s == nil {
		return syscall.EINVAL
	}
	refused, err := s.prepare(m, &o)
	if err != nil {
		return err
	}
	if refused != nil {
		return refused
	}
	if err := s.crypt(m, &o); err != nil {
		return err
	}
	return m.Write(arg, b)
}

// prepare prepares an operation's memory, and says whether it is refused: that
// comes after a bad IV, before anything else that is bad.
func (s *session) prepare(m Memory, o *cryptOp) (refused, err error) {
	var in, out []Span
	if s.cipher != nil && o.iv != 0 {
		in = append(in, Span{o.iv, uint64(s.cipher.iv)})
		if o.flags&abi.FlagWriteIV != 0 {
			out = in[:1:1]
		}
	}
	if refused = s.check(o); refused != nil {
		return refused, m.Prepare(in, nil)
	}
	if s.hash != nil && o.finishes() {
		out = append(out, Span{o.mac, uint64(s.digestSize())})
	}
	in = append(in, Span{o.src, uint64(o.len)})
	if s.cipher != nil {
		out = append(out, Span{o.dst, uint64(o.len)})
	}
	return nil, m.Prepare(in, out)
}

func (s *session) digestSize() int { return s.hash.new().Size() }

// crypt does an operation that was prepared.
func (s *session) crypt(m Memory, o *cryptOp) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return syscall.EINVAL
	}
	iv := s.iv
	if s.cipher != nil && o.iv != 0 {
		if err := m.Read(o.iv, iv[:s.cipher.iv]); err != nil {
			return err
		}
	}
	if s.hash != nil && o.resets() {
		s.digest.Reset()
	}
	if err := s.run(m, o, &iv); err != nil {
		return err
	}
	s.iv = iv
	if s.hash != nil && o.finishes() {
		var sum [abi.MaxDigestLen]byte
		if err := m.Write(o.mac, s.digest.Sum(sum[:0])); err != nil {
			return err
		}
		s.spend()
	}
	if s.cipher != nil && o.iv != 0 && o.flags&abi.FlagWriteIV != 0 {
		return m.Write(o.iv, iv[:s.cipher.iv])
	}
	return nil
}

// spend leaves a hash as it is behind its end. Who goes on without a reset gets
// the hash of no message, as from drivers, and the same after any message.
func (s *session) spend() {
	s.digest.Reset()
	s.digest.Write([]byte("spent"))
}

// run works on the data, piece by piece.
func (s *session) run(m Memory, o *cryptOp, iv *[abi.MaxIVLen]byte) error {
	if s.cipher != nil && s.cipher.whole && o.len > chunk {
		return s.runWhole(m, o, iv)
	}
	buf := s.node.buffer()
	defer func() { s.node.done(buf, min(chunk, int(o.len))) }()
	for off := uint64(0); off < uint64(o.len); off += chunk {
		b := buf[:min(chunk, uint64(o.len)-off)]
		if err := m.Read(o.src+off, b); err != nil {
			return err
		}
		if err := s.piece(o.op, b, iv); err != nil {
			return err
		}
		if s.cipher == nil {
			continue
		}
		if err := m.Write(o.dst+off, b); err != nil {
			return err
		}
	}
	return nil
}

// runWhole is run for what may not be done in pieces.
func (s *session) runWhole(m Memory, o *cryptOp, iv *[abi.MaxIVLen]byte) error {
	if o.len > maxWhole {
		return syscall.EMSGSIZE
	}
	b := make([]byte, o.len)
	defer clear(b)
	if err := m.Read(o.src, b); err != nil {
		return err
	}
	if err := s.piece(o.op, b, iv); err != nil {
		return err
	}
	return m.Write(o.dst, b)
}

// piece works on data in place, and hashes what is plain.
func (s *session) piece(op uint16, b []byte, iv *[abi.MaxIVLen]byte) error {
	if s.hash != nil && (s.cipher == nil || op == abi.OpEncrypt) {
		s.digest.Write(b)
	}
	if s.cipher == nil {
		return nil
	}
	if err := s.transform(op, b, iv); err != nil {
		return err
	}
	if s.hash != nil && op == abi.OpDecrypt {
		s.digest.Write(b)
	}
	return nil
}

// transform encrypts or decrypts in place, and makes of the IV the next one.
func (s *session) transform(op uint16, b []byte, iv *[abi.MaxIVLen]byte) error {
	if len(b) == 0 || s.cipher.id == abi.CipherNull {
		return nil
	}
	n := s.cipher.iv
	next := *iv
	if s.cipher.chain == block && op == abi.OpDecrypt {
		copy(next[:], b[len(b)-n:])
	}
	r := &engine.Request{Session: s.both[op], Src: b, Dst: b, IV: *iv, IVLen: uint8(n)}
	if err := s.node.do(r); err != nil {
		return err
	}
	switch {
	case s.cipher.chain == block && op == abi.OpEncrypt:
		copy(next[:], b[len(b)-n:])
	case s.cipher.chain == counter:
		addCounter(&next, (len(b)+abi.MaxIVLen-1)/abi.MaxIVLen)
	}
	*iv = next
	return nil
}

// addCounter adds to a big-endian number of 128 bits.
func addCounter(c *[abi.MaxIVLen]byte, n int) {
	for i := len(c) - 1; i >= 0 && n > 0; i-- {
		n += int(c[i])
		c[i] = byte(n)
		n >>= 8
	}
}

// submit is CIOCASYNCCRYPT. The operation is done at once; what became of it
// is told when it is fetched.
func (f *File) submit(m Memory, arg uint64, ptr int) error {
	b, err := get(m, arg, cryptSize(ptr), false)
	if err != nil {
		return err
	}
	o := parseCrypt(b, ptr)
	s := f.find(o.session)
	if s == nil {
		return syscall.EINVAL
	}
	f.mu.Lock()
	full := len(f.done) >= f.node.o.MaxAsync
	f.mu.Unlock()
	if full {
		return syscall.EBUSY
	}
	refused, err := s.prepare(m, &o)
	if err != nil {
		return err
	}
	if refused == nil {
		refused = s.crypt(m, &o)
	}
	f.mu.Lock()
	f.done = append(f.done, flight{b, ptr, refused})
	f.mu.Unlock()
	if f.wake != nil {
		f.wake()
	}
	return nil
}

// fetch is CIOCASYNCFETCH.
func (f *File) fetch(m Memory, arg uint64, ptr int) error {
	if readable, _ := f.Poll(); !readable {
		return syscall.EBUSY
	}
	if err := m.Prepare(nil, []Span{{arg, uint64(cryptSize(ptr))}}); err != nil {
		return err
	}
	f.mu.Lock()
	if len(f.done) == 0 {
		f.mu.Unlock()
		return syscall.EBUSY
	}
	d := f.done[0]
	f.done = f.done[1:]
	wasFull := len(f.done) == f.node.o.MaxAsync-1
	f.mu.Unlock()
	if wasFull && f.wake != nil {
		f.wake()
	}
	if d.ptr != ptr {
		return syscall.EIO // of a caller of another kind, who shares the file
	}
	if err := m.Write(arg, d.op); err != nil {
		return err
	}
	if errno, ok := d.err.(syscall.Errno); ok {
		return &Told{errno} // so that the caller can tell which it was
	}
	return d.err
}
