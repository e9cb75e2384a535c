// SPDX-License-Identifier: Apache-2.0

// Package proto is what the host and the guest of a test VM say to each other.
//
// There are two parts. [Boot] is a file in the initramfs: what the guest's init
// has to set up before it takes orders. The rest travels over one virtio-serial
// port, which yamux divides into streams with flow control of their own, so that
// a command whose output nobody reads holds no other command up.
//
// The host opens every stream and begins it with a [Request]. An "exec" request
// makes its stream the control stream of one command: the guest answers with
// [Event] values, the host may send [Control] values, and closing it kills the
// command. The command's standard streams are yamux streams too, each begun with
// a "stdio" request that carries the command's id; they carry plain bytes, and
// their end is the end of file.
package proto

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"time"

	"github.com/hashicorp/yamux"
)

const (
	// PortName is the virtio-serial port's name, by which the guest finds it.
	PortName = "vcrypto.agent"
	// BootFile is the path of the [Boot] file, as JSON, in the initramfs.
	BootFile = "/etc/vcrypto-boot.json"
	// MaxMessage bounds one JSON message, in bytes. The kernel's own limit for
	// arguments and environment together is about 2 MiB.
	MaxMessage = 4 << 20
)

// Boot says what init sets up, in this order: modules, mounts, network.
type Boot struct {
	Hostname string
	Modules  []Module
	Mounts   []Mount
	NICs     []NIC
}

// Module is one kernel module to load.
type Module struct {
	Path   string // in the guest, uncompressed
	Params string // as on insmod's command line
}

// Mount is a 9p share of a host's folder.
type Mount struct {
	Tag  string // the QEMU device's mount_tag
	Path string // in the guest; made if missing
}

// NIC is a network interface, found by its hardware address.
type NIC struct {
	MAC    string
	Prefix string // address and prefix length, as in 10.0.2.15/24
}

// Operations of a [Request].
const (
	OpExec     = "exec"
	OpStdio    = "stdio"
	OpPoweroff = "poweroff"
	OpPing     = "ping" // answered by an empty Event: the guest is up
)

// Request begins a stream.
type Request struct {
	Op   string
	ID   uint64 // exec and stdio: chosen by the host, one a command
	FD   int    // stdio: 0, 1 or 2
	Exec *Exec  // exec only
}

// Exec is a command to run. A standard stream that is not named in Stdio is
// /dev/null; with a TTY 0 and 1 are the two directions of the terminal.
type Exec struct {
	Args  []string
	Env   []string // added to the guest's own
	Dir   string
	Stdio [3]bool
	Merge bool // standard error goes where standard output goes
	TTY   *TTY
}

// TTY asks for a terminal of this size.
type TTY struct {
	Term string
	Winsize
}

// Winsize is a terminal's size in characters.
type Winsize struct{ Rows, Cols uint16 }

// Control goes to a running command.
type Control struct {
	Signal  int `json:",omitempty"`
	Winsize *Winsize
}

// Event is the guest's answer: first Started or Error, later Exited. A
// poweroff or ping is answered by one Event.
type Event struct {
	Error    string `json:",omitempty"` // why the command could not start
	NotFound bool   `json:",omitempty"` // Error is that there is no such program
	Started  bool   `json:",omitempty"`
	Pid      int    `json:",omitempty"`
	Exited   bool   `json:",omitempty"`
	Code     int    `json:",omitempty"`
	Signal   int    `json:",omitempty"` // the signal that ended it, or 0
}

// Send writes one message: its length as a big-endian u32, then JSON.
func Send(w io.Writer, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encoding a %T: %w", v, err)
	}
	if len(body) > MaxMessage {
		return fmt.Errorf("a %T of %d bytes is longer than the limit of %d", v, len(body), MaxMessage)
	}
	_, err = w.Write(append(binary.BigEndian.AppendUint32(make([]byte, 0, 4+len(body)), uint32(len(body))), body...))
	return err
}

// Receive reads what [Send] wrote. At the end of the stream it returns [io.EOF].
func Receive(r io.Reader, v any) error {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return err
	}
	n := binary.BigEndian.Uint32(head[:])
	if n > MaxMessage {
		return fmt.Errorf("a %T of %d bytes is longer than the limit of %d", v, n, MaxMessage)
	}
	body := make([]byte, n)
	if _, err := io.ReadFull(r, body); err != nil {
		return fmt.Errorf("reading a %T: %w", v, err)
	}
	if err := json.Unmarshal(body, v); err != nil {
		return fmt.Errorf("decoding a %T: %w", v, err)
	}
	return nil
}

// Config is yamux's configuration on both sides. A VM may be stopped for as
// long as somebody likes, so nothing times out here: callers have contexts.
func Config() *yamux.Config {
	c := yamux.DefaultConfig()
	c.EnableKeepAlive = false
	c.ConnectionWriteTimeout = 365 * 24 * time.Hour
	c.StreamOpenTimeout = 0
	c.StreamCloseTimeout = 0
	c.LogOutput = nil
	c.Logger = log.New(io.Discard, "", 0)
	return c
}
