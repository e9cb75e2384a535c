// SPDX-License-Identifier: Apache-2.0

package cryptodev

import (
	"fmt"
	"syscall"

	"vcrypto/cryptodev/abi"
)

const (
	tls  Flags = abi.FlagAEADTLS
	srtp Flags = abi.FlagAEADSRTP

	// MaxTag is the longest tag of an AEAD, in bytes.
	MaxTag = 16

	minCCMNonce = 7 // bytes; NIST SP 800-38C, A.1
	maxCCMNonce = 13

	// ccmLenField is how many bytes CCM's first block has for the nonce and
	// the message's length together; the first byte of the API's IV says how
	// many of them are the length's, less one (RFC 3610, 2.3).
	ccmLenField = 15
)

// Seal encrypts and authenticates by an AEAD. dst has room for the ciphertext
// and behind it the tag: as many bytes more than plaintext as the tag is to
// have, 16 if nothing speaks against it. A session's tags may get shorter from
// one message to the next, not longer again. iv is of 12 bytes, for CCM of 7 to
// 13; none may serve two messages under one key. aad is authenticated only, and
// is a page at most.
//
// dst and plaintext begin at the same address or do not overlap.
func (s *Session) Seal(dst, plaintext, iv, aad []byte) error {
	return s.aead(Encrypt, opSeal, dst, plaintext, iv, aad, len(dst)-len(plaintext))
}

// Open is the way back: dst is as much shorter than sealed as the tag is long.
// The error is EBADMSG if sealed or aad is not what Seal left; dst holds
// nothing of the plaintext then.
func (s *Session) Open(dst, sealed, iv, aad []byte) error {
	return s.aead(Decrypt, opUnseal, dst, sealed, iv, aad, len(sealed)-len(dst))
}

func (s *Session) aead(dir Direction, op string, dst, src, iv, aad []byte, tag int) error {
	err := checkLen(src)
	if err == nil {
		err = checkLen(dst)
	}
	full, ivErr := s.aeadIV(iv)
	switch {
	case err != nil:
	case !s.cipher.AEAD():
		err = fmt.Errorf("%s is no AEAD: %w", s.cipher, syscall.EINVAL)
	case ivErr != nil:
		err = ivErr
	case tag < 1 || tag > MaxTag:
		err = fmt.Errorf("a tag of %d bytes: %w", tag, syscall.EINVAL)
	case overlap(dst, src):
		err = fmt.Errorf("source and destination overlap: %w", syscall.EINVAL)
	}
	if err != nil {
		return &Error{op, s.dev.path, err}
	}
	return s.do(op, func() error {
		_, err := s.auth(authArgs{dir: dir, auth: aad, src: src, dst: dst, tagLen: tag, iv: full[:]})
		return err
	})
}

// aeadIV makes of a nonce what the API wants for an IV.
func (s *Session) aeadIV(nonce []byte) (iv [abi.MaxIVLen]byte, err error) {
	n := s.cipher.IVSize()
	if s.cipher == AESCCM {
		if len(nonce) < minCCMNonce || len(nonce) > maxCCMNonce {
			return iv, fmt.Errorf("%d bytes of nonce, %s takes %d to %d: %w", len(nonce), s.cipher, minCCMNonce, maxCCMNonce, syscall.EINVAL)
		}
		iv[0] = byte(ccmLenField - len(nonce) - 1)
		copy(iv[1:], nonce)
		return iv, nil
	}
	if len(nonce) != n {
		return iv, fmt.Errorf("%d bytes of IV, %s takes %d: %w", len(nonce), s.cipher, n, syscall.EINVAL)
	}
	copy(iv[:], nonce)
	return iv, nil
}

