// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"net"
	"sync"
	"testing"
	"time"
)

// libraryCBC is AES-CBC of Go's library: the second implementation the tests
// compare with.
type libraryCBC struct{}

type libraryMode struct {
	key     []byte
	encrypt bool
}

func (libraryCBC) Encrypter(key []byte) (BlockMode, error) {
	return &libraryMode{bytes.Clone(key), true}, nil
}

func (libraryCBC) Decrypter(key []byte) (BlockMode, error) {
	return &libraryMode{bytes.Clone(key), false}, nil
}

func (m *libraryMode) Crypt(dst, src, iv []byte) error {
	b, err := aes.NewCipher(m.key)
	if err != nil {
		return err
	}
	if m.encrypt {
		cipher.NewCBCEncrypter(b, iv).CryptBlocks(dst, src)
	} else {
		cipher.NewCBCDecrypter(b, iv).CryptBlocks(dst, src)
	}
	return nil
}

func (m *libraryMode) Close() error { return nil }

// brokenCBC opens ciphers that fail.
type brokenCBC struct{ err error }

func (b brokenCBC) Encrypter([]byte) (BlockMode, error) { return b, nil }
func (b brokenCBC) Decrypter([]byte) (BlockMode, error) { return b, nil }
func (b brokenCBC) Crypt(dst, src, iv []byte) error     { copy(dst, src); return b.err }
func (b brokenCBC) Close() error                        { return nil }

var testPSK = []byte("0123456789abcdef0123456789abcdef")

// capture is a connection that remembers what was written to it, and may
// change or cut it.
type capture struct {
	net.Conn
	mu   sync.Mutex
	sent bytes.Buffer
}

func (c *capture) Write(b []byte) (int, error) {
	c.mu.Lock()
	c.sent.Write(b)
	c.mu.Unlock()
	return c.Conn.Write(b)
}

// tcpPair returns two ends of a TCP connection, closed by the test's end.
func tcpPair(t testing.TB) (net.Conn, net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	a, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	b, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []net.Conn{a, b} {
		c.SetDeadline(time.Now().Add(time.Minute))
		t.Cleanup(func() { c.Close() })
	}
	return a, b
}

// shake runs a handshake between two ends.
func shake(a, b net.Conn, ca, cb Config) (ia, ib *Conn, erra, errb error) {
	var wg sync.WaitGroup
	wg.Go(func() {
		if ia, erra = Handshake(a, ca); erra != nil {
			a.Close()
		}
	})
	wg.Go(func() {
		if ib, errb = Handshake(b, cb); errb != nil {
			b.Close()
		}
	})
	wg.Wait()
	return
}

func configs() (Config, Config) {
	return Config{Role: Initiator, PSK: testPSK, CBC: libraryCBC{}}, Config{Role: Responder, PSK: testPSK, CBC: libraryCBC{}}
}

// secret is a plaintext that is found again if it leaks.
func secret(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i) // all 256 values
	}
	return b
}

func TestRoundTrip(t *testing.T) {
	a, b := tcpPair(t)
	wa, wb := &capture{Conn: a}, &capture{Conn: b}
	ca, cb := configs()
	ia, ib, erra, errb := shake(wa, wb, ca, cb)
	if err := errors.Join(erra, errb); err != nil {
		t.Fatal(err)
	}
	sizes := []int{0, 1, 15, 16, 17, 255, 256, 4096, MaxPayload - 1, MaxPayload}
	run := func(from, to *Conn) {
		var wg sync.WaitGroup
		wg.Go(func() {
			for _, n := range sizes {
				if err := from.Send(Data, secret(n)); err != nil {
					t.Errorf("send %d bytes: %v", n, err)
				}
			}
			if err := errors.Join(from.Send(Nick, []byte("ann")), from.Send(End, nil)); err != nil {
				t.Error(err)
			}
		})
		for _, n := range sizes {
			k, p, err := to.Receive()
			if err != nil || k != Data || !bytes.Equal(p, secret(n)) {
				t.Fatalf("received kind %d, %d bytes, %v; sent %d bytes", k, len(p), err, n)
			}
		}
		if k, p, err := to.Receive(); err != nil || k != Nick || string(p) != "ann" {
			t.Fatalf("received kind %d, %q, %v; sent a nick", k, p, err)
		}
		if k, _, err := to.Receive(); err != nil || k != End {
			t.Fatalf("received kind %d, %v; sent the end", k, err)
		}
		wg.Wait()
	}
	run(ia, ib)
	run(ib, ia)

	for _, c := range []*capture{wa, wb} {
		for i := 0; i+16 <= 256; i++ {
			if bytes.Contains(c.sent.Bytes(), secret(256)[i:i+16]) {
				t.Fatal("plaintext on the wire")
			}
		}
	}
	for _, c := range []*Conn{ia, ib} {
		if err := errors.Join(c.Close(), c.Close()); err != nil {
			t.Error(err)
		}
		if err := c.Send(Data, nil); err == nil {
			t.Error("sent on a closed connection")
		}
	}
}

