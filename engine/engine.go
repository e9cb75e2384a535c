// SPDX-License-Identifier: Apache-2.0

// Package engine says what it takes to do a device's cryptography, and knows
// which engines this program has.
//
// An [Engine] opens sessions and hands out workers. A [Session] holds one
// expanded key for one algorithm and one direction; it may be used by any
// number of workers at once. A [Worker] belongs to one thread: requests are
// submitted to it, as many as it takes, and reaped when they are done, in any
// order. An engine may therefore overlap the requests of a batch, as a
// multi-buffer library does, or requests of many batches, as hardware and
// thread pools do; a simple engine does all the work in Submit.
//
// Engines register themselves with [Register]; a program chooses by importing
// their packages. [Open] opens one by name; the name "auto" takes for each
// algorithm the best engine that is available on this machine. An engine that
// does not give known answers when it is opened is not used: see [SelfTest].
//
// Crypto primitives come from libraries. An engine only carries requests to
// one.
package engine

import (
	"errors"
	"fmt"
)

const (
	// MaxIV is the size in bytes of the largest IV, nonce, counter block or
	// tweak of any algorithm.
	MaxIV = 16

	// MaxTag is the size in bytes of the largest tag of any AEAD.
	MaxTag = 16
)

// Direction says which way a session of a cipher or an AEAD works. Sessions
// of other kinds have none: it is 0.
type Direction uint8

const (
	Encrypt Direction = iota + 1
	Decrypt
)

// String returns "encrypt" or "decrypt".
func (d Direction) String() string {
	switch d {
	case Encrypt:
		return "encrypt"
	case Decrypt:
		return "decrypt"
	}
	return fmt.Sprintf("direction(%d)", uint8(d))
}

// Status is how a request ended.
type Status uint8

const (
	// Pending is the status of a request the engine still holds.
	Pending Status = iota
	// OK: Dst holds the result.
	OK
	// Failed: the engine could not do the work. What Dst holds is undefined.
	Failed
	// BadRequest: lengths or IV do not fit the algorithm. Dst is untouched.
	BadRequest
	// NotSupported: this engine cannot take this request, though it took the
	// session (a length or counter beyond its limits). Src and Dst are
	// untouched, so that another engine may do it.
	NotSupported
	// BadTag: a tag did not verify. Dst holds no plaintext: it is zeroed.
	BadTag
	// BadSignature: a signature did not verify.
	BadSignature
)

// Errors of Open. Test with errors.Is.
var (
	// ErrNotSupported: the engine does not have the algorithm, or not with
	// these parameters.
	ErrNotSupported = errors.New("not supported by this engine")
	// ErrKey: the key is not a key of this algorithm (its length, its form).
	ErrKey = errors.New("not a key of this algorithm")
	// ErrUnavailable: this machine lacks what the engine needs.
	ErrUnavailable = errors.New("engine not available on this machine")
)

// Error is an error of this package and of the engines.
type Error struct {
	Engine string // the engine's name
	Op     string // what was being done: "open", "new session", ...
	Err    error  // the cause; never nil
}

func (e *Error) Error() string { return "engine " + e.Engine + ": " + e.Op + ": " + e.Err.Error() }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Params describes a session.
type Params struct {
	Algorithm Algorithm
	Direction Direction
	// Key is borrowed for the call: the engine copies what it needs and the
	// caller zeroes its own. Hashes have none. RSA keys are in the ASN.1 form
	// of PKCS #1 (RFC 8017 appendix A.1); ECDSA keys are a private scalar or
	// an uncompressed point (SEC 1 section 2.3).
	Key []byte

	// TagSize is the length of an AEAD's tag in bytes.
	TagSize int

	// Private: the key of a public-key algorithm is the private one.
	Private bool
	// Hash is the hash that RSA PKCS #1 v1.5 signatures name in their
	// DigestInfo (RFC 8017 section 9.2); 0 leaves the DigestInfo out.
	Hash Algorithm
}

// Op is what a request of a public-key session does. Requests of other kinds
// leave it 0: the session says it all.
type Op uint8

const (
	OpEncrypt Op = iota + 1 // with the public key
	OpDecrypt               // with the private key
	OpSign                  // with the private key
	OpVerify                // with the public key
)

// Session is an open session of an engine.
//
// It may be named by requests of any number of workers of the same engine at
// once. Close zeroes the key; the caller sees to it that no request that
// names the session is in flight then or later.
type Session interface {
	Close()
}

// LimitedSession is a session with requests that may end NotSupported. Who
// opened one with [Open] need not care: another engine does those requests.
type LimitedSession interface {
	Session
	// AtClose has Close call f when it is done.
	AtClose(f func())
}

