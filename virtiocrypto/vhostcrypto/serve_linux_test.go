// SPDX-License-Identifier: Apache-2.0

package vhostcrypto_test

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"vcrypto/engine/gocrypto"
	"vcrypto/vhostuser"
	"vcrypto/virtio"
	"vcrypto/virtio/sock"
	"vcrypto/virtio/virtqdrv"
	"vcrypto/virtiocrypto"
	"vcrypto/virtiocrypto/cryptodrv"
	"vcrypto/virtiocrypto/vhostcrypto"
)

const patience = 2 * time.Minute

// backEnd serves devices with room for so many sessions on a socket, as
// vcrypto serve does.
func backEnd(t *testing.T, sessions int) (path string, log *lockedBuffer) {
	t.Helper()
	return backEndWith(t, virtiocrypto.Options{MaxSessions: sessions})
}

func backEndWith(t *testing.T, o virtiocrypto.Options) (path string, log *lockedBuffer) {
	t.Helper()
	path, log = filepath.Join(t.TempDir(), "device"), new(lockedBuffer)
	l, err := sock.Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	logger := slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelWarn}))
	factory := func() (*virtio.Instance, vhostuser.Extension, error) {
		o.Engine, o.DataQueues, o.Log = gocrypto.New(), 2, logger
		d, err := virtiocrypto.New(o)
		if err != nil {
			return nil, nil, err
		}
		return virtio.NewInstance(d, virtio.Options{Log: logger}), vhostcrypto.New(d, logger), nil
	}
	ctx, stop := context.WithCancel(context.Background())
	var serving sync.WaitGroup
	serving.Go(func() {
		if err := vhostuser.ServeListener(ctx, l, factory, vhostuser.Options{Log: logger}); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		stop()
		serving.Wait()
		l.Close()
	})
	return path, log
}

