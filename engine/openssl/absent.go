// SPDX-License-Identifier: Apache-2.0

//go:build !openssl || !cgo

package openssl

import (
	"fmt"

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
	return &engine.Error{Engine: name, Op: "open", Err: fmt.Errorf("this program was built without it; to have it: apt-get install gcc libssl-dev, then make build: %w", engine.ErrUnavailable)}
}