// TestFresh: the same plaintext twice, and in two connections with the same
// pre-shared key, never gives the same bytes.
func TestFresh(t *testing.T) {
	var seen [][]byte
	for range 2 {
		a, b := tcpPair(t)
		ca, cb := configs()
		ia, _, erra, errb := shake(a, b, ca, cb)
		if err := errors.Join(erra, errb); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			f, err := ia.out.seal(Data, secret(64))
			if err != nil {
				t.Fatal(err)
			}
			seen = append(seen, bytes.Clone(f[offIV:]))
		}
	}
	for i := range seen {
		for j := range i {
			for _, part := range [][2]int{{0, 16}, {16, 32}, {32, 48}} {
				if bytes.Equal(seen[i][part[0]:part[1]], seen[j][part[0]:part[1]]) {
					t.Errorf("frames %d and %d share bytes %v", i, j, part)
				}
			}
		}
	}
}

func TestLimits(t *testing.T) {
	ends := func() (*Conn, *Conn) {
		a, b := tcpPair(t)
		ca, cb := configs()
		ia, ib, erra, errb := shake(a, b, ca, cb)
		if err := errors.Join(erra, errb); err != nil {
			t.Fatal(err)
		}
		return ia, ib
	}
	ia, _ := ends()
	if err := ia.Send(Data, make([]byte, MaxPayload+1)); !errors.Is(err, ErrFrame) {
		t.Errorf("payload beyond the bound: %v", err)
	}
	ia, _ = ends()
	if err := ia.Send(Nick, make([]byte, MaxNick+1)); !errors.Is(err, ErrFrame) {
		t.Errorf("nick beyond the bound: %v", err)
	}
	ia, _ = ends()
	ia.out.next = maxCount
	if err := ia.Send(Data, nil); !errors.Is(err, ErrTooLong) {
		t.Errorf("counter at its end: %v", err)
	}
	ia, ib := ends()
	ia.out.next, ib.in.next = maxCount-1, maxCount-1
	if err := ia.Send(Data, []byte("last")); err != nil {
		t.Errorf("last counter: %v", err)
	}
	if _, p, err := ib.Receive(); err != nil || string(p) != "last" {
		t.Errorf("last counter: received %q, %v", p, err)
	}
	ia, _ = ends()
	if err := ia.Send(End, nil); err != nil {
		t.Fatal(err)
	}
	if err := ia.Send(Data, []byte("more")); !errors.Is(err, ErrFrame) {
		t.Errorf("data after the end: %v", err)
	}
}

// TestCipherFails: when the cipher fails nothing reaches the wire, and the
// connection is dead.
func TestCipherFails(t *testing.T) {
	broken := errors.New("input/output error")
	var wire bytes.Buffer
	k, err := deriveKeys(testPSK, make([]byte, helloSize), make([]byte, helloSize))
	if err != nil {
		t.Fatal(err)
	}
	c, err := newConn(&wire, Initiator, k, brokenCBC{broken})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := c.Send(Data, []byte("attack at dawn")); !errors.Is(err, ErrCipher) || !errors.Is(err, broken) {
			t.Errorf("error is %v", err)
		}
	}
	if wire.Len() != 0 {
		t.Errorf("%d bytes were sent", wire.Len())
	}

	good, err := newConn(&wire, Responder, k, libraryCBC{})
	if err != nil {
		t.Fatal(err)
	}
	if err := good.Send(Data, []byte("attack at dawn")); err != nil {
		t.Fatal(err)
	}
	if _, p, err := c.Receive(); !errors.Is(err, ErrCipher) || p != nil {
		t.Errorf("received %q, %v", p, err)
	}
}

// TestSideKeysDiffer: no key is used for two things.
func TestSideKeysDiffer(t *testing.T) {
	i, r := newHello(Initiator, suiteCBC), newHello(Responder, suiteCBC)
	k, err := deriveKeys(testPSK, i.marshal(), r.marshal())
	if err != nil {
		t.Fatal(err)
	}
	all := [][]byte{k.initiator.cipher, k.initiator.mac, k.initiator.proof, k.responder.cipher, k.responder.mac, k.responder.proof}
	for n := range all {
		for m := range n {
			if bytes.Equal(all[n][:KeySize], all[m][:KeySize]) {
				t.Errorf("keys %d and %d are the same", n, m)
			}
		}
	}
	k.zero()
	for _, key := range all {
		if !bytes.Equal(key, make([]byte, len(key))) {
			t.Error("a key was not zeroed")
		}
	}
}
