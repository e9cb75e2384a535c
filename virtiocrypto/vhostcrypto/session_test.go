// SPDX-License-Identifier: Apache-2.0

package vhostcrypto

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"

	"vcrypto/engine/gocrypto"
	"vcrypto/vhostuser"
	"vcrypto/virtiocrypto"
	"vcrypto/virtiocrypto/cryptodrv"
)

func newHandler(t testing.TB, sessions int) *Handler {
	t.Helper()
	d, err := virtiocrypto.New(virtiocrypto.Options{Engine: gocrypto.New(), MaxSessions: sessions})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Reset)
	return New(d, nil)
}

// params returns all cipher sessions that could be asked for, also some that
// cannot be had.
func params() (all []virtiocrypto.CipherParams) {
	for algo := range virtiocrypto.CipherAlgo(14 + 1) {
		for _, n := range []int{16, 24, 32, 64} {
			for _, d := range []uint32{virtiocrypto.DirectionEncrypt, virtiocrypto.DirectionDecrypt} {
				all = append(all, virtiocrypto.CipherParams{Algo: algo, Direction: d, Key: bytes.Repeat([]byte{0x5a}, n)})
			}
		}
	}
	return all
}

// TestLayouts: the layout of a message is found out, and what it says comes
// out as it went in, also where it is AES-ECB, whose number is that of
// "create cipher session" too.
func TestLayouts(t *testing.T) {
	for _, layout := range cryptodrv.AllMessages() {
		for _, want := range params() {
			what := fmt.Sprintf("%s layout, cipher %d, %d key bytes", layout, want.Algo, len(want.Key))
			payload := layout.Create(want)
			l, err := detect(payload)
			if err != nil {
				t.Errorf("%s: %v", what, err)
				continue
			}
			if l.name != layout.String() {
				t.Errorf("%s: taken for %s", what, l.name)
			}
			parsed, err := l.parse(payload)
			got, _ := parsed.(virtiocrypto.CipherParams)
			if err != nil || got.Algo != want.Algo || got.Direction != want.Direction || !bytes.Equal(got.Key, want.Key) {
				t.Errorf("%s: %v, parsed as cipher %d, direction %d, key %x", what, err, got.Algo, got.Direction, got.Key)
			}
		}
	}
}

func handle(t testing.TB, h *Handler, r vhostuser.Request, payload []byte) ([]byte, error) {
	t.Helper()
	return h.Handle(vhostuser.ExtensionRequest{Request: r, Payload: payload, Protocol: ProtocolCryptoSession})
}

