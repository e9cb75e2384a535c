// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"vcrypto/engine"
	"vcrypto/internal/bench"
)

// benchOptions are the flags of vcrypto bench.
type benchOptions struct {
	engine, algorithm, operation string
	sizes, depths                []string
	queues, keyBits, keys        int
	rounds                       int
	time                         time.Duration
	asleep, unpinned, prefilled  bool
	json, bars                   bool
	pieces                       int
	memory, profile              string
	transport                    string
	packed                       bool
	beside                       string
}

// benchLine is a line of vcrypto bench --json. Fields that do not apply to
// `bench engine` are 0 there.
type benchLine struct {
	What       string  `json:"bench"`
	Engine     string  `json:"engine"`
	Algorithm  string  `json:"alg"`
	Operation  string  `json:"op"`
	Size       int     `json:"size"`
	Depth      int     `json:"depth"`
	Queues     int     `json:"queues"`
	Transport  string  `json:"transport,omitempty"`
	Ring       string  `json:"ring,omitempty"`
	Requests   float64 `json:"rps"`
	GBps       float64 `json:"gbps"`
	RawGBps    float64 `json:"raw_gbps"`
	Ratio      float64 `json:"ratio"`
	Raw        string  `json:"raw"`
	BurstGBps  float64 `json:"raw_burst_gbps"`
	BurstRatio float64 `json:"burst_ratio"`
	P50        float64 `json:"p50_us"`
	P99        float64 `json:"p99_us"`
	P999       float64 `json:"p999_us"`
	Kicks      float64 `json:"kicks_per_req"`
	Interrupts float64 `json:"interrupts_per_req"`
	CPU        float64 `json:"cpu_ns_per_req"`
	Memory     float64 `json:"private_mib"`
	Errors     uint64  `json:"errors"`
	PingPong   float64 `json:"eventfd_pingpong_us,omitempty"`

	// Only of --beside: what was beside, and its own median.
	Beside    string  `json:"beside,omitempty"`
	BesideP50 float64 `json:"beside_p50_us,omitempty"`

	// Only of --prefilled, and of the queues' threads as is CPU: what a request
	// costs with one queue, and how many times that it costs with all. Then
	// the same for all of the daemon, and for the raw engine.
	OneCPU     float64 `json:"one_queue_cpu_ns_per_req,omitempty"`
	Scaling    float64 `json:"scaling,omitempty"`
	AllScaling float64 `json:"daemon_scaling,omitempty"`
	RawScaling float64 `json:"raw_scaling,omitempty"`
}

func newBenchCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measure the raw engine, or the whole host path",
	}
	cmd.AddCommand(
		newBenchSubcommand("engine", "Measure an engine through its Go interface, beside a plain C loop over its library",
			`engine submits batches of --depth requests to a worker of the engine and reaps
them, in turns with a C loop over the same library where there is one: a plain
one, which submits a job at a time, and one in the largest bursts of unchecked
jobs that the library takes. The ratio to the latter is what the Go interface
leaves of the library's speed.`, benchEngine),
		newBenchSubcommand("device", "Measure the whole host path: socket, shared memory, rings, engine",
			`device starts "vcrypto serve" in another process and is its front-end and driver:
it shares memory, sets up rings and keeps --depth requests in flight on each
queue, in turns with the raw engine in its two forms (see bench engine). The first and the last thousand requests of
each queue are compared with a second implementation.`, benchDevice),
		newEchoCommand(),
	)
	return cmd
}

// newEchoCommand is the other end of the eventfd ping-pong of bench device.
func newEchoCommand() *cobra.Command {
	var cpu int
	cmd := &cobra.Command{
		Use:    "echo",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE:   func(*cobra.Command, []string) error { return bench.Echo(cpu) },
	}
	cmd.Flags().IntVar(&cpu, "cpu", -1, "the CPU to run on")
	return cmd
}

type benchFunc func(context.Context, benchOptions, bench.Case) (benchLine, error)

