// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"runtime/debug"
	"runtime/pprof"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"vcrypto/engine"
	"vcrypto/internal/config"
	"vcrypto/internal/harden"
	"vcrypto/internal/vmm"
	"vcrypto/vfiouser"
	"vcrypto/vfiouser/virtiopci"
	"vcrypto/vhostuser"
	"vcrypto/virtio"
	"vcrypto/virtio/sock"
	"vcrypto/virtiocrypto"
	"vcrypto/virtiocrypto/vhostcrypto"
)

// transports are what --transport may name.
var transports = []string{vmm.TransportVhostUser, vmm.TransportVFIOUser}

// capabilities is what --print-capabilities prints: QEMU's
// docs/interop/vhost-user.json.
const capabilities = `{"type": "crypto"}`

// serveOptions are the flags of vcrypto serve.
type serveOptions struct {
	name         string
	socket       string
	mode         string
	group        string
	fd           int
	transport    string
	engineName   string
	engineFor    map[string]string
	engine       engine.Options
	services     []string
	algorithms   []string
	maxSize      string
	rateBytes    string
	burstBytes   string
	device       virtiocrypto.Options
	spin         time.Duration
	msix         bool
	packed       bool
	cpus         []int
	capabilities bool
	dumpable     bool
	drain        bool
	supervised   bool
	cpuProfile   string
	log          logFlags

	config      string
	checkConfig bool
	json        bool
}

func newServeCommand() *cobra.Command {
	var o serveOptions
	cmd := &cobra.Command{
		Use:   "serve --socket-path PATH | --config FILE",
		Short: "Serve a virtio-crypto device, or many",
		Long: `serve is one virtio-crypto device. It listens on a Unix socket for QEMU, serves
one connection after the other, each with a fresh device, and ends cleanly on
SIGTERM. "vcrypto attach" prints the arguments that QEMU needs. SIGUSR1 asks the
guest to begin nothing new, SIGUSR2 takes that back.

With --config it is all the devices of a file, a process each, which are started
again when they end. SIGHUP reads the file again. docs/operations.md has more.

The guest's memory must be shared with this process: start QEMU with
-object memory-backend-memfd,id=mem,share=on,size=... -machine memory-backend=mem.`,
		Example: `  vcrypto serve --socket-path /run/vcrypto/vm1.sock
  vcrypto serve --socket-path /run/vcrypto/vm1.sock --queues 4 --log-format json
  vcrypto serve --config /etc/vcrypto.toml
  vcrypto serve --config /etc/vcrypto.toml --check-config`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.capabilities {
				_, err := fmt.Fprintln(cmd.OutOrStdout(), capabilities)
				return err
			}
			log, err := o.log.logger(cmd)
			if err != nil {
				return err
			}
			if o.config != "" {
				return serveConfig(cmd, o, log)
			}
			if o.checkConfig {
				return errors.New("--check-config: which file? Name it with --config")
			}
			if (o.socket == "") == (o.fd < 0) {
				return errors.New("say where the front-end is: --socket-path PATH or --fd N, one of the two; or --config FILE")
			}
			if err := checkTransport(o.transport); err != nil {
				return err
			}
			if err := o.parse(); err != nil {
				return err
			}
			// The library takes 0 for its default; who types it means something.
			if d := o.device; d.DataQueues == 0 || d.MaxSessions == 0 || d.MaxSize == 0 || o.spin < 0 {
				return errors.New("--queues, --max-sessions and --max-size are at least 1, and --spin is not negative")
			}
			if o.name != "" {
				log = log.With("device", o.name)
			}
			return serve(cmd.Context(), o, slog.New(newQuota(log.Handler())))
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.socket, "socket-path", "", "listen on this socket; a stale one is taken over, a live one refused")
	f.StringVar(&o.mode, "socket-mode", "0600", "who may connect to the socket: its mode, in octal")
	f.StringVar(&o.group, "socket-group", "", "the socket's group, a name or a number")
	f.IntVar(&o.fd, "fd", -1, "serve the connection on this inherited descriptor instead")
	f.StringVar(&o.transport, "transport", config.DefaultTransport, "the protocol of the socket: "+strings.Join(transports, ", "))
	f.StringVar(&o.engineName, "engine", engine.Auto, "what does the cryptography (vcrypto engines lists them)")
	f.StringToStringVar(&o.engineFor, "engine-for", nil, "another engine for an algorithm, such as aes-cbc=gocrypto")
	f.StringVar(&o.engine.Device, "device", "", "the host's cryptodev node for engine devcrypto (default /dev/crypto)")
	f.StringVar(&o.engine.OpenSSLConfig, "openssl-config", "", "engine openssl: read this configuration file")
	f.StringVar(&o.engine.OpenSSLProvider, "openssl-provider", "", "engine openssl: load this provider")
	f.StringVar(&o.engine.OpenSSLProperties, "openssl-properties", "", "engine openssl: fetch algorithms with these properties")
	f.StringVar(&o.engine.OpenSSLEngine, "openssl-engine", "", "engine openssl: hand work to this ENGINE (qatengine for QAT)")
	f.IntVar(&o.device.DataQueues, "queues", virtiocrypto.DefaultDataQueues, "data queues")
	f.IntVar(&o.device.MaxSessions, "max-sessions", virtiocrypto.DefaultMaxSessions, "sessions that can be open at once")
	f.StringVar(&o.maxSize, "max-size", strconv.Itoa(virtiocrypto.DefaultMaxSize), "largest request in bytes, such as 64KiB")
	f.StringSliceVar(&o.services, "services", nil, "offer only these: cipher, hash, mac, aead, akcipher")
	f.StringSliceVar(&o.algorithms, "algorithms", nil, "offer only these (vcrypto engines lists them)")
	f.IntVar(&o.device.Rates.Requests, "rate-requests", 0, "do at most so many requests a second (default: no limit)")
	f.IntVar(&o.device.Rates.RequestBurst, "burst-requests", 0, "of which so many may come at once (default: a tenth)")
	f.StringVar(&o.rateBytes, "rate-bytes", "0", "do at most so many bytes a second, such as 500MB (default: no limit)")
	f.StringVar(&o.burstBytes, "burst-bytes", "0", "of which so many may come at once (default: a tenth)")
	f.BoolVar(&o.device.Legacy, "legacy", false, "offer DES, Triple DES, ARC4, MD5 and P-192 too, which nothing new should use")
	f.DurationVar(&o.spin, "spin", config.DefaultSpin, "how long a queue looks for more work before it sleeps")
	f.IntSliceVar(&o.cpus, "cpus", nil, "pin the queues' threads to these CPUs, in turn (default: the kernel decides)")
	f.IntVar(&o.device.Trace, "trace", 0, "log the way of so many requests a second, of each queue: times and sizes, no keys and no data")
	f.Lookup("trace").NoOptDefVal = "1"
	f.BoolVar(&o.drain, "drain", false, "begin as if SIGUSR1 had come: ask the guest to begin nothing new")
	f.StringVar(&o.name, "name", "", "the device's name in the log")
	f.StringVar(&o.config, "config", "", "serve the devices of this file (docs/vcrypto.toml is an example)")
	f.BoolVar(&o.checkConfig, "check-config", false, "with --config: only say what is wrong with the file, or what it says")
	f.BoolVar(&o.json, "json", false, "with --check-config: print JSON")
	f.BoolVar(&o.supervised, "supervised", false, "take commands on standard input and end with it")
	f.MarkHidden("supervised")
	f.BoolVar(&o.packed, "packed", false, "offer packed virtqueues beside split ones")
	f.BoolVar(&o.msix, "msix", true, "vfio-user: an interrupt a queue; false for a VM from which the device is to be unplugged (QEMU aborts otherwise)")
	f.BoolVar(&o.capabilities, "print-capabilities", false, "print what this back-end is, as QEMU's vhost-user conventions ask, and exit")
	f.BoolVar(&o.dumpable, "dumpable", false, "let other programs of the same user read this one's memory, and core files be written")
	f.MarkHidden("dumpable")
	f.StringVar(&o.cpuProfile, "cpu-profile", "", "write a CPU profile to this file (for go tool pprof, and to make default.pgo)")
	f.MarkHidden("cpu-profile")
	o.log.add(cmd)
	return cmd
}

