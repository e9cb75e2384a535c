// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"vcrypto/cryptodev"
)

// speedOptions are the flags of `vcrypto speed`.
type speedOptions struct {
	device string
	algs   []string
	sizes  []int
	async  bool
	depth  int
	time   time.Duration
	json   bool
}

const (
	// maxSpeedDepth bounds --depth; drivers refuse more than they have room for.
	maxSpeedDepth = 4096

	maxSpeedSize = 1 << 24 // bytes

	// warmUp is the part of --time, one in so many, that goes before.
	warmUp = 4
)

// speedAlg is what can be measured.
type speedAlg struct {
	name   string
	cipher cryptodev.Cipher
	hash   cryptodev.Hash
	key    int // bytes, of the cipher or the MAC
}

// speedAlgs have keys of 128 bits, XTS two of them, and MACs as long as their
// results.
var speedAlgs = []speedAlg{
	{"aes-cbc", cryptodev.AESCBC, 0, 16},
	{"aes-ctr", cryptodev.AESCTR, 0, 16},
	{"aes-ecb", cryptodev.AESECB, 0, 16},
	{"aes-xts", cryptodev.AESXTS, 0, 32},
	{"aes-gcm", cryptodev.AESGCM, 0, 16},
	{"aes-ccm", cryptodev.AESCCM, 0, 16},
	{"sha1", 0, cryptodev.SHA1, 0},
	{"sha256", 0, cryptodev.SHA256, 0},
	{"sha512", 0, cryptodev.SHA512, 0},
	{"hmac-sha1", 0, cryptodev.HMACSHA1, 20},
	{"hmac-sha256", 0, cryptodev.HMACSHA256, 32},
	{"hmac-sha512", 0, cryptodev.HMACSHA512, 64},
	{"null", cryptodev.Null, 0, 16},
}

func speedAlgNames() string {
	var names []string
	for _, a := range speedAlgs {
		names = append(names, a.name)
	}
	return strings.Join(names, ", ")
}

func findSpeedAlg(name string) (speedAlg, error) {
	i := slices.IndexFunc(speedAlgs, func(a speedAlg) bool { return a.name == name })
	if i < 0 {
		return speedAlg{}, fmt.Errorf("--alg %s: there are %s", name, speedAlgNames())
	}
	return speedAlgs[i], nil
}

func newSpeedCommand() *cobra.Command {
	var o speedOptions
	cmd := &cobra.Command{
		Use:   "speed [DEVICE]",
		Short: "Measure the throughput of a cryptodev node",
		Long: `Speed encrypts or hashes chunks of each size for a while over a cryptodev node
(default ` + cryptodev.DefaultPath + `) and prints a line a size. One request is under way at a
time; with --async as many as --depth says, or as the driver takes. AEADs have
no asynchronous calls.

"null" is a cipher that does nothing: what it costs is the interface itself.`,
		Example: `  vcrypto speed
  vcrypto speed /dev/cryptodev0 --alg aes-ctr,sha256 --size 512,4096
  vcrypto speed --async --depth 64 --json`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.device = cryptodev.DefaultPath
			if len(args) > 0 {
				o.device = args[0]
			}
			if err := o.check(); err != nil {
				return err
			}
			cmd.SilenceUsage = true
			return o.run(cmd.Context(), cmd.OutOrStdout())
		},
	}
	f := cmd.Flags()
	f.StringSliceVar(&o.algs, "alg", []string{"aes-cbc"}, "`ALGORITHM`, several with commas: "+speedAlgNames())
	f.IntSliceVar(&o.sizes, "size", []int{256, 512, 1024, 2048, 4096, 8192, 16384, 32768, 65536}, "`BYTES` of a chunk; several with commas")
	f.BoolVar(&o.async, "async", false, "hand requests over without waiting for each")
	f.IntVar(&o.depth, "depth", 64, "with --async, requests under way at a time")
	f.DurationVar(&o.time, "time", time.Second, "how long to measure each size")
	f.BoolVar(&o.json, "json", false, "print an object a size instead of text")
	return cmd
}

func (o *speedOptions) check() error {
	for _, name := range o.algs {
		a, err := findSpeedAlg(name)
		if err != nil {
			return err
		}
		if o.async && a.cipher.AEAD() {
			return fmt.Errorf("--async --alg %s: the API has no asynchronous call for AEADs", name)
		}
		for _, n := range o.sizes {
			if n < 1 || n > maxSpeedSize {
				return fmt.Errorf("--size %d: from 1 to %d bytes", n, maxSpeedSize)
			}
			if b := a.cipher.BlockSize(); n%b != 0 {
				return fmt.Errorf("--size %d: %s takes multiples of %d bytes", n, name, b)
			}
		}
	}
	if o.depth < 1 || o.depth > maxSpeedDepth {
		return fmt.Errorf("--depth %d: from 1 to %d", o.depth, maxSpeedDepth)
	}
	if o.time <= 0 {
		return errors.New("--time: more than nothing")
	}
	return nil
}

