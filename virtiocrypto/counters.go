// SPDX-License-Identifier: Apache-2.0

package virtiocrypto

import (
	"log/slog"
	"sync/atomic"
)

// Counters count what a device did. They may be read at any time.
type Counters struct {
	Sessions   atomic.Uint64 // opened
	Operations atomic.Uint64 // requests done with status OK
	Bytes      atomic.Uint64 // their source bytes
	Errors     atomic.Uint64 // requests and sessions answered with another status
}

// LogValue makes the counters a group of a log line.
func (c *Counters) LogValue() slog.Value {
	return slog.GroupValue(
		slog.Uint64("sessions", c.Sessions.Load()),
		slog.Uint64("operations", c.Operations.Load()),
		slog.Uint64("bytes", c.Bytes.Load()),
		slog.Uint64("errors", c.Errors.Load()),
	)
}

// tally is a worker's own count, added to the device's once a batch.
type tally struct{ operations, bytes, errors uint64 }

func (t *tally) add(to *Counters) {
	if t.operations > 0 {
		to.Operations.Add(t.operations)
		to.Bytes.Add(t.bytes)
	}
	if t.errors > 0 {
		to.Errors.Add(t.errors)
	}
	*t = tally{}
}
