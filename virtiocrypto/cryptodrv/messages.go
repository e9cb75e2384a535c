// SPDX-License-Identifier: Apache-2.0

package cryptodrv

import (
	"fmt"

	"vcrypto/virtiocrypto"
)

// Vhost-user requests of front-ends that keep the control queue to
// themselves, as QEMU's cryptodev-vhost-user does.
const (
	// MessageCreate is VHOST_USER_CREATE_CRYPTO_SESSION.
	MessageCreate = 26
	// MessageClose is VHOST_USER_CLOSE_CRYPTO_SESSION.
	MessageClose = 27
)

// Messages is a layout of the payload of MessageCreate. It has changed twice
// without the protocol feature bit changing with it.
type Messages uint8

const (
	// MessagesOld is what QEMU up to 7.0 and DPDK up to 24.11 use.
	MessagesOld Messages = iota
	// MessagesMid is what QEMU 7.1 to 8.0 use.
	MessagesMid
	// MessagesNew is what QEMU 8.1 and DPDK 25.03, and later ones, use.
	MessagesNew
)

// messages are the layouts' offsets and sizes in bytes.
var messages = [...]struct {
	name                      string
	size                      int
	sessionID, opCode, params int // opCode is -1 where there is none
}{
	MessagesOld: {"old", 632, 0, 8, 12},
	MessagesMid: {"mid", 632, 0, -1, 8},
	MessagesNew: {"new", 1072, 1064, 0, 8},
}

const (
	messageKey     = 56 // offset of the cipher's key in all layouts
	messageKeyRoom = 64 // bytes

	messageAuthKeyRoom = 512

	messageAKPara    = 32 // padding and hash of RSA, in the newest layout
	messageAKKey     = 40
	messageAKKeyRoom = 1024
)

// String returns the layout's name.
func (m Messages) String() string {
	if int(m) < len(messages) {
		return messages[m].name
	}
	return fmt.Sprintf("messages(%d)", uint8(m))
}

// AllMessages returns the layouts.
func AllMessages() []Messages { return []Messages{MessagesOld, MessagesMid, MessagesNew} }

// Create returns the payload of MessageCreate for a cipher session, a chain,
// or, in the newest layout, a session of RSA. The message has room for a cipher
// key of 64 bytes, a MAC key of 512 and an RSA key of 1024; of a longer one it
// only tells the length.
func (m Messages) Create(p virtiocrypto.SessionParams) []byte {
	l := messages[m]
	b := make([]byte, l.size)
	if l.opCode >= 0 {
		le.PutUint32(b[l.opCode:], OpCipherCreate)
	}
	put := func(at int, values ...uint32) { copy(b[at:], words(nil, values...)) }
	switch p := p.(type) {
	case virtiocrypto.CipherParams:
		// Hash number, result length, authentication key length and AAD
		// length follow, all 0 for a cipher; then the four bytes.
		put(l.params, uint32(p.Algo), uint32(len(p.Key)))
		b[l.params+24] = virtiocrypto.SymOpCipher
		b[l.params+25] = byte(p.Direction)
		copy(b[messageKey:messageKey+messageKeyRoom], p.Key)
	case virtiocrypto.ChainParams:
		hash, result := uint32(p.Hash.Algo), p.Hash.Result
		if p.HashMode == virtiocrypto.HashModeAuth {
			hash, result = uint32(p.MAC.Algo), p.MAC.Result
		}
		put(l.params, uint32(p.Cipher.Algo), uint32(len(p.Cipher.Key)), hash, result, uint32(len(p.MAC.Key)))
		copy(b[l.params+24:], []byte{virtiocrypto.SymOpChain, byte(p.Cipher.Direction), byte(p.HashMode), byte(p.Order)})
		copy(b[messageKey:messageKey+messageKeyRoom], p.Cipher.Key)
		copy(b[messageKey+messageKeyRoom:][:messageAuthKeyRoom], p.MAC.Key)
	case virtiocrypto.AKCipherParams:
		put(l.opCode, OpAKCreate)
		put(l.params, uint32(p.Algo), p.KeyType, uint32(len(p.Key)))
		put(messageAKPara, p.Padding, p.Hash)
		copy(b[messageAKKey:messageAKKey+messageAKKeyRoom], p.Key)
	}
	return b
}

// Created returns the session's ID from the answer to MessageCreate; a
// negative one is a refusal.
func (m Messages) Created(answer []byte) (id int64, err error) {
	if l := messages[m]; len(answer) == l.size {
		return int64(le.Uint64(answer[l.sessionID:])), nil
	}
	return 0, fmt.Errorf("create session: %d bytes of %d: %w", len(answer), messages[m].size, ErrAnswer)
}

// CloseMessage returns the payload of MessageClose, which is the same in all
// layouts.
func CloseMessage(id int64) []byte { return le.AppendUint64(nil, uint64(id)) }
