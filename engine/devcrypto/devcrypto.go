// SPDX-License-Identifier: Apache-2.0

// Package devcrypto is the engine that hands its work to a cryptodev node of
// the host, /dev/crypto or another: to the host kernel, and by it to whatever
// serves the node. So works the classic split driver; so a device can be
// served from hardware that only the kernel reaches, or from the virtio-crypto
// device of a virtual machine that is itself a host.
//
// What the node can do is found out by trying when the engine is opened. An
// engine session is one session of the node, a request one CIOCCRYPT call,
// made in Submit and waited for: the worker's thread sleeps in the kernel
// until the answer is there. Workers overlap; whether requests of one session
// do depends on the driver (cryptodev-linux does them one by one).
//
// The node gets the addresses of Src and Dst as they are, guest memory
// included. It cannot be said of a request that failed how far the driver had
// come, so it is Failed, never something that another engine might try again.
package devcrypto

import (
	"errors"
	"fmt"
	"slices"
	"syscall"

	"vcrypto/cryptodev"
	"vcrypto/engine"
	"vcrypto/engine/internal/serial"
)

const name = "devcrypto"

func init() {
	engine.Register(engine.Driver{
		Name:  name,
		About: "a cryptodev node of this machine, such as /dev/crypto",
		Rank:  0, // only by name: the node may be served by what we serve
		Probe: func(o engine.Options) error {
			e, err := open(o)
			if err != nil {
				return err
			}
			return e.Close()
		},
		Open: func(o engine.Options) (engine.Engine, error) {
			e, err := open(o)
			if err != nil {
				return nil, err // not a nil *Engine
			}
			return e, nil
		},
	})
}

// ciphers are the node's names of the algorithms.
var ciphers = map[engine.Algorithm]cryptodev.Cipher{
	engine.AESECB: cryptodev.AESECB,
	engine.AESCBC: cryptodev.AESCBC,
	engine.AESCTR: cryptodev.AESCTR,
}

// Engine is the engine.
type Engine struct {
	dev     *cryptodev.Device
	support []engine.Support
	trouble serial.Trouble
}

func open(o engine.Options) (*Engine, error) {
	dev, err := cryptodev.Open(o.Device)
	if err != nil {
		return nil, opError(err)
	}
	e, err := New(dev)
	if err != nil {
		return nil, err
	}
	e.trouble.Logger = o.Log
	return e, nil
}

// opError is the error of an engine that cannot be opened.
func opError(err error) error {
	return &engine.Error{Engine: name, Op: "open", Err: fmt.Errorf("%w: %w", engine.ErrUnavailable, err)}
}

// New makes an engine of an open node, which it owns: closed by Close, and if
// New fails.
func New(dev *cryptodev.Device) (*Engine, error) {
	support, err := try(dev)
	if err == nil && len(support) == 0 {
		err = fmt.Errorf("%s takes none of the algorithms of this program: load the kernel modules that have them, or name another node", dev.Path())
	}
	if err != nil {
		dev.Close()
		return nil, opError(err)
	}
	return &Engine{dev: dev, support: support}, nil
}

// try opens a session of each kind, as the API has no other way to ask.
func try(dev *cryptodev.Device) ([]engine.Support, error) {
	var all []engine.Support
	for _, a := range engine.Algorithms() {
		c, ok := ciphers[a]
		if !ok {
			continue
		}
		var sizes []int
		for _, n := range a.KeySizes() {
			s, err := dev.NewSession(cryptodev.SessionParams{Cipher: c, Key: make([]byte, n)})
			if errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.EOPNOTSUPP) {
				continue
			}
			if err != nil {
				return nil, err
			}
			sizes = append(sizes, n)
			if err := s.Close(); err != nil {
				return nil, err
			}
		}
		if sizes != nil {
			all = append(all, engine.Support{Algorithm: a, KeySizes: sizes})
		}
	}
	return all, nil
}

// Name returns "devcrypto".
func (*Engine) Name() string { return name }

// Algorithms lists what the node took when the engine was opened.
func (e *Engine) Algorithms() []engine.Support { return e.support }

// NewSession opens a session of the node. The key is in the kernel then, and
// nowhere else.
func (e *Engine) NewSession(p engine.Params) (engine.Session, error) {
	fail := func(err error) (engine.Session, error) {
		return nil, &engine.Error{Engine: name, Op: "new session", Err: err}
	}
	i := slices.IndexFunc(e.support, func(s engine.Support) bool { return s.Algorithm == p.Algorithm })
	if i < 0 {
		return fail(fmt.Errorf("%s: %w", p.Algorithm, engine.ErrNotSupported))
	}
	if p.Direction != engine.Encrypt && p.Direction != engine.Decrypt {
		return fail(fmt.Errorf("%s: %w", p.Direction, engine.ErrNotSupported))
	}
	if !slices.Contains(p.Algorithm.KeySizes(), len(p.Key)) {
		return fail(fmt.Errorf("%s with %d key bytes: %w", p.Algorithm, len(p.Key), engine.ErrKey))
	}
	if !slices.Contains(e.support[i].KeySizes, len(p.Key)) {
		return fail(fmt.Errorf("%s with %d key bytes: %w", p.Algorithm, len(p.Key), engine.ErrNotSupported))
	}
	s, err := e.dev.NewSession(cryptodev.SessionParams{Cipher: ciphers[p.Algorithm], Key: p.Key})
	if err != nil {
		return fail(err)
	}
	direction := cryptodev.Encrypt
	if p.Direction == engine.Decrypt {
		direction = cryptodev.Decrypt
	}
	return &session{algorithm: p.Algorithm, direction: direction, node: s}, nil
}

// NewWorker makes a worker.
func (e *Engine) NewWorker(c engine.WorkerConfig) (engine.Worker, error) {
	return serial.New(c, e.do), nil
}

// Close closes the node.
func (e *Engine) Close() error {
	if err := e.dev.Close(); err != nil {
		return &engine.Error{Engine: name, Op: "close", Err: err}
	}
	return nil
}
