// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// passes is how often a case that is disturbed is measured at most.
const passes = 3

// measure runs what is to do: every case once, then those that were disturbed
// again, until the deadline.
func measure(ctx context.Context, program string, s *store, all []in, deadline time.Time) error {
	for pass := range passes {
		var todo []in
		for _, c := range all {
			if s.todo(c) {
				todo = append(todo, c)
			}
		}
		for i, c := range todo {
			if time.Now().After(deadline) {
				fmt.Printf("out of time: %d cases of pass %d were not measured\n", len(todo)-i, pass+1)
				return nil
			}
			r, err := run(ctx, program, c)
			if err != nil {
				return fmt.Errorf("vcrypto bench %s: %w", c, err)
			}
			if err := s.add(r); err != nil {
				return err
			}
			l := &r.Line
			fmt.Printf("%d %4d/%d  %-11s %-11s %-8s %6d B x %-4d %9.3f GB/s %4.0f %%  p50 %.1f us  others %.2f\n",
				pass+1, i+1, len(todo), l.Engine, l.Algorithm, l.Operation, l.Size, l.Depth, l.GBps, 100*l.Ratio, l.P50, r.Others)
		}
	}
	return nil
}

// run measures a case.
func run(ctx context.Context, program string, c in) (result, error) {
	r := result{Case: c}
	start, busy, ours := time.Now(), busyTime(), ourTime()
	var stderr bytes.Buffer
	flags, _, _ := strings.Cut(string(c), repeatMark)
	args := append([]string{"bench"}, append(strings.Fields(flags), "--json")...)
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return r, errors.Join(err, errors.New(stderr.String()))
	}
	busy, ours = busyTime()-busy, ourTime()-ours
	r.Others = max(0, (busy-ours).Seconds()/time.Since(start).Seconds())
	return r, json.Unmarshal(out, &r.Line)
}

// busyTime is the time that the machine's CPUs were not idle: proc(5),
// /proc/stat.
func busyTime() (sum time.Duration) {
	f, err := os.Open("/proc/stat")
	if err != nil {
		return 0
	}
	defer f.Close()
	first := bufio.NewScanner(f)
	first.Scan()
	fields := strings.Fields(first.Text())
	// cpu user nice system idle iowait irq softirq
	for _, i := range []int{1, 2, 3, 6, 7} {
		if i < len(fields) {
			n, _ := strconv.ParseInt(fields[i], 10, 64)
			const tick = 10 * time.Millisecond // USER_HZ is 100
			sum += time.Duration(n) * tick
		}
	}
	return sum
}

// ourTime is the CPU time of this process and of those it waited for.
func ourTime() (sum time.Duration) {
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var u syscall.Rusage
		if syscall.Getrusage(who, &u) == nil {
			sum += time.Duration(u.Utime.Nano() + u.Stime.Nano())
		}
	}
	return sum
}
