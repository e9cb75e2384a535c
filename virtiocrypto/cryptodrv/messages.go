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

// Create returns the payload of MessageCreate for a cipher session. The
// message has room for a key of 64 bytes; of a longer one it only tells the
// length.
func (m Messages) Create(p virtiocrypto.CipherParams) []byte {
	l := messages[m]
	b := make([]byte, l.size)
	if l.opCode >= 0 {
		le.PutUint32(b[l.opCode:], OpCipherCreate)
	}
	le.PutUint32(b[l.params:], uint32(p.Algo))
	le.PutUint32(b[l.params+4:], uint32(len(p.Key)))
	// Hash number, result length, authentication key length and AAD length
	// follow, all 0 for a cipher; then the four bytes.
	b[l.params+24] = virtiocrypto.SymOpCipher
	b[l.params+25] = byte(p.Direction)
	copy(b[messageKey:messageKey+messageKeyRoom], p.Key)
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