// TestSessionMessages creates and closes sessions in each layout.
func TestSessionMessages(t *testing.T) {
	const limit = 4
	for _, layout := range cryptodrv.AllMessages() {
		t.Run(layout.String(), func(t *testing.T) {
			h := newHandler(t, limit)
			create := func(p virtiocrypto.CipherParams) (int64, []byte) {
				t.Helper()
				payload := layout.Create(p)
				sent := slices.Clone(payload)
				reply, _ := handle(t, h, RequestCreate, payload)
				id, err := layout.Created(reply)
				if err != nil {
					t.Fatal(err)
				}
				// The answer is the message with the session's ID, and without
				// the key.
				clear(sent[56 : 56+64])
				idAt := 0
				if layout == cryptodrv.MessagesNew {
					idAt = 1064
				}
				copy(sent[idAt:idAt+8], reply[idAt:])
				if !bytes.Equal(sent, reply) {
					t.Error("the answer is not the message that was sent")
				}
				return id, reply
			}
			good := virtiocrypto.CipherParams{Algo: virtiocrypto.CipherAESCBC, Direction: virtiocrypto.DirectionDecrypt, Key: []byte("sixteen byte key")}
			for range 3 {
				var ids []int64
				for range limit {
					id, reply := create(good)
					if id <= 0 || id > 1<<31-1 || slices.Contains(ids, id) {
						t.Fatalf("session %d, there are %d", id, ids)
					}
					if bytes.Contains(reply, good.Key) {
						t.Error("the answer has the key")
					}
					ids = append(ids, id)
				}
				if id, _ := create(good); id >= 0 {
					t.Errorf("session %d is one too many", id)
				}
				for _, id := range ids {
					if _, err := handle(t, h, RequestClose, cryptodrv.CloseMessage(id)); err != nil {
						t.Error(err)
					}
					if _, err := handle(t, h, RequestClose, cryptodrv.CloseMessage(id)); !errors.Is(err, virtiocrypto.ErrNoSession) {
						t.Errorf("closed twice: %v", err)
					}
				}
			}
			for _, bad := range []virtiocrypto.CipherParams{
				{Algo: 11, Direction: 1, Key: good.Key},
				{Algo: 1 << 31, Direction: 1, Key: good.Key},
				{Algo: good.Algo, Direction: 0, Key: good.Key},
				{Algo: good.Algo, Direction: 3, Key: good.Key},
				{Algo: good.Algo, Direction: 1, Key: good.Key[:15]},
				{Algo: good.Algo, Direction: 1},
				{Algo: good.Algo, Direction: 1, Key: make([]byte, 64)},
				{Algo: good.Algo, Direction: 1, Key: make([]byte, 65)},
			} {
				if id, _ := create(bad); id >= 0 {
					t.Errorf("cipher %d, direction %d, %d key bytes: session %d", bad.Algo, bad.Direction, len(bad.Key), id)
				}
			}
		})
	}
}

// TestForgedMessages: lengths that lie, kinds of session that are not served,
// payloads of another size.
func TestForgedMessages(t *testing.T) {
	h := newHandler(t, 4)
	good := virtiocrypto.CipherParams{Algo: virtiocrypto.CipherAESCBC, Direction: 1, Key: []byte("sixteen byte key")}
	for _, layout := range cryptodrv.AllMessages() {
		params := 8
		if layout == cryptodrv.MessagesOld {
			params = 12
		}
		for what, change := range map[string]func([]byte){
			"key length 65":       func(b []byte) { le.PutUint32(b[params+4:], 65) },
			"key length all ones": func(b []byte) { le.PutUint32(b[params+4:], 1<<32-1) },
			"op_type chain":       func(b []byte) { b[params+24] = virtiocrypto.SymOpChain },
			"op_type 255":         func(b []byte) { b[params+24] = 255 },
			"direction 255":       func(b []byte) { b[params+25] = 255 },
		} {
			payload := layout.Create(good)
			change(payload)
			reply, _ := handle(t, h, RequestCreate, payload)
			if id, err := layout.Created(reply); err != nil || id >= 0 {
				t.Errorf("%s, %s: session %d, %v", layout, what, id, err)
			}
		}
		payload := layout.Create(good)
		for _, n := range []int{0, 1, 7} {
			if reply, err := handle(t, h, RequestCreate, slices.Clone(payload[:n])); !errors.Is(err, ErrMessage) || reply != nil {
				t.Errorf("%s with %d bytes: %v", layout, n, err)
			}
		}
		for _, n := range []int{8, 12, 16, 631, 633, 1071, 1073, 4096} {
			unknownLayout(t, h, append(slices.Clone(payload), bytes.Repeat([]byte{0x77}, 4096)...)[:n])
		}
	}
	// op_code is "create RSA session" in the layout that has asymmetric ones.
	payload := cryptodrv.MessagesNew.Create(good)
	le.PutUint32(payload, 0x404)
	reply, _ := handle(t, h, RequestCreate, payload)
	if id, err := cryptodrv.MessagesNew.Created(reply); err != nil || id >= 0 {
		t.Errorf("asymmetric session: %d, %v", id, err)
	}
	for _, n := range []int{0, 7, 9} {
		if _, err := handle(t, h, RequestClose, make([]byte, n)); !errors.Is(err, ErrMessage) {
			t.Errorf("close with %d bytes: %v", n, err)
		}
	}
	for _, id := range []int64{0, -1, 1, 1 << 16, -1 << 63} {
		if _, err := handle(t, h, RequestClose, cryptodrv.CloseMessage(id)); !errors.Is(err, virtiocrypto.ErrNoSession) {
			t.Errorf("close session %d: %v", id, err)
		}
	}
	if _, err := handle(t, h, 28, nil); !errors.Is(err, vhostuser.ErrUnknownRequest) {
		t.Errorf("request 28: %v", err)
	}
	// None of it left a session behind.
	for range 4 {
		if reply, err := handle(t, h, RequestCreate, cryptodrv.MessagesMid.Create(good)); err != nil || reply == nil {
			t.Fatal(err)
		}
	}
}

