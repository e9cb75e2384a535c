// SPDX-License-Identifier: Apache-2.0

//go:build !ipsecmb || !cgo

package rawmb

import (
	"errors"
	"time"
)

// Available says whether the loop is built in.
const Available = false

// Loop is the loop.
type Loop struct{}

// New returns an error.
func New(Config) (*Loop, error) {
	return nil, errors.New("no raw baseline: built without libipsec-mb; to have it: apt-get install gcc libipsec-mb-dev, then make build")
}

// Run does nothing.
func (*Loop) Run(int) (time.Duration, error) { return 0, nil }

// Close does nothing.
func (*Loop) Close() {}
