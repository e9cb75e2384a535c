// SPDX-License-Identifier: Apache-2.0

package chat

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"
)

func allBytes() []byte {
	b := make([]byte, 256)
	for i := range b {
		b[i] = byte(i)
	}
	return b
}

func TestRawOutput(t *testing.T) {
	var w bytes.Buffer
	o := NewOutput(&w, false)
	o.Begin(Peer{})
	o.SetNick("ann")
	if err := o.Write(allBytes()); err != nil {
		t.Fatal(err)
	}
	o.End(nil)
	if !bytes.Equal(w.Bytes(), allBytes()) {
		t.Errorf("%x came out", w.Bytes())
	}
}

var terminalTests = map[string]struct{ in, want string }{
	"line":               {"hello\n", "ann> hello\n"},
	"two lines":          {"a\n\nb\n", "ann> a\nann> \nann> b\n"},
	"no line feed":       {"hello", "ann> hello\n"},
	"DOS line":           {"a\r\nb\r\n", "ann> a\nann> b\n"},
	"carriage return":    {"harmless\rforged> x\n", "ann> harmless\\rforged> x\n"},
	"return at end":      {"a\r", `ann> a\r` + "\n"},
	"escape sequence":    {"\x1b]0;title\x07\x1b[2J\n", `ann> \x1b]0;title\a\x1b[2J` + "\n"},
	"C1 control":         {"\u009b2J\n", `ann> \u009b2J` + "\n"},
	"raw C1":             {"\x9b2J\n", `ann> \x9b2J` + "\n"},
	"bidi override":      {"\u202egnp.exe\n", `ann> \u202egnp.exe` + "\n"},
	"bidi isolate":       {"\u2066x\u2069\n", `ann> \u2066x\u2069` + "\n"},
	"line separator":     {"a\u2028b\n", `ann> a\u2028b` + "\n"},
	"broken UTF-8":       {"a\xffb\xc3\n", `ann> a\xffb\xc3` + "\n"},
	"cut UTF-8":          {"a\xe2\x82", `ann> a\xe2\x82` + "\n"},
	"NUL and delete":     {"a\x00b\x7f\n", `ann> a\x00b\x7f` + "\n"},
	"tab":                {"a\tb\n", "ann> a\tb\n"},
	"mark on the name":   {"\u0301x\n", `ann> \u0301x` + "\n"},
	"combining flood":    {"a" + strings.Repeat("\u0301", 500) + "\n", "ann> a" + strings.Repeat("\u0301", 6) + "…\n"},
	"zero width":         {"pass\u200dword\u200b\n", `ann> pass\u200dword\u200b` + "\n"},
	"words of the world": {"naïve 日本 👩‍🚀 שלום\n", "ann> naïve 日本 👩‍🚀 שלום\n"},
}

// TestTerminalOutput: hostile text is shown harmless, however it is cut into
// records.
func TestTerminalOutput(t *testing.T) {
	for name, c := range terminalTests {
		t.Run(name, func(t *testing.T) {
			for size := 1; size <= len(c.in); size++ {
				var w bytes.Buffer
				o := NewOutput(&w, true)
				o.Begin(Peer{})
				o.SetNick("ann")
				for in := []byte(c.in); len(in) > 0; {
					n := min(size, len(in))
					if err := o.Write(in[:n]); err != nil {
						t.Fatal(err)
					}
					in = in[n:]
				}
				o.End(nil)
				if w.String() != c.want {
					t.Errorf("in pieces of %d: %q, expected %q", size, w.String(), c.want)
				}
			}
		})
	}
}

func FuzzTerminalOutput(f *testing.F) {
	for _, c := range terminalTests {
		f.Add([]byte(c.in), 3)
	}
	f.Add(allBytes(), 1)
	f.Fuzz(func(t *testing.T, in []byte, size int) {
		var w bytes.Buffer
		o := NewOutput(&w, true)
		o.Begin(Peer{})
		for rest := in; len(rest) > 0; {
			n := min(max(size, 1), len(rest))
			o.Write(rest[:n])
			rest = rest[n:]
		}
		o.End(nil)
		if !utf8.Valid(w.Bytes()) {
			t.Errorf("%q was shown as %q", in, w.Bytes())
		}
		for _, r := range w.String() {
			if r < ' ' && r != '\n' && r != '\t' || r >= 0x7f && r < 0xa0 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 {
				t.Errorf("%q was shown as %q", in, w.Bytes())
			}
		}
		if len(in) > 0 && !strings.HasSuffix(w.String(), "\n") {
			t.Errorf("%q leaves the line open", in)
		}
	})
}