func newBenchSubcommand(name, short, long string, run benchFunc) *cobra.Command {
	var o benchOptions
	cmd := &cobra.Command{
		Use:   name,
		Short: short,
		Long:  long,
		Example: fmt.Sprintf(`  vcrypto bench %[1]s --engine auto --alg aes-cbc --size 64,1024,16384
  vcrypto bench %[1]s --alg aes-ctr --depth 1,16,256 --json`, name),
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runBench(cmd, o, run) },
	}
	f := cmd.Flags()
	f.StringVar(&o.engine, "engine", engine.Auto, "the engine (vcrypto engines lists them)")
	f.StringVar(&o.algorithm, "alg", "aes-cbc", "the algorithm (vcrypto engines lists them)")
	f.StringVar(&o.operation, "op", "", "encrypt or decrypt; of RSA sign or decrypt (default: the first)")
	f.StringSliceVar(&o.sizes, "size", []string{"64", "256", "1024", "2048", "4096", "16384"}, "bytes a request")
	f.StringSliceVar(&o.depths, "depth", []string{"256"}, "requests in flight on each queue")
	f.IntVar(&o.keyBits, "key-bits", 0, "length of the key (default: the algorithm's shortest)")
	f.IntVar(&o.keys, "keys", 1, "sessions that the requests take in turn")
	f.IntVar(&o.rounds, "rounds", 0, "how often to take turns with the raw engine (default: enough)")
	f.DurationVar(&o.time, "time", 0, "how long a turn is (default: short enough to be fair on a busy machine)")
	if name == "device" {
		f.IntVar(&o.queues, "queues", 1, "data queues")
		f.BoolVar(&o.asleep, "asleep", false, "let both sides sleep between requests instead of polling")
		f.BoolVar(&o.prefilled, "prefilled", false, "measure the CPU time of a request with one queue and with all, whose rings are filled while the daemon sleeps")
		f.IntVar(&o.pieces, "pieces", 1, "buffers that source and destination are each in")
		f.StringVar(&o.memory, "memory", bench.MemFD, "guest memory: memfd, hugetlb, or a file in this directory")
		f.StringVar(&o.beside, "beside", "", "measure the latency of single requests of 64 bytes, beside "+strings.Join(bench.Besides(), ", "))
		f.StringVar(&o.transport, "transport", bench.VhostUser, "the protocol of the socket: "+bench.VhostUser+" or "+bench.VFIOUser)
		f.BoolVar(&o.packed, "packed", false, "use packed virtqueues")
		f.StringVar(&o.profile, "cpu-profile", "", "write the daemon's CPU profile to this file")
		f.BoolVar(&o.unpinned, "unpinned", false, "let the kernel choose the CPUs of daemon and driver")
	}
	f.BoolVar(&o.json, "json", false, "print a JSON object a line")
	f.BoolVar(&o.bars, "bars", false, "draw bars: how much of the raw engine's speed is left")
	cmd.MarkFlagsMutuallyExclusive("json", "bars")
	return cmd
}

func runBench(cmd *cobra.Command, o benchOptions, run benchFunc) error {
	a, err := engine.ParseAlgorithm(o.algorithm)
	if err != nil {
		return err
	}
	c := bench.Case{Algorithm: a, KeySize: o.keyBits / 8, Keys: o.keys}
	if err := setOperation(&c, &o); err != nil {
		return err
	}
	sizes, err := numbers("--size", o.sizes)
	if err != nil {
		return err
	}
	depths, err := numbers("--depth", o.depths)
	if err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	if c.Op != 0 {
		sizes = sizes[:1] // RSA has its own
	}
	if o.beside != "" {
		sizes, depths = []int{64}, []int{1}
	}
	switch {
	case o.json, o.beside != "":
	case o.bars:
		fmt.Fprintln(out, barsTitle(o))
	case o.prefilled:
		fmt.Fprintf(out, "%8s %6s  %s\n", "bytes", "depth", "CPU time of a request")
	default:
		fmt.Fprintf(out, "%8s %6s %12s %9s %9s %7s %9s %7s  %s\n", "bytes", "depth", "requests/s", "GB/s", "raw GB/s", "ratio", "burst", "ratio", "latency, signals, CPU")
	}
	for _, c.Depth = range depths {
		for _, c.Size = range sizes {
			line, err := run(cmd.Context(), o, c)
			if err != nil {
				return err
			}
			if err := line.print(out, o); err != nil {
				return err
			}
		}
	}
	return nil
}

