// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	_ "embed"
	"fmt"
	"os"
	"slices"
	"strings"
	"text/template"
)

// The commentary is in the template; figures come from the results.
//
//go:embed performance.md.tmpl
var pageText string

func writePage(path, program string, s *store) error {
	m, err := thisMachine(program)
	if err != nil {
		return err
	}
	t, err := template.New("performance.md").Parse(pageText)
	if err != nil {
		return err
	}
	var b strings.Builder
	if err := t.Execute(&b, &page{Machine: m, store: s}); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(b.String()), 0o644)
}

// page is what the template is given.
type page struct {
	Machine machine
	store   *store
}

// missing stands for what was not measured.
const missing = "–"

// md makes a Markdown table.
func md(head []string, rows [][]string) string {
	var b strings.Builder
	write := func(cells []string) { fmt.Fprintf(&b, "| %s |\n", strings.Join(cells, " | ")) }
	write(head)
	write(strings.Split(strings.Repeat("--- ", len(head)-1)+"---", " "))
	for _, r := range rows {
		write(r)
	}
	return b.String()
}

// row makes a case's row: what comes first, and the cells made of its line.
func (p *page) row(first []string, c in, columns int, cells func(l *line) []string) []string {
	r, ok := p.store.results[c]
	if !ok {
		for range columns {
			first = append(first, missing)
		}
		return first
	}
	if r.Others > quiet {
		first[0] += disturbed
	}
	return append(first, cells(&r.Line)...)
}

// medianRow is row for a case that was measured thrice: of the run that is the
// median by what by returns.
func (p *page) medianRow(first []string, c in, by func(l *line) float64, columns int, cells func(l *line) []string) []string {
	var runs []in
	for n := range thrice {
		if p.store.get(c.again(n)) != nil {
			runs = append(runs, c.again(n))
		}
	}
	if len(runs) > 0 {
		slices.SortFunc(runs, func(a, b in) int { return cmp.Compare(by(p.store.get(a)), by(p.store.get(b))) })
		c = runs[len(runs)/2]
	}
	return p.row(first, c, columns, cells)
}

// disturbed marks a case during which other processes used the machine.
const disturbed = " \\*"

// goals are the targets by size: what must be reached and what is wanted,
// percent of the raw engine; and what DPDK's vhost-crypto reached, percent of
// its raw engine and M requests/s to encrypt and to decrypt.
var goals = map[int]struct {
	must, wants      float64
	dpdk             string
	encrypt, decrypt string
}{
	64:    {52, 60, "51 %", "11.05", "12.7"},
	256:   {55, 65, "49 %", "8.80", "11.0"},
	1024:  {65, 75, "52 %", "5.61", "7.0"},
	2048:  {75, 80, "54 %", "3.68", "5.0"},
	4096:  {80, 85, "refused", missing, missing},
	16384: {85, 90, "refused", missing, missing},
}

// Targets is the table of the ratios to the raw engine, for a direction: of the
// runs of each case the one with the median ratio, and the range of all.
func (p *page) Targets(op string) string {
	var rows [][]string
	for _, size := range targetSizes {
		var runs []*line
		mark := ""
		for n := range repeats {
			if r, ok := p.store.results[target(work{"aes-cbc", op}, size, n)]; ok {
				runs = append(runs, &r.Line)
				if r.Others > quiet {
					mark = disturbed
				}
			}
		}
		if len(runs) == 0 {
			continue
		}
		slices.SortFunc(runs, func(a, b *line) int { return cmp.Compare(a.Ratio, b.Ratio) })
		l, g := runs[len(runs)/2], goals[size]
		verdict := "**missed**"
		switch {
		case 100*l.Ratio >= g.wants:
			verdict = "wanted"
		case 100*l.Ratio >= g.must:
			verdict = "met"
		}
		dpdk := g.encrypt
		if op == "decrypt" {
			dpdk = g.decrypt
		}
		rows = append(rows, []string{
			bytesName(size) + mark, fmt.Sprintf("%.2f", l.Requests/1e6), gb(l.GBps), gb(l.RawGBps), "**" + percent(l.Ratio) + "**",
			fmt.Sprintf("%.0f to %.0f", 100*runs[0].Ratio, 100*runs[len(runs)-1].Ratio),
			fmt.Sprintf("%.0f / %.0f", g.must, g.wants), verdict, gb(l.BurstGBps), percent(l.BurstRatio), g.dpdk, dpdk,
		})
	}
	return md([]string{
		"size", "M requests/s", "GB/s", "raw GB/s", "ratio", "all runs", "must / wants", "",
		"raw in bursts, GB/s", "ratio to that", "DPDK", "its M requests/s",
	}, rows)
}

