// SPDX-License-Identifier: Apache-2.0

// Package virtiocrypto is the virtio-crypto device, virtio 1.3 section 5.9:
// its configuration space, its control queue, its data queues and its
// sessions. An [engine.Engine] does the cryptography; a transport brings the
// queues.
//
// A request's way through a data queue:
//
//	data.go    take the chain's header, look up the session, place the status
//	cipher.go  check the lengths, place IV, source and destination; hash.go,
//	           aead.go, chain.go and akcipher.go for the other services
//	gather.go  copy what is scattered, or overlaps, into scratch memory
//	           engine.Worker.Submit ... Reap
//	data.go    copy scattered results out, write the status, push the chain
//
// Nothing a guest sends is believed. A header is copied once and the copy is
// checked; a request that does not hold together is answered with its status
// and touches nothing else.
//
// What driver and device negotiated decides the form of requests: layout.go
// has the forms, services.go takes requests apart that are not in the one that
// most drivers use, stateless.go those that name no session.
//
// Queues 0 to n-1 carry data, queue n is the control queue. A transport whose
// front-end keeps the control queue to itself makes sessions with
// [Device.CreateSession] instead.
package virtiocrypto

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"

	"vcrypto/engine"
	"vcrypto/virtio"
)

// Limits of Options.
const (
	// MaxDataQueues is the largest number of data queues.
	MaxDataQueues = 64

	// MaxSessions is the largest number of sessions.
	MaxSessions = 1 << slotBits

	// MaxTrace is the largest Options.Trace.
	MaxTrace = 10_000

	// MinMaxSize and MaxMaxSize bound Options.MaxSize.
	MinMaxSize = 4 << 10
	MaxMaxSize = 16 << 20
)

// Defaults of Options.
const (
	DefaultDataQueues  = 1
	DefaultMaxSessions = 8192
	DefaultMaxSize     = 1 << 20
)

// maxCipherKey is the longest cipher key taken, in bytes; it is what
// configuration space and vhost-user session messages carry.
const maxCipherKey = 64

// maxAuthKey is the longest key of a MAC, likewise.
const maxAuthKey = 512

// Options are a device's settings. Zero values stand for the defaults.
type Options struct {
	// Engine does the cryptography. It stays the caller's.
	Engine engine.Engine
	// DataQueues is the number of data queues.
	DataQueues int
	// MaxSessions is the number of sessions that can be open at once.
	MaxSessions int
	// MaxSize is the largest source of a request, with its additional data and
	// the result of a hash or MAC, in bytes. It bounds the scratch memory of
	// each queue.
	MaxSize int
	// Legacy offers algorithms too that nothing new should use; see
	// [engine.Algorithm.Legacy].
	Legacy bool
	// Allowed, if not nil, are the only algorithms that are offered and that
	// sessions may have, of those the engine has. A chain needs both of its
	// parts, RSA both of its paddings.
	Allowed []engine.Algorithm
	// Rates bound what the device does in a second.
	Rates Rates
	// Trace has each data queue follow so many requests a second and log their
	// way; 0: none.
	Trace int
	// Log may be nil.
	Log *slog.Logger
}

// Device is a virtio-crypto device. It implements virtio.Device.
type Device struct {
	engine     engine.Engine
	dataQueues int
	maxSize    int
	log        *slog.Logger
	has        map[engine.Algorithm]bool // what the engine has and is allowed
	layout     layout                    // what was negotiated
	sessions   *sessionTable
	limits     *limits // nil for none
	trace      int     // Options.Trace
	counters   Counters

	notReady atomic.Bool

	mu      sync.Mutex
	changer virtio.ConfigChanger // nil without a transport that can tell
}

var _ virtio.Device = (*Device)(nil)

