// SPDX-License-Identifier: Apache-2.0

package main

import (
	"net"
	"testing"
)

// proxy stands between two ends, keeps what passes, and may change or cut it.
type proxy struct {
	addr     string
	up, down shared // client to server, server to client

	// change, if not nil, may alter p, which is at the given offset in its
	// direction; false cuts the connection after p.
	change func(up bool, offset int, p []byte) ([]byte, bool)
}

// newProxy starts a proxy before server.
func newProxy(t *testing.T, server string, change func(up bool, offset int, p []byte) ([]byte, bool)) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	p := &proxy{addr: l.Addr().String(), change: change}
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			s, err := net.Dial("tcp", server)
			if err != nil {
				client.Close()
				continue
			}
			go p.carry(client, s, true)
			go p.carry(s, client, false)
		}
	}()
	return p
}

func (p *proxy) carry(from, to net.Conn, up bool) {
	seen := &p.down
	if up {
		seen = &p.up
	}
	buf := make([]byte, 64<<10)
	for offset := 0; ; {
		n, err := from.Read(buf)
		b, goOn := buf[:n], true
		if p.change != nil && n > 0 {
			b, goOn = p.change(up, offset, b)
		}
		offset += n
		seen.Write(b)
		to.Write(b)
		if !goOn {
			from.Close()
			to.Close()
			return
		}
		if err != nil {
			to.(*net.TCPConn).CloseWrite()
			return
		}
	}
}

// flipAt changes a bit of the byte at an offset of one direction.
func flipAt(up bool, at int) func(bool, int, []byte) ([]byte, bool) {
	return func(dir bool, offset int, p []byte) ([]byte, bool) {
		if dir == up && at >= offset && at < offset+len(p) {
			p[at-offset] ^= 0x40
		}
		return p, true
	}
}

// cutAt ends the connection after that many bytes of one direction.
func cutAt(up bool, at int) func(bool, int, []byte) ([]byte, bool) {
	return func(dir bool, offset int, p []byte) ([]byte, bool) {
		if dir == up && at <= offset+len(p) {
			return p[:max(at-offset, 0)], false
		}
		return p, true
	}
}
