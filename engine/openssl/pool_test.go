// SPDX-License-Identifier: Apache-2.0

//go:build openssl && cgo

package openssl

import (
	"bytes"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/binary"
	"fmt"
	mrand "math/rand/v2"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"vcrypto/engine"
)

// patience is when a test gives up, however slow the machine.
const patience = 2 * time.Minute

// slowKey is one whose private operations take milliseconds.
var slowKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 4096) })

func slowSession(t testing.TB, e *Engine) (engine.Session, *rsa.PrivateKey) {
	t.Helper()
	k, err := slowKey()
	if err != nil {
		t.Fatal(err)
	}
	return newSession(t, e, engine.Params{Algorithm: engine.RSARaw, Key: x509.MarshalPKCS1PrivateKey(k), Private: true}), k
}

func TestLongWorkDelaysNothing(t *testing.T) {
	e := open(t)
	var wakes atomic.Int32
	w := newWorker(t, e, 64, func() { wakes.Add(1) })
	slow, _ := slowSession(t, e)
	fast := newSession(t, e, engine.Params{Algorithm: engine.AESCBC, Direction: engine.Encrypt, Key: make([]byte, 16)})

	const n = 40
	var reqs []*engine.Request
	for range n {
		reqs = append(reqs, request(slow, engine.OpDecrypt, []byte{2}, nil, 512))
	}
	for range n / 2 {
		reqs = append(reqs, &engine.Request{Session: fast, Src: make([]byte, 64), Dst: make([]byte, 64), IVLen: 16})
	}
	if got := w.Submit(reqs); got != len(reqs) {
		t.Fatalf("took %d requests of %d", got, len(reqs))
	}
	// A flush gives all that is fast, though the others stand before it.
	done := make([]*engine.Request, 64)
	got := w.Reap(done, engine.Flush)
	fasts := 0
	for _, r := range done[:got] {
		if r.Session == fast {
			fasts++
		}
	}
	if fasts != n/2 {
		t.Errorf("a flush gave %d of %d fast requests", fasts, n/2)
	}
	if got-fasts == n {
		t.Error("a flush waited for all slow requests")
	}
	slows := got - fasts
	// So does a poll while some are outstanding; there is room again.
	for slows < n/2 {
		r := reqs[len(reqs)-1]
		before := slows
		if w.Submit([]*engine.Request{r}) != 1 {
			t.Fatal("nothing taken, though there is room")
		}
		found := false
		for _, d := range done[:w.Reap(done, engine.Poll)] {
			if d == r {
				found = true
			} else {
				slows++
			}
		}
		if !found {
			t.Fatalf("a fast request waits for slow ones, %d of %d done", before, n)
		}
		time.Sleep(100 * time.Microsecond)
	}
	for slows < n {
		m := w.Reap(done, engine.Wait)
		if m == 0 {
			t.Fatal("waited for nothing")
		}
		slows += m
	}
	for _, r := range reqs {
		if r.Status != engine.OK {
			t.Errorf("status %d", r.Status)
		}
	}
	if w.Held() != 0 {
		t.Errorf("%d requests left", w.Held())
	}
	if wakes.Load() == 0 {
		t.Error("the worker was never woken")
	}
}

// TestDepth sees that a worker takes no more than it was made for, whatever
// kinds they are.
func TestDepth(t *testing.T) {
	e := open(t)
	w := newWorker(t, e, 5, nil)
	slow, _ := slowSession(t, e)
	fast := newSession(t, e, engine.Params{Algorithm: engine.AESCTR, Direction: engine.Encrypt, Key: make([]byte, 16)})
	var reqs []*engine.Request
	for i := range 20 {
		r := request(slow, engine.OpEncrypt, []byte{2}, nil, 512)
		if i%2 == 1 {
			r = &engine.Request{Session: fast, Src: make([]byte, 5), Dst: make([]byte, 5), IVLen: 16}
		}
		reqs = append(reqs, r)
	}
	done := make([]*engine.Request, 2)
	reaped := 0
	for next := 0; reaped < len(reqs); {
		n := w.Submit(reqs[next:])
		next += n
		if w.Held() > 5 || w.Held() != next-reaped || n == 0 && w.Held() == 0 {
			t.Fatalf("took %d, holds %d", n, w.Held())
		}
		for _, r := range reqs[next:] {
			if r.Status != engine.Pending {
				t.Fatal("a request was done that was not taken")
			}
		}
		if next == len(reqs) && w.Submit(reqs[:0]) != 0 {
			t.Fatal("took something out of nothing")
		}
		reaped += w.Reap(done, engine.Wait)
	}
	for _, r := range reqs {
		if r.Status != engine.OK {
			t.Errorf("status %d", r.Status)
		}
	}
}

