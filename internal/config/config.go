// SPDX-License-Identifier: Apache-2.0

// Package config reads vcrypto.toml: which devices a host serves, and how.
// docs/vcrypto.toml has every key with its meaning and its default.
//
// A file is taken as a whole or not at all. [Parse] finds every key that is
// not known and every value that cannot be, and says of each in which line it
// is, so that one look at the errors is enough:
//
//	vcrypto.toml:7: device "vm1": queues: 0 is not between 1 and 64
//
// What is here is about the file only. Whether an engine is available on this
// machine, and a socket can be made, the device finds out when it starts.
package config

import (
	"fmt"
	"io/fs"
	"time"

	"vcrypto/engine"
	"vcrypto/virtiocrypto"
)

// Config is what a file says.
type Config struct {
	Devices []Device `json:"devices"`
}

// Device is what a file says of a device, with defaults filled in.
type Device struct {
	Name      string `json:"name"`
	Transport string `json:"transport"`
	Socket    Socket `json:"socket"`

	// Engine does the cryptography but for the algorithms in EngineFor, which
	// have an engine each, by name.
	Engine    string                      `json:"engine"`
	EngineFor map[engine.Algorithm]string `json:"engine_for,omitempty"`
	Cryptodev string                      `json:"cryptodev,omitempty"`
	OpenSSL   OpenSSL                     `json:"openssl"`

	Queues int `json:"queues"`
	// Allowed are the algorithms that are offered; nil for all that the
	// engines have.
	Allowed []engine.Algorithm `json:"allowed,omitempty"`
	Legacy  bool               `json:"legacy"`
	Spin    time.Duration      `json:"spin"`
	CPUs    []int              `json:"cpus,omitempty"`
	Drain   bool               `json:"drain"`
	Packed  bool               `json:"packed"`
	MSIX    bool               `json:"msix"` // of vfio-user

	MaxSessions int                `json:"max_sessions"`
	MaxSize     int                `json:"max_size"` // bytes
	Rates       virtiocrypto.Rates `json:"rates"`
}

// Socket is where a device's front-end connects, and who may.
type Socket struct {
	Path string `json:"path"`
	Mode Mode   `json:"mode"`
	// Group is a name or a number; "" leaves the group alone.
	Group string `json:"group,omitempty"`
}

// Mode is a file's mode, which is written in octal.
type Mode fs.FileMode

// MarshalText returns the mode as chmod takes it.
func (m Mode) MarshalText() ([]byte, error) { return fmt.Appendf(nil, "%04o", m), nil }

// OpenSSL are engine openssl's settings; see [engine.Options].
type OpenSSL struct {
	Config     string `json:"config,omitempty" toml:"config"`
	Provider   string `json:"provider,omitempty" toml:"provider"`
	Properties string `json:"properties,omitempty" toml:"properties"`
	Engine     string `json:"engine,omitempty" toml:"engine"`
}

// Defaults of what is not the device's own.
const (
	DefaultTransport  = "vhost-user"
	vfioUser          = "vfio-user"
	DefaultSocketMode = 0o600

	// DefaultSpin is how long a queue looks at its ring after its last
	// request before it sleeps: what a kick and waking up cost, and longer
	// than a guest at work, even an emulated one, takes to its next request.
	DefaultSpin = 50 * time.Microsecond
)

// Known is what the program knows that reads the file.
type Known struct {
	Transports []string
	Engines    []string // without engine.Auto
}

// Bounds of values.
const (
	maxName = 64          // characters
	maxPath = 107         // bytes, of a socket: sockaddr_un
	maxSpin = time.Second // a queue that spins has a CPU to itself
	maxCPU  = 8191
	maxRate = 1 << 50
)
