// SPDX-License-Identifier: Apache-2.0

// Package doctor looks at a machine and says what of vcrypto works on it: which
// VMM there is and by which routes it attaches a device, what each route carries,
// the memory, KVM, the engines, what guests are made of, and who may do what. For
// what is missing it has the exact fix.
//
// It looks at what the programs themselves would use, by the same functions, and
// changes nothing, but that the kernel may load modules that engine afalg asks
// for. What decides is whether a device can be served and attached:
// all else is optional.
package doctor

import (
	"fmt"
	"io"
	"strings"

	"vcrypto/engine"
)

// State is how something is.
type State string

const (
	OK       State = "ok"
	Optional State = "optional" // not there, or not usable; devices work without
	Missing  State = "missing"  // without it no device works
)

// Finding is one thing that was looked at.
type Finding struct {
	Area  string `json:"area"`  // vmm, kvm, memory, engines, permissions or guest
	Name  string `json:"name"`  // of what was looked at
	State State  `json:"state"` // ok, optional or missing
	Says  string `json:"says"`  // what was found, or why it is not usable
	Fix   string `json:"fix,omitempty"`
	// Routes are those of a VMM.
	Routes []Route `json:"routes,omitempty"`
}

// Route is a way to attach a device to a VM.
type Route struct {
	Name      string   `json:"route"`
	Transport string   `json:"transport"` // for vcrypto serve --transport
	Carries   string   `json:"carries"`
	Notes     []string `json:"notes,omitempty"`
}

// Report is what was found. It is usable if nothing is Missing.
type Report struct {
	Usable   bool      `json:"usable"`
	Findings []Finding `json:"findings"`
}

// Options say what to look at.
type Options struct {
	SocketFolder string         // where sockets are to be made; empty: the usual one, which may be missing
	Engine       engine.Options // for the engines
}

// Look looks at this machine.
func Look(o Options) Report {
	var all []Finding
	all = append(all, monitors()...)
	all = append(all, acceleration())
	all = append(all, memory()...)
	all = append(all, engines(o.Engine)...)
	all = append(all, permissions(o)...)
	all = append(all, guests()...)
	r := Report{Usable: true, Findings: all}
	for _, f := range all {
		r.Usable = r.Usable && f.State != Missing
	}
	return r
}

// marks begin the line of a finding.
var marks = map[State]string{OK: "ok  ", Optional: "-   ", Missing: "MISSING"}

// Print writes the report for a person.
func (r Report) Print(out io.Writer) {
	area := ""
	for _, f := range r.Findings {
		if f.Area != area {
			if area != "" {
				fmt.Fprintln(out)
			}
			area = f.Area
			fmt.Fprintln(out, area)
		}
		fmt.Fprintf(out, "  %s %s: %s\n", marks[f.State], f.Name, f.Says)
		for _, route := range f.Routes {
			fmt.Fprintf(out, "       route %s (serve --transport %s): %s\n", route.Name, route.Transport, route.Carries)
			for _, n := range route.Notes {
				fmt.Fprintf(out, "         %s\n", n)
			}
		}
		if f.Fix != "" {
			fmt.Fprintf(out, "       fix: %s\n", strings.ReplaceAll(f.Fix, "\n", "\n            "))
		}
	}
	if r.Usable {
		fmt.Fprintln(out, "\nDevices can be served and attached here.")
		return
	}
	fmt.Fprintln(out, "\nNo device can be used here until what is MISSING is there.")
}

// engines looks at the engines that the program has.
func engines(o engine.Options) (all []Finding) {
	available := false
	for _, d := range engine.Drivers() {
		f := Finding{Area: "engines", Name: d.Name, State: OK, Says: d.About}
		err := d.Probe(o)
		var e engine.Engine
		if err == nil {
			e, err = d.Open(o)
		}
		if err != nil {
			// The error says what to do about it.
			f.State, f.Says = Optional, err.Error()
		} else {
			f.Says += fmt.Sprintf("; %d algorithms (vcrypto engines lists them)", len(e.Algorithms()))
			e.Close()
			available = available || d.Rank > 0
		}
		all = append(all, f)
	}
	if !available {
		all = append(all, Finding{Area: "engines", Name: "auto", State: Missing,
			Says: "no engine that --engine auto takes is available", Fix: "build vcrypto with its engines: make build"})
	}
	return all
}