// unknownLayout sends a create message of a size that is none, as one of the
// next QEMU would be. QEMU waits for an answer as long as its message, holding
// up the VM, and reads the ID in it, at the beginning or the end: it is
// negative, and nothing else of the message comes back.
func unknownLayout(t *testing.T, h *Handler, payload []byte) {
	t.Helper()
	n := len(payload)
	reply, err := handle(t, h, RequestCreate, payload)
	if !errors.Is(err, ErrMessage) || len(reply) != n {
		t.Fatalf("%d bytes: an answer of %d, and %v", n, len(reply), err)
	}
	for _, at := range []int{0, n - 8} {
		if id := int64(le.Uint64(reply[at:])); id >= 0 {
			t.Errorf("%d bytes: at %d the answer has session %d", n, at, id)
		}
	}
	if n > 16 && slices.ContainsFunc(reply[8:n-8], func(c byte) bool { return c != 0 }) {
		t.Errorf("%d bytes: the answer has something of the message: %x", n, reply)
	}
}

// FuzzSessionMessage: whatever a front-end sends, there is an answer or an
// error, and an answer is as long as the message and has no key in it.
func FuzzSessionMessage(f *testing.F) {
	for _, layout := range cryptodrv.AllMessages() {
		for _, p := range params() {
			f.Add(layout.Create(p))
			f.Add(layout.Create(virtiocrypto.ChainParams{
				Order: 1, HashMode: virtiocrypto.HashModeAuth, Cipher: p,
				MAC: virtiocrypto.MACParams{Algo: virtiocrypto.MACHMACSHA1, Result: 20, Key: make([]byte, 64)},
			}))
		}
	}
	f.Add(cryptodrv.MessagesNew.Create(virtiocrypto.AKCipherParams{Algo: virtiocrypto.AKCipherRSA, KeyType: 1, Padding: 1, Key: make([]byte, 140)}))
	f.Add(cryptodrv.CloseMessage(1 << 16))
	h := newHandler(f, 4)
	f.Fuzz(func(t *testing.T, payload []byte) {
		n := len(payload)
		reply, err := handle(t, h, RequestCreate, payload)
		if reply == nil {
			if err == nil {
				t.Fatal("neither an answer nor an error")
			}
			return
		}
		if len(reply) != n {
			t.Fatalf("%d bytes of answer to %d", len(reply), n)
		}
		if errors.Is(err, ErrMessage) {
			if int64(le.Uint64(reply)) >= 0 || int64(le.Uint64(reply[n-8:])) >= 0 {
				t.Fatalf("a message of no layout is answered %x", reply)
			}
			return
		}
		if slices.ContainsFunc(reply[56:56+64+512], func(c byte) bool { return c != 0 }) {
			t.Fatal("the answer has key bytes")
		}
		layout := cryptodrv.MessagesMid // as in old
		if n == 1072 {
			layout = cryptodrv.MessagesNew
		}
		id, err2 := layout.Created(reply)
		if err != nil || err2 != nil || id == 0 || id < -6 {
			t.Fatalf("session %d, %v, %v", id, err, err2)
		}
		if id > 0 {
			if _, err := handle(t, h, RequestClose, cryptodrv.CloseMessage(id)); err != nil {
				t.Fatal(err)
			}
		}
	})
}
