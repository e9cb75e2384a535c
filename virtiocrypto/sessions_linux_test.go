// SPDX-License-Identifier: Apache-2.0

package virtiocrypto_test

import (
	"encoding/binary"
	"errors"
	"testing"

	"vcrypto/engine/gocrypto"
	"vcrypto/virtiocrypto"
	"vcrypto/virtiocrypto/cryptodrv"
)

var (
	le     = binary.LittleEndian
	key128 = []byte("sixteen byte key")
)

func cbcEncrypt(key []byte) virtiocrypto.CipherParams {
	return virtiocrypto.CipherParams{Algo: virtiocrypto.CipherAESCBC, Direction: virtiocrypto.DirectionEncrypt, Key: key}
}

// changed returns a request with one u32 of it changed.
func changed(request []byte, offset int, value uint32) []byte {
	le.PutUint32(request[offset:], value)
	return request
}

// Offsets in a control request, virtio 1.3 section 5.9.7.2.
const (
	ctrlOpcode = 0
	ctrlAlgo   = 16
	ctrlKeyLen = 20
	ctrlOp     = 24
	ctrlOpType = 64
)

// TestCreateRefused: what the device answers to session requests that it
// cannot follow. None of them leaves a session behind.
func TestCreateRefused(t *testing.T) {
	const limit = 3
	onEachLink(t, options{device: virtiocrypto.Options{MaxSessions: limit}}, func(m *machine) {
		create := func() []byte { return cryptodrv.CreateRequest(cbcEncrypt(key128)) }
		keyOf := func(n int) []byte { return cryptodrv.CreateRequest(cbcEncrypt(make([]byte, n))) }
		for _, tt := range []struct {
			name    string
			request []byte
			want    virtiocrypto.Status
		}{
			{"no key", keyOf(0), virtiocrypto.StatusErr},
			{"key of 1 byte", keyOf(1), virtiocrypto.StatusErr},
			{"key of 15 bytes", keyOf(15), virtiocrypto.StatusErr},
			{"key of 33 bytes", keyOf(33), virtiocrypto.StatusErr},
			{"key of 64 bytes", keyOf(64), virtiocrypto.StatusErr},
			{"key of 65 bytes", keyOf(65), virtiocrypto.StatusErr},
			{"key of 4096 bytes", keyOf(4096), virtiocrypto.StatusErr},
			{"key shorter than said", changed(create(), ctrlKeyLen, 32), virtiocrypto.StatusErr},
			{"key length all ones", changed(create(), ctrlKeyLen, 1<<32-1), virtiocrypto.StatusErr},
			{"direction 0", changed(create(), ctrlOp, 0), virtiocrypto.StatusErr},
			{"direction 3", changed(create(), ctrlOp, 3), virtiocrypto.StatusErr},
			{"no cipher", changed(create(), ctrlAlgo, 0), virtiocrypto.StatusNotSupp},
			{"SNOW3G", changed(create(), ctrlAlgo, 11), virtiocrypto.StatusNotSupp},
			{"cipher all ones", changed(create(), ctrlAlgo, 1<<32-1), virtiocrypto.StatusNotSupp},
			{"op_type none", changed(create(), ctrlOpType, virtiocrypto.SymOpNone), virtiocrypto.StatusNotSupp},
			{"op_type chain", changed(create(), ctrlOpType, virtiocrypto.SymOpChain), virtiocrypto.StatusErr},
			{"op_type all ones", changed(create(), ctrlOpType, 1<<32-1), virtiocrypto.StatusNotSupp},
			{"hash", changed(create(), ctrlOpcode, cryptodrv.OpHashCreate), virtiocrypto.StatusErr},
			{"AEAD", changed(create(), ctrlOpcode, cryptodrv.OpAEADCreate), virtiocrypto.StatusErr},
			{"IPSEC", changed(create(), ctrlOpcode, 0x502), virtiocrypto.StatusNotSupp},
			{"a data opcode", changed(create(), ctrlOpcode, cryptodrv.OpCipherEncrypt), virtiocrypto.StatusNotSupp},
			{"opcode all ones", changed(create(), ctrlOpcode, 1<<32-1), virtiocrypto.StatusNotSupp},
			{"71 bytes", create()[:71], virtiocrypto.StatusErr},
			{"1 byte", create()[:1], virtiocrypto.StatusErr},
			{"nothing", nil, virtiocrypto.StatusErr},
		} {
			for range limit + 1 {
				before := m.dev.Counters().Errors.Load()
				answer, err := m.control.Exchange(tt.request, cryptodrv.InputSize)
				if err != nil {
					m.Fatal(err)
				}
				if len(answer) != cryptodrv.InputSize {
					m.Fatalf("%s: an answer of %d bytes", tt.name, len(answer))
				}
				if id, status := cryptodrv.Input(answer); status != tt.want || id != 0 {
					m.Errorf("%s: session %#x, %s; want %s", tt.name, id, status, tt.want)
				}
				if n := m.dev.Counters().Errors.Load() - before; n != 1 {
					m.Errorf("%s: %d errors were counted", tt.name, n)
				}
			}
		}
		if n := m.dev.Counters().Sessions.Load(); n != 0 {
			m.Errorf("%d sessions were opened", n)
		}
		m.fillSessions(limit)
	})
}

