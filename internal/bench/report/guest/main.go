// SPDX-License-Identifier: Apache-2.0

// Guest draws what internal/bench/guest measured, and writes
// docs/performance-guest.md.
package main

import (
	_ "embed"
	"encoding/json"
	"flag"
	"fmt"
	"image/color"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"text/template"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
)

// results is what internal/bench/guest prints.
type results struct {
	CPU, QEMU, Kernel, Accelerator string
	GuestCPUs                      int
	Engine                         string
	Depth, CPUs                    int
	Load                           float64
	Nodes                          []struct{ Name, About string }
	Results                        []struct {
		Node      string
		Algorithm string  `json:"algorithm"`
		Driver    string  `json:"driver"`
		Async     bool    `json:"async"`
		Size      int     `json:"size"`
		BytesPerS float64 `json:"bytes_per_second"`
	}
}

const (
	plotWidth  = 17 * vg.Centimeter
	plotHeight = 10 * vg.Centimeter

	// mega is what tables and plots divide bytes by.
	mega = 1e6
)

var colors = map[string]color.Color{
	"ours":    color.RGBA{0x2f, 0x8f, 0x3f, 0xff},
	"classic": color.RGBA{0xb5, 0x3a, 0x2a, 0xff},
	"builtin": color.RGBA{0xb5, 0x3a, 0x2a, 0xff},
	"cuse":    color.RGBA{0x00, 0x7d, 0x9c, 0xff},
}

//go:embed performance-guest.md.tmpl
var page string

func main() {
	docs := flag.String("docs", "docs", "where performance-guest.md and img/ go")
	flag.Parse()
	if err := write(*docs); err != nil {
		fmt.Fprintln(os.Stderr, "guest:", err)
		os.Exit(1)
	}
}

func write(docs string) error {
	var r results
	if err := json.NewDecoder(os.Stdin).Decode(&r); err != nil {
		return fmt.Errorf("read what was measured: %w", err)
	}
	for _, async := range []bool{false, true} {
		name := map[bool]string{false: "guest-sync.svg", true: "guest-async.svg"}[async]
		if err := r.draw(filepath.Join(docs, "img", name), async); err != nil {
			return err
		}
	}
	t, err := template.New("page").Parse(page)
	if err != nil {
		return err
	}
	f, err := os.Create(filepath.Join(docs, "performance-guest.md"))
	if err != nil {
		return err
	}
	if err := t.Execute(f, &r); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

// draw draws CBC over the size of a chunk, a line a node.
func (r *results) draw(path string, async bool) error {
	p := plot.New()
	p.Title.Text = "AES-128-CBC in a guest, one request at a time"
	if async {
		p.Title.Text = fmt.Sprintf("AES-128-CBC in a guest, %d requests in flight", r.Depth)
	}
	p.X.Label.Text, p.Y.Label.Text = "bytes a request", "MB/s"
	p.X.Scale, p.Y.Scale = plot.LogScale{}, plot.LogScale{}
	p.Y.Tick.Marker = plot.LogTicks{Prec: -1}
	var names plot.ConstantTicks
	for _, size := range r.Sizes() {
		names = append(names, plot.Tick{Value: float64(size), Label: bytesName(size)})
	}
	p.X.Tick.Marker = names
	p.Title.Padding, p.Legend.Padding = vg.Points(6), vg.Points(2)
	p.Legend.Top, p.Legend.Left, p.Legend.XOffs = true, true, vg.Points(4)
	p.Add(plotter.NewGrid())
	for _, n := range r.Nodes {
		var points plotter.XYs
		for _, size := range r.Sizes() {
			if v := r.speed(n.Name, "aes-cbc", async, size); v > 0 {
				points = append(points, plotter.XY{X: float64(size), Y: v / mega})
			}
		}
		l, err := plotter.NewLine(points)
		if err != nil {
			return fmt.Errorf("%s: %w", n.Name, err)
		}
		l.Color, l.Width = colors[n.Name], vg.Points(1.6)
		p.Add(l)
		p.Legend.Add(n.About, l)
	}
	return p.Save(plotWidth, plotHeight, path)
}

// ownLoad is how many threads of the measurement itself want a CPU: the guest's
// CPUs, QEMU's main thread, the device.
const ownLoad = 4

// Disturbed says whether others wanted the CPUs too.
func (r *results) Disturbed() bool { return r.Load > ownLoad+1 }

// Sizes are the chunks of the plots.
func (r *results) Sizes() (all []int) {
	for _, l := range r.Results {
		if l.Algorithm == "aes-cbc" && !slices.Contains(all, l.Size) {
			all = append(all, l.Size)
		}
	}
	slices.Sort(all)
	return all
}

func (r *results) speed(node, alg string, async bool, size int) float64 {
	for _, l := range r.Results {
		if l.Node == node && l.Algorithm == alg && l.Async == async && l.Size == size {
			return l.BytesPerS
		}
	}
	return 0
}

// Speed is an entry of a table, in MB/s.
func (r *results) Speed(node, alg string, async bool, size int) string {
	v := r.speed(node, alg, async, size) / mega
	switch {
	case v == 0:
		return "–"
	case v < 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return strconv.FormatFloat(v, 'f', 0, 64)
}

// Times is how much faster our node is than another.
func (r *results) Times(node string, async bool, size int) string {
	other := r.speed(node, "aes-cbc", async, size)
	if other == 0 {
		return "–"
	}
	return strconv.FormatFloat(r.speed("ours", "aes-cbc", async, size)/other, 'f', 1, 64)
}

// Others are the nodes beside ours.
func (r *results) Others() (all []string) {
	for _, n := range r.Nodes[1:] {
		all = append(all, n.Name)
	}
	return all
}

// More are the algorithms beside CBC.
func (r *results) More() (all []string) {
	for _, l := range r.Results {
		if l.Algorithm != "aes-cbc" && !slices.Contains(all, l.Algorithm) {
			all = append(all, l.Algorithm)
		}
	}
	slices.Sort(all)
	return all
}

// MoreSizes are theirs.
func (*results) MoreSizes() []int { return []int{512, 4096, 65536} }

func (*results) Name(size int) string { return bytesName(size) }

func bytesName(n int) string {
	if n >= 1024 {
		return strconv.Itoa(n/1024) + " KiB"
	}
	return strconv.Itoa(n) + " B"
}
