// SPDX-License-Identifier: Apache-2.0

package matrix

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// begin and end are around the table in the page.
const (
	begin = "<!-- made by make support-table of what make test-all saw: begin -->"
	end   = "<!-- end -->"
)

// Table returns the results as Markdown, in the order of the plan.
func Table(all []Result) string {
	var b strings.Builder
	plan := Plan()
	all = slices.Clone(all)
	slices.SortStableFunc(all, func(a, b Result) int { return cmp.Compare(slices.Index(plan, a.Row), slices.Index(plan, b.Row)) })
	first, last, rows, failed := "", "", 0, 0
	accels := make(map[string]bool)
	for _, r := range all {
		day := r.Time.Format("2006-01-02")
		if first == "" || day < first {
			first = day
		}
		last = max(last, day)
		accels[r.Accel] = true
		if r.Case == "" {
			rows++
		}
		if !r.OK() {
			failed++
		}
	}
	when := last
	if first != last {
		when = first + " to " + last
	}
	fmt.Fprintf(&b, "Seen on %s, guests run by %s: %d of the %d rows of the plan and %d more, %d with a failure.\n\n",
		when, keys(accels), rows, len(plan), len(all)-rows, failed)
	b.WriteString("| QEMU | route | guest kernel | driver | machine, CPUs | rings, interrupts | seen |\n|---|---|---|---|---|---|---|\n")
	for _, r := range all {
		if r.Case != "" {
			continue
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s, %d | %s, %s | %s |\n",
			r.QEMU, r.Way.Route, r.Kernel, r.Driver, r.Machine, r.CPUs, r.Rings, r.Interrupts, cell(r))
	}
	b.WriteString("\n| beside the plan | QEMU | route | guest kernel | seen |\n|---|---|---|---|---|\n")
	for _, r := range all {
		if r.Case != "" {
			fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", r.Case, r.QEMU, r.Way.Route, r.Kernel, cell(r))
		}
	}
	return b.String()
}

// cell says what was seen of a row: what failed first.
func cell(r Result) string {
	var bad, good, not []string
	for _, c := range r.Checks {
		saw := strings.NewReplacer("|", "\\|", "\n", " ").Replace(c.Saw)
		switch {
		case c.Skipped:
			not = append(not, fmt.Sprintf("%s (%s)", c.Name, saw))
		case c.OK && saw != "":
			good = append(good, fmt.Sprintf("%s (%s)", c.Name, saw))
		case c.OK:
			good = append(good, c.Name)
		default:
			bad = append(bad, fmt.Sprintf("%s (%s)", c.Name, saw))
		}
	}
	var parts []string
	if len(bad) > 0 {
		parts = append(parts, "**failed**: "+strings.Join(bad, ", "))
	}
	if len(good) > 0 {
		parts = append(parts, strings.Join(good, ", "))
	}
	if len(not) > 0 {
		parts = append(parts, "not: "+strings.Join(not, ", "))
	}
	return strings.Join(parts, "; ")
}

func keys(set map[string]bool) string {
	var all []string
	for _, name := range []string{"tcg", "kvm"} {
		if set[name] {
			all = append(all, map[string]string{"tcg": "software emulation", "kvm": "KVM"}[name])
		}
	}
	return strings.Join(all, " and ")
}

// Replace returns the page with the table between its marks.
func Replace(page, table string) (string, error) {
	head, rest, ok := strings.Cut(page, begin)
	_, tail, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		return "", fmt.Errorf("the page lacks the lines %q and %q, between which the table goes", begin, end)
	}
	return head + begin + "\n\n" + table + "\n" + end + tail, nil
}