// setOperation sets what --op says.
func setOperation(c *bench.Case, o *benchOptions) error {
	type operation struct {
		name      string
		direction engine.Direction
		op        engine.Op
	}
	var all []operation
	switch c.Algorithm.Kind() {
	case engine.Cipher, engine.AEAD:
		all = []operation{{"encrypt", engine.Encrypt, 0}, {"decrypt", engine.Decrypt, 0}}
	case engine.PublicKey:
		all = []operation{{"sign", 0, engine.OpSign}, {"decrypt", 0, engine.OpDecrypt}}
		if c.Algorithm == engine.RSARaw {
			all = all[1:]
		}
	case engine.Hash:
		all = []operation{{name: "hash"}}
	case engine.MAC:
		all = []operation{{name: "mac"}}
	}
	if o.operation == "" {
		o.operation = all[0].name
	}
	var names []string
	for _, a := range all {
		if a.name == o.operation {
			c.Direction, c.Op = a.direction, a.op
			return nil
		}
		names = append(names, a.name)
	}
	return fmt.Errorf("--op %q: %s has %s", o.operation, c.Algorithm, strings.Join(names, ", "))
}

func numbers(flag string, values []string) ([]int, error) {
	var out []int
	for _, v := range values {
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 {
			return nil, fmt.Errorf("%s %s: not a number from 1 on", flag, v)
		}
		out = append(out, n)
	}
	return out, nil
}

func (l benchLine) print(out io.Writer, o benchOptions) error {
	switch {
	case o.json:
		return json.NewEncoder(out).Encode(l)
	case o.beside != "":
		_, err := fmt.Fprintf(out, "64 bytes beside %s: p50 %.1f, p99 %.1f, p99.9 %.1f µs; beside, p50 %.1f µs\n", l.Beside, l.P50, l.P99, l.P999, l.BesideP50)
		return err
	case o.prefilled:
		_, err := fmt.Fprintf(out, "%8d %6d  %.1f ns with one queue, %.1f ns with %d: %.3f times (all of the daemon %.3f, the raw engine in as many threads %.3f)\n",
			l.Size, l.Depth, l.OneCPU, l.CPU, l.Queues, l.Scaling, l.AllScaling, l.RawScaling)
		return err
	case o.bars:
		_, err := fmt.Fprintln(out, l.bar())
		return err
	}
	detail := "raw: " + l.Raw
	if l.What == "device" {
		detail = fmt.Sprintf("p50 %.1f, p99 %.1f, p99.9 %.1f µs; %.3f kicks, %.3f interrupts, %.0f ns CPU a request; %.0f MiB",
			l.P50, l.P99, l.P999, l.Kicks, l.Interrupts, l.CPU, l.Memory)
	}
	if l.PingPong > 0 {
		detail += fmt.Sprintf("; eventfd ping-pong %.1f µs", l.PingPong)
	}
	_, err := fmt.Fprintf(out, "%8d %6d %12.0f %9.3f %9.3f %6.1f%% %9.3f %6.1f%%  %s\n", l.Size, l.Depth, l.Requests, l.GBps, l.RawGBps, 100*l.Ratio, l.BurstGBps, 100*l.BurstRatio, detail)
	return err
}

func (o benchOptions) line(what string, c bench.Case) benchLine {
	return benchLine{What: what, Engine: o.engine, Algorithm: c.Algorithm.String(), Operation: o.operation, Size: c.Size, Depth: c.Depth, Queues: o.queues}
}

