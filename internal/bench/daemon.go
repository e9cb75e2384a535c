// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"vcrypto/vhostuser"
)

// daemon is a vcrypto serve in a process of its own. It serves one connection,
// and ends with it.
type daemon struct {
	cmd    *exec.Cmd
	conn   *net.UnixConn // ours
	log    strings.Builder
	logged chan struct{} // closed when log is complete
}

// servingMessage is what the daemon logs when it is ready.
const servingMessage = "msg=serving"

// startDaemon starts `PROGRAM serve` on one end of a socket pair and waits
// until it is ready.
func startDaemon(ctx context.Context, program string, args ...string) (_ *daemon, err error) {
	ours, theirs, err := vhostuser.SocketPair()
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	file, err := theirs.File()
	if err != nil {
		ours.Close()
		return nil, err
	}
	defer file.Close()
	const inherited = 3 // the first of exec.Cmd.ExtraFiles
	d := &daemon{conn: ours, logged: make(chan struct{})}
	d.cmd = exec.Command(program, append([]string{"serve", "--dumpable", "--fd", strconv.Itoa(inherited)}, args...)...)
	d.cmd.ExtraFiles = []*os.File{file}
	stderr, err := d.cmd.StderrPipe()
	if err == nil {
		err = d.cmd.Start()
	}
	if err != nil {
		ours.Close()
		return nil, fmt.Errorf("starting the daemon: %w", err)
	}
	serving := make(chan struct{})
	go d.readLog(stderr, serving)
	select {
	case <-serving:
		return d, nil
	case <-d.logged:
		err = errors.New("it ended")
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	ours.Close()
	d.cmd.Process.Kill()
	<-d.logged
	d.cmd.Wait()
	return nil, fmt.Errorf("starting the daemon: %w: %s", err, strings.TrimSpace(d.log.String()))
}

func (d *daemon) readLog(r io.Reader, serving chan<- struct{}) {
	defer close(d.logged)
	for s := bufio.NewScanner(r); s.Scan(); {
		if strings.Contains(s.Text(), servingMessage) && serving != nil {
			close(serving)
			serving = nil
		}
		d.log.WriteString(s.Text() + "\n")
	}
}

// close waits for the daemon to end, once the front-end has closed its
// connection.
func (d *daemon) close() error {
	d.conn.Close()
	<-d.logged
	if err := d.cmd.Wait(); err != nil {
		return fmt.Errorf("the daemon: %w: %s", err, strings.TrimSpace(d.log.String()))
	}
	return nil
}

// cpuTime is the CPU time the daemon has used, all threads together.
func (d *daemon) cpuTime() (time.Duration, error) {
	threads, err := d.threadTimes()
	var sum time.Duration
	for _, t := range threads {
		sum += t
	}
	return sum, err
}

// pinnedTime is the CPU time of those threads that may run on one CPU only:
// the queues', where the daemon was told CPUs. The rest is Go's runtime and
// what an engine has for itself.
func (d *daemon) pinnedTime() (time.Duration, error) {
	threads, err := d.threadTimes()
	var sum time.Duration
	for tid, t := range threads {
		var set unix.CPUSet
		if unix.SchedGetaffinity(tid, &set) == nil && set.Count() == 1 {
			sum += t
		}
	}
	return sum, err
}

// threadTimes are the CPU times of the daemon's threads.
func (d *daemon) threadTimes() (map[int]time.Duration, error) {
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", d.cmd.Process.Pid))
	if err != nil {
		return nil, err
	}
	times := make(map[int]time.Duration)
	for _, path := range tasks {
		b, err := os.ReadFile(path + "/schedstat")
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ESRCH) {
			continue // a thread that ended meanwhile
		}
		if err != nil {
			return nil, err
		}
		// Nanoseconds on a CPU come first; Documentation/scheduler/sched-stats.
		first, _, _ := strings.Cut(string(b), " ")
		ns, err := strconv.ParseInt(first, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		tid, err := strconv.Atoi(filepath.Base(path))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		times[tid] = time.Duration(ns)
	}
	return times, nil
}

// privateMemory is the daemon's private memory in bytes, without what it
// shares with guests.
func (d *daemon) privateMemory() (int64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", d.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	var kib int64
	for line := range strings.Lines(string(b)) {
		fields := strings.Fields(line)
		if len(fields) == 3 && (fields[0] == "Private_Clean:" || fields[0] == "Private_Dirty:") {
			n, err := strconv.ParseInt(fields[1], 10, 64)
			if err != nil {
				return 0, fmt.Errorf("smaps_rollup: %w", err)
			}
			kib += n
		}
	}
	return kib << 10, nil
}
