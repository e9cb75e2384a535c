// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"
)

// lines says in which line of a file a key is, by its path, such as
// device[0].limits.bytes. device[0] itself is where that table begins.
type lines map[string]int

// findLines reads a document that is known to be TOML.
func findLines(document []byte) lines {
	w := &lineWalk{lines: make(lines), tables: make(map[string]int)}
	w.parser.Reset(document)
	for w.parser.NextExpression() {
		switch e := w.parser.Expression(); e.Kind {
		case unstable.Table:
			w.table = w.path("", e)
			w.note(w.table, e)
		case unstable.ArrayTable:
			path := w.path("", e)
			if i := strings.LastIndex(path, "["); i >= 0 && path[len(path)-1] == ']' {
				path = path[:i] // path has found the one before
			}
			w.table = fmt.Sprintf("%s[%d]", path, w.tables[path])
			w.tables[path]++
			w.note(w.table, e)
		case unstable.KeyValue:
			w.keyValue(w.table, e)
		}
	}
	return w.lines
}

type lineWalk struct {
	parser unstable.Parser
	lines  lines
	tables map[string]int // how many tables an array of tables has so far
	table  string         // the one whose keys are being read
}

// path returns the path of a node's key in a table.
func (w *lineWalk) path(in string, n *unstable.Node) string {
	for k := n.Key(); k.Next(); {
		if in != "" {
			in += "."
		}
		in += string(k.Node().Data)
		if have := w.tables[in]; have > 0 {
			in = fmt.Sprintf("%s[%d]", in, have-1)
		}
	}
	return in
}

func (w *lineWalk) note(path string, n *unstable.Node) {
	if k := n.Key(); k.Next() {
		if _, there := w.lines[path]; !there {
			w.lines[path] = w.parser.Shape(k.Node().Raw).Start.Line
		}
	}
}

func (w *lineWalk) keyValue(in string, n *unstable.Node) {
	path := w.path(in, n)
	w.note(path, n)
	w.value(path, n.Value())
}

// value looks into inline tables and arrays.
func (w *lineWalk) value(path string, n *unstable.Node) {
	children := n.Children()
	switch n.Kind {
	case unstable.InlineTable:
		for children.Next() {
			w.keyValue(path, children.Node())
		}
	case unstable.Array:
		for i := 0; children.Next(); i++ {
			w.value(fmt.Sprintf("%s[%d]", path, i), children.Node())
		}
	}
}

// find returns the line of a path, or of the nearest thing around it.
func (l lines) find(path string) int {
	for path != "" {
		if line, ok := l[path]; ok {
			return line
		}
		path = path[:max(strings.LastIndexAny(path, ".["), 0)]
	}
	return 1
}
