// SPDX-License-Identifier: Apache-2.0

package member

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"vcrypto/internal/chat/relay"
)

const (
	dialTimeout  = 10 * time.Second
	greetTimeout = time.Minute // for a slow hub to say that it is one
	pingEvery    = 20 * time.Second
	silentHub    = time.Minute // a hub that says nothing is gone
	writeTimeout = 30 * time.Second
	maxQueued    = 2048 // frames that wait to be written
	firstPause   = 100 * time.Millisecond
	maxPause     = 5 * time.Second
)

// link is a connection to a hub. Its frames come out of the channel, which is
// closed at its end.
type link struct {
	addr   string
	conn   net.Conn
	frames chan *relay.Frame
	out    chan []byte
	once   sync.Once
	ended  chan struct{}
}

// dial connects to a hub.
func dial(ctx context.Context, addr string, id relay.ID) (*link, error) {
	d := net.Dialer{Timeout: dialTimeout}
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	conn.SetDeadline(time.Now().Add(greetTimeout))
	_, err = conn.Write(relay.Preface(id))
	if err == nil {
		_, err = relay.ReadPreface(conn)
	}
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("%s: %w", addr, err)
	}
	conn.SetDeadline(time.Time{})
	l := &link{addr: addr, conn: conn, frames: make(chan *relay.Frame, 64), out: make(chan []byte, maxQueued), ended: make(chan struct{})}
	go l.read()
	go l.write()
	return l, nil
}

func (l *link) read() {
	defer close(l.frames)
	defer l.close()
	r := bufio.NewReaderSize(l.conn, 64<<10)
	for {
		l.conn.SetReadDeadline(time.Now().Add(silentHub))
		f, err := relay.Read(r)
		if err != nil {
			return
		}
		select {
		case l.frames <- f:
		case <-l.ended:
			return
		}
	}
}

func (l *link) write() {
	defer l.close()
	ping := time.NewTicker(pingEvery)
	defer ping.Stop()
	for {
		var b []byte
		select {
		case b = <-l.out:
		case <-ping.C:
			b = (&relay.Frame{Type: relay.Ping}).Append(nil)
		case <-l.ended:
			return
		}
		l.conn.SetWriteDeadline(time.Now().Add(writeTimeout))
		if _, err := l.conn.Write(b); err != nil {
			return
		}
	}
}

// send queues a frame. It says whether there was room; a link without room is
// of no use any more, unless what was to be sent may be lost.
func (l *link) send(f *relay.Frame) bool {
	select {
	case l.out <- f.Append(nil):
		return true
	default:
		return false
	}
}

func (l *link) close() { l.once.Do(func() { close(l.ended); l.conn.Close() }) }

// connect looks for a hub, one address after the other, until it has one. The
// first round of all may fail.
func (c *Client) connect(ctx context.Context, first bool) (*link, error) {
	var errs []error
	for pause := firstPause; ; pause = min(2*pause, maxPause) {
		for range c.addrs {
			addr := c.addrs[c.at%len(c.addrs)]
			c.at++
			l, err := dial(ctx, addr, c.self.ID)
			if err == nil {
				return l, nil
			}
			errs = append(errs, err)
		}
		if first || ctx.Err() != nil {
			return nil, errors.Join(append(errs, ctx.Err())...)
		}
		errs = nil
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}
