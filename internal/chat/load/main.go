// SPDX-License-Identifier: Apache-2.0

// Command load measures a hub: many clients in some rooms, all on this machine
// and over real connections. It starts the hub as a process of its own, so
// that its memory can be told from the clients'. The clients do no
// cryptography: what is measured is the hub.
//
//	go run ./internal/chat/load -vchat bin/vchat
//
// First all clients are connected and silent: the memory of the hub, less that
// of one without clients, is what a client costs. Then a steady load gives the
// time from post to delivery; then as many messages as it takes are posted,
// each client's next when its last has come back.
package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"vcrypto/internal/chat/relay"
	"vcrypto/internal/chat/suite"
)

var (
	program  = flag.String("vchat", "bin/vchat", "the vchat to measure")
	clients  = flag.Int("clients", 1000, "clients")
	rooms    = flag.Int("rooms", 20, "rooms; clients are spread evenly")
	size     = flag.Int("size", 100, "bytes of text of a message")
	rate     = flag.Float64("rate", 100, "messages a second of the steady load")
	duration = flag.Duration("time", 10*time.Second, "how long each load lasts")
)

func main() {
	flag.Parse()
	if err := measure(); err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
}

func measure() error {
	raiseFiles()
	h, err := startHub()
	if err != nil {
		return err
	}
	defer h.stop()
	time.Sleep(2 * time.Second) // what a start leaves behind is collected
	before, err := h.memory()
	if err != nil {
		return err
	}
	all := make([]*client, *clients)
	for i := range all {
		if all[i], err = connect(h.addr, i); err != nil {
			return fmt.Errorf("client %d of %d: %w", i+1, *clients, err)
		}
	}
	time.Sleep(2 * time.Second)
	after, err := h.memory()
	if err != nil {
		return err
	}
	fmt.Printf("machine: %d cores, %s, %d clients in %d rooms, %d bytes of text\n", runtime.NumCPU(), runtime.Version(), *clients, *rooms, *size)
	fmt.Printf("memory: %d KiB without clients, %d KiB with: %.1f KiB a client\n", before, after, float64(after-before)/float64(*clients))

	if err := load("steady", all, *rate); err != nil {
		return err
	}
	if err := load("full", all, 0); err != nil {
		return err
	}
	peak, err := h.memory()
	fmt.Printf("memory after that: %d KiB\n", peak)
	return err
}

// load posts at a rate, or as fast as messages come back, and prints what came
// of it.
func load(name string, all []*client, perSecond float64) error {
	for _, c := range all {
		c.reset()
	}
	begin := time.Now()
	stop := begin.Add(*duration)
	var posting sync.WaitGroup
	if perSecond > 0 {
		pause := time.Duration(float64(time.Second) / perSecond)
		for n, at := 0, begin; at.Before(stop); n, at = n+1, at.Add(pause) {
			time.Sleep(time.Until(at))
			if err := all[n*37%len(all)].post(); err != nil {
				return err
			}
		}
	} else {
		var failed atomic.Pointer[error]
		for _, c := range all {
			posting.Go(func() {
				for time.Now().Before(stop) {
					if err := c.post(); err != nil {
						failed.Store(&err)
						return
					}
					select {
					case <-c.echo:
					case <-time.After(*duration):
					}
				}
			})
		}
		posting.Wait()
		if err := failed.Load(); err != nil {
			return *err
		}
	}
	took := time.Since(begin)
	posted := 0
	for _, c := range all {
		posted += c.posted
	}
	perRoom := *clients / *rooms
	want := int64(posted * perRoom)
	for end := time.Now().Add(time.Minute); delivered.Load() < want && time.Now().Before(end); {
		time.Sleep(10 * time.Millisecond)
	}
	if n := delivered.Load(); n != want {
		return fmt.Errorf("%d of %d deliveries", n, want)
	}
	var delays []time.Duration
	for _, c := range all {
		delays = append(delays, c.delays...)
	}
	slices.Sort(delays)
	at := func(p float64) time.Duration {
		return delays[min(int(p*float64(len(delays))), len(delays)-1)].Round(10 * time.Microsecond)
	}
	fmt.Printf("%s: %.0f messages/s posted, %.0f/s delivered; delivery p50 %v, p99 %v, longest %v\n",
		name, float64(posted)/took.Seconds(), float64(want)/took.Seconds(), at(0.5), at(0.99), at(1))
	return nil
}

