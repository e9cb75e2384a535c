// SPDX-License-Identifier: Apache-2.0

//go:build ipsecmb && cgo

package rawmb

// #cgo LDFLAGS: -lIPSec_MB
// #include "raw.h"
import "C"

import (
	"errors"
	"fmt"
	"runtime"
	"time"
	"unsafe"

	"vcrypto/engine"
)

// Available says whether the loop is built in.
const Available = true

var kinds = map[engine.Algorithm]C.enum_raw_kind{
	engine.AESCBC:     C.RAW_CBC,
	engine.AESCTR:     C.RAW_CTR,
	engine.AESGCM:     C.RAW_GCM,
	engine.HMACSHA256: C.RAW_HMAC_SHA256,
	engine.SHA256:     C.RAW_SHA256,
}

// plain are the kinds with a form of their own that goes a job at a time.
var plain = map[engine.Algorithm]C.enum_raw_kind{
	engine.AESCBC: C.RAW_CBC_JOBS,
	engine.AESCTR: C.RAW_CTR_JOBS,
}

// Loop is the loop with its requests.
type Loop struct {
	c *C.struct_raw

	// piece is how many batches a call into C does.
	piece int
}

// pieceTime is about how long a call into C is. Go's monitor thread takes a
// processor away from a call that lasts for 10 ms, and then looks every 20 µs,
// for a while, for the next: on a machine of two CPUs that disturbs whatever is
// measured after this.
const pieceTime = time.Millisecond

// New makes the requests. The buffers of c must stay until Close.
func New(c Config) (*Loop, error) {
	kind, ok := kinds[c.Algorithm]
	if !ok {
		return nil, fmt.Errorf("no raw baseline for %s", c.Algorithm)
	}
	if c.Depth < 1 || c.Size < 1 || len(c.Src) < c.Depth*c.Size || len(c.Dst) < c.Depth*c.Size || len(c.Keys) == 0 {
		return nil, fmt.Errorf("no raw baseline for %d requests of %d bytes", c.Depth, c.Size)
	}
	if k := c.Algorithm.Kind(); c.Size > C.RAW_MAX_SIZE && (k == engine.Hash || k == engine.MAC) {
		return nil, fmt.Errorf("no raw baseline for %d bytes: libipsec-mb does %s of at most %d", c.Size, c.Algorithm, C.RAW_MAX_SIZE)
	}
	if jobs, ok := plain[c.Algorithm]; ok && !c.Burst {
		kind = jobs
	}
	decrypt := C.int(0)
	if c.Direction == engine.Decrypt {
		decrypt = 1
	}
	var keys []byte
	for _, k := range c.Keys {
		keys = append(keys, k...)
	}
	l := &Loop{piece: 1, c: C.raw_open(kind, decrypt, C.uint32_t(c.Depth), C.size_t(c.Size), C.size_t(c.TagSize),
		(*C.uint8_t)(unsafe.SliceData(c.Src)), (*C.uint8_t)(unsafe.SliceData(c.Dst)),
		(*C.uint8_t)(unsafe.SliceData(keys)), C.size_t(len(c.Keys[0])), C.uint32_t(len(c.Keys)))}
	if l.c == nil {
		return nil, errors.New("libipsec-mb does not start: `vcrypto engines` says why")
	}
	runtime.AddCleanup(l, func(c *C.struct_raw) { C.raw_close(c) }, l.c)
	return l, nil
}

// Run does n batches, and returns the time that they took.
func (l *Loop) Run(n int) (took time.Duration, err error) {
	for n > 0 {
		runtime.Gosched()
		k := min(n, l.piece)
		ns := C.raw_run(l.c, C.uint32_t(k))
		if ns < 0 {
			return 0, errors.New("libipsec-mb failed a request")
		}
		took += time.Duration(ns)
		n -= k
		l.piece = max(1, int(pieceTime*time.Duration(k)/max(time.Duration(ns), 1)))
	}
	runtime.KeepAlive(l)
	return took, nil
}

// Close does nothing that the garbage collector would not.
func (l *Loop) Close() {}
