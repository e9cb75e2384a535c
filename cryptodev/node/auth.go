// SPDX-License-Identifier: Apache-2.0

package node

import (
	"crypto/subtle"
	"syscall"

	"vcrypto/cryptodev/abi"
	"vcrypto/engine"
)

const (
	// maxAAD is the longest additional data and TLS header, in bytes: a page,
	// of the size most machines have.
	maxAAD = 4096

	// maxRecord is the longest TLS record or SRTP packet, in bytes.
	maxRecord = 16 << 20

	// maxSRTPHeader is how far the payload of an SRTP packet may be behind its
	// beginning, in bytes.
	maxSRTPHeader = 256
)

// auth is CIOCAUTHCRYPT.
func (f *File) auth(m Memory, arg uint64, ptr int) error {
	b, err := get(m, arg, authSize(ptr), true)
	if err != nil {
		return err
	}
	o := parseAuth(b, ptr)
	s := f.find(o.session)
	if s == nil {
		return syscall.EINVAL
	}
	if err := s.auth(m, &o); err != nil {
		return err
	}
	o.answer(b, ptr)
	return m.Write(arg, b)
}

func (s *session) auth(m Memory, o *authOp) error {
	tls, srtp := o.flags&abi.FlagAEADTLS != 0, o.flags&abi.FlagAEADSRTP != 0
	if (tls || srtp) && o.src != o.dst {
		return syscall.EINVAL
	}
	var in, out []Span
	if o.iv != 0 && s.cipher != nil {
		in = append(in, Span{o.iv, uint64(s.cipher.iv)})
		if o.flags&abi.FlagWriteIV != 0 {
			out = in[:1:1]
		}
	}
	if o.op != abi.OpEncrypt && o.op != abi.OpDecrypt || s.cipher == nil {
		return refuse(m, in)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return syscall.EINVAL
	}
	if o.tagLen == 0 {
		o.tagLen = uint32(s.tag)
		if s.hash != nil {
			o.tagLen = uint32(s.digestSize())
		} else if !s.cipher.aead {
			o.tagLen = 0
		}
	}
	do := s.aead
	switch {
	case srtp:
		do = s.srtp
	case tls && !s.cipher.aead:
		do = s.tls
	case !s.cipher.aead:
		return refuse(m, in)
	}
	var iv [abi.MaxIVLen]byte
	if err := do(m, o, in, out, &iv); err != nil {
		return err
	}
	s.iv = iv
	if o.iv != 0 && o.flags&abi.FlagWriteIV != 0 {
		return m.Write(o.iv, iv[:s.cipher.iv])
	}
	return nil
}

// refuse is EINVAL, after a bad IV.
func refuse(m Memory, iv []Span) error {
	if err := m.Prepare(iv, nil); err != nil {
		return err
	}
	return syscall.EINVAL
}

// readIV reads the caller's IV, or takes the session's.
func (s *session) readIV(m Memory, o *authOp, iv *[abi.MaxIVLen]byte) error {
	*iv = s.iv
	if o.iv == 0 {
		return nil
	}
	return m.Read(o.iv, iv[:s.cipher.iv])
}

