// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"vcrypto/internal/chat/relay"
)

// Subjects in NATS.
const (
	roomSubject   = "vchat.room."   // and a room's ID: in the stream
	memberSubject = "vchat.member." // and a member's ID: not kept
	listSubject   = "vchat.rooms"   // which rooms each hub has
)

const (
	startTimeout   = 2 * time.Minute  // of NATS
	askTimeout     = 3 * time.Second  // of a question: while a cluster chooses who leads, none is answered
	ackTimeout     = 10 * time.Second // of what was posted
	heartbeat      = 2 * time.Second  // of the server that reads the stream for us
	duplicates     = time.Minute      // how long the stream knows what it has
	maxUnconfirmed = 4096             // posts
	stall          = 5 * time.Millisecond
	reopenPause    = 500 * time.Millisecond
	complainEvery  = time.Second
	troubleAfter   = 5 * time.Second // without NATS clients are sent away
)

// bus is the hub's network: a stream of all rooms' messages, and what goes
// beside it.
type bus struct {
	hub    *Hub
	config jetstream.StreamConfig
	own    *server.Server // nil where the cluster is another's
	dir    string         // the server's; it writes nothing of ours there
	conn   *nats.Conn
	js     jetstream.JetStream

	questions  sync.Map     // for other hubs' rooms: the subjects where answers are to go
	reopening  sync.Mutex   // held by the one that looks for the stream
	complained atomic.Int64 // when we last said that something was not taken

	mu          sync.RWMutex // held while a message is delivered; before rooms' locks
	stream      jetstream.Stream
	consume     jetstream.ConsumeContext
	incarnation uint64 // of the stream: which numbering it is
}

// errAway: the hub cannot reach its network.
var errAway = errors.New("NATS is away")

func newBus(ctx context.Context, c Config, h *Hub) (_ *bus, err error) {
	b := &bus{hub: h, config: streamConfig(c, h.limits)}
	defer func() {
		if err != nil {
			b.close()
		}
	}()
	options := []nats.Option{
		nats.Name("vchat hub"), nats.MaxReconnects(-1), nats.ReconnectWait(200 * time.Millisecond),
		nats.ReconnectBufSize(-1), // or what is posted while NATS is away passes what was lost when it went
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { h.log("NATS: %v", err) }),
	}
	if c.NATS == "" {
		if err := b.embed(h.limits); err != nil {
			return nil, err
		}
		options = append(options, nats.InProcessServer(b.own))
	} else {
		options = append(options,
			nats.DisconnectErrHandler(func(n *nats.Conn, err error) { b.trouble(n, err) }),
			nats.ReconnectHandler(func(*nats.Conn) { go b.reopen() }))
	}
	if c.Credentials != "" {
		options = append(options, nats.UserCredentials(c.Credentials))
	}
	if b.conn, err = nats.Connect(c.NATS, options...); err != nil {
		return nil, fmt.Errorf("connect to NATS at %s: %w", withoutSecrets(c.NATS), err)
	}
	b.js, err = jetstream.New(b.conn,
		jetstream.WithPublishAsyncMaxPending(maxUnconfirmed), jetstream.WithPublishAsyncTimeout(ackTimeout),
		jetstream.WithPublishAsyncErrHandler(func(_ jetstream.JetStream, _ *nats.Msg, err error) { b.failed(err) }))
	if err != nil {
		return nil, fmt.Errorf("NATS: %w", err)
	}
	if err := b.begin(ctx); err != nil {
		return nil, err
	}
	return b, b.listen()
}

// withoutSecrets returns URLs as they may be logged: in NATS they may have a
// token, or a user and a password.
func withoutSecrets(urls string) string {
	all := strings.Split(urls, ",")
	for i, s := range all {
		scheme, rest, found := strings.Cut(strings.TrimSpace(s), "://")
		if !found {
			scheme, rest = "nats", scheme
		}
		if at := strings.LastIndexByte(rest, '@'); at >= 0 {
			rest = rest[at+1:]
		}
		all[i] = scheme + "://" + rest
	}
	return strings.Join(all, ",")
}

