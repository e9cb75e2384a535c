// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"vcrypto/internal/chat/relay"
)

// Stream is the name of the stream in NATS.
const Stream = "VCHAT"

// begin opens the stream. A cluster that is about to choose who leads, or that
// two hubs ask for the stream at once, leaves questions without an answer, or
// says that it is not ready: it is asked again.
func (b *bus) begin(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for said := ""; ; {
		_, err := b.open(ctx)
		if err == nil || !notReady(err) {
			return err
		}
		if s := err.Error(); s != said {
			said = s
			b.hub.log("%v; trying again", err)
		}
		select {
		case <-time.After(reopenPause):
		case <-ctx.Done():
			return err
		}
	}
}

// noPeers is JetStream's error when too few servers are there for the replicas.
// The package has no name for it.
const noPeers jetstream.ErrorCode = 10005

// notReady says that JetStream may do later what it does not do now.
func notReady(err error) bool {
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, jetstream.ErrStreamNotFound) { // another hub is just making it
		return true
	}
	var api *jetstream.APIError
	if !errors.As(err, &api) {
		return false
	}
	switch api.ErrorCode {
	case noPeers: // servers are about to come, or come back
		return true
	case jetstream.JSErrCodeJetStreamNotEnabled, jetstream.JSErrCodeJetStreamNotEnabledForAccount:
		return false
	}
	return api.Code == http.StatusServiceUnavailable
}

// open finds the stream, or makes it, and reads it from now on. It says whether
// the stream is another one than before.
func (b *bus) open(ctx context.Context) (another bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	stream, err := b.js.Stream(ctx, Stream)
	if errors.Is(err, jetstream.ErrStreamNotFound) { // the first hub makes it; two at once make the same
		stream, err = b.js.CreateOrUpdateStream(ctx, b.config)
	}
	if err != nil {
		return false, fmt.Errorf("open the stream %s in NATS: %w (the cluster needs JetStream)", Stream, err)
	}
	info, err := stream.Info(ctx)
	if err != nil {
		return false, fmt.Errorf("open the stream %s in NATS: %w", Stream, err)
	}
	incarnation := uint64(info.Created.UnixNano())
	if _, now := b.source(); now == incarnation {
		return false, nil
	}
	// An ordered consumer gives every message once and in order, and makes
	// itself anew when something is amiss.
	consumer, err := b.js.OrderedConsumer(ctx, Stream, jetstream.OrderedConsumerConfig{
		DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: info.State.LastSeq + 1,
	})
	if err != nil {
		return false, fmt.Errorf("read the stream %s: %w", Stream, err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	consume, err := consumer.Consume(func(m jetstream.Msg) { b.came(incarnation, m) },
		jetstream.PullHeartbeat(heartbeat),
		jetstream.ConsumeErrHandler(func(_ jetstream.ConsumeContext, err error) { b.hub.log("NATS: %v", err) }))
	if err != nil {
		return false, fmt.Errorf("read the stream %s: %w", Stream, err)
	}
	if b.consume != nil {
		b.consume.Stop()
	}
	b.stream, b.consume, b.incarnation = stream, consume, incarnation
	b.hub.renumber(info.State.LastSeq)
	return true, nil
}

// came hands on what came out of the stream, if it is still the one.
func (b *bus) came(incarnation uint64, m jetstream.Msg) {
	meta, err := m.Metadata()
	if err != nil {
		return
	}
	b.mu.RLock()
	defer b.mu.RUnlock()
	if id, ok := subjectID(m.Subject(), roomSubject); ok && b.incarnation == incarnation {
		b.hub.deliver(id, meta.Sequence.Stream, m.Data())
	}
}

// source is the stream, and which numbering it has.
func (b *bus) source() (jetstream.Stream, uint64) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.stream, b.incarnation
}

// reopen looks whether the stream is still there, until it knows: it is in
// memory, and a cluster that was restarted has lost it. Then another one is
// made, and the clients come again and are told.
func (b *bus) reopen() {
	if !b.reopening.TryLock() {
		return
	}
	defer b.reopening.Unlock()
	for !b.conn.IsClosed() {
		another, err := b.open(context.Background())
		if err == nil {
			if another {
				b.hub.log("NATS has lost what it kept; clients are to come again")
				b.hub.dropAll(relay.CodeTrouble)
			}
			return
		}
		if b.conn.IsClosed() {
			return
		}
		b.hub.log("%v; trying again", err)
		time.Sleep(reopenPause)
	}
}

func streamConfig(c Config, l Limits) jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name: Stream, Description: "vchat: sealed messages of rooms, for as long as members may come back for them",
		Subjects: []string{roomSubject + "*"}, Storage: jetstream.MemoryStorage, Discard: jetstream.DiscardOld,
		MaxBytes: l.Stream, MaxAge: l.Age, MaxMsgSize: 2 * relay.MaxFrame,
		Duplicates: min(duplicates, l.Age), Replicas: max(c.Replicas, 1), AllowDirect: true,
	}
}