// fillSessions opens sessions until there are no more, which must be n, and
// closes them.
func (m *machine) fillSessions(n int) {
	m.Helper()
	var ids []uint64
	for {
		id, err := m.control.Create(cbcEncrypt(key128))
		if refused := (*cryptodrv.StatusError)(nil); errors.As(err, &refused) {
			want := virtiocrypto.StatusErr // section 5.9.7.1: NOSPC is of revision 1
			if m.o.form.Revision1 {
				want = virtiocrypto.StatusNoSpc
			}
			if refused.Status != want {
				m.Errorf("a session too many: %v, want %v", err, want)
			}
			break
		}
		if err != nil || len(ids) > n {
			m.Fatalf("%d sessions open of %d, %v", len(ids), n, err)
		}
		ids = append(ids, id)
	}
	if len(ids) != n {
		m.Errorf("room for %d sessions, want %d", len(ids), n)
	}
	for _, id := range ids {
		if err := m.control.Destroy(id); err != nil {
			m.Error(err)
		}
	}
}

// TestCreateWithoutRoom: a session whose ID cannot be told must not be made.
func TestCreateWithoutRoom(t *testing.T) {
	const limit = 3
	onEachLink(t, options{device: virtiocrypto.Options{MaxSessions: limit}}, func(m *machine) {
		for _, room := range []int{0, 1, 8, 12, 15} {
			for range 2 * limit {
				answer, err := m.control.Exchange(cryptodrv.CreateRequest(cbcEncrypt(key128)), room)
				if err != nil {
					m.Fatal(err)
				}
				if room > 0 && (len(answer) != 1 || answer[0] == byte(virtiocrypto.StatusOK)) {
					m.Errorf("room for %d bytes: answer %x", room, answer)
				}
			}
		}
		m.fillSessions(limit)
	})
}

// TestEngineSessions: the engine's sessions are closed, once, when the
// device's are, and none is left of those that were refused.
func TestEngineSessions(t *testing.T) {
	const limit = 3
	var watch watch
	o := options{engine: watchedEngine{gocrypto.New(), &watch}, device: virtiocrypto.Options{MaxSessions: limit}}
	onEachLink(t, o, func(m *machine) {
		open := func(want int64) {
			m.Helper()
			if n := watch.open.Load(); n != want {
				m.Errorf("%d sessions of the engine are open, want %d", n, want)
			}
		}
		var ids []uint64
		for range limit {
			ids = append(ids, m.session(virtiocrypto.CipherAESCBC, virtiocrypto.DirectionEncrypt, key128))
		}
		open(limit)
		for range 3 {
			if _, err := m.control.Create(cbcEncrypt(key128)); err == nil {
				m.Error("a session too many")
			}
			m.works0(ids[0])
		}
		open(limit)
		for range 2 {
			err := m.control.Destroy(ids[0])
			open(limit - 1)
			if err != nil {
				break
			}
		}
		if _, err := m.control.Exchange(cryptodrv.CreateRequest(cbcEncrypt(key128)), 15); err != nil {
			m.Fatal(err)
		}
		open(limit - 1)
		m.reset()
		open(0)
		if n := watch.errors.Load(); n > 0 {
			m.Errorf("%d sessions were closed twice or while in use", n)
		}
	})
}