// aead is one message of an AEAD; the tag is behind the ciphertext.
func (s *session) aead(m Memory, o *authOp, in, out []Span, iv *[abi.MaxIVLen]byte) error {
	if o.authLen > maxAAD || o.tagLen > uint32(s.tag) {
		return refuse(m, in)
	}
	tag := int(o.tagLen)
	n := int(o.len)
	if o.op == abi.OpDecrypt {
		n -= tag
	}
	if n < 0 {
		return refuse(m, in)
	}
	if n > maxWhole {
		return syscall.EMSGSIZE
	}
	in = append(in, Span{o.auth, uint64(o.authLen)}, Span{o.src, uint64(o.len)})
	outLen := n
	if o.op == abi.OpEncrypt {
		outLen += tag
	}
	if err := m.Prepare(in, append(out, Span{o.dst, uint64(outLen)})); err != nil {
		return err
	}
	if err := s.readIV(m, o, iv); err != nil {
		return err
	}
	nonce := iv[:s.cipher.iv]
	if s.cipher.id == abi.CipherAESCCM {
		// RFC 3610, 2.3: a byte of L - 1, the nonce, the counter. The length
		// of the message is to fit L bytes.
		if iv[0] < 1 || iv[0] > 7 {
			return syscall.EINVAL
		}
		if iv[0] < 3 && n>>(8*(int(iv[0])+1)) != 0 {
			return syscall.EOVERFLOW
		}
		nonce = iv[1 : 15-iv[0]]
	}
	if tag != s.tag {
		// A shorter tag is the session's from then on.
		before := s.tag
		s.tag = tag
		if err := s.open(); err != nil {
			s.tag = before
			s.open()
			return err
		}
	}
	text := make([]byte, n+tag)
	defer clear(text)
	aad := make([]byte, o.authLen)
	if err := m.Read(o.auth, aad); err != nil {
		return err
	}
	if err := m.Read(o.src, text[:o.len]); err != nil {
		return err
	}
	r := &engine.Request{Session: s.both[o.op], Src: text[:n], Dst: text[:n], AAD: aad, IVLen: uint8(len(nonce)), TagLen: uint8(tag)}
	copy(r.IV[:], nonce)
	copy(r.Tag[:tag], text[n:])
	if err := s.node.do(r); err != nil {
		return err
	}
	copy(text[n:], r.Tag[:tag])
	if err := m.Write(o.dst, text[:outLen]); err != nil {
		return err
	}
	if s.cipher.id == abi.CipherAESCCM {
		clear(iv[15-iv[0]:]) // the counter, as theirs
	}
	o.tag = o.dst + uint64(n)
	o.len = uint32(outLen)
	return nil
}

// sum is the MAC of a message of its own.
func (s *session) sum(parts ...[]byte) []byte {
	s.digest.Reset()
	for _, p := range parts {
		s.digest.Write(p)
	}
	sum := s.digest.Sum(nil)
	s.spend()
	return sum
}

// tls is a TLS record in place: MAC, padding, cipher (RFC 5246, 6.2.3.2).
func (s *session) tls(m Memory, o *authOp, in, out []Span, iv *[abi.MaxIVLen]byte) error {
	most := uint32(0)
	if s.hash != nil {
		most = uint32(s.digestSize())
	}
	if o.authLen > maxAAD || o.dst == 0 || o.tagLen > most || o.op == abi.OpDecrypt && o.len == 0 {
		return refuse(m, in)
	}
	if o.len > maxRecord {
		return syscall.EMSGSIZE
	}
	total := o.len
	if o.op == abi.OpEncrypt {
		total += o.tagLen
		if b := uint32(s.cipher.block); b > 1 {
			total += b - total%b
		}
	}
	in = append(in, Span{o.auth, uint64(o.authLen)}, Span{o.src, uint64(o.len)})
	if err := m.Prepare(in, append(out, Span{o.dst, uint64(total)})); err != nil {
		return err
	}
	if err := s.readIV(m, o, iv); err != nil {
		return err
	}
	head, rec := make([]byte, o.authLen), make([]byte, total)
	defer clear(rec)
	if err := m.Read(o.auth, head); err != nil {
		return err
	}
	if err := m.Read(o.src, rec[:o.len]); err != nil {
		return err
	}
	if o.op == abi.OpDecrypt {
		n, err := s.openRecord(head, rec, int(o.tagLen), iv)
		if err != nil {
			return err
		}
		o.len = uint32(n)
		return m.Write(o.dst, rec[:n])
	}
	text := rec[:o.len]
	if s.hash != nil {
		text = append(text, s.sum(head, text)[:o.tagLen]...)
	}
	for pad := byte(len(rec) - len(text) - 1); len(text) < len(rec); {
		text = append(text, pad)
	}
	if err := s.transform(abi.OpEncrypt, rec, iv); err != nil {
		return err
	}
	o.len = total
	return m.Write(o.dst, rec)
}

