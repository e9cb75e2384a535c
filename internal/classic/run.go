// SPDX-License-Identifier: Apache-2.0

package classic

import (
	"bytes"
	"context"
	"fmt"
	"path"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"vcrypto/internal/vm"
)

// folder is where programs are in a guest.
const folder = "/classic"

// Files returns what a guest needs to run programs.
func Files(programs []Program) []vm.File {
	var files []vm.File
	for _, p := range programs {
		files = append(files, vm.File{Host: p.Path, Guest: path.Join(folder, p.Name)})
	}
	return files
}

// Outcome is how a program ended.
type Outcome struct {
	Err    error // of a program that did not pass
	Output string
	Speeds []Speed
}

// Speed is a line of a program that measures.
type Speed struct {
	Title     string  // what is measured, such as "AES-128-CBC cipher"
	Chunk     int     // bytes
	BytesPerS float64 // bytes a second
}

// trouble is what programs print that go on, or end well, in spite of an error.
var trouble = regexp.MustCompile(`(?i).*(fail|not match|not detected|incorrect|(ioctl|poll|fetch|crypt)\(.*\): ).*`)

// Run runs a program in a guest, on what is /dev/crypto there. A program that
// measures gets its alarm after so long, for each measurement; after 0 it is
// left to its own, of five seconds.
func (p Program) Run(ctx context.Context, guest *vm.VM, after time.Duration) Outcome {
	c := guest.Command(ctx, path.Join(folder, p.Name))
	w := watch{c: c, after: after}
	// On a terminal its two outputs stay in order.
	c.TTY = &vm.TTY{Rows: 24, Cols: 200}
	c.Stdout = &w
	err := c.Run()
	o := Outcome{Err: err, Output: strings.ReplaceAll(w.text(), "\r\n", "\n")}
	if bad := trouble.FindString(o.Output); err == nil && bad != "" {
		o.Err = fmt.Errorf("%s printed %q", p.Name, strings.TrimSpace(bad))
	}
	o.Speeds = speeds(o.Output)
	if o.Err == nil && p.Speed() && len(o.Speeds) == 0 {
		o.Err = fmt.Errorf("%s measured nothing", p.Name)
	}
	return o
}

// watch collects a program's output. When a measurement begins it sets an alarm.
type watch struct {
	c     *vm.Cmd
	after time.Duration
	mu    sync.Mutex
	buf   bytes.Buffer
	begun int // measurements
}

// begins is what is printed before a measurement.
const begins = " bytes: "

func (w *watch) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.buf.Write(p)
	for n := bytes.Count(w.buf.Bytes(), []byte(begins)); w.after > 0 && w.begun < n; w.begun++ {
		// One that comes late, in the next measurement, makes that shorter.
		time.AfterFunc(w.after, func() { w.c.Signal(syscall.SIGALRM) })
	}
	return len(p), nil
}

func (w *watch) text() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.buf.String()
}

var (
	titleLine = regexp.MustCompile(`^Testing (.*): *$`)
	speedLine = regexp.MustCompile(`in chunks of (\d+)` + begins + `done\. .* secs: ([\d.]+) ([KMGT]?i?)B/sec$`)
	units     = map[string]float64{"": 1, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12,
		"Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30, "Ti": 1 << 40}
)

// speeds reads the lines of a program that measures.
func speeds(output string) (all []Speed) {
	title := ""
	for line := range strings.Lines(output) {
		line = strings.TrimRight(line, "\n")
		if m := titleLine.FindStringSubmatch(line); m != nil {
			title = m[1]
		}
		m := speedLine.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		chunk, _ := strconv.Atoi(m[1])
		speed, _ := strconv.ParseFloat(m[2], 64)
		all = append(all, Speed{title, chunk, speed * units[m[3]]})
	}
	return all
}
