// SPDX-License-Identifier: Apache-2.0

// Package place opens the places where the chat's AES may be computed: a
// cryptodev node, which may be a device that a host serves to this machine,
// or one of our engines.
//
// Before a place is used it must get published vectors right, in both
// directions: one that computes something else would put anything on the
// wire. It has AES-128-CBC; AES-128-GCM is used where it has that, too. A
// place that was named is used or fails; only "auto" chooses.
package place

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"vcrypto/cryptodev"
	"vcrypto/engine"
	"vcrypto/internal/chat/suite"
)

// Auto takes the default cryptodev node where there is one that has AES-CBC,
// otherwise the best engine.
const Auto = "auto"

// Place is somewhere that AES runs. It may be used from any goroutine.
type Place struct {
	modes
	suites suite.ID
	about  string
	lacks  error // why GCM is not there; nil if it is
	passed error
	close  func() error
}

// modes opens ciphers of an engine or a node.
type modes interface {
	Encrypter(key []byte) (suite.BlockMode, error)
	Decrypter(key []byte) (suite.BlockMode, error)
	GCMSealer(key []byte) (suite.AEAD, error)
	GCMOpener(key []byte) (suite.AEAD, error)
}

// Suites is what the place can do. CBC is always there.
func (p *Place) Suites() suite.ID { return p.suites }

// Without returns the place as one that lacks a suite, other than CBC.
func (p *Place) Without(id suite.ID) *Place {
	less := *p
	less.suites &^= id &^ suite.CBC
	return &less
}

// try tries the suites with published vectors, and notes which there are.
func (p *Place) try() error {
	if err := checkCBC(p.modes); err != nil {
		return err
	}
	p.suites = suite.CBC
	err := checkGCM(p.modes)
	if err == nil {
		p.suites |= suite.GCM
	}
	if errors.Is(err, errWrong) {
		return err // not one that lacks it: one that lies
	}
	p.lacks = err
	return nil
}

// String says what the place is, for people: the node and the driver that
// serves it, or the engine.
func (p *Place) String() string { return p.about }

// PassedOver says why Auto did not take the cryptodev node although there is
// one; nil if it did, or if there is none.
func (p *Place) PassedOver() error { return p.passed }

// Lacks says why the place has no AES-GCM; nil if it has.
func (p *Place) Lacks() error { return p.lacks }

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
	p := &Place{modes: n, about: fmt.Sprintf("cryptodev node %s, driver %s", d.Path(), driver), close: d.Close}
	if err := p.try(); err != nil {
		return nil, fmt.Errorf("%s: %w", p.about, err)
	}
	return p, nil
}

func openEngine(name string) (*Place, error) {
	e, err := engine.Open(name, engine.Options{})
	if err != nil {
		return nil, err
	}
	p := &Place{modes: engineModes{e}, about: "engine " + e.Name(), close: e.Close}
	if err := p.try(); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", p.about, err), e.Close())
	}
	return p, nil
}
