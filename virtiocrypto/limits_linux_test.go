// SPDX-License-Identifier: Apache-2.0

package virtiocrypto_test

import (
	"errors"
	"testing"
	"time"

	"vcrypto/engine"
	"vcrypto/virtio"
	"vcrypto/virtio/virtqdrv"
	"vcrypto/virtiocrypto"
	"vcrypto/virtiocrypto/cryptodrv"
)

// flood keeps depth requests of so many bytes in flight on a queue until n
// were answered, all of them well.
func (m *machine) flood(queue, n, depth, size int) {
	m.Helper()
	q := m.queues[queue]
	id := m.session(virtiocrypto.CipherAESCTR, virtiocrypto.DirectionEncrypt, make([]byte, 16))
	requests := make([]*cryptodrv.Request, depth)
	for i := range requests {
		requests[i] = m.request(cryptodrv.Shape{IV: 16, Size: size})
		requests[i].Fill(id, cryptodrv.OpCipherEncrypt, make([]byte, 16), make([]byte, size))
	}
	used := make([]virtqdrv.Used, depth)
	sent, done := 0, 0
	send := func(i int) {
		if sent == n {
			return
		}
		sent++
		requests[i].Forget()
		if err := q.Add(requests[i].Readable, requests[i].Writable, uint64(i)); err != nil {
			m.Fatal(err)
		}
	}
	for i := range requests {
		send(i)
	}
	for done < n {
		q.Show()
		k, err := q.Await(used)
		if err != nil {
			m.Fatalf("%d of %d requests were answered: %v", done, n, err)
		}
		for _, u := range used[:k] {
			if s := requests[u.Cookie].Status(); s != virtiocrypto.StatusOK {
				m.Fatalf("a request was answered %s", s)
			}
			send(int(u.Cookie))
		}
		done += k
	}
	if err := m.control.Destroy(id); err != nil {
		m.Fatal(err)
	}
}

// TestRates: a flood is done at the rate that was set and no faster, with
// every request answered OK; two queues share the rate.
func TestRates(t *testing.T) {
	const size = 4096
	for _, c := range []struct {
		name  string
		rates virtiocrypto.Rates
		n     int
		least time.Duration
	}{
		// Two more of the requests are sessions opened and closed.
		{"requests", virtiocrypto.Rates{Requests: 1000, RequestBurst: 100}, 400, 300 * time.Millisecond},
		{"bytes", virtiocrypto.Rates{Bytes: 1000 * size, ByteBurst: 100 * size}, 400, 300 * time.Millisecond},
		{"both", virtiocrypto.Rates{Requests: 1_000_000, Bytes: 1000 * size, ByteBurst: 1}, 300, 200 * time.Millisecond},
		{"slow requests, no burst", virtiocrypto.Rates{Requests: 20, RequestBurst: 1}, 8, 400 * time.Millisecond},
		{"none", virtiocrypto.Rates{}, 400, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := options{
				device:  virtiocrypto.Options{DataQueues: 2, Rates: c.rates},
				polling: virtio.Polling{Spin: 50 * time.Microsecond},
			}
			onEachLink(t, o, func(m *machine) {
				// A token more than there should be comes while the clock is read.
				start := time.Now()
				m.flood(0, c.n/2, 32, size)
				m.flood(1, c.n/2, 32, size)
				if took := time.Since(start); took < c.least {
					t.Errorf("%d requests took %v, which is less than the %v that the rate allows", c.n, took, c.least)
				}
			})
		})
	}
}

// TestRatesOfControl: sessions are not a way around the rate.
func TestRatesOfControl(t *testing.T) {
	m := newMachine(t, options{device: virtiocrypto.Options{Rates: virtiocrypto.Rates{Requests: 200, RequestBurst: 1}}}, newLocal)
	start := time.Now()
	for range 20 {
		id := m.session(virtiocrypto.CipherAESCBC, virtiocrypto.DirectionEncrypt, make([]byte, 16))
		if err := m.control.Destroy(id); err != nil {
			t.Fatal(err)
		}
	}
	if took := time.Since(start); took < 39*time.Second/200 {
		t.Errorf("40 requests took %v at 200 a second", took)
	}
}

// TestPausedQueueStops: a queue that waits for its rate can be stopped and the
// device be reset meanwhile.
func TestPausedQueueStops(t *testing.T) {
	onEachLink(t, options{device: virtiocrypto.Options{Rates: virtiocrypto.Rates{Bytes: 100}}}, func(m *machine) {
		key := make([]byte, 16)
		id := m.session(virtiocrypto.CipherAESCBC, virtiocrypto.DirectionEncrypt, key)
		r := m.request(cryptodrv.Shape{IV: 16, Size: 32 << 10}) // five minutes' worth
		r.Fill(id, cryptodrv.OpCipherEncrypt, key, make([]byte, 32<<10))
		m.do(r)
		start := time.Now()
		if err := m.data.Add(r.Readable, r.Writable, 0); err != nil {
			t.Fatal(err)
		}
		m.data.Show()
		m.link.stop(0)
		m.link.reset()
		if took := time.Since(start); took > 2*time.Minute {
			t.Errorf("stopping the queue took %v", took)
		}
	})
}

// TestAllowed: what is not allowed is not promised and not done.
func TestAllowed(t *testing.T) {
	o := options{device: virtiocrypto.Options{Allowed: []engine.Algorithm{engine.AESCTR, engine.SHA256, engine.RSARaw}}}
	m := newMachine(t, o, newSocket)
	config := m.link.readConfig(0, virtiocrypto.ConfigSize)
	for _, c := range []struct {
		what string
		at   int
		want uint32
	}{
		{"services", 8, 1<<virtiocrypto.ServiceCipher | 1<<virtiocrypto.ServiceHash},
		{"ciphers", 12, 1 << virtiocrypto.CipherAESCTR},
		{"hashes", 20, 1 << virtiocrypto.HashSHA256},
		{"MACs", 24, 0},
		{"AEADs", 32, 0},
		{"public-key algorithms", 44, 0}, // RSA needs both paddings
	} {
		got := uint32(config[c.at]) | uint32(config[c.at+1])<<8 | uint32(config[c.at+2])<<16 | uint32(config[c.at+3])<<24
		if got != c.want {
			t.Errorf("%s: %#x, want %#x", c.what, got, c.want)
		}
	}
	_, err := m.control.Create(virtiocrypto.CipherParams{Algo: virtiocrypto.CipherAESCBC, Direction: virtiocrypto.DirectionEncrypt, Key: make([]byte, 16)})
	var status *cryptodrv.StatusError
	if !errors.As(err, &status) || status.Status != virtiocrypto.StatusNotSupp {
		t.Errorf("a CBC session: %v, want NOTSUPP", err)
	}
	m.session(virtiocrypto.CipherAESCTR, virtiocrypto.DirectionEncrypt, make([]byte, 16))
	if n := m.dev.OpenSessions(); n != 1 {
		t.Errorf("%d sessions are open, want 1", n)
	}

	o.device.Engine, o.device.Allowed = m.o.engine, []engine.Algorithm{engine.MD5} // legacy
	if _, err := virtiocrypto.New(o.device); err == nil {
		t.Error("a device that can do nothing was made")
	}
}