// New returns a device without sessions.
func New(o Options) (*Device, error) {
	if o.Engine == nil {
		return nil, errors.New("virtio-crypto device: no engine")
	}
	orDefault(&o.DataQueues, DefaultDataQueues)
	orDefault(&o.MaxSessions, DefaultMaxSessions)
	orDefault(&o.MaxSize, DefaultMaxSize)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	for _, b := range []struct {
		what          string
		value, lo, hi int
	}{
		{"data queues", o.DataQueues, 1, MaxDataQueues},
		{"sessions", o.MaxSessions, 1, MaxSessions},
		{"largest request", o.MaxSize, MinMaxSize, MaxMaxSize},
		{"requests to trace", o.Trace, 0, MaxTrace},
	} {
		if b.value < b.lo || b.value > b.hi {
			return nil, fmt.Errorf("virtio-crypto device: %s: %d is not between %d and %d", b.what, b.value, b.lo, b.hi)
		}
	}
	if err := o.Rates.check(); err != nil {
		return nil, fmt.Errorf("virtio-crypto device: %w", err)
	}
	d := &Device{
		engine:     o.Engine,
		dataQueues: o.DataQueues,
		maxSize:    o.MaxSize,
		log:        o.Log,
		has:        make(map[engine.Algorithm]bool),
		sessions:   newSessionTable(o.MaxSessions),
		limits:     newLimits(o.Rates),
		trace:      o.Trace,
	}
	any := false
	for _, s := range o.Engine.Algorithms() {
		allowed := o.Allowed == nil || slices.Contains(o.Allowed, s.Algorithm)
		if allowed && (o.Legacy || !s.Algorithm.Legacy()) {
			d.has[s.Algorithm] = true
			any = true
		}
	}
	if !any {
		return nil, fmt.Errorf("virtio-crypto device: engine %s has none of the algorithms that are allowed", o.Engine.Name())
	}
	return d, nil
}

func orDefault(v *int, value int) {
	if *v == 0 {
		*v = value
	}
}

// ID returns virtio.IDCrypto.
func (d *Device) ID() virtio.DeviceID { return virtio.IDCrypto }

// Features returns the device type's feature bits: all of virtio 1.3.
func (d *Device) Features() uint64 { return allFeatures }

// Queues returns the number of data queues and one for control.
func (d *Device) Queues() int { return d.dataQueues + 1 }

// Negotiated sets the form of requests. It refuses stateless mode without
// revision 1.
func (d *Device) Negotiated(features uint64) (err error) {
	d.layout, err = newLayout(features)
	return err
}

// NewWorker returns the worker of a data queue or of the control queue.
func (d *Device) NewWorker(q *virtio.Queue) (virtio.Worker, error) {
	if q.Index == d.dataQueues {
		return newControlWorker(d, q)
	}
	w, err := newDataWorker(d, q)
	if err != nil || d.trace == 0 {
		return w, err
	}
	return newTracer(w, d.trace), nil
}

// Reset drops all sessions, and logs what was counted so far.
func (d *Device) Reset() {
	d.sessions.destroyAll()
	d.layout = layout{}
	d.log.Info("device reset", "counted", &d.counters)
}

// ReadConfig copies the configuration space from offset on into p.
func (d *Device) ReadConfig(p []byte, offset uint32) {
	clear(p)
	if offset >= ConfigSize {
		return
	}
	var c [ConfigSize]byte
	if d.Ready() {
		le.PutUint32(c[cfgStatus:], statusHWReady)
	}
	le.PutUint32(c[cfgDataQueues:], uint32(d.dataQueues))
	ciphers, hashes, macs, aeads := d.mask(cipherAlgos), d.mask(hashAlgos), d.mask(macAlgos), d.mask(aeadAlgos)
	public := d.publicKeyMask()
	services := uint32(0)
	for s, bits := range map[Service]uint64{
		ServiceCipher: ciphers, ServiceHash: hashes, ServiceMAC: macs, ServiceAEAD: aeads, ServiceAKCipher: public,
	} {
		if bits != 0 {
			services |= 1 << s
		}
	}
	le.PutUint32(c[cfgServices:], services)
	le.PutUint64(c[cfgCipherAlgoL:], ciphers)
	le.PutUint32(c[cfgHashAlgo:], uint32(hashes))
	le.PutUint64(c[cfgMACAlgoL:], macs)
	le.PutUint32(c[cfgAEADAlgo:], uint32(aeads))
	le.PutUint32(c[cfgAKAlgo:], uint32(public))
	if ciphers|aeads != 0 {
		le.PutUint32(c[cfgMaxKey:], maxCipherKey)
	}
	if macs != 0 {
		le.PutUint32(c[cfgMaxAuthKey:], maxAuthKey)
	}
	le.PutUint64(c[cfgMaxSize:], uint64(d.maxSize))
	copy(p, c[offset:])
}

// publicKeyMask returns the bits of public-key algorithms. RSA is promised with
// both paddings or not at all: drivers take one bit for the two of them.
func (d *Device) publicKeyMask() (bits uint64) {
	if d.has[engine.RSARaw] && d.has[engine.RSAPKCS1] {
		bits |= 1 << AKCipherRSA
	}
	if d.mask(ecdsaCurves) != 0 {
		bits |= 1 << AKCipherECDSA
	}
	return bits
}

// Counters returns what the device counted.
func (d *Device) Counters() *Counters { return &d.counters }
