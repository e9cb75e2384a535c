// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
)

// Options are what engines can be told when they are opened.
type Options struct {
	// Log is told why requests fail, where their status does not say it. nil
	// is for none.
	Log *slog.Logger

	// Device is the cryptodev node of engine devcrypto, "" for /dev/crypto.
	Device string

	// Engine openssl: a configuration file in OpenSSL's format, a provider
	// that is loaded beside the default one, the property query by which
	// algorithms are fetched ("?provider=NAME" prefers a provider's), and a
	// legacy ENGINE, by its id or its file's path. "" does without.
	OpenSSLConfig     string
	OpenSSLProvider   string
	OpenSSLProperties string
	OpenSSLEngine     string
}

// Driver is a registered engine.
type Driver struct {
	Name  string
	About string // one line for people

	// Rank orders the engines for "auto": the highest available one that has
	// an algorithm gets it. 0 is never chosen, only by name.
	Rank int

	// May, if not nil, is all that the engine may have, on any machine, and
	// says that the engine is a last resort: opening it and its sessions leaves
	// traces. Unless it is named it is only opened, with [Auto], for algorithms
	// that no other has at all, and named or not it never makes up for another's
	// limits.
	May []Support

	// Probe returns nil if the engine can be opened here, otherwise what is
	// missing and how to get it, wrapping ErrUnavailable.
	Probe func(Options) error

	// Open opens it, untested: see Start. Where Probe returns an error so does
	// Open.
	Open func(Options) (Engine, error)
}

var registry struct {
	mu      sync.Mutex
	drivers []Driver
}

// Register adds an engine. It is called from init functions; a name used
// twice is a programming error and panics.
func Register(d Driver) {
	registry.mu.Lock()
	defer registry.mu.Unlock()
	if slices.ContainsFunc(registry.drivers, func(o Driver) bool { return o.Name == d.Name }) {
		panic("engine: registered twice: " + d.Name)
	}
	registry.drivers = append(registry.drivers, d)
	slices.SortFunc(registry.drivers, func(a, b Driver) int {
		if a.Rank != b.Rank {
			return b.Rank - a.Rank
		}
		return strings.Compare(a.Name, b.Name)
	})
}

// Drivers returns the registered engines, best first.
func Drivers() []Driver {
	registry.mu.Lock()
	defer registry.mu.Unlock()
	return slices.Clone(registry.drivers)
}

// Auto is the name that stands for the best engine for each algorithm.
const Auto = "auto"

// Open opens an engine by name, or [Auto].
//
// With Auto each algorithm is done by the highest ranking engine that is
// available here and has it. With a name it is done by that engine. Either way
// a request that the engine cannot take (see [Support].Limits) is done by the
// next one that has the algorithm, if there is one that is no last resort (see
// [Driver].May).
func Open(name string, o Options) (Engine, error) {
	if name == Auto {
		return openAuto(o)
	}
	for _, d := range Drivers() {
		if d.Name == name {
			return openNamed(d, o)
		}
	}
	return nil, &Error{name, "open", fmt.Errorf("no such engine; there are: %s", strings.Join(Names(), ", "))}
}

// Names returns the names Open takes.
func Names() []string {
	names := []string{Auto}
	for _, d := range Drivers() {
		names = append(names, d.Name)
	}
	return names
}
