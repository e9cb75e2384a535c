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

	opCipherCreate = 0x02 // virtio 1.3 section 5.9.7.2

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

// parse returns the session that a create message asks for. The key is a part
// of payload.
func (l *layout) parse(payload []byte) (virtiocrypto.CipherParams, error) {
	var p virtiocrypto.CipherParams
	if l.opCode >= 0 && le.Uint32(payload[l.opCode:]) != opCipherCreate {
		return p, fmt.Errorf("op_code %#x: %w", le.Uint32(payload[l.opCode:]), virtiocrypto.ErrUnsupported)
	}
	switch t := payload[l.opType+opType]; t {
	case virtiocrypto.SymOpNone, virtiocrypto.SymOpCipher:
		// DPDK takes "none" for a cipher session too.
	default:
		return p, fmt.Errorf("op_type %d: %w", t, virtiocrypto.ErrUnsupported)
	}
	n := le.Uint32(payload[l.params+parKeyLen:])
	if n > keySize {
		return p, fmt.Errorf("%w: a key of %d bytes, there is room for %d", ErrMessage, n, keySize)
	}
	p.Algo = virtiocrypto.CipherAlgo(le.Uint32(payload[l.params+parCipher:]))
	p.Direction = uint32(payload[l.opType+opDirection])
	p.Key = payload[keyOffset:][:n]
	return p, nil
}

// answer turns a create message into its answer: the same message with the
// session's ID, negative for a failure, and without the keys.
func (l *layout) answer(payload []byte, id int64) []byte {
	clear(payload[keyOffset:][:keySize])
	clear(payload[authKeyOffset:][:authKeySize])
	le.PutUint64(payload[l.sessionID:], uint64(id))
	return payload
}
