// SPDX-License-Identifier: Apache-2.0

package vhostcrypto

import (
	"encoding/binary"
	"errors"
	"fmt"

	"vcrypto/virtiocrypto"
)

var le = binary.LittleEndian

// ErrMessage: a session message does not hold together. Test with errors.Is.
var ErrMessage = errors.New("malformed session message")

// layout is where the fields of a create message are. Three are in use: the
// struct behind the message has changed twice without its protocol bit
// changing.
type layout struct {
	name string
	size int // of the payload, bytes

	sessionID int // i64
	opCode    int // u32, or -1 where the message has none
	params    int // six u32, see the par constants
	opType    int // four u8, see the op constants
}

var (
	// Old is what QEMU up to 7.0 and DPDK up to 24.11 use.
	old = layout{"old", sizeOldMid, 0, 8, 12, 36}
	// Mid is what QEMU 7.1 to 8.0 use.
	mid = layout{"mid", sizeOldMid, 0, -1, 8, 32}
	// New is what QEMU 8.1 and DPDK 25.03, and later ones, use.
	new_ = layout{"new", sizeNew, sizeNew - 8, 0, 8, 32}
)

const (
	sizeOldMid = 632
	sizeNew    = 1072

	sessionIDSize = 8

	// From layout.params on, u32 each.
	parCipher    = 0  // the cipher's number
	parKeyLen    = 4  // of the cipher's key, bytes
	parHash      = 8  // the hash's or MAC's number
	parResultLen = 12 // of the hash, bytes
	parAuthLen   = 16 // of the MAC's key, bytes
	parAADLen    = 20 // bytes

	// From layout.opType on, u8 each.
	opType      = 0 // virtiocrypto.SymOp...
	opDirection = 1 // virtiocrypto.Direction...
	opHashMode  = 2
	opOrder     = 3 // of the chain

	// The keys lie behind two pointers of the front-end's, at the same place
	// in all layouts.
	keyOffset     = 56
	keySize       = 64
	authKeyOffset = keyOffset + keySize
	authKeySize   = 512

	// Opcodes, virtio 1.3 section 5.9.7.2.
	opCipherCreate = 0x002
	opAKCreate     = 0x404

	// A public-key session in the newest layout, from layout.params on: u32
	// each, then a pointer, then the parameters of RSA, then the key.
	akAlgo    = 0
	akKeyType = 4
	akKeyLen  = 8
	akPadding = 24
	akHash    = 28
	akKey     = 32
	akKeySize = 1024

	// lastAlgo is the largest cipher number of virtio 1.3 section 5.9.4.
	lastAlgo = 14
)

// detect finds out which layout a create message has.
func detect(payload []byte) (*layout, error) {
	switch len(payload) {
	case sizeNew:
		return &new_, nil
	case sizeOldMid:
	default:
		return nil, fmt.Errorf("%w: create has %d bytes, want %d or %d", ErrMessage, len(payload), sizeOldMid, sizeNew)
	}
	// Old and mid have one size. Where old has the op_code, which is "create
	// cipher session", mid has the cipher's number. If that is the same, as it
	// is for AES-ECB, what follows decides: a key length in mid, a cipher's
	// number in old.
	if le.Uint32(payload[old.opCode:]) != opCipherCreate {
		return &mid, nil
	}
	if le.Uint32(payload[old.params+parCipher:]) <= lastAlgo {
		return &old, nil
	}
	return &mid, nil
}