// openRecord decrypts a record and checks it; n is the length of its text.
func (s *session) openRecord(head, rec []byte, tag int, iv *[abi.MaxIVLen]byte) (n int, err error) {
	n = len(rec)
	if n%s.cipher.block != 0 {
		return 0, syscall.EINVAL
	}
	if err := s.transform(abi.OpDecrypt, rec, iv); err != nil {
		return 0, err
	}
	good := 1
	if s.cipher.block > 1 {
		var pad int
		pad, good = padding(rec)
		n -= pad
	}
	if s.hash == nil {
		return n, nil
	}
	if tag > n {
		return 0, syscall.EINVAL
	}
	n -= tag
	good &= subtle.ConstantTimeCompare(s.sum(head, rec[:n])[:tag], rec[n:n+tag])
	if good == 0 {
		return 0, syscall.EBADMSG
	}
	return n, nil
}

// padding returns the length of a record's padding with its length byte, and
// whether it is good: 1 or 0. Bad padding has no length.
func padding(rec []byte) (n, good int) {
	if len(rec) == 0 {
		return 0, 0
	}
	last := rec[len(rec)-1]
	n = int(last) + 1
	if n > len(rec) {
		return 0, 0
	}
	var bad byte
	for _, b := range rec[len(rec)-n:] {
		bad |= b ^ last
	}
	if bad != 0 {
		return 0, 0
	}
	return n, 1
}

// srtp is an SRTP packet in place: cipher of the payload, MAC of all (RFC
// 3711, 3.3).
func (s *session) srtp(m Memory, o *authOp, in, out []Span, iv *[abi.MaxIVLen]byte) error {
	off := o.src - o.auth // wraps if src is before, and is too much then
	if !s.cipher.stream || s.cipher.aead || o.authLen == 0 || o.len+o.tagLen == 0 ||
		off > maxSRTPHeader || off >= uint64(o.authLen) || uint64(o.len) > uint64(o.authLen)-off ||
		s.hash != nil && o.tagLen > uint32(s.digestSize()) {
		return refuse(m, in)
	}
	if o.authLen > maxRecord {
		return syscall.EMSGSIZE
	}
	in = append(in, Span{o.auth, uint64(o.authLen)})
	switch {
	case s.hash == nil:
	case o.op == abi.OpDecrypt && o.tagLen > o.len:
		return refuse(m, in)
	case o.op == abi.OpDecrypt:
		in = append(in, Span{o.tag, uint64(o.tagLen)})
	default:
		out = append(out, Span{o.tag, uint64(o.tagLen)})
	}
	if err := m.Prepare(in, append(out, Span{o.dst, uint64(o.len)})); err != nil {
		return err
	}
	if err := s.readIV(m, o, iv); err != nil {
		return err
	}
	packet := make([]byte, o.authLen)
	defer clear(packet)
	if err := m.Read(o.auth, packet); err != nil {
		return err
	}
	payload := packet[off:][:o.len]
	if o.op == abi.OpDecrypt && s.hash != nil {
		tag := make([]byte, o.tagLen)
		if err := m.Read(o.tag, tag); err != nil {
			return err
		}
		if subtle.ConstantTimeCompare(s.sum(packet)[:o.tagLen], tag) == 0 {
			return syscall.EBADMSG
		}
	}
	if err := s.transform(o.op, payload, iv); err != nil {
		return err
	}
	if err := m.Write(o.dst, payload); err != nil {
		return err
	}
	if o.op == abi.OpEncrypt && s.hash != nil {
		return m.Write(o.tag, s.sum(packet)[:o.tagLen])
	}
	return nil
}
