// SPDX-License-Identifier: Apache-2.0

package virtiocrypto

import (
	"fmt"
	"sync/atomic"
	"time"

	"vcrypto/virtio/virtq"
)

// Rates bound what a device does in a second, all its queues together, so
// that one guest leaves room for others. A driver that asks for more is not
// told no: the device leaves requests in the ring until their time comes.
// Zero values set no bound.
//
// What opens or closes a session, on the control queue or by a message (see
// [Device.Pace]), is a request too. A
// request's bytes are those the driver lets the device read, or write if that
// is more: the data and its header.
type Rates struct {
	// Requests and Bytes are what there may be in a second.
	Requests int `json:"requests,omitempty"`
	Bytes    int `json:"bytes,omitempty"`
	// RequestBurst and ByteBurst are how many there may be at once after a
	// time of less; a tenth of a second's worth (and at least one) if 0.
	// Bytes are counted when requests have been taken, so that one that is
	// larger than a burst passes, and is paid for by a longer wait.
	RequestBurst int `json:"request_burst,omitempty"`
	ByteBurst    int `json:"byte_burst,omitempty"`
}

// burstPart is the part of a second whose worth is the burst unless told.
const burstPart = 10

// No bucket takes longer than longest to fill, and none is in debt for longer:
// sums of what guests and settings say stay far from overflow.
const longest = int64(time.Minute)

func (r Rates) check() error {
	for _, v := range []struct {
		what  string
		value int
	}{
		{"requests a second", r.Requests},
		{"bytes a second", r.Bytes},
		{"burst of requests", r.RequestBurst},
		{"burst of bytes", r.ByteBurst},
	} {
		if v.value < 0 {
			return fmt.Errorf("%s: %d is less than 0", v.what, v.value)
		}
	}
	return nil
}

// bucket is a token bucket that several queues take from without a lock. What
// it knows is one point in time: that at which it was, or will be, empty.
type bucket struct {
	interval float64      // nanoseconds a token
	depth    int64        // nanoseconds from empty to full
	empty    atomic.Int64 // nanoseconds since start
}

// start is what buckets count time from.
var start = time.Now()

func sinceStart() int64 { return int64(time.Since(start)) }

// newBucket returns a full bucket, or nil if there is no bound.
func newBucket(rate, burst int) *bucket {
	if rate == 0 {
		return nil
	}
	if burst == 0 {
		burst = max(rate/burstPart, 1)
	}
	interval := float64(time.Second) / float64(rate)
	b := &bucket{interval: interval, depth: int64(min(float64(burst)*interval, float64(longest)))}
	b.empty.Store(sinceStart() - b.depth)
	return b
}

// level returns the tokens in the bucket: less than 0 if more were taken than
// there were.
func (b *bucket) level(now int64) float64 {
	return float64(min(now-b.empty.Load(), b.depth)) / b.interval
}

// until returns how long it is until there are n tokens.
func (b *bucket) until(n, level float64) time.Duration {
	return time.Duration((n-level)*b.interval) + 1
}

// take takes n tokens, whether or not there are so many.
func (b *bucket) take(n float64, now int64) {
	cost := int64(min(n*b.interval, float64(longest)))
	for {
		empty := b.empty.Load()
		if b.empty.CompareAndSwap(empty, min(max(empty, now-b.depth)+cost, now+longest)) {
			return
		}
	}
}

// limits are a device's buckets; nil ones set no bound.
type limits struct{ requests, bytes *bucket }

// newLimits returns nil if there are no bounds.
func newLimits(r Rates) *limits {
	l := &limits{newBucket(r.Requests, r.RequestBurst), newBucket(r.Bytes, r.ByteBurst)}
	if l.requests == nil && l.bytes == nil {
		return nil
	}
	return l
}

// throttle is a queue's share in its device's limits. It implements
// virtio.Limiter.
type throttle struct {
	*limits
	mean float64 // bytes of a request, of those taken last
}

// newThrottle returns nil for a device without limits. Until it knows better
// it takes requests to be large.
func (d *Device) newThrottle() *throttle {
	if d.limits == nil {
		return nil
	}
	return &throttle{d.limits, float64(d.maxSize)}
}

// Allow returns how many requests the buckets have tokens for.
func (t *throttle) Allow(most int) (n int, wait time.Duration) {
	if most == 0 {
		return 0, 0
	}
	at, n := sinceStart(), most
	if b := t.requests; b != nil {
		level := b.level(at)
		if level < 1 {
			return 0, b.until(1, level)
		}
		n = int(min(float64(n), level)) // a level may be beyond any int
	}
	if b := t.bytes; b != nil {
		level := b.level(at)
		if level <= 0 {
			return 0, b.until(0, level)
		}
		n = int(min(float64(n), max(level/t.mean, 1)))
	}
	return n, 0
}

// charge takes tokens for requests that were taken.
func (t *throttle) charge(chains []*virtq.Chain) {
	var bytes float64
	if t.bytes != nil {
		for _, c := range chains {
			bytes += float64(max(c.ReadLen, c.WriteLen))
		}
	}
	t.count(len(chains), bytes)
}

// count takes tokens for n requests that have so many bytes together.
func (t *throttle) count(n int, bytes float64) {
	at := sinceStart()
	if t.requests != nil {
		t.requests.take(float64(n), at)
	}
	if t.bytes != nil {
		t.mean = max(bytes/float64(n), 1)
		t.bytes.take(bytes, at)
	}
}

// maxPause bounds a wait of Pace: a front-end that waits for an answer holds up
// its whole VM.
const maxPause = time.Second

// Pace waits until the device's rates leave room for a request of n bytes, at
// most a second, and counts it: of requests that come by another way than
// queues do, which wait for themselves. Rates are at least one request a
// second, so what is not waited for here the queues make up for.
func (d *Device) Pace(n int) {
	t := d.newThrottle()
	if t == nil {
		return
	}
	// Others may take what there is room for meanwhile.
	for end := time.Now().Add(maxPause); ; {
		room, wait := t.Allow(1)
		left := time.Until(end)
		if room > 0 || left <= 0 {
			break
		}
		time.Sleep(min(wait, left))
	}
	t.count(1, float64(n))
}