// Polled is the table of latency with one request in flight and both sides
// polling.
func (p *page) Polled() string {
	var rows [][]string
	for _, e := range engines {
		rows = append(rows, p.medianRow([]string{titles[e]}, polled(e), func(l *line) float64 { return l.P50 }, 5, func(l *line) []string {
			own := ownTime(l)
			return []string{micros(own), micros(l.P50), micros(l.P50 - own), micros(l.P99), micros(l.P999)}
		}))
	}
	return md([]string{"engine", "the engine's own time", "p50", "p50 above it", "p99", "p99.9"}, rows)
}

// ownTime is what the raw engine takes for a request, in µs, one at a time.
func ownTime(l *line) float64 { return float64(l.Size) / l.RawGBps / 1e3 }

// Asleep is the table of latency with one request in flight and both sides
// asleep.
func (p *page) Asleep() string {
	var rows [][]string
	for _, e := range engines {
		rows = append(rows, p.row([]string{titles[e]}, asleep(e, 1), 4, func(l *line) []string {
			return []string{micros(l.P50), micros(l.PingPong), fmt.Sprintf("%.2f", l.P50/l.PingPong), micros(l.P99)}
		}))
	}
	return md([]string{"engine", "p50", "eventfd there and back", "times", "p99"}, rows)
}

// Signals is the table of kicks and interrupts.
func (p *page) Signals() string {
	var rows [][]string
	for _, e := range engines {
		for _, depth := range wayDepths {
			rows = append(rows, p.row([]string{fmt.Sprintf("%s, %d", titles[e], depth)}, asleep(e, depth), 4, func(l *line) []string {
				return []string{fmt.Sprintf("%.0f", l.Requests/1e3), fmt.Sprintf("%.3f", l.Kicks), fmt.Sprintf("%.3f", l.Interrupts), fmt.Sprintf("%.0f", l.CPU)}
			}))
		}
	}
	return md([]string{"engine, in flight", "k requests/s", "kicks a request", "interrupts a request", "CPU a request, ns"}, rows)
}

// WaySignals is the table of kicks and interrupts over both transports.
func (p *page) WaySignals() string {
	head := []string{"transport, ring", "in flight", "k requests/s", "p50", "p99", "kicks a request", "interrupts a request"}
	var rows [][]string
	for _, w := range ways {
		for _, depth := range wayDepths {
			rows = append(rows, p.row([]string{w.String(), fmt.Sprint(depth)}, wayAsleep(w, depth), 5, func(l *line) []string {
				return []string{fmt.Sprintf("%.0f", l.Requests/1e3), micros(l.P50), micros(l.P99), fmt.Sprintf("%.4f", l.Kicks), fmt.Sprintf("%.4f", l.Interrupts)}
			}))
		}
	}
	return md(head, rows)
}

// Ways is the table of throughput over both transports and with both rings.
func (p *page) Ways() string {
	head := []string{"transport, ring"}
	for _, w := range works[:2] {
		for _, size := range waySizes {
			head = append(head, w.op+" "+bytesName(size))
		}
	}
	var rows [][]string
	for _, w := range ways {
		r := []string{w.String()}
		for _, work := range works[:2] {
			for _, size := range waySizes {
				cell := missing
				if res, ok := p.store.results[wayPolled(w, work.op, size)]; ok {
					if cell = fmt.Sprintf("%.1f, %s", res.Line.Requests/1e6, percent(res.Line.Ratio)); res.Others > quiet {
						cell += disturbed
					}
				}
				r = append(r, cell)
			}
		}
		rows = append(rows, r)
	}
	return md(head, rows)
}

// Besides is the table of the latency of small requests beside others.
func (p *page) Besides() string {
	names := map[string]string{
		"none": "nothing", "rsa": "RSA-2048 signatures on the same queue", "rsa-queue": "RSA-2048 signatures on another queue",
		"big-queue": "requests of 64 KiB on another queue",
	}
	var rows [][]string
	for _, load := range besides {
		rows = append(rows, p.row([]string{names[load]}, beside(load), 4, func(l *line) []string {
			long := missing
			if l.BesideP50 > 0 {
				long = micros(l.BesideP50)
			}
			return []string{micros(l.P50), micros(l.P99), micros(l.P999), long}
		}))
	}
	return md([]string{"beside", "p50", "p99", "p99.9", "p50 of what is beside"}, rows)
}