type lockedBuffer struct {
	mu sync.Mutex
	b  strings.Builder // guarded by mu
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// frontEnd is a front-end as QEMU's cryptodev-vhost-user is one: it
// acknowledges no feature but the one for protocol features, keeps the
// control queue, and does not enable rings.
type frontEnd struct {
	*vhostuser.FrontEnd
	t      *testing.T
	layout cryptodrv.Messages
	memory *vhostuser.SharedMemory
	queue  *cryptodrv.Queue
}

func dial(t *testing.T, path string, layout cryptodrv.Messages) *frontEnd {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	fe, err := vhostuser.Dial(path)
	must(err)
	fe.Timeout = patience
	f := &frontEnd{FrontEnd: fe, t: t, layout: layout}
	must(fe.Negotiate(0, vhostuser.ProtocolMQ|vhostuser.ProtocolReplyAck|vhostcrypto.ProtocolCryptoSession))
	if n, err := fe.Queues(); err != nil || n != 1 {
		t.Errorf("%d queues, %v; want 1", n, err)
	}
	f.memory, err = vhostuser.NewSharedMemory(4<<20, 0x10_0000)
	must(err)
	must(fe.ShareMemory(f.memory))
	q, err := virtqdrv.New(&f.memory.Memory, virtqdrv.Config{Size: 64, Indirect: 16})
	must(err)
	fq, err := fe.SetupQueue(0, vhostuser.QueueSetup{Size: 64, Desc: q.Desc(), Avail: q.Avail(), Used: q.Used()})
	must(err)
	f.queue = &cryptodrv.Queue{
		Queue: q,
		Mem:   &f.memory.Memory,
		Kick:  fq.Kick.Notify,
		Wait: func() error {
			if !fq.WaitCall(patience) {
				return errors.New("no interrupt")
			}
			return nil
		},
	}
	return f
}

func (f *frontEnd) hangUp() {
	f.t.Helper()
	if err := errors.Join(f.Close(), f.memory.Close()); err != nil {
		f.t.Error(err)
	}
}

// session asks for a session.
func (f *frontEnd) session(p virtiocrypto.SessionParams) int64 {
	f.t.Helper()
	reply, err := f.Call(cryptodrv.MessageCreate, f.layout.Create(p))
	if err != nil {
		f.t.Fatal(err)
	}
	id, err := f.layout.Created(reply)
	if err != nil {
		f.t.Fatal(err)
	}
	return id
}

// TestServe is a whole life, in each layout: sessions, requests both ways,
// sessions closed, and a front-end that hangs up and comes back.
func TestServe(t *testing.T) {
	const limit = 2
	path, log := backEnd(t, limit)
	for _, layout := range cryptodrv.AllMessages() {
		t.Run(layout.String(), func(t *testing.T) {
			for range 3 { // sessions of one connection do not burden the next
				f := dial(t, path, layout)
				life(f)
				f.hangUp()
			}
		})
	}
	if lines := log.String(); lines != "" {
		t.Errorf("the log says %q", lines)
	}
}

func life(f *frontEnd) {
	t := f.t
	key, iv := []byte("a key of 32 bytes for AES-256..."), []byte("sixteen byte iv.")
	plain := bytes.Repeat([]byte("plaintext of 32 bytes, no more. "), 32)
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	secret := make([]byte, len(plain))
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(secret, plain)

	p := virtiocrypto.CipherParams{Algo: virtiocrypto.CipherAESCBC, Direction: virtiocrypto.DirectionEncrypt, Key: key}
	encrypt := f.session(p)
	p.Direction = virtiocrypto.DirectionDecrypt
	decrypt := f.session(p)
	if encrypt <= 0 || decrypt <= 0 || encrypt == decrypt {
		t.Fatalf("sessions %d and %d", encrypt, decrypt)
	}
	if id := f.session(p); id >= 0 {
		t.Errorf("session %d is one too many", id)
	}
	r, err := cryptodrv.NewRequest(&f.memory.Memory, cryptodrv.Shape{IV: 16, Size: len(plain)})
	if err != nil {
		t.Fatal(err)
	}
	do := func(id int64, opcode uint32, src []byte) (virtiocrypto.Status, []byte) {
		t.Helper()
		r.Fill(uint64(id), opcode, iv, src)
		status, err := f.queue.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		return status, r.Result()
	}
	for range 10 {
		if s, got := do(encrypt, cryptodrv.OpCipherEncrypt, plain); s != virtiocrypto.StatusOK || !bytes.Equal(got, secret) {
			t.Fatalf("encryption: %s, result right: %t", s, bytes.Equal(got, secret))
		}
		if s, got := do(decrypt, cryptodrv.OpCipherDecrypt, secret); s != virtiocrypto.StatusOK || !bytes.Equal(got, plain) {
			t.Fatalf("decryption: %s, result right: %t", s, bytes.Equal(got, plain))
		}
	}
	if s, _ := do(decrypt, cryptodrv.OpCipherEncrypt, plain); s != virtiocrypto.StatusErr {
		t.Errorf("encryption in a session for decryption: %s", s)
	}
	if err := f.Do(cryptodrv.MessageClose, cryptodrv.CloseMessage(encrypt)); err != nil {
		t.Error(err)
	}
	if s, _ := do(encrypt, cryptodrv.OpCipherEncrypt, plain); s != virtiocrypto.StatusInvSess {
		t.Errorf("a session that was closed: %s", s)
	}
	if s, _ := do(decrypt, cryptodrv.OpCipherDecrypt, secret); s != virtiocrypto.StatusOK {
		t.Errorf("the other session: %s", s)
	}
}

// TestRefusedMessages: the connection outlives what it refuses.
func TestRefusedMessages(t *testing.T) {
	path, _ := backEnd(t, 2)
	f := dial(t, path, cryptodrv.MessagesNew)
	defer f.hangUp()
	refused := func(what string, r vhostuser.Request, payload []byte) {
		t.Helper()
		var ack *vhostuser.AckError
		if err := f.Do(r, payload); !errors.As(err, &ack) {
			t.Errorf("%s: %v, want a refusal", what, err)
		}
	}
	refused("close a session that is not there", cryptodrv.MessageClose, cryptodrv.CloseMessage(12345))
	refused("close with no payload", cryptodrv.MessageClose, nil)
	refused("create with no payload", cryptodrv.MessageCreate, nil)
	// Of a message of another layout there is an answer too: QEMU waits for it.
	for _, n := range []int{8, 1071, 1080} {
		reply, err := f.Call(cryptodrv.MessageCreate, bytes.Repeat([]byte{1}, n))
		if err != nil || len(reply) != n || reply[7] != 0xff || reply[n-1] != 0xff {
			t.Errorf("create with %d bytes: %v, %x", n, err, reply)
		}
	}
	refused("a request after ours", 28, nil)
	life(f)
}

// TestRateOfMessages: sessions by message are not a way around the rate, and
// what they take is missing on the queue.
func TestRateOfMessages(t *testing.T) {
	for name, rates := range map[string]virtiocrypto.Rates{
		"requests": {Requests: 200, RequestBurst: 1},
		"bytes":    {Bytes: 200 * (1072 + 8) / 2, ByteBurst: 1},
	} {
		t.Run(name, func(t *testing.T) {
			path, _ := backEndWith(t, virtiocrypto.Options{Rates: rates})
			f := dial(t, path, cryptodrv.MessagesNew)
			defer f.hangUp()
			start := time.Now()
			for range 20 {
				id := f.session(virtiocrypto.CipherParams{Algo: virtiocrypto.CipherAESCBC, Direction: 1, Key: make([]byte, 16)})
				if id <= 0 {
					t.Fatalf("session %d", id)
				}
				if err := f.Do(cryptodrv.MessageClose, cryptodrv.CloseMessage(id)); err != nil {
					t.Fatal(err)
				}
			}
			// The last needs no time of its own, and a message of the bytes'
			// two kinds may be the first that is not waited for.
			if took := time.Since(start); took < 37*time.Second/200 {
				t.Errorf("40 messages took %v at 200 a second", took)
			}
		})
	}
}