// embed starts a NATS server inside this program, which nobody else can reach:
// it has no port. The stream is in memory.
func (b *bus) embed(l Limits) (err error) {
	if b.dir, err = os.MkdirTemp("", "vchat-hub-"); err != nil {
		return fmt.Errorf("a folder for NATS: %w", err)
	}
	b.own, err = server.NewServer(&server.Options{
		ServerName: "vchat", DontListen: true, NoSigs: true, NoLog: true,
		JetStream: true, StoreDir: b.dir, JetStreamMaxMemory: 2 * l.Stream, JetStreamMaxStore: 1 << 20,
		MaxPayload: 2 * relay.MaxFrame,
	})
	if err != nil {
		return fmt.Errorf("start NATS: %w", err)
	}
	b.own.Start()
	if !b.own.ReadyForConnections(startTimeout) {
		return errors.New("start NATS: it does not become ready")
	}
	return nil
}

// listen takes what goes beside the stream.
func (b *bus) listen() error {
	if _, err := b.conn.Subscribe(memberSubject+"*", func(m *nats.Msg) {
		if id, ok := subjectID(m.Subject, memberSubject); ok && len(m.Data) <= relay.MaxEnvelope {
			b.hub.toMember(id, m.Data)
		}
	}); err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	if err := b.answerLists(); err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	return nil
}

func subjectID(subject, prefix string) (id relay.ID, ok bool) {
	h, ok := strings.CutPrefix(subject, prefix)
	if !ok || len(h) != 2*relay.IDSize {
		return id, false
	}
	_, err := hex.Decode(id[:], []byte(h))
	return id, err == nil
}

// post puts an envelope into the stream. The same one is taken once. It waits
// while there are too many that the stream has not confirmed.
func (b *bus) post(ctx context.Context, room relay.ID, envelope []byte) error {
	sum := sha256.Sum256(envelope)
	m := &nats.Msg{Subject: roomSubject + room.String(), Data: envelope, Header: nats.Header{}}
	m.Header.Set(nats.MsgIdHdr, hex.EncodeToString(sum[:relay.IDSize]))
	for {
		// Not tried again by the library: what was posted after it would pass.
		_, err := b.js.PublishMsgAsync(m, jetstream.WithRetryAttempts(0))
		if !errors.Is(err, jetstream.ErrTooManyStalledMsgs) {
			return err
		}
		select {
		case <-time.After(stall):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// failed ends all clients when something that was posted did not get into the
// stream: whose it was posts it again, in order with all that it posted after.
func (b *bus) failed(err error) {
	if now := time.Now().UnixNano(); now-b.complained.Load() > int64(complainEvery) { // many may fail at once
		b.complained.Store(now)
		b.hub.log("NATS did not take a message: %v; clients are to come again", err)
	}
	b.hub.dropAll(relay.CodeTrouble)
	go b.reopen() // it may be gone
}

// trouble sends the clients to other hubs when NATS stays away.
func (b *bus) trouble(n *nats.Conn, err error) {
	if n.IsClosed() {
		return
	}
	b.hub.log("NATS is away: %v", err)
	time.AfterFunc(troubleAfter, func() {
		if !n.IsConnected() {
			b.hub.dropAll(relay.CodeTrouble)
		}
	})
}

// direct sends an envelope to one member, wherever it is. It may be lost.
func (b *bus) direct(to relay.ID, envelope []byte) error {
	return b.conn.Publish(memberSubject+to.String(), envelope)
}

// next reads the first message of a room that comes after a number; nil if
// there is none yet.
func (b *bus) next(ctx context.Context, room relay.ID, after uint64) (uint64, []byte, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	stream, _ := b.source()
	m, err := stream.GetMsg(ctx, after+1, jetstream.WithGetMsgSubject(roomSubject+room.String()))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return 0, nil, nil
	}
	if err != nil {
		return 0, nil, fmt.Errorf("read the stream: %w", err)
	}
	return m.Sequence, m.Data, nil
}

// ends asks for the numbers of the first and the last message that the stream
// keeps.
func (b *bus) ends(ctx context.Context) (first, last uint64, err error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	stream, _ := b.source()
	info, err := stream.Info(ctx)
	if err != nil {
		return 0, 0, fmt.Errorf("ask for the stream's state: %w", err)
	}
	return info.State.FirstSeq, info.State.LastSeq, nil
}

func (b *bus) close() {
	b.mu.RLock()
	if b.consume != nil {
		b.consume.Stop()
	}
	b.mu.RUnlock()
	if b.conn != nil {
		b.conn.Close() // whoever looks for the stream stops
	}
	if b.own != nil {
		b.own.Shutdown()
		b.own.WaitForShutdown()
	}
	if b.dir != "" {
		os.RemoveAll(b.dir)
	}
}