// Scaling is the table of CPU time with one queue and with two.
func (p *page) Scaling() string {
	var rows [][]string
	for _, size := range scalingSizes {
		rows = append(rows, p.medianRow([]string{bytesName(size)}, scaling(size), func(l *line) float64 { return l.Scaling }, 5, func(l *line) []string {
			return []string{
				fmt.Sprintf("%.0f", l.OneCPU), fmt.Sprintf("%.0f", l.CPU), fmt.Sprintf("**%.2f**", l.Scaling),
				fmt.Sprintf("%.2f", l.AllScaling), fmt.Sprintf("%.2f", l.RawScaling),
			}
		}))
	}
	return md([]string{"size", "one queue, ns", "two, ns", "times", "whole daemon, times", "raw engine in two threads, times"}, rows)
}

// Memory says how much private memory was in use.
func (p *page) Memory() string {
	l := p.store.get(memory())
	if l == nil {
		return "not measured"
	}
	return fmt.Sprintf("%.1f MiB", l.Memory)
}

// Engines is the table of the engine through its Go interface against the raw
// loops.
func (p *page) Engines() string {
	var rows [][]string
	for _, w := range works {
		if !has("ipsecmb", w) {
			continue
		}
		for _, size := range engineSizes {
			rows = append(rows, p.row([]string{w.String(), bytesName(size)}, raw("ipsecmb", w, size), 5, func(l *line) []string {
				return []string{gb(l.GBps), gb(l.RawGBps), percent(l.Ratio), gb(l.BurstGBps), percent(l.BurstRatio)}
			}))
		}
	}
	return md([]string{"", "size", "through Go, GB/s", "raw", "ratio", "raw in bursts", "ratio"}, rows)
}

// RSA is the table of signatures.
func (p *page) RSA() string {
	var rows [][]string
	for _, e := range engines {
		if !has(e, rsaSign) {
			continue
		}
		for _, depth := range rsaDepths {
			rows = append(rows, p.row([]string{fmt.Sprintf("%s, %d", titles[e], depth)}, rsa(e, depth), 4, func(l *line) []string {
				return []string{fmt.Sprintf("%.0f", l.Requests), percent(l.Ratio), fmt.Sprintf("%.2f", l.P50/1e3), fmt.Sprintf("%.2f", l.P99/1e3)}
			}))
		}
	}
	return md([]string{"engine, in flight", "signatures/s", "of the engine alone", "p50, ms", "p99, ms"}, rows)
}

// Repeats is how often cases with a target were measured.
func (p *page) Repeats() int { return repeats }

// Works are what the big table has.
func (p *page) Works() []work { return works }

// ThroughputFile and LatencyFiles are names of plots.
func (p *page) ThroughputFile(w work) string { return throughputFile(w) }

// LatencyFiles are the plots of latency over load.
func (p *page) LatencyFiles() (files []string) {
	for _, size := range latencySizes {
		files = append(files, latencyFile(size))
	}
	return files
}

// Table is the big table of an algorithm.
func (p *page) Table(w work) string {
	head := []string{"engine", "size"}
	for _, d := range depthsOf(w) {
		head = append(head, fmt.Sprint(d))
	}
	head = append(head, "raw", "ratio")
	var rows [][]string
	for _, e := range engines {
		if !has(e, w) {
			continue
		}
		for _, size := range sizes {
			r := []string{titles[e], bytesName(size)}
			for _, d := range depthsOf(w) {
				cell := missing
				if res, ok := p.store.results[table(e, w, size, d)]; ok {
					if cell = gb(res.Line.GBps); res.Others > quiet {
						cell += disturbed
					}
				}
				r = append(r, cell)
			}
			if l := p.store.get(table(e, w, size, fullDepth)); l != nil {
				r = append(r, gb(l.RawGBps), percent(l.Ratio))
			} else {
				r = append(r, missing, missing)
			}
			rows = append(rows, r)
		}
	}
	return md(head, rows)
}

// Disturbed says how many cases were disturbed, of how many.
func (p *page) Disturbed() string {
	n := 0
	for _, r := range p.store.results {
		if r.Others > quiet {
			n++
		}
	}
	return fmt.Sprintf("%d of %d", n, len(p.store.results))
}

// Errors is the number of wrong or failed answers.
func (p *page) Errors() (n uint64) {
	for _, r := range p.store.results {
		n += r.Line.Errors
	}
	return n
}

func gb(v float64) string {
	switch {
	case v == 0:
		return missing
	case v < 0.1:
		return fmt.Sprintf("%.3f", v)
	case v < 10:
		return fmt.Sprintf("%.2f", v)
	}
	return fmt.Sprintf("%.1f", v)
}

func percent(v float64) string {
	if v == 0 {
		return missing
	}
	return fmt.Sprintf("%.0f %%", 100*v)
}

func micros(v float64) string { return fmt.Sprintf("%.2f µs", v) }