// TestSessionIDs: destroyed, destroyed twice and never made, on both queues.
func TestSessionIDs(t *testing.T) {
	onEachLink(t, options{device: virtiocrypto.Options{MaxSessions: 2}}, func(m *machine) {
		r := m.request(cryptodrv.Shape{IV: 16, Size: 16})
		unknown := func(what string, id uint64) {
			m.Helper()
			r.Fill(id, cryptodrv.OpCipherEncrypt, nil, nil)
			if s := m.do(r); s != virtiocrypto.StatusInvSess {
				m.Errorf("%s %#x: %s, want INVSESS", what, id, s)
			}
			before := m.dev.Counters().Errors.Load()
			var refused *cryptodrv.StatusError
			if err := m.control.Destroy(id); !errors.As(err, &refused) || refused.Status != virtiocrypto.StatusErr {
				m.Errorf("%s %#x: %v, want ERR", what, id, err)
			}
			if n := m.dev.Counters().Errors.Load() - before; n != 1 {
				m.Errorf("destroy session %#x, %s: %d errors were counted", id, what, n)
			}
		}
		never := []uint64{0, 1, 2, 0xffff, 1 << 16, 1 << 31, 1<<32 - 1, 1 << 63, 1<<64 - 1}
		for _, id := range never {
			unknown("never made", id)
		}
		id := m.session(virtiocrypto.CipherAESCBC, virtiocrypto.DirectionEncrypt, key128)
		for _, other := range append(never, id^1, id^1<<16, id|1<<32, id|1<<63) {
			if other != id {
				unknown("never made", other)
			}
		}
		r.Fill(id, cryptodrv.OpCipherEncrypt, nil, nil)
		if s := m.do(r); s != virtiocrypto.StatusOK {
			m.Errorf("a session that is open: %s", s)
		}
		if err := m.control.Destroy(id); err != nil {
			m.Error(err)
		}
		unknown("destroyed", id)
		// Others in its slot do not answer to its name.
		for range 8 {
			other := m.session(virtiocrypto.CipherAESCBC, virtiocrypto.DirectionEncrypt, key128)
			unknown("destroyed", id)
			if err := m.control.Destroy(other); err != nil {
				m.Error(err)
			}
		}
	})
}

// TestOldIDInABatch: a request that names a session that was in a slot before
// is not done with the key of the one that is there now, also while that one
// is in use.
func TestOldIDInABatch(t *testing.T) {
	onEachLink(t, options{device: virtiocrypto.Options{MaxSessions: 1}}, func(m *machine) {
		old := m.session(virtiocrypto.CipherAESCBC, virtiocrypto.DirectionEncrypt, []byte("a key that went."))
		if err := m.control.Destroy(old); err != nil {
			m.Fatal(err)
		}
		id := m.session(virtiocrypto.CipherAESCBC, virtiocrypto.DirectionEncrypt, key128)
		const n = 32
		requests := make([]*cryptodrv.Request, n)
		for i := range requests {
			requests[i] = m.request(cryptodrv.Shape{IV: 16, Size: 16})
			requests[i].Fill([]uint64{id, old, id | 1<<32, old | 1<<63}[i%4], cryptodrv.OpCipherEncrypt, nil, nil)
		}
		m.batch(m.data, n, func(i int) *cryptodrv.Request { return requests[i] })
		for i, r := range requests {
			want := virtiocrypto.StatusInvSess
			if i%4 == 0 {
				want = virtiocrypto.StatusOK
			}
			if s := r.Status(); s != want {
				m.Errorf("request %d: %s, want %s", i, s, want)
			}
		}
	})
}

// TestManySessions: a thousand, one after the other and with others open.
func TestManySessions(t *testing.T) {
	const limit = 8
	onEachLink(t, options{device: virtiocrypto.Options{MaxSessions: limit}}, func(m *machine) {
		var open []uint64
		seen := make(map[uint64]bool)
		for range 1000 {
			if len(open) == limit {
				if err := m.control.Destroy(open[0]); err != nil {
					m.Fatal(err)
				}
				open = open[1:]
			}
			id := m.session(virtiocrypto.CipherAESCTR, virtiocrypto.DirectionDecrypt, key128)
			if seen[id] {
				m.Fatalf("session %#x was there before", id)
			}
			seen[id] = true
			if id == 0 || id > 1<<31-1 {
				m.Fatalf("session %#x is not positive in 32 bits", id)
			}
			open = append(open, id)
		}
		for _, id := range open {
			if err := m.control.Destroy(id); err != nil {
				m.Error(err)
			}
		}
		m.fillSessions(limit)
		m.works(0)
	})
}

// TestResetDropsSessions: what a guest made does not outlive it.
func TestResetDropsSessions(t *testing.T) {
	const limit = 4
	onEachLink(t, options{device: virtiocrypto.Options{MaxSessions: limit}}, func(m *machine) {
		for range 3 {
			var ids []uint64
			for range limit {
				ids = append(ids, m.session(virtiocrypto.CipherAESCBC, virtiocrypto.DirectionEncrypt, key128))
			}
			m.works0(ids[0])
			m.reset()
			r := m.request(cryptodrv.Shape{IV: 16, Size: 16})
			for _, id := range ids {
				r.Fill(id, cryptodrv.OpCipherEncrypt, nil, nil)
				if s := m.do(r); s != virtiocrypto.StatusInvSess {
					m.Errorf("session %#x after a reset: %s", id, s)
				}
			}
			m.fillSessions(limit)
		}
	})
}