// gcPercent is how much garbage there may be beside what is in use. Requests
// leave none, so collecting early costs nothing and keeps the daemon small.
const gcPercent = 20

// serve runs the device until ctx ends.
func serve(ctx context.Context, o serveOptions, log *slog.Logger) error {
	debug.SetGCPercent(gcPercent)
	if o.cpuProfile != "" {
		stop, err := profile(o.cpuProfile)
		if err != nil {
			return err
		}
		defer stop()
	}
	if !o.dumpable {
		// Guests' keys are in here: no core files, no debuggers.
		if err := harden.NoDumps(); err != nil {
			return err
		}
	}
	harden.Lock(log)
	o.engine.Log = log
	e, err := openEngine(o)
	if err != nil {
		return err
	}
	defer closeLogged(log, "engine", e)
	o.device.Engine, o.device.Log = e, log
	drain := newDrain(o.drain, log)
	ctx, stop := drain.commands(ctx, o.supervised)
	defer stop()

	newDevice := func() (*virtiocrypto.Device, *virtio.Instance, error) {
		d, err := virtiocrypto.New(o.device)
		if err != nil {
			return nil, nil, err
		}
		drain.device(d)
		return d, virtio.NewInstance(d, virtio.Options{Log: log, Polling: virtio.Polling{Spin: o.spin}, CPUs: o.cpus, Packed: o.packed}), nil
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
	log.Info("serving", "socket", o.socket, "transport", o.transport, "engine", e.Name(), "queues", o.device.DataQueues)
	if o.transport == vmm.TransportVFIOUser {
		return vfiouser.ServeListener(ctx, l, func() (vfiouser.Device, error) {
			_, in, err := newDevice()
			if err != nil {
				return nil, err
			}
			return virtiopci.New(in, virtiopci.Options{Log: log, NoMSIX: !o.msix})
		}, vfiouser.Options{Log: log})
	}
	return vhostuser.ServeListener(ctx, l, func() (*virtio.Instance, vhostuser.Extension, error) {
		d, in, err := newDevice()
		if err != nil {
			return nil, nil, err
		}
		return in, vhostcrypto.New(d, log), nil
	}, vhostuser.Options{Log: log})
}

// listen makes the socket, or takes over an inherited one.
func (o serveOptions) listen() (*sock.Listener, error) {
	if o.fd >= 0 {
		return sock.FromFD(o.fd)
	}
	gid := -1
	if o.group != "" {
		var err error
		if gid, err = config.LookupGroup(o.group); err != nil {
			return nil, fmt.Errorf("--socket-group: %w", err)
		}
	}
	mode, err := strconv.ParseUint(o.mode, 8, 9) // rwxrwxrwx
	if err != nil {
		return nil, fmt.Errorf("--socket-mode %q: not a mode such as 0660", o.mode)
	}
	return sock.ListenAs(o.socket, sock.Access{Mode: fs.FileMode(mode), GID: gid})
}

// checkTransport says whether there is a transport of this name.
func checkTransport(name string) error {
	if !slices.Contains(transports, name) {
		return fmt.Errorf("--transport %q: there are %s", name, strings.Join(transports, ", "))
	}
	return nil
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
