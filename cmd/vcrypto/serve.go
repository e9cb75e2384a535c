// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime/pprof"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"vcrypto/engine"
	"vcrypto/vhostuser"
	"vcrypto/virtio"
	"vcrypto/virtiocrypto"
	"vcrypto/virtiocrypto/vhostcrypto"
)

// defaultSpin is how long a queue looks at its ring after its last request
// before it sleeps: about what waking up costs.
const defaultSpin = 20 * time.Microsecond

// capabilities is what --print-capabilities prints: QEMU's
// docs/interop/vhost-user.json.
const capabilities = `{"type": "crypto"}`

// serveOptions are the flags of vcrypto serve.
type serveOptions struct {
	socket       string
	fd           int
	transport    string
	engineName   string
	engine       engine.Options
	device       virtiocrypto.Options
	spin         time.Duration
	cpus         []int
	capabilities bool
	dumpable     bool
	cpuProfile   string
	log          logFlags
}

func newServeCommand() *cobra.Command {
	var o serveOptions
	cmd := &cobra.Command{
		Use:   "serve --socket-path PATH",
		Short: "Serve one virtio-crypto device",
		Long: `serve is one virtio-crypto device. It listens on a Unix socket for QEMU, serves
one connection after the other, each with a fresh device, and ends cleanly on
SIGTERM. "vcrypto attach" prints the arguments that QEMU needs.

The guest's memory must be shared with this process: start QEMU with
-object memory-backend-memfd,id=mem,share=on,size=... -machine memory-backend=mem.`,
		Example: `  vcrypto serve --socket-path /run/vcrypto/vm1.sock
  vcrypto serve --socket-path /run/vcrypto/vm1.sock --queues 4 --log-format json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.capabilities {
				_, err := fmt.Fprintln(cmd.OutOrStdout(), capabilities)
				return err
			}
			if (o.socket == "") == (o.fd < 0) {
				return errors.New("say where the front-end is: --socket-path PATH or --fd N, one of the two")
			}
			if o.transport != "vhost-user" {
				return fmt.Errorf("--transport %q: there is vhost-user", o.transport)
			}
			// The library takes 0 for its default; who types it means something.
			if d := o.device; d.DataQueues == 0 || d.MaxSessions == 0 || d.MaxSize == 0 || o.spin < 0 {
				return errors.New("--queues, --max-sessions and --max-size are at least 1, and --spin is not negative")
			}
			log, err := o.log.logger(cmd)
			if err != nil {
				return err
			}
			return serve(cmd.Context(), o, log)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.socket, "socket-path", "", "listen on this socket; a stale one is taken over, a live one refused")
	f.IntVar(&o.fd, "fd", -1, "serve the connection on this inherited descriptor instead")
	f.StringVar(&o.transport, "transport", "vhost-user", "the protocol of the socket: vhost-user")
	f.StringVar(&o.engineName, "engine", engine.Auto, "what does the cryptography (vcrypto engines lists them)")
	f.StringVar(&o.engine.Device, "device", "", "the host's cryptodev node for engine devcrypto (default /dev/crypto)")
	f.StringVar(&o.engine.OpenSSLConfig, "openssl-config", "", "engine openssl: read this configuration file")
	f.StringVar(&o.engine.OpenSSLProvider, "openssl-provider", "", "engine openssl: load this provider")
	f.StringVar(&o.engine.OpenSSLProperties, "openssl-properties", "", "engine openssl: fetch algorithms with these properties")
	f.StringVar(&o.engine.OpenSSLEngine, "openssl-engine", "", "engine openssl: hand work to this ENGINE (qatengine for QAT)")
	f.IntVar(&o.device.DataQueues, "queues", virtiocrypto.DefaultDataQueues, "data queues")
	f.IntVar(&o.device.MaxSessions, "max-sessions", virtiocrypto.DefaultMaxSessions, "sessions that can be open at once")
	f.IntVar(&o.device.MaxSize, "max-size", virtiocrypto.DefaultMaxSize, "largest request in bytes")
	f.BoolVar(&o.device.Legacy, "legacy", false, "offer DES, Triple DES and MD5 too, which nothing new should use")
	f.DurationVar(&o.spin, "spin", defaultSpin, "how long a queue looks for more work before it sleeps")
	f.IntSliceVar(&o.cpus, "cpus", nil, "pin the queues' threads to these CPUs, in turn (default: the kernel decides)")
	f.BoolVar(&o.capabilities, "print-capabilities", false, "print what this back-end is, as QEMU's vhost-user conventions ask, and exit")
	f.BoolVar(&o.dumpable, "dumpable", false, "let other programs of the same user read this one's memory, and core files be written")
	f.MarkHidden("dumpable")
	f.StringVar(&o.cpuProfile, "cpu-profile", "", "write a CPU profile to this file (for go tool pprof, and to make default.pgo)")
	f.MarkHidden("cpu-profile")
	o.log.add(cmd)
	return cmd
}

// serve runs the device until ctx ends.
func serve(ctx context.Context, o serveOptions, log *slog.Logger) error {
	if o.cpuProfile != "" {
		stop, err := profile(o.cpuProfile)
		if err != nil {
			return err
		}
		defer stop()
	}
	if !o.dumpable {
		// Guests' keys are in here: no core files, no debuggers.
		if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
			return fmt.Errorf("keep keys out of core files: %w", err)
		}
	}
	e, err := engine.Open(o.engineName, o.engine)
	if err != nil {
		return err
	}
	defer closeLogged(log, "engine", e)
	o.device.Engine, o.device.Log = e, log

	newDevice := func() (*virtio.Instance, vhostuser.Extension, error) {
		d, err := virtiocrypto.New(o.device)
		if err != nil {
			return nil, nil, err
		}
		in := virtio.NewInstance(d, virtio.Options{Log: log, Polling: virtio.Polling{Spin: o.spin}, CPUs: o.cpus})
		return in, vhostcrypto.New(d, log), nil
	}
	// What cannot be made now cannot be made later: better to say so before a
	// front-end connects.
	if _, _, err := newDevice(); err != nil {
		return err
	}
	l, err := o.listen()
	if err != nil {
		return err
	}
	defer closeLogged(log, "socket", l)
	log.Info("serving", "socket", o.socket, "engine", e.Name(), "queues", o.device.DataQueues)
	return l.Serve(ctx, newDevice, vhostuser.Options{Log: log})
}

func (o serveOptions) listen() (*vhostuser.Listener, error) {
	if o.fd >= 0 {
		return vhostuser.FromFD(o.fd)
	}
	return vhostuser.Listen(o.socket)
}

// profile begins a CPU profile, which stop writes.
func profile(path string) (stop func(), err error) {
	f, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		f.Close()
		return nil, err
	}
	return func() {
		pprof.StopCPUProfile()
		f.Close()
	}, nil
}

func closeLogged(log *slog.Logger, what string, c io.Closer) {
	if err := c.Close(); err != nil {
		log.Error("closing the "+what, "err", err)
	}
}
