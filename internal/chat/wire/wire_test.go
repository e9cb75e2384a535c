// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"bytes"
	"crypto/ecdh"
	"errors"
	"net"
	"sync"
	"testing"
	"time"

	"vcrypto/internal/chat/suite"
	"vcrypto/internal/chat/suite/suitetest"
)

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
	return Config{Role: Initiator, PSK: testPSK, Place: suitetest.All}, Config{Role: Responder, PSK: testPSK, Place: suitetest.All}
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
			f, err := ia.out.sealed(Data, secret(64))
			if err != nil {
				t.Fatal(err)
			}
			seen = append(seen, bytes.Clone(f[offSealed:]))
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
	k := testKeys(t)
	c, err := newConn(&wire, Initiator, suite.CBC, k, suitetest.Broken{Err: broken})
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

	good, err := newConn(&wire, Responder, suite.CBC, k, suitetest.All)
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
	k := testKeys(t)
	all := [][]byte{k.initiator.secret, k.initiator.proof, k.responder.secret, k.responder.proof, k.fingerprint}
	for n := range all {
		for m := range n {
			if bytes.Equal(all[n][:fingerprintSize], all[m][:fingerprintSize]) {
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

// testKeys are the keys of two made-up hellos.
func testKeys(t testing.TB) *keys {
	t.Helper()
	i, ki := testHello(t, Initiator, suite.CBC)
	r, _ := testHello(t, Responder, suite.CBC)
	k, err := agree(&r, ki, testPSK, i.marshal(), r.marshal())
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func testHello(t testing.TB, r Role, s suite.ID) (hello, *ecdh.PrivateKey) {
	t.Helper()
	h, key, err := newHello(r, s, [SaltSize]byte{})
	if err != nil {
		t.Fatal(err)
	}
	return h, key
}

// TestRekey: after so many records, or so long, a direction goes on to other
// keys, and the old ones are gone at both ends.
func TestRekey(t *testing.T) {
	for name, set := range map[string]func(*sender){
		"by volume": func(s *sender) { s.rekeyRecords = 3 },
		"by time":   func(s *sender) { s.rekeyTime = 0 },
	} {
		t.Run(name, func(t *testing.T) {
			l := newLink(t)
			set(&l.from.out)
			first := bytes.Clone(l.from.out.secret)
			var before []byte
			for n := range 10 {
				f := l.frame(t, "attack at dawn")
				if n == 0 {
					before = f
				}
				l.feed.Write(f)
				if _, p, err := l.to.Receive(); err != nil || string(p) != "attack at dawn" {
					t.Fatalf("record %d: %q, %v", n, p, err)
				}
			}
			if bytes.Equal(first, l.from.out.secret) || !bytes.Equal(l.from.out.secret, l.to.in.secret) {
				t.Error("the two ends did not go on to the same new keys")
			}
			l.feed.Write(before)
			l.refused(t, ErrForged)
		})
	}
}

// TestForwardSecrecy: the same pre-shared key and the same nonces give other
// keys when the X25519 keys are others, and there is no agreement with a share
// that would make them known.
func TestForwardSecrecy(t *testing.T) {
	i, ki := testHello(t, Initiator, suite.CBC)
	r, _ := testHello(t, Responder, suite.CBC)
	a, err := deriveKeys(make([]byte, shareSize), testPSK, i.marshal(), r.marshal())
	if err != nil {
		t.Fatal(err)
	}
	b, err := agree(&r, ki, testPSK, i.marshal(), r.marshal())
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(a.initiator.secret, b.initiator.secret) || bytes.Equal(a.responder.proof, b.responder.proof) {
		t.Error("the keys do not depend on the X25519 keys")
	}
	for _, share := range [][shareSize]byte{{}, {1}} { // points of low order
		r.share = share
		if _, err := agree(&r, ki, testPSK, i.marshal(), r.marshal()); !errors.Is(err, ErrFrame) {
			t.Errorf("share %x: %v", share[:1], err)
		}
	}
}

// TestFingerprint: the same at both ends, another one in each connection.
func TestFingerprint(t *testing.T) {
	seen := map[string]bool{}
	for range 3 {
		a, b := tcpPair(t)
		ca, cb := configs()
		ia, ib, erra, errb := shake(a, b, ca, cb)
		if err := errors.Join(erra, errb); err != nil {
			t.Fatal(err)
		}
		if f := ia.Fingerprint(); f != ib.Fingerprint() || len(f) != len("1234 5678 9012 3456") || seen[f] {
			t.Errorf("fingerprints %q and %q", f, ib.Fingerprint())
		}
		seen[ia.Fingerprint()] = true
	}
}

// TestSuites: GCM where both ends have it.
func TestSuites(t *testing.T) {
	cbc := suitetest.Library(suite.CBC)
	for _, c := range []struct {
		i, r suitetest.Library
		want suite.ID
	}{{suitetest.All, suitetest.All, suite.GCM}, {cbc, suitetest.All, suite.CBC}, {suitetest.All, cbc, suite.CBC}, {cbc, cbc, suite.CBC}} {
		a, b := tcpPair(t)
		ca, cb := configs()
		ca.Place, cb.Place = c.i, c.r
		ia, ib, erra, errb := shake(a, b, ca, cb)
		if err := errors.Join(erra, errb); err != nil {
			t.Fatal(err)
		}
		if ia.Suite() != c.want || ib.Suite() != c.want {
			t.Errorf("%s and %s, expected %s", ia.Suite(), ib.Suite(), c.want)
		}
		if err := ia.Send(Data, secret(100)); err != nil {
			t.Fatal(err)
		}
		if _, p, err := ib.Receive(); err != nil || !bytes.Equal(p, secret(100)) {
			t.Errorf("received %x, %v", p, err)
		}
	}
}

// TestPassphrase: the initiator stretches with the listener's salt.
func TestPassphrase(t *testing.T) {
	a, b := tcpPair(t)
	ca, cb := configs()
	cb.Salt = [SaltSize]byte{1, 2, 3}
	ca.PSK, ca.Stretch = nil, func(salt [SaltSize]byte) []byte {
		if salt != cb.Salt {
			t.Errorf("the salt is %x", salt)
		}
		return bytes.Clone(testPSK)
	}
	if _, _, erra, errb := shake(a, b, ca, cb); erra != nil || errb != nil {
		t.Error(erra, errb)
	}
}