// TestWakeIsEnough has an owner that sleeps until it is woken, and never waits
// in Reap.
func TestWakeIsEnough(t *testing.T) {
	e := open(t)
	wake := make(chan struct{}, 1)
	w := newWorker(t, e, 32, func() {
		select {
		case wake <- struct{}{}:
		default:
		}
	})
	slow, _ := slowSession(t, e)
	const n = 32
	var reqs []*engine.Request
	for range n {
		reqs = append(reqs, request(slow, engine.OpDecrypt, []byte{2}, nil, 512))
	}
	if w.Submit(reqs) != n {
		t.Fatal("not all taken")
	}
	done := make([]*engine.Request, n)
	deadline := time.After(patience)
	for got := w.Reap(done, engine.Flush); got < n; got += w.Reap(done, engine.Poll) {
		select {
		case <-wake:
		case <-deadline:
			t.Fatalf("not woken; %d of %d done", got, n)
		}
	}
}

// TestCloseWorker closes workers at once after their last request came back,
// while the pool may still be about to wake them.
func TestCloseWorker(t *testing.T) {
	e := open(t)
	k := newSession(t, e, engine.Params{Algorithm: engine.RSARaw, Key: x509.MarshalPKCS1PublicKey(&newRSAKey(t, 1024).PublicKey)})
	for range 300 {
		var closed atomic.Bool
		w, err := e.NewWorker(engine.WorkerConfig{Depth: 4, Wake: func() {
			runtime.Gosched()
			if closed.Load() {
				t.Error("woken after it was closed")
			}
		}})
		if err != nil {
			t.Fatal(err)
		}
		r := request(k, engine.OpEncrypt, []byte{3}, nil, 128)
		if w.Submit([]*engine.Request{r}) != 1 {
			t.Fatal("not taken")
		}
		done := make([]*engine.Request, 1)
		if w.Held() == 1 && w.Reap(done, engine.Poll) == 0 {
			if err := w.Close(); err == nil {
				t.Fatal("closed with a request in it")
			}
			if w.Reap(done, engine.Wait) != 1 {
				t.Fatal("waited for nothing")
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		closed.Store(true)
	}
}

// TestPoolLoad has several workers mix everything, from sessions they share.
func TestPoolLoad(t *testing.T) {
	e := open(t)
	k := newRSAKey(t, 2048)
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signed := digest(crypto.SHA256, []byte("sample"))
	sig := must(ecdsa.SignASN1(rand.Reader, ec, signed))
	raw := newSession(t, e, engine.Params{Algorithm: engine.RSARaw, Key: x509.MarshalPKCS1PrivateKey(k), Private: true})
	p256 := newSession(t, e, engine.Params{Algorithm: engine.ECDSAP256, Key: must(ec.PublicKey.Bytes())})
	key := random(newRand(20), 32)
	ctr := newSession(t, e, engine.Params{Algorithm: engine.AESCTR, Direction: engine.Encrypt, Key: key})
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	m := make([]byte, 256)
	m[255] = 2
	sealed := newWorker(t, e, 1, nil)
	want := request(raw, engine.OpDecrypt, m, nil, 256)
	if st := do(t, sealed, want); st != engine.OK {
		t.Fatalf("status %d", st)
	}

	var wg sync.WaitGroup
	defer wg.Wait()
	for i := range 5 {
		var wakes atomic.Int32
		w := newWorker(t, e, 24, func() { wakes.Add(1) })
		wg.Go(func() {
			r := newRand(byte(30 + i))
			rnd := mrand.New(r)
			done := make([]*engine.Request, 7)
			checks := map[*engine.Request]func() bool{}
			submitted, long := 0, 0
			for submitted < 400 || w.Held() > 0 {
				var batch []*engine.Request
				for range min(rnd.IntN(24), 400-submitted) {
					var req *engine.Request
					switch rnd.IntN(8) {
					case 0:
						req = request(raw, engine.OpDecrypt, m, nil, 256)
						checks[req] = func() bool { return req.Status == engine.OK && bytes.Equal(req.Dst, want.Dst) }
					case 1:
						req = request(p256, engine.OpVerify, sig, signed, 0)
						checks[req] = func() bool { return req.Status == engine.OK }
					case 2:
						req = request(p256, engine.OpVerify, sig, random(r, 32), 0)
						checks[req] = func() bool { return req.Status == engine.BadSignature }
					default:
						n := rnd.IntN(3000)
						req = &engine.Request{Session: ctr, Src: random(r, n), Dst: make([]byte, n), IVLen: 16}
						copy(req.IV[:], random(r, 16))
						checks[req] = func() bool {
							text := make([]byte, n)
							cipher.NewCTR(block, req.IV[:]).XORKeyStream(text, req.Src)
							return req.Status == engine.OK && bytes.Equal(req.Dst, text)
						}
					}
					batch = append(batch, req)
				}
				taken := w.Submit(batch)
				for _, req := range batch[taken:] {
					delete(checks, req)
				}
				for _, req := range batch[:taken] {
					if req.Op != 0 {
						long++
					}
				}
				submitted += taken
				for _, req := range done[:w.Reap(done, engine.ReapMode(rnd.IntN(3)))] {
					check, ok := checks[req]
					if !ok {
						t.Error("a request came back that was not there, or twice")
						continue
					}
					delete(checks, req)
					if !check() {
						t.Errorf("op %d: status %d, or wrong", req.Op, req.Status)
					}
				}
			}
			if len(checks) > 0 {
				t.Errorf("%d requests were lost", len(checks))
			}
			if long > 0 && wakes.Load() == 0 {
				t.Error("never woken")
			}
		})
	}
}

// TestTurns sees that a worker with much long work leaves another its turn.
func TestTurns(t *testing.T) {
	e := open(t)
	slow, _ := slowSession(t, e)
	greedy, modest := newWorker(t, e, 200, nil), newWorker(t, e, 1, nil)
	var reqs []*engine.Request
	for range 200 {
		reqs = append(reqs, request(slow, engine.OpDecrypt, []byte{2}, nil, 512))
	}
	if greedy.Submit(reqs) != len(reqs) {
		t.Fatal("not all taken")
	}
	if st := do(t, modest, request(slow, engine.OpDecrypt, []byte{2}, nil, 512)); st != engine.OK {
		t.Errorf("status %d", st)
	}
	done := make([]*engine.Request, 200)
	n := greedy.Reap(done, engine.Poll)
	if n > 100 {
		t.Errorf("one request had to wait for %d of another worker", n)
	}
	for n < 200 {
		n += greedy.Reap(done, engine.Wait)
	}
}

// TestAbandon sees that what was not begun comes back, once each, that another
// worker's requests are done, and that later ones are.
func TestAbandon(t *testing.T) {
	e := open(t)
	slow, _ := slowSession(t, e)
	w, other := newWorker(t, e, 200, nil), newWorker(t, e, 4, nil)
	submit := func(w engine.Worker, n int) (reqs []*engine.Request) {
		for range n {
			reqs = append(reqs, request(slow, engine.OpDecrypt, []byte{2}, nil, 512))
		}
		if w.Submit(reqs) != n {
			t.Fatal("not all taken")
		}
		return reqs
	}
	seen := make(map[*engine.Request]bool)
	reap := func(w engine.Worker) {
		t.Helper()
		done := make([]*engine.Request, 50)
		for w.Held() > 0 {
			for _, r := range done[:w.Reap(done, engine.Wait)] {
				if seen[r] {
					t.Error("a request came back twice")
				}
				seen[r] = true
			}
		}
	}
	threads := func(most int) {
		e.pool.mu.Lock()
		defer e.pool.mu.Unlock()
		e.pool.max = most
	}
	most := e.pool.max
	threads(0) // nothing begins
	reqs, others := submit(w, 200), submit(other, 4)
	w.(engine.Abandoner).Abandon()
	reap(w)
	for _, r := range reqs {
		if r.Status != engine.Failed {
			t.Errorf("status %d of a request that was given up", r.Status)
		}
	}
	threads(most)
	again := submit(w, 3)
	reap(w)
	reap(other)
	for _, r := range append(others, again...) {
		if r.Status != engine.OK {
			t.Errorf("status %d of a request that was not to fail", r.Status)
		}
	}
	if want := len(reqs) + len(others) + len(again); len(seen) != want {
		t.Errorf("%d requests came back of %d", len(seen), want)
	}
}

// TestBatchOfJobs runs public-key requests as asynchronous jobs.
func TestBatchOfJobs(t *testing.T) {
	e := openWith(t, engine.Options{OpenSSLProvider: "null"})
	if e.pool.batch != pkBatch {
		t.Fatalf("batches of %d", e.pool.batch)
	}
	w := newWorker(t, e, 100, nil)
	k := newRSAKey(t, 1024)
	s := newSession(t, e, engine.Params{Algorithm: engine.RSARaw, Key: x509.MarshalPKCS1PrivateKey(k), Private: true})
	var reqs []*engine.Request
	for i := range 100 {
		m := binary.BigEndian.AppendUint32(nil, uint32(i))
		reqs = append(reqs, request(s, engine.OpEncrypt, m, nil, 128))
	}
	reap := func() {
		t.Helper()
		done := make([]*engine.Request, 100)
		for n := 0; n < 100; {
			n += w.Reap(done, engine.Wait)
		}
	}
	w.Submit(reqs)
	reap()
	for _, r := range reqs {
		r.Op, r.Src, r.Dst = engine.OpDecrypt, r.Dst, make([]byte, 128)
	}
	w.Submit(reqs)
	reap()
	for i, r := range reqs {
		if got := binary.BigEndian.Uint32(r.Dst[124:]); r.Status != engine.OK || got != uint32(i) {
			t.Errorf("request %d: status %d, %d", i, r.Status, got)
		}
	}
}

// residentKiB is the process's memory.
func residentKiB(t *testing.T) int {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	return kib(t, string(status), "VmRSS:")
}

// kib is the number of a field of what /proc tells.
func kib(t *testing.T, text, field string) (n int) {
	t.Helper()
	_, rest, found := strings.Cut(text, field)
	if _, err := fmt.Sscan(rest, &n); !found || err != nil {
		t.Fatalf("there is no %s: %v", field, err)
	}
	return n
}

// TestNothingLeaks opens, uses and closes what there is, many times.
func TestNothingLeaks(t *testing.T) {
	e := open(t)
	rsaKey := must(marshalPKCS1(newRSAKey(t, 1024)))
	cycle := func() {
		// It opens and closes a worker, and two sessions an algorithm.
		if _, err := engine.SelfTest(e); err != nil {
			t.Fatal(err)
		}
		for _, key := range [][]byte{rsaKey[:100], {}, append([]byte{4}, make([]byte, 64)...)} {
			for _, a := range []engine.Algorithm{engine.RSARaw, engine.ECDSAP384, engine.AESXTS} {
				if _, err := e.NewSession(engine.Params{Algorithm: a, Direction: engine.Encrypt, Key: key, Private: true}); err == nil {
					t.Fatal("a bad key was taken")
				}
			}
		}
	}
	for range 100 {
		cycle()
	}
	runtime.GC()
	before := residentKiB(t)
	for range 1000 {
		cycle()
	}
	runtime.GC()
	// A leak of 100 bytes a session would be more than 4 MiB.
	if after := residentKiB(t); after > before+4<<10 {
		t.Errorf("after a thousand self-tests the process has %d KiB more", after-before)
	}
}

// oneArena has glibc's malloc keep one arena for all threads. Each thread would
// take one of its own else, of which there are eight a CPU: what these hold
// free grows for hundreds of engines and looks like a leak.
const oneArena = "MALLOC_ARENA_MAX"

// TestEnginesLeak opens and closes the engine itself, in a process that has one
// arena.
func TestEnginesLeak(t *testing.T) {
	if os.Getenv(oneArena) == "1" {
		enginesLeak(t)
		return
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestEnginesLeak$", "-test.v")
	cmd.Env = append(os.Environ(), oneArena+"=1")
	out, err := cmd.CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("--- PASS: TestEnginesLeak")) {
		t.Errorf("in a process of its own: %v\n%s", err, out)
	}
}

func enginesLeak(t *testing.T) {
	threads := func() int {
		tasks, err := os.ReadDir("/proc/self/task")
		if err != nil {
			t.Fatal(err)
		}
		return len(tasks)
	}
	// Go closes an engine on another thread than it opened it on, if it likes.
	// Here it always is another.
	closing, closed := make(chan *Engine), make(chan error)
	defer close(closing)
	go func() {
		runtime.LockOSThread()
		for e := range closing {
			closed <- e.Close()
		}
	}()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cycle := func() {
		e, err := New(options())
		if err != nil {
			t.Fatal(err)
		}
		closing <- e
		if err := <-closed; err != nil {
			t.Fatal(err)
		}
	}
	// A leak grows with every hundred engines, by a KiB an engine at the least
	// that is looked for: a library context is a hundred.
	const rounds, perRound, slack = 4, 100, 100 // slack in KiB
	for range perRound {
		cycle()
	}
	tasks, goroutines := threads(), runtime.NumGoroutine()
	least := 1 << 30
	for range rounds {
		before := heapKiB(t)
		for range perRound {
			cycle()
		}
		least = min(least, heapKiB(t)-before)
	}
	t.Logf("every %d engines leave at least %d KiB behind", perRound, least)
	if least > slack {
		t.Errorf("that is more than %d KiB", slack)
	}
	if after := threads(); after > tasks+5 {
		t.Errorf("the engines left %d threads behind", after-tasks)
	}
	if after := runtime.NumGoroutine(); after > goroutines {
		t.Errorf("the engines left %d goroutines behind", after-goroutines)
	}
}

// heapKiB is the memory of C's malloc while it has one arena. What Go has is
// elsewhere.
func heapKiB(t *testing.T) int {
	t.Helper()
	maps, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		t.Fatal(err)
	}
	_, heap, found := strings.Cut(string(maps), " [heap]\n")
	if !found {
		t.Fatal("/proc/self/smaps has no [heap]")
	}
	return kib(t, heap, "Rss:")
}

// TestFlushDoesNotWait has nothing but long work in the worker.
func TestFlushDoesNotWait(t *testing.T) {
	e := open(t)
	w := newWorker(t, e, 1, nil)
	slow, _ := slowSession(t, e)
	done := make([]*engine.Request, 1)
	for _, mode := range []engine.ReapMode{engine.Poll, engine.Flush} {
		early := false
		for range 50 { // on a busy machine it may be done before the flush
			if w.Submit([]*engine.Request{request(slow, engine.OpDecrypt, []byte{2}, nil, 512)}) != 1 {
				t.Fatal("not taken")
			}
			if w.Reap(done, mode) == 0 {
				early = true
				w.Reap(done, engine.Wait)
			}
			if w.Held() != 0 {
				t.Fatal("waited for nothing")
			}
		}
		if !early {
			t.Errorf("mode %d waits for the pool", mode)
		}
	}
}