// works0 checks that a CBC session works.
func (m *machine) works0(id uint64) {
	m.Helper()
	r := m.request(cryptodrv.Shape{IV: 16, Size: 16})
	r.Fill(id, cryptodrv.OpCipherEncrypt, nil, nil)
	if s := m.do(r); s != virtiocrypto.StatusOK {
		m.Errorf("session %#x: %s", id, s)
	}
}

// TestKeysAreNotKept: neither a request on the control queue nor its answer
// leaves the key anywhere in guest memory, and a session does not depend on
// where the key was.
func TestSessionKeepsNoGuestMemory(t *testing.T) {
	onEachLink(t, options{}, func(m *machine) {
		id := m.session(virtiocrypto.CipherAESCBC, virtiocrypto.DirectionEncrypt, key128) // cryptodrv erases the request
		r := m.request(cryptodrv.Shape{IV: 16, Size: 16})
		r.Fill(id, cryptodrv.OpCipherEncrypt, key128, key128)
		first := ""
		for i := range 3 {
			m.do(r)
			if i == 0 {
				first = string(r.Result())
			} else if string(r.Result()) != first {
				m.Error("the same request has another result")
			}
		}
	})
}

// TestConfig reads the configuration space at each offset and length.
func TestConfig(t *testing.T) {
	onEachLink(t, options{device: virtiocrypto.Options{DataQueues: 3, MaxSize: 12345}}, func(m *machine) {
		// struct virtio_crypto_config, section 5.9.4.
		var want [56]byte
		le.PutUint32(want[0:], 1)                     // status: HW_READY
		le.PutUint32(want[4:], 3)                     // max_dataqueues
		le.PutUint32(want[8:], 0x1f)                  // crypto_services: all, of what gocrypto has
		le.PutUint32(want[12:], 1<<2|1<<3|1<<4|1<<13) // cipher_algo_l: AES in ECB, CBC, CTR, XTS
		le.PutUint32(want[20:], 0x1ffc)               // hash_algo: SHA-1 to SHAKE256, no MD5
		le.PutUint32(want[24:], 0x7c)                 // mac_algo_l: HMAC with SHA-1, SHA-2
		le.PutUint32(want[32:], 1<<1|1<<3)            // aead_algo: GCM, ChaCha20-Poly1305
		le.PutUint32(want[36:], 64)                   // max_cipher_key_len
		le.PutUint32(want[40:], 512)                  // max_auth_key_len
		le.PutUint32(want[44:], 1<<2)                 // akcipher_algo: ECDSA; RSA not without raw RSA
		le.PutUint64(want[48:], 12345)                // max_size
		for offset := range len(want) + 1 {
			for n := range len(want) - offset + 1 {
				if got := m.link.readConfig(offset, n); string(got) != string(want[offset:offset+n]) {
					m.Fatalf("%d bytes at %d are %x, want %x", n, offset, got, want[offset:offset+n])
				}
			}
		}
	})
}

// TestConfigBeyondItsEnd: no transport is trusted to have checked.
func TestConfigBeyondItsEnd(t *testing.T) {
	m := newMachine(t, options{}, newLocal)
	for _, offset := range []uint32{0, 1, 50, 55, 56, 57, 255, 1 << 31, 1<<32 - 1} {
		got := []byte("nothing of this stays: it is longer than the configuration space is")
		m.dev.ReadConfig(got, offset)
		for i, c := range got {
			if uint64(offset)+uint64(i) >= virtiocrypto.ConfigSize && c != 0 {
				t.Fatalf("byte %d at offset %d is %#x", i, offset, c)
			}
		}
	}
}

func TestOptions(t *testing.T) {
	e := wrongEngine{}
	for _, o := range []virtiocrypto.Options{
		{},
		{Engine: e, DataQueues: -1},
		{Engine: e, DataQueues: virtiocrypto.MaxDataQueues + 1},
		{Engine: e, MaxSessions: -1},
		{Engine: e, MaxSessions: virtiocrypto.MaxSessions + 1},
		{Engine: e, MaxSize: virtiocrypto.MinMaxSize - 1},
		{Engine: e, MaxSize: virtiocrypto.MaxMaxSize + 1},
	} {
		if _, err := virtiocrypto.New(o); err == nil {
			t.Errorf("%+v was accepted", o)
		}
	}
}