// parse returns the session that a create message asks for. Its keys are
// parts of payload.
func (l *layout) parse(payload []byte) (virtiocrypto.SessionParams, error) {
	if l.opCode >= 0 {
		switch op := le.Uint32(payload[l.opCode:]); {
		case op == opAKCreate && l == &new_:
			return parseAK(payload[l.params:])
		case op != opCipherCreate:
			return nil, fmt.Errorf("op_code %#x: %w", op, virtiocrypto.ErrUnsupported)
		}
	}
	par := func(off int) uint32 { return le.Uint32(payload[l.params+off:]) }
	n := par(parKeyLen)
	if n > keySize {
		return nil, fmt.Errorf("%w: a key of %d bytes, there is room for %d", ErrMessage, n, keySize)
	}
	cipher := virtiocrypto.CipherParams{
		Algo:      virtiocrypto.CipherAlgo(par(parCipher)),
		Direction: uint32(payload[l.opType+opDirection]),
		Key:       payload[keyOffset:][:n],
	}
	switch t := payload[l.opType+opType]; t {
	case virtiocrypto.SymOpNone, virtiocrypto.SymOpCipher:
		// DPDK takes "none" for a cipher session too.
		return cipher, nil
	case virtiocrypto.SymOpChain:
	default:
		return nil, fmt.Errorf("op_type %d: %w", t, virtiocrypto.ErrUnsupported)
	}
	p := virtiocrypto.ChainParams{
		Order:    uint32(payload[l.opType+opOrder]),
		HashMode: uint32(payload[l.opType+opHashMode]),
		Cipher:   cipher,
	}
	if p.HashMode != virtiocrypto.HashModeAuth {
		p.Hash = virtiocrypto.HashParams{Algo: virtiocrypto.HashAlgo(par(parHash)), Result: par(parResultLen)}
		return p, nil
	}
	n = par(parAuthLen)
	if n > authKeySize {
		return nil, fmt.Errorf("%w: a MAC's key of %d bytes, there is room for %d", ErrMessage, n, authKeySize)
	}
	p.MAC = virtiocrypto.MACParams{
		Algo:   virtiocrypto.MACAlgo(par(parHash)),
		Result: par(parResultLen),
		Key:    payload[authKeyOffset:][:n],
	}
	return p, nil
}

// parseAK returns the public-key session whose parameters are in par. Only RSA
// has a form in these messages.
func parseAK(par []byte) (virtiocrypto.SessionParams, error) {
	algo := virtiocrypto.AKCipherAlgo(le.Uint32(par[akAlgo:]))
	if algo != virtiocrypto.AKCipherRSA {
		return nil, fmt.Errorf("public-key algorithm %d: %w", algo, virtiocrypto.ErrUnsupported)
	}
	n := le.Uint32(par[akKeyLen:])
	if n > akKeySize {
		return nil, fmt.Errorf("%w: a key of %d bytes, there is room for %d", ErrMessage, n, akKeySize)
	}
	return virtiocrypto.AKCipherParams{
		Algo:    algo,
		KeyType: le.Uint32(par[akKeyType:]),
		Padding: le.Uint32(par[akPadding:]),
		Hash:    le.Uint32(par[akHash:]),
		Key:     par[akKey:][:n],
	}, nil
}

// refuse turns a create message of an unknown layout into an answer that says
// no, or returns nil if it is too short for one. QEMU takes an answer that is as
// long as its message, and reads the ID alone, which all layouts so far have at
// the beginning or at the end. The rest may be keys and is not sent back.
func refuse(payload []byte) []byte {
	if len(payload) < sessionIDSize {
		return nil
	}
	clear(payload)
	refused := -int64(virtiocrypto.StatusNotSupp)
	le.PutUint64(payload, uint64(refused))
	le.PutUint64(payload[len(payload)-sessionIDSize:], uint64(refused))
	return payload
}

// answer turns a create message into its answer: the same message with the
// session's ID, negative for a failure, and without the keys.
func (l *layout) answer(payload []byte, id int64) []byte {
	clear(payload[keyOffset:][:keySize])
	clear(payload[authKeyOffset:][:authKeySize])
	if l == &new_ && le.Uint32(payload[l.opCode:]) == opAKCreate {
		clear(payload[l.params+akKey:][:akKeySize])
	}
	le.PutUint64(payload[l.sessionID:], uint64(id))
	return payload
}
