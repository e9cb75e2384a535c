// SPDX-License-Identifier: Apache-2.0

// Package natstest runs NATS servers for the tests of hubs: real ones, inside
// the test's process.
package natstest

import (
	"fmt"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// patience is how long a server may take to start, and a cluster to agree.
const patience = 3 * time.Minute

// Options are those of a server with JetStream on a free port.
func Options(t testing.TB) *server.Options {
	return &server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: t.TempDir(),
		JetStreamMaxMemory: 256 << 20, NoSigs: true, NoLog: true,
	}
}

// Start runs a server until the test ends.
func Start(t testing.TB, o *server.Options) *server.Server {
	t.Helper()
	s, err := server.NewServer(o)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { Stop(s) })
	if !s.ReadyForConnections(patience) {
		t.Fatal("NATS does not start")
	}
	return s
}

// Stop ends a server, and returns when it is gone.
func Stop(s *server.Server) {
	s.Shutdown()
	s.WaitForShutdown()
}

// Cluster runs a cluster of n servers, and returns when they have agreed on
// who leads it.
func Cluster(t testing.TB, n int) []*server.Server {
	t.Helper()
	var routes []*url.URL
	all := make([]*server.Options, n)
	for i := range all {
		o := Options(t)
		o.ServerName = fmt.Sprintf("server-%d", i+1)
		// Servers of a cluster have to know each other's ports before they
		// have them. On an address that nobody else uses they stay free.
		host := fmt.Sprintf("127.0.0.%d", i+2)
		o.Cluster = server.ClusterOpts{Name: "test", Host: host, Port: freePort(t, host)}
		routes = append(routes, &url.URL{Scheme: "nats", Host: net.JoinHostPort(host, fmt.Sprint(o.Cluster.Port))})
		all[i] = o
	}
	servers := make([]*server.Server, n)
	for i, o := range all {
		o.Routes = routes
		servers[i] = Start(t, o)
	}
	for begin := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		leader, current := 0, 0
		for _, s := range servers {
			if s.JetStreamIsLeader() {
				leader++
			}
			if s.JetStreamIsCurrent() {
				current++
			}
		}
		if leader == 1 && current == n {
			return servers
		}
		if time.Since(begin) > patience {
			t.Fatal("the cluster does not agree on who leads it")
		}
	}
}

// URLs are those of all servers, with commas between.
func URLs(servers []*server.Server) string {
	all := make([]string, len(servers))
	for i, s := range servers {
		all[i] = s.ClientURL()
	}
	return strings.Join(all, ",")
}

func freePort(t testing.TB, host string) int {
	t.Helper()
	l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}