// speedResult is what was measured for one size.
type speedResult struct {
	Algorithm string  `json:"algorithm"`
	Driver    string  `json:"driver"`
	Async     bool    `json:"async"`
	Size      int     `json:"size"` // bytes of a chunk
	Requests  int     `json:"requests"`
	Seconds   float64 `json:"seconds"`
	BytesPerS float64 `json:"bytes_per_second"`
}

func (o *speedOptions) run(ctx context.Context, out io.Writer) error {
	dev, err := cryptodev.Open(o.device)
	if err != nil {
		return err
	}
	defer dev.Close()
	for _, name := range o.algs {
		a, err := findSpeedAlg(name)
		if err != nil {
			return err
		}
		if err := o.measure(ctx, out, dev, a); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// session opens a session with a random key.
func (a speedAlg) session(dev *cryptodev.Device) (*cryptodev.Session, error) {
	key := make([]byte, a.key)
	rand.Read(key)
	p := cryptodev.SessionParams{Cipher: a.cipher, Hash: a.hash}
	if a.cipher != 0 {
		p.Key = key
	} else {
		p.HashKey = key
	}
	return dev.NewSession(p)
}

// measure measures all sizes of an algorithm.
func (o *speedOptions) measure(ctx context.Context, out io.Writer, dev *cryptodev.Device, a speedAlg) error {
	s, err := a.session(dev)
	if err != nil {
		return err
	}
	defer s.Close()
	info, err := s.Info()
	if err != nil {
		return err
	}
	name, driver := info.Name, info.Driver
	if a.hash != 0 {
		name, driver = info.HashName, info.HashDriver
	}
	if !o.json {
		fmt.Fprintf(out, "%s by %s on %s\n", name, driver, o.device)
	}
	for _, size := range o.sizes {
		how := o.sync
		if o.async {
			how = o.flights
		}
		// What is cold at first is not what is measured.
		if _, err := how(ctx, dev, s, size, o.time/warmUp); err != nil {
			return err
		}
		start := time.Now()
		n, err := how(ctx, dev, s, size, o.time)
		if err != nil {
			return err
		}
		took := time.Since(start).Seconds()
		r := speedResult{a.name, driver, o.async, size, n, took, float64(n) * float64(size) / took}
		if o.json {
			if err := json.NewEncoder(out).Encode(r); err != nil {
				return err
			}
			continue
		}
		fmt.Fprintf(out, "%8d bytes  %10.1f MB/s  %9.0f requests/s\n", size, r.BytesPerS/1e6, float64(n)/took)
	}
	return nil
}

// sync does one request after the other and returns how many. An IV serves all
// of them: nobody is to read what comes out.
func (o *speedOptions) sync(ctx context.Context, _ *cryptodev.Device, s *cryptodev.Session, size int, long time.Duration) (n int, err error) {
	buf, iv := make([]byte, size+cryptodev.MaxTag), make([]byte, s.Cipher().IVSize())
	text, sum := buf[:size], make([]byte, s.Hash().Size())
	one := func() error { return s.Encrypt(text, text, iv) }
	switch {
	case s.Cipher() == 0:
		one = func() error { return s.Sum(sum, text) }
	case s.Cipher().AEAD():
		one = func() error { return s.Seal(buf, text, iv, nil) }
	}
	for end := time.Now().Add(long); time.Now().Before(end) && ctx.Err() == nil; n++ {
		if err := one(); err != nil {
			return n, err
		}
	}
	return n, nil
}

// flights keeps requests under way and returns how many were done.
func (o *speedOptions) flights(ctx context.Context, dev *cryptodev.Device, s *cryptodev.Session, size int, long time.Duration) (n int, err error) {
	idle := make([]*cryptodev.Request, o.depth)
	for i := range idle {
		buf := make([]byte, size)
		idle[i] = &cryptodev.Request{Dst: buf, Src: buf, IV: make([]byte, s.Cipher().IVSize())}
		if s.Cipher() == 0 {
			idle[i].Dst, idle[i].Sum = nil, make([]byte, s.Hash().Size())
		}
	}
	depth := o.depth
	end := time.Now().Add(long)
	for {
		over := !time.Now().Before(end) || ctx.Err() != nil
		for !over && len(idle) > 0 {
			err := s.Submit(idle[len(idle)-1])
			if errors.Is(err, cryptodev.ErrFull) && len(idle) < depth {
				depth -= len(idle) // the driver has no room for more
				idle = idle[:0]
				break
			}
			if err != nil {
				return n, errors.Join(err, drainRequests(dev, depth-len(idle)))
			}
			idle = idle[:len(idle)-1]
		}
		if over && len(idle) == depth {
			return n, nil
		}
		r, err := dev.Fetch(true)
		if err != nil {
			return n, err
		}
		if r.Err != nil {
			return n, errors.Join(r.Err, drainRequests(dev, depth-len(idle)-1))
		}
		idle = append(idle, r)
		n++
	}
}

// drainRequests fetches what is still under way.
func drainRequests(dev *cryptodev.Device, n int) error {
	for range n {
		if _, err := dev.Fetch(true); err != nil {
			return err
		}
	}
	return nil
}
