// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"strings"
)

const (
	barWidth = 40 // characters: the raw engine's speed
	barParts = 8  // of a character

	barBlocks = "▏▎▍▌▋▊▉█" // an eighth to eight of them
)

// barsTitle says what the bars of vcrypto bench --bars are.
func barsTitle(o benchOptions) string {
	return fmt.Sprintf("%s, %s %s: a full bar is the raw engine", o.engine, o.algorithm, o.operation)
}

// bar draws a line of vcrypto bench --bars.
func (l benchLine) bar() string {
	end := fmt.Sprintf("%8.3f GB/s, %.0f/s", l.GBps, l.Requests)
	if l.RawGBps == 0 {
		return fmt.Sprintf("%6d B × %-4d %s", l.Size, l.Depth, end)
	}
	return fmt.Sprintf("%6d B × %-4d │%s│ %3.0f %% %s, p50 %.1f µs", l.Size, l.Depth, drawBar(l.Ratio), 100*l.Ratio, end, l.P50)
}

// drawBar draws a ratio, barWidth wide. What is over 1 does not show.
func drawBar(ratio float64) string {
	blocks := []rune(barBlocks)
	n := int(min(max(ratio, 0), 1)*barWidth*barParts + 0.5)
	bar := strings.Repeat(string(blocks[barParts-1]), n/barParts)
	if rest := n % barParts; rest > 0 {
		bar += string(blocks[rest-1])
	}
	return bar + strings.Repeat(" ", barWidth-(n+barParts-1)/barParts)
}
