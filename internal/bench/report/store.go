// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// line is what `vcrypto bench --json` prints.
type line struct {
	Engine     string  `json:"engine"`
	Algorithm  string  `json:"alg"`
	Operation  string  `json:"op"`
	Size       int     `json:"size"`
	Depth      int     `json:"depth"`
	Queues     int     `json:"queues"`
	Requests   float64 `json:"rps"`
	GBps       float64 `json:"gbps"`
	RawGBps    float64 `json:"raw_gbps"`
	Ratio      float64 `json:"ratio"`
	Raw        string  `json:"raw"`
	BurstGBps  float64 `json:"raw_burst_gbps"`
	BurstRatio float64 `json:"burst_ratio"`
	P50        float64 `json:"p50_us"`
	P99        float64 `json:"p99_us"`
	P999       float64 `json:"p999_us"`
	Kicks      float64 `json:"kicks_per_req"`
	Interrupts float64 `json:"interrupts_per_req"`
	CPU        float64 `json:"cpu_ns_per_req"`
	Memory     float64 `json:"private_mib"`
	Errors     uint64  `json:"errors"`
	PingPong   float64 `json:"eventfd_pingpong_us"`
	OneCPU     float64 `json:"one_queue_cpu_ns_per_req"`
	Scaling    float64 `json:"scaling"`
	AllScaling float64 `json:"daemon_scaling"`
	RawScaling float64 `json:"raw_scaling"`
	BesideP50  float64 `json:"beside_p50_us"`
}

// result is a case that was measured.
type result struct {
	Case in `json:"case"`
	// Others is how many CPUs other processes kept busy meanwhile.
	Others float64 `json:"others"`
	Line   line    `json:"line"`
}

// quiet is how many CPUs others may use without a case counting as disturbed.
const quiet = 0.1

// store has the least disturbed result of each case.
type store struct {
	path    string // "" to keep nothing
	results map[in]result
}

func openStore(path string) (*store, error) {
	s := &store{path: path, results: make(map[in]result)}
	if path == "" {
		return s, nil
	}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		var r result
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		s.keep(r)
	}
	return s, lines.Err()
}

func (s *store) keep(r result) {
	if old, ok := s.results[r.Case]; !ok || r.Others < old.Others {
		s.results[r.Case] = r
	}
}

// add keeps a result, in the file too.
func (s *store) add(r result) error {
	s.keep(r)
	if s.path == "" {
		return nil
	}
	f, err := os.OpenFile(s.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	return errors.Join(json.NewEncoder(f).Encode(r), f.Close())
}

// todo reports whether a case was not measured yet, or was disturbed.
func (s *store) todo(c in) bool {
	r, ok := s.results[c]
	return !ok || r.Others > quiet
}

// get returns a case's line, nil if there is none.
func (s *store) get(c in) *line {
	if r, ok := s.results[c]; ok {
		return &r.Line
	}
	return nil
}