// Request is one operation. It is laid out so that what a cipher needs is in
// its first two cache lines.
//
// The owner fills it, hands it to [Worker.Submit], and leaves it alone until
// [Worker.Reap] returns it. It can be used again then.
//
//	kind        Src               Dst               beyond
//	cipher      text              as long as Src    IV
//	AEAD        text              as long as Src    IV, AAD, Tag
//	hash        message           the result        -
//	MAC         message           the result        -
//	public key  see Op            room for result   N
//
// A hash's or MAC's result is its full length, or for a MAC its first
// len(Dst) bytes; SHAKE gives any length. OpVerify takes the signature in Src
// and the digest in AAD.
type Request struct {
	// Session is a session of the worker's engine.
	Session Session

	// Src is the input, Dst the output. Each is one run of memory that stays
	// valid, and in its place, until the request is reaped: memory that is
	// mapped, or on Go's heap, but not on a goroutine's stack. It may be
	// shared with a guest that writes to it at any time. For ciphers and
	// AEADs they begin at the same address or do not overlap; for others they
	// do not overlap.
	Src, Dst []byte

	// IV holds the IV, the nonce, the initial counter block or the tweak,
	// IVLen bytes of it. Ciphers without one have IVLen 0.
	IV    [MaxIV]byte
	IVLen uint8

	// TagLen bytes of Tag are an AEAD's tag: a result of encryption, checked
	// by decryption. TagLen is the session's TagSize.
	TagLen uint8

	// Op is for public-key sessions.
	Op Op

	// Status is set by the engine, at any time from Submit on.
	Status Status

	// Owner is the submitter's, for finding its own state again. Engines do
	// not touch it.
	Owner any

	Tag [MaxTag]byte

	// N is the length of a public-key operation's result, set by the engine.
	N int

	// AAD is an AEAD's additional data, of any length; the same holds for its
	// memory as for Src's.
	AAD []byte
}

// ReapMode says how hard Reap tries.
type ReapMode uint8

const (
	// Poll returns what is done.
	Poll ReapMode = iota
	// Flush first completes all that only waits for company, such as
	// part-full lanes of a multi-buffer library. Work that goes on elsewhere
	// (a pool, hardware) is not waited for.
	Flush
	// Wait flushes, and if nothing is done yet waits until something is.
	Wait
)

// Worker carries requests to an engine. It belongs to one thread at a time.
type Worker interface {
	// Submit takes requests from the front of reqs and returns how many it
	// took: at least one if it holds none. A request is taken even if it
	// fails; its Status tells when it is reaped.
	Submit(reqs []*Request) int

	// Reap puts requests that are done into done, at most len(done), and
	// returns their number.
	Reap(done []*Request, mode ReapMode) int

	// Held is the number of requests taken and not yet reaped.
	Held() int

	// Close gives the worker's memory back. Held must be 0. When it returns no
	// call of Wake is going on, and none will come.
	Close() error
}

// Abandoner may be implemented by a worker that has requests wait which take
// long: public-key operations.
type Abandoner interface {
	// Abandon has all requests that were not begun come back, Failed, with the
	// next Reap. Those that were come back as ever, and so do later ones. It is
	// the owner's to call.
	Abandon()
}

// WorkerConfig is what a worker is made with.
type WorkerConfig struct {
	// Depth is the number of requests the owner has in flight at most.
	Depth int

	// Wake, if not nil, is called, from any thread, when a request that was
	// being worked on elsewhere becomes ready while the owner may sleep.
	// Engines that finish everything by Flush never call it.
	Wake func()
}

// Engine is an opened engine. Its methods may be called from any goroutine.
type Engine interface {
	// Name is the name it is registered under.
	Name() string

	// Algorithms lists what it can do, in order of Algorithm.
	Algorithms() []Support

	// NewSession opens a session. Errors wrap ErrNotSupported or ErrKey where
	// the parameters are at fault.
	NewSession(p Params) (Session, error)

	// NewWorker makes a worker.
	NewWorker(c WorkerConfig) (Worker, error)

	// Close gives everything back. Sessions and workers are closed before.
	Close() error
}

// Support is an algorithm of an engine, with its limits.
type Support struct {
	Algorithm Algorithm
	// KeySizes are the key lengths taken, in bytes. It is nil for hashes, and
	// where any length will do or length is not what matters.
	KeySizes []int
	// Limits says that requests may end NotSupported, for their length or
	// what else the engine states. Sessions of the algorithm are
	// [LimitedSession] then.
	Limits bool
}