// client is a member as a hub sees one.
type client struct {
	id   relay.ID
	room relay.ID
	conn net.Conn
	seq  uint64
	echo chan struct{} // its own message has come back

	posted int
	delays []time.Duration // the reader's, until all has been delivered
}

// delivered counts what came to anybody.
var delivered atomic.Int64

func (c *client) reset() {
	delivered.Store(0)
	c.posted, c.delays = 0, nil
}

func connect(addr string, n int) (*client, error) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	c := &client{conn: conn, echo: make(chan struct{}, 1)}
	binary.BigEndian.PutUint64(c.id[:], uint64(n)+1)
	c.room[0], c.room[1] = 'r', byte(n%*rooms)
	if _, err := conn.Write(relay.Preface(c.id)); err != nil {
		return nil, err
	}
	r := bufio.NewReaderSize(conn, 8<<10)
	if _, err := relay.ReadPreface(r); err != nil {
		return nil, err
	}
	join := relay.Frame{Type: relay.Join, Room: c.room, Data: []byte("label")}
	if _, err := conn.Write(join.Append(nil)); err != nil {
		return nil, err
	}
	if f, err := relay.Read(r); err != nil || f.Type != relay.Joined {
		return nil, fmt.Errorf("not in the room: %+v, %w", f, err)
	}
	go c.read(r)
	return c, nil
}

// start is what times are told from.
var start = time.Now()

func (c *client) read(r *bufio.Reader) {
	for {
		f, err := relay.Read(r)
		if err != nil {
			return
		}
		e, err := relay.ParseEnvelope(f.Data)
		if f.Type != relay.Message || err != nil {
			continue
		}
		delay := time.Since(start) - time.Duration(binary.BigEndian.Uint64(e.Sealed))
		c.delays = append(c.delays, delay)
		delivered.Add(1)
		if e.Sender == c.id {
			select {
			case c.echo <- struct{}{}:
			default:
			}
		}
	}
}

// post sends a message that has the time in it, as long as a sealed one.
func (c *client) post() error {
	e := relay.Envelope{Room: c.room, Sender: c.id, Seq: c.seq, Suite: suite.GCM}
	c.seq++
	c.posted++
	const head = 34 + 8 // what a message has before its text, with a nick of 8 bytes
	sealed := make([]byte, suite.GCM.SealedSize(*size+head))
	binary.BigEndian.PutUint64(sealed, uint64(time.Since(start)))
	f := relay.Frame{Type: relay.Post, Data: append(e.Head(nil), sealed...)}
	_, err := c.conn.Write(f.Append(nil))
	return err
}

// hub is the process that is measured.
type hub struct {
	cmd  *exec.Cmd
	addr string
}

func startHub() (*hub, error) {
	h := &hub{cmd: exec.Command(*program, "hub", "--max-rate", "100000", "127.0.0.1:0")}
	errs, err := h.cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := h.cmd.Start(); err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(errs)
	for lines.Scan() {
		if m := regexp.MustCompile(`listening on (\S+)`).FindStringSubmatch(lines.Text()); m != nil {
			h.addr = m[1]
			go func() {
				for lines.Scan() {
					fmt.Fprintln(os.Stderr, lines.Text())
				}
			}()
			return h, nil
		}
	}
	return nil, errors.Join(errors.New("the hub does not start"), h.cmd.Wait())
}

// memory is the hub's resident memory in KiB.
func (h *hub) memory() (int, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", h.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			return strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")))
		}
	}
	return 0, errors.New("no VmRSS")
}

func (h *hub) stop() {
	h.cmd.Process.Signal(syscall.SIGTERM)
	h.cmd.Wait()
}

// raiseFiles takes as many open files as the system gives.
func raiseFiles() {
	var l syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l) == nil {
		l.Cur = l.Max
		syscall.Setrlimit(syscall.RLIMIT_NOFILE, &l) // if not, connecting says so
	}
}