// SealRecord makes a TLS record of the first n bytes of record, in place: MAC
// of header and text, padding, encryption (RFC 5246, 6.2.3.2; MAC first). The
// session has a cipher, and a MAC as a rule. The result is the record's length;
// record has room for it ([Session.RecordSize]). header is a page at most: what
// is authenticated before the text, such as sequence number, type, version and
// length. iv is the cipher's.
func (s *Session) SealRecord(record []byte, n int, header, iv []byte) (int, error) {
	if n < 0 || s.RecordSize(n) > len(record) {
		err := fmt.Errorf("%d bytes of text in a record of %d, which must have room for %d: %w", n, len(record), s.RecordSize(n), syscall.EINVAL)
		return 0, &Error{opSeal, s.dev.path, err}
	}
	return s.record(Encrypt, opSeal, record, n, header, iv)
}

// RecordSize returns how long the record of a text of n bytes is.
func (s *Session) RecordSize(n int) int {
	n += s.hash.Size()
	if b := s.cipher.BlockSize(); b > 1 {
		n += b - n%b
	}
	return n
}

// OpenRecord is the way back; it returns the length of the text in record. The
// error is EBADMSG if header or record is not what SealRecord left, with no
// word on which; record is untouched then.
func (s *Session) OpenRecord(record, header, iv []byte) (int, error) {
	return s.record(Decrypt, opUnseal, record, len(record), header, iv)
}

func (s *Session) record(dir Direction, op string, record []byte, n int, header, iv []byte) (int, error) {
	err := s.checkInPlace(record, iv)
	if err == nil && len(record) == 0 {
		err = fmt.Errorf("a record of no bytes: %w", syscall.EINVAL)
	}
	if err != nil {
		return 0, &Error{op, s.dev.path, err}
	}
	err = s.do(op, func() error {
		var err error
		n, err = s.auth(authArgs{dir: dir, flags: tls, auth: header, src: record[:n], dst: record, iv: iv})
		return err
	})
	if err != nil {
		return 0, err
	}
	return n, nil
}

// checkInPlace is for records and packets.
func (s *Session) checkInPlace(b, iv []byte) error {
	switch {
	case s.cipher == 0 || s.cipher.AEAD():
		return fmt.Errorf("it takes a cipher that is no AEAD: %w", syscall.EINVAL)
	case len(iv) != s.cipher.IVSize():
		return fmt.Errorf("%d bytes of IV, %s takes %d: %w", len(iv), s.cipher, s.cipher.IVSize(), syscall.EINVAL)
	}
	return checkLen(b)
}

// SealPacket makes an SRTP packet in place (RFC 3711, 3.3): what is behind the
// first header bytes is encrypted, and all of it authenticated. tag becomes the
// first len(tag) bytes of the MAC. The session has a stream cipher, and a MAC
// as a rule; header is 256 bytes at most, and the payload not empty.
func (s *Session) SealPacket(packet []byte, header int, tag, iv []byte) error {
	return s.packet(Encrypt, opSeal, packet, header, tag, iv)
}

// OpenPacket is the way back. The error is EBADMSG if tag does not fit; packet
// is untouched then.
func (s *Session) OpenPacket(packet []byte, header int, tag, iv []byte) error {
	return s.packet(Decrypt, opUnseal, packet, header, tag, iv)
}

func (s *Session) packet(dir Direction, op string, packet []byte, header int, tag, iv []byte) error {
	err := s.checkInPlace(packet, iv)
	switch {
	case err != nil:
	case header < 0 || header >= len(packet):
		err = fmt.Errorf("a header of %d bytes in a packet of %d: %w", header, len(packet), syscall.EINVAL)
	case len(tag) > s.hash.Size() || len(tag) == 0 && s.hash != 0:
		err = fmt.Errorf("a tag of %d bytes: %w", len(tag), syscall.EINVAL)
	}
	if err != nil {
		return &Error{op, s.dev.path, err}
	}
	return s.do(op, func() error {
		payload := packet[header:]
		_, err := s.auth(authArgs{dir: dir, flags: srtp, auth: packet, src: payload, dst: payload, tag: tag, tagLen: len(tag), iv: iv})
		return err
	})
}
