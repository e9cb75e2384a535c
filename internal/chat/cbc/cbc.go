// SPDX-License-Identifier: Apache-2.0

// Package cbc computes the chat's AES-128-CBC where the user said it should
// run: in a cryptodev node, which may be a device that a host serves to this
// machine, or in one of our engines.
//
// Before a place is used it must get a published vector right, in both
// directions: one that computes something else would put anything on the
// wire. A place that was named is used or fails; only "auto" chooses.
package cbc

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"vcrypto/cryptodev"
	"vcrypto/engine"
	"vcrypto/internal/chat/wire"
)

// Auto takes the default cryptodev node where there is one that has AES-CBC,
// otherwise the best engine.
const Auto = "auto"

// Place is somewhere that AES-128-CBC runs. It may be used from any
// goroutine.
type Place struct {
	wire.CBC
	about  string
	passed error
	close  func() error
}

// String says what the place is, for people: the node and the driver that
// serves it, or the engine.
func (p *Place) String() string { return p.about }

// PassedOver says why Auto did not take the cryptodev node although there is
// one; nil if it did, or if there is none.
func (p *Place) PassedOver() error { return p.passed }

// Close gives the place back. Ciphers opened from it are closed before.
func (p *Place) Close() error { return p.close() }

// Open opens the place that spec names: a path is a cryptodev node, Auto
// chooses, anything else is an engine.
func Open(spec string) (*Place, error) {
	if spec == Auto {
		return openAuto(cryptodev.DefaultPath)
	}
	if strings.HasPrefix(spec, "/") {
		return openNode(spec)
	}
	return openEngine(spec)
}

func openAuto(node string) (*Place, error) {
	var passed error
	if _, err := os.Stat(node); !errors.Is(err, fs.ErrNotExist) {
		p, err := openNode(node)
		if err == nil {
			return p, nil
		}
		passed = err
	}
	p, err := openEngine(engine.Auto)
	if err != nil {
		return nil, errors.Join(passed, err)
	}
	p.passed = passed
	return p, nil
}

func openNode(path string) (*Place, error) {
	d, err := cryptodev.Open(path)
	if err != nil {
		return nil, err
	}
	p, err := FromDevice(d)
	if err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return p, nil
}

// FromDevice uses an open cryptodev node, and closes it when the place is
// closed. After an error it is still the caller's.
func FromDevice(d *cryptodev.Device) (*Place, error) {
	n := node{d}
	driver, err := n.driver()
	if err != nil {
		return nil, err
	}
	p := &Place{CBC: n, about: fmt.Sprintf("cryptodev node %s, driver %s", d.Path(), driver), close: d.Close}
	if err := check(p); err != nil {
		return nil, fmt.Errorf("%s: %w", p.about, err)
	}
	return p, nil
}

func openEngine(name string) (*Place, error) {
	e, err := engine.Open(name, engine.Options{})
	if err != nil {
		return nil, err
	}
	p := &Place{CBC: engineCBC{e}, about: "engine " + e.Name(), close: e.Close}
	if err := check(p); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", p.about, err), e.Close())
	}
	return p, nil
}
