// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"image/color"
	"math"
	"os"
	"path/filepath"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
)

var (
	titles = map[string]string{"gocrypto": "Go", "openssl": "OpenSSL", "ipsecmb": "multi-buffer"}

	colors = map[string]color.Color{
		"gocrypto": color.RGBA{0x00, 0x7d, 0x9c, 0xff},
		"openssl":  color.RGBA{0xb5, 0x3a, 0x2a, 0xff},
		"ipsecmb":  color.RGBA{0x2f, 0x8f, 0x3f, 0xff},
	}

	dashes = []vg.Length{vg.Points(4), vg.Points(3)}
)

const (
	plotWidth  = 17 * vg.Centimeter
	plotHeight = 10 * vg.Centimeter
)

// latencySizes are the sizes of the plots of latency over load.
var latencySizes = []int{64, 1024, 16384}

func throughputFile(w work) string { return "throughput-" + w.String() + ".svg" }
func latencyFile(size int) string  { return fmt.Sprintf("latency-%d.svg", size) }

// drawAll draws all plots into a folder.
func drawAll(folder string, s *store) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	for _, w := range works {
		if err := drawThroughput(filepath.Join(folder, throughputFile(w)), s, w); err != nil {
			return err
		}
	}
	for _, size := range latencySizes {
		if err := drawLatency(filepath.Join(folder, latencyFile(size)), s, size); err != nil {
			return err
		}
	}
	return nil
}

// save writes a plot, if there is anything on it: a logarithmic axis needs that.
func save(p *plot.Plot, path string) error {
	if p.X.Max <= p.X.Min {
		return nil
	}
	return p.Save(plotWidth, plotHeight, path)
}

func newPlot(title, x, y string) *plot.Plot {
	p := plot.New()
	p.Title.Text = title
	p.X.Label.Text, p.Y.Label.Text = x, y
	p.X.Scale, p.Y.Scale = plot.LogScale{}, plot.LogScale{}
	p.Y.Tick.Marker = plot.TickerFunc(ticks)
	p.Title.Padding, p.Legend.Padding, p.Legend.XOffs = vg.Points(6), vg.Points(2), vg.Points(4)
	p.Add(plotter.NewGrid())
	return p
}

// ticks are 1, 2 and 5 times the powers of ten.
func ticks(low, high float64) (all []plot.Tick) {
	for ten := math.Pow(10, math.Floor(math.Log10(low))); ten <= high; ten *= 10 {
		for _, digit := range []float64{1, 2, 5} {
			if v := digit * ten; v >= low && v <= high {
				all = append(all, plot.Tick{Value: v, Label: strconv.FormatFloat(v, 'g', 3, 64)})
			}
		}
	}
	return all
}

// curve adds a line with a legend, if there is anything to draw.
func curve(p *plot.Plot, name, engine string, dashed bool, points plotter.XYs) error {
	if len(points) == 0 {
		return nil
	}
	l, err := plotter.NewLine(points)
	if err != nil {
		return err
	}
	l.Color, l.Width = colors[engine], vg.Points(1.6)
	if dashed {
		l.Dashes, l.Width = dashes, vg.Points(1)
	}
	p.Add(l)
	p.Legend.Add(name, l)
	return nil
}

// drawThroughput draws the device and the raw engine over the size.
func drawThroughput(path string, s *store, w work) error {
	p := newPlot(fmt.Sprintf("%s, %d requests in flight, one queue", w, fullDepth), "bytes a request", "GB/s")
	var names plot.ConstantTicks
	for _, size := range sizes {
		names = append(names, plot.Tick{Value: float64(size), Label: bytesName(size)})
	}
	p.X.Tick.Marker = names
	p.Legend.XOffs = -p.Legend.XOffs
	for _, e := range engines {
		var device, raw plotter.XYs
		for _, size := range sizes {
			if l := s.get(table(e, w, size, fullDepth)); l != nil {
				device = append(device, plotter.XY{X: float64(size), Y: l.GBps})
				if l.RawGBps > 0 {
					raw = append(raw, plotter.XY{X: float64(size), Y: l.RawGBps})
				}
			}
		}
		if err := curve(p, titles[e]+", device", e, false, device); err != nil {
			return err
		}
		if err := curve(p, titles[e]+", raw", e, true, raw); err != nil {
			return err
		}
	}
	return save(p, path)
}

// drawLatency draws the latency over the load: more and more requests in
// flight.
func drawLatency(path string, s *store, size int) error {
	w := works[0]
	p := newPlot(fmt.Sprintf("%s, %s, %d to %d requests in flight, one queue, polled", w, bytesName(size), depths[0], depths[len(depths)-1]),
		"million requests a second", "µs")
	p.X.Tick.Marker = plot.TickerFunc(ticks)
	p.Legend.Top, p.Legend.Left = true, true
	for _, e := range engines {
		var p50, p99 plotter.XYs
		for _, depth := range depths {
			if l := s.get(table(e, w, size, depth)); l != nil {
				p50 = append(p50, plotter.XY{X: l.Requests / 1e6, Y: l.P50})
				p99 = append(p99, plotter.XY{X: l.Requests / 1e6, Y: l.P99})
			}
		}
		if err := curve(p, titles[e]+", p50", e, false, p50); err != nil {
			return err
		}
		if err := curve(p, titles[e]+", p99", e, true, p99); err != nil {
			return err
		}
	}
	return save(p, path)
}

func bytesName(n int) string {
	if n >= 1024 {
		return fmt.Sprintf("%d KiB", n/1024)
	}
	return fmt.Sprintf("%d B", n)
}
