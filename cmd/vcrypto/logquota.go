// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// A guest has much of what its device logs in its hands: it can reset the
// device, break its rings and be refused as often as it likes, and each time
// is worth a line. So that no guest fills a host's disk, each kind of record,
// told apart by its message, is logged quotaBurst times at once and then
// quotaRate times a second.
const (
	quotaBurst = 100
	quotaRate  = 1.0

	// quotaMessages bounds what is remembered: messages are few, and constant.
	quotaMessages = 1000
)

// traced is the message of records that have a quota of their own, --trace.
const traced = "request"

// quota is a log handler that hands on what the quotas allow, and says what it
// kept back. Records below level info are wished for, and pass.
type quota struct {
	slog.Handler
	spent *spending
}

// spending is what was logged, by all that came of one quota.
type spending struct {
	mu sync.Mutex
	by map[string]*account // by message
}

type account struct {
	tokens float64
	at     time.Time // of tokens
	kept   int       // records that were kept back since the last that was not
}

func newQuota(h slog.Handler) *quota {
	return &quota{h, &spending{by: make(map[string]*account)}}
}

func (q *quota) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &quota{q.Handler.WithAttrs(attrs), q.spent}
}

func (q *quota) WithGroup(name string) slog.Handler {
	return &quota{q.Handler.WithGroup(name), q.spent}
}

func (q *quota) Handle(ctx context.Context, r slog.Record) error {
	if r.Level >= slog.LevelInfo && r.Message != traced {
		kept, ok := q.spent.spend(r.Message, r.Time)
		if !ok {
			return nil
		}
		if kept > 0 {
			r = r.Clone()
			r.AddAttrs(slog.Int("kept_back", kept))
		}
	}
	return q.Handler.Handle(ctx, r)
}

// spend reports whether a record may be logged, and how many like it were kept
// back before it.
func (s *spending) spend(message string, now time.Time) (kept int, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.by[message]
	if a == nil && len(s.by) >= quotaMessages {
		message = ""
		a = s.by[message]
	}
	if a == nil {
		a = &account{tokens: quotaBurst, at: now}
		s.by[message] = a
	}
	if d := now.Sub(a.at); d > 0 {
		a.tokens = min(a.tokens+d.Seconds()*quotaRate, quotaBurst)
		a.at = now
	}
	if a.tokens < 1 {
		a.kept++
		return 0, false
	}
	a.tokens--
	kept, a.kept = a.kept, 0
	return kept, true
}
