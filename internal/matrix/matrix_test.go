// SPDX-License-Identifier: Apache-2.0

package matrix

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestPlan: each way with each kernel and driver, any two values together, and
// nothing that there cannot be; the same each time.
func TestPlan(t *testing.T) {
	rows := Plan()
	if most := len(Ways)*len(Kernels)*len(Drivers) + 6; len(rows) > most {
		t.Errorf("%d rows; %d should do", len(rows), most)
	}
	if left := missing(rows); len(left) > 0 {
		t.Errorf("%d pairs are missing: %v", len(left), left)
	}
	seen := make(map[Row]bool)
	for _, r := range rows {
		if !r.possible() || seen[r] {
			t.Errorf("%+v: possible %v, there before %v", r, r.possible(), seen[r])
		}
		seen[r] = true
	}
	if !slices.Equal(rows, Plan()) {
		t.Error("two plans differ")
	}
	// What is checked finds what is gone.
	if left := missing(rows[:len(rows)/2]); len(left) == 0 {
		t.Error("in half of them nothing is missing")
	}
}

// TestTable: what was seen becomes a table that says where something failed.
func TestTable(t *testing.T) {
	path := filepath.Join(t.TempDir(), "results")
	rows := Plan()
	good := Result{Row: rows[0], QEMU: "7.2.22", Kernel: "6.1.0-1-amd64", Checks: []Check{{Name: "self-test", OK: true, Saw: "passed"}, {Name: "RSA", Skipped: true, Saw: "not offered"}}}
	bad := good
	bad.Row = rows[1]
	bad.Checks = []Check{{Name: "self-test", Saw: "unknown"}}
	again := bad
	again.Checks = []Check{{Name: "self-test", OK: true, Saw: "passed"}}
	special := Result{Row: rows[0], Case: "64 queues", QEMU: "11.1.3", Kernel: "6.1.0-1-amd64", Checks: []Check{{Name: "boot", OK: true, Saw: "64 queues"}}}
	for _, r := range []Result{good, bad, special} {
		if err := Append(path, r); err != nil {
			t.Fatal(err)
		}
	}
	read := func() []Result {
		t.Helper()
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		all, err := Read(f)
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	all := read()
	text := Table(all)
	if len(all) != 3 || !strings.Contains(text, "**failed**: self-test (unknown)") || !strings.Contains(text, "64 queues") || !strings.Contains(text, "2 of the ") {
		t.Errorf("%d results:\n%s", len(all), text)
	}
	if err := Append(path, again); err != nil {
		t.Fatal(err)
	}
	if all = read(); len(all) != 3 || strings.Contains(Table(all), "failed") {
		t.Errorf("a later result does not count:\n%s", Table(all))
	}
	if _, err := Read(strings.NewReader("{]\n")); err == nil {
		t.Error("a bad line is no error")
	}

	before := "# Title\n\n" + begin + "\nold\n" + end + "\nrest\n"
	after, err := Replace(before, "new\n")
	if err != nil || after != "# Title\n\n"+begin+"\n\nnew\n\n"+end+"\nrest\n" {
		t.Errorf("%q, %v", after, err)
	}
	if _, err := Replace("no marks", "new"); err == nil {
		t.Error("a page without marks is no error")
	}
}
