// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"vcrypto/cryptodev"
)

// speedOptions are the flags of `vcrypto speed`.
type speedOptions struct {
	device string
	cipher cryptodev.Cipher
	alg    string
	sizes  []int
	async  bool
	depth  int
	time   time.Duration
	json   bool
}

const (
	// speedKey is the length of the key that is measured with: AES-128, or two
	// of them for XTS.
	speedKey    = 16
	speedXTSKey = 32

	// maxSpeedDepth bounds --depth; drivers refuse more than they have room for.
	maxSpeedDepth = 4096
)

var speedCiphers = map[string]cryptodev.Cipher{
	"aes-cbc": cryptodev.AESCBC,
	"aes-ctr": cryptodev.AESCTR,
	"aes-ecb": cryptodev.AESECB,
	"aes-xts": cryptodev.AESXTS,
	"null":    cryptodev.Null,
}

func newSpeedCommand() *cobra.Command {
	var o speedOptions
	cmd := &cobra.Command{
		Use:   "speed [DEVICE]",
		Short: "Measure the throughput of a cryptodev node",
		Long: `Speed encrypts chunks of each size for a while over a cryptodev node (default
` + cryptodev.DefaultPath + `) and prints a line a size. One request is under way at a time; with
--async as many as --depth says, or as the driver takes.

"null" is a cipher that does nothing: what it costs is the interface itself.`,
		Example: `  vcrypto speed
  vcrypto speed /dev/cryptodev0 --alg aes-ctr --size 512,4096
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
	f.StringVar(&o.alg, "alg", "aes-cbc", "cipher: aes-cbc, aes-ctr, aes-ecb, aes-xts or null")
	f.IntSliceVar(&o.sizes, "size", []int{256, 512, 1024, 2048, 4096, 8192, 16384, 32768, 65536}, "`BYTES` of a chunk; several with commas")
	f.BoolVar(&o.async, "async", false, "hand requests over without waiting for each")
	f.IntVar(&o.depth, "depth", 64, "with --async, requests under way at a time")
	f.DurationVar(&o.time, "time", time.Second, "how long to measure each size")
	f.BoolVar(&o.json, "json", false, "print an object a size instead of text")
	return cmd
}

func (o *speedOptions) check() error {
	var ok bool
	if o.cipher, ok = speedCiphers[o.alg]; !ok {
		return fmt.Errorf("--alg %s: there are aes-cbc, aes-ctr, aes-ecb, aes-xts and null", o.alg)
	}
	for _, n := range o.sizes {
		if n < 1 || n > 1<<24 {
			return fmt.Errorf("--size %d: from 1 to %d bytes", n, 1<<24)
		}
		if b := o.cipher.BlockSize(); n%b != 0 {
			return fmt.Errorf("--size %d: %s takes multiples of %d bytes", n, o.alg, b)
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
	key := make([]byte, speedKey)
	if o.cipher == cryptodev.AESXTS {
		key = make([]byte, speedXTSKey)
	}
	rand.Read(key)
	s, err := dev.NewSession(cryptodev.SessionParams{Cipher: o.cipher, Key: key})
	if err != nil {
		return err
	}
	defer s.Close()
	if info, err := s.Info(); err == nil && !o.json {
		fmt.Fprintf(out, "%s by %s on %s\n", info.Name, info.Driver, o.device)
	}
	for _, size := range o.sizes {
		measure := o.sync
		if o.async {
			measure = o.flights
		}
		start := time.Now()
		n, err := measure(ctx, dev, s, size)
		if err != nil {
			return err
		}
		took := time.Since(start).Seconds()
		r := speedResult{o.alg, o.async, size, n, took, float64(n) * float64(size) / took}
		if o.json {
			if err := json.NewEncoder(out).Encode(r); err != nil {
				return err
			}
			continue
		}
		fmt.Fprintf(out, "%8d bytes  %10.1f MB/s  %9.0f requests/s\n", size, r.BytesPerS/1e6, float64(n)/took)
	}
	return ctx.Err()
}

// sync does one request after the other and returns how many.
func (o *speedOptions) sync(ctx context.Context, _ *cryptodev.Device, s *cryptodev.Session, size int) (n int, err error) {
	buf, iv := make([]byte, size), make([]byte, o.cipher.IVSize())
	for end := time.Now().Add(o.time); time.Now().Before(end) && ctx.Err() == nil; n++ {
		if err := s.Encrypt(buf, buf, iv); err != nil {
			return n, err
		}
	}
	return n, nil
}

// flights keeps requests under way and returns how many were done.
func (o *speedOptions) flights(ctx context.Context, dev *cryptodev.Device, s *cryptodev.Session, size int) (n int, err error) {
	idle := make([]*cryptodev.Request, o.depth)
	for i := range idle {
		buf := make([]byte, size)
		idle[i] = &cryptodev.Request{Dst: buf, Src: buf, IV: make([]byte, o.cipher.IVSize())}
	}
	depth := o.depth
	end := time.Now().Add(o.time)
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