func benchEngine(ctx context.Context, o benchOptions, c bench.Case) (benchLine, error) {
	e, err := engine.Open(o.engine, engine.Options{Log: slog.Default()})
	if err != nil {
		return benchLine{}, err
	}
	defer e.Close()
	r, err := bench.Engine(ctx, e, c, bench.Rounds{Count: o.rounds, Time: o.time})
	if err != nil {
		return benchLine{}, err
	}
	l := o.line("engine", r.Case)
	l.Requests, l.GBps = r.Requests, r.GBps(r.Requests)
	l.RawGBps, l.Ratio, l.Raw = r.GBps(r.Raw), r.Ratio, bench.RawC
	l.BurstGBps, l.BurstRatio = r.GBps(r.Burst), r.BurstRatio
	if r.NoRaw != nil {
		l.Raw = "none: " + r.NoRaw.Error()
	}
	return l, nil
}

func benchDevice(ctx context.Context, o benchOptions, c bench.Case) (benchLine, error) {
	self, err := os.Executable()
	if err != nil {
		return benchLine{}, err
	}
	d := bench.DeviceCase{
		Case: c, Engine: o.engine, Queues: o.queues, Asleep: o.asleep,
		Transport: o.transport, Packed: o.packed,
		Pieces: o.pieces, Memory: o.memory, Profile: o.profile,
	}
	switch {
	case o.beside != "":
		return benchBeside(ctx, o, self)
	case o.prefilled:
		return benchScaling(ctx, o, self, d)
	}
	if !o.unpinned {
		d.Here, d.CPUs = bench.Spread()
	}
	r, err := bench.Device(ctx, self, d, bench.Rounds{Count: o.rounds, Time: o.time})
	if err != nil {
		return benchLine{}, err
	}
	l := o.line("device", r.Case)
	l.Transport, l.Ring = o.transport, "split"
	if o.packed {
		l.Ring = "packed"
	}
	l.Requests, l.GBps = r.Requests, r.GBps(r.Requests)
	l.RawGBps, l.Ratio, l.Raw = r.GBps(r.Raw), r.Ratio, r.RawIs
	l.BurstGBps, l.BurstRatio = r.GBps(r.Burst), r.BurstRatio
	l.P50, l.P99, l.P999 = micros(r.P50), micros(r.P99), micros(r.P999)
	l.Kicks, l.Interrupts, l.CPU, l.Errors = r.Kicks, r.Interrupts, float64(r.CPU.Nanoseconds()), r.Errors
	l.Memory = float64(r.PrivateMemory) / (1 << 20)
	l.PingPong = micros(r.PingPong)
	return l, nil
}

func benchScaling(ctx context.Context, o benchOptions, self string, d bench.DeviceCase) (benchLine, error) {
	r, err := bench.Scaling(ctx, self, d, bench.Rounds{Count: o.rounds, Time: o.time})
	if err != nil {
		return benchLine{}, err
	}
	l := o.line("device", r.Case)
	l.Queues = r.Queues
	l.OneCPU, l.CPU = float64(r.One.Nanoseconds()), float64(r.All.Nanoseconds())
	l.Scaling, l.AllScaling, l.RawScaling = r.Ratio, r.DaemonRatio, r.RawRatio
	return l, nil
}

// besideCount is how many requests are measured: 20 are beyond p99.
const besideCount = 2000

func benchBeside(ctx context.Context, o benchOptions, self string) (benchLine, error) {
	r, err := bench.Beside(ctx, self, o.engine, o.beside, besideCount)
	if err != nil {
		return benchLine{}, err
	}
	l := o.line("device", r.Case)
	l.Queues = r.Queues
	l.P50, l.P99, l.P999 = micros(r.P50), micros(r.P99), micros(r.P999)
	l.Beside, l.BesideP50 = o.beside, micros(r.LongP50)
	return l, nil
}

func micros(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 }
