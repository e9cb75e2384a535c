// SPDX-License-Identifier: Apache-2.0

//go:build !ipsecmb || !cgo

package ipsecmb

import (
	"fmt"
	"runtime"

	"vcrypto/engine"
)

func init() {
	engine.Register(engine.Driver{
		Name:  name,
		About: about,
		Rank:  rank,
		Probe: func(engine.Options) error { return errAbsent() },
		Open:  func(engine.Options) (engine.Engine, error) { return nil, errAbsent() },
	})
}

func errAbsent() error {
	if runtime.GOARCH != "amd64" {
		return &engine.Error{Engine: name, Op: "open", Err: fmt.Errorf("libipsec-mb is for x86-64, this is %s: %w", runtime.GOARCH, engine.ErrUnavailable)}
	}
	return &engine.Error{Engine: name, Op: "open", Err: fmt.Errorf("this program was built without it; to have it: apt-get install gcc libipsec-mb-dev, then make build: %w", engine.ErrUnavailable)}
}
