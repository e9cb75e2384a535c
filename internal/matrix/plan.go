// SPDX-License-Identifier: Apache-2.0

// Package matrix is the plan of which VMMs, routes, guest kernels and drivers are
// tried together, and the record of what was seen.
//
// The end-to-end tests run a [Plan] row by row and write a [Result] each, a line
// of JSON; table, the program below, makes docs/support.md's table of those lines.
package matrix

import (
	"cmp"
	"slices"
)

// Row is one VM to boot.
type Row struct {
	Way        Way    `json:"way"`
	Kernel     string `json:"kernel"` // the first two numbers of its version
	Driver     string `json:"driver"`
	Machine    string `json:"machine"`
	CPUs       int    `json:"cpus"`
	Rings      string `json:"rings"`
	Interrupts string `json:"interrupts"`
}

// Way is a QEMU with a route to the device.
type Way struct {
	QEMU  string `json:"qemu"` // the first two numbers of its version
	Route string `json:"route"`
}

// Values of a row.
const (
	DriverOurs   = "vcrypto"
	DriverInTree = "in-tree"
	PC           = "pc"
	Q35          = "q35"
	Split        = "split"
	Packed       = "packed"
	MSIX         = "msix"
	INTx         = "intx"
	Generic      = "generic"
	VFIOUser     = "vfio-user"
	Cryptodev    = "cryptodev"
)

// The axes. Each way is tried with each kernel and each driver; the other axes
// are spread over these rows so that any two values meet.
var (
	Ways = []Way{
		{"7.2", Cryptodev}, {"10.0", Cryptodev}, {"11.1", Cryptodev}, {"11.1", Generic}, {"11.1", VFIOUser},
	}
	Kernels  = []string{"6.1", "6.12", "7.2"}
	Drivers  = []string{DriverInTree, DriverOurs}
	machines = []string{PC, Q35}
	cpus     = []int{1, 4}
	rings    = []string{Split, Packed}
	irqs     = []string{MSIX, INTx}
)

// possible says whether there is such a row: QEMU's own device has split rings,
// the generic device no MSI-X, and 7.2's cannot stand it.
func (r Row) possible() bool {
	switch {
	case r.Way.Route == Cryptodev && r.Rings == Packed:
		return false
	case r.Way.Route == Generic:
		return r.Interrupts == INTx
	case r.Way.QEMU == "7.2":
		return r.Interrupts == INTx
	case r.Way.Route == Cryptodev:
		return r.Interrupts == MSIX
	}
	return true
}

// pair is two values of different axes.
type pair struct{ a, b any }

// axisValue makes the values of different axes differ.
type axisValue struct {
	axis  int
	value any
}

// pairs returns all pairs of a row's values.
func (r Row) pairs() (all []pair) {
	values := []any{r.Way, r.Kernel, r.Driver, r.Machine, r.CPUs, r.Rings, r.Interrupts}
	for i, a := range values {
		for j := i + 1; j < len(values); j++ {
			all = append(all, pair{axisValue{i, a}, axisValue{j, values[j]}})
		}
	}
	return all
}

// variants returns the rows there could be of a way, kernel and driver.
func variants(w Way, kernel, driver string) (all []Row) {
	for _, machine := range machines {
		for _, n := range cpus {
			for _, ring := range rings {
				for _, irq := range irqs {
					if r := (Row{w, kernel, driver, machine, n, ring, irq}); r.possible() {
						all = append(all, r)
					}
				}
			}
		}
	}
	return all
}

// missing returns the pairs that are possible and not in the rows.
func missing(rows []Row) map[pair]bool {
	left := make(map[pair]bool)
	for _, w := range Ways {
		for _, kernel := range Kernels {
			for _, driver := range Drivers {
				for _, r := range variants(w, kernel, driver) {
					for _, p := range r.pairs() {
						left[p] = true
					}
				}
			}
		}
	}
	for _, r := range rows {
		for _, p := range r.pairs() {
			delete(left, p)
		}
	}
	return left
}

// Plan returns the rows, the same each time: for each way, kernel and driver the
// variant that adds the most pairs, or else is least like the others, and further
// ones until no pair is missing.
func Plan() (rows []Row) {
	add := func(from []Row) {
		left := missing(rows)
		rows = append(rows, slices.MaxFunc(from, func(a, b Row) int {
			return cmp.Or(fresh(a, left)-fresh(b, left), alike(b, rows)-alike(a, rows))
		}))
	}
	for _, w := range Ways {
		for _, kernel := range Kernels {
			for _, driver := range Drivers {
				add(variants(w, kernel, driver))
			}
		}
	}
	var all []Row
	for _, w := range Ways {
		for _, kernel := range Kernels {
			for _, driver := range Drivers {
				all = append(all, variants(w, kernel, driver)...)
			}
		}
	}
	for len(missing(rows)) > 0 {
		add(all)
	}
	return rows
}

// fresh returns how many of a row's pairs are in left.
func fresh(r Row, left map[pair]bool) (n int) {
	for _, p := range r.pairs() {
		if left[p] {
			n++
		}
	}
	return n
}

// alike returns how often rows have the machine, the CPUs and the rings of r.
func alike(r Row, rows []Row) (n int) {
	for _, other := range rows {
		for _, same := range []bool{r.Machine == other.Machine, r.CPUs == other.CPUs, r.Rings == other.Rings, r.Interrupts == other.Interrupts} {
			if same {
				n++
			}
		}
	}
	return n
}
