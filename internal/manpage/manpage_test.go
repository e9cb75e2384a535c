// SPDX-License-Identifier: Apache-2.0

package manpage

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
)

func program() *cobra.Command {
	run := func(*cobra.Command, []string) {}
	root := &cobra.Command{Use: "prog", Short: "Do things", Long: `Does things.

.dotted, 'quoted, and a C:\path.

Exit status:
  0  well
     still well

  1  not`}
	sub := &cobra.Command{Use: "sub FILE", Short: "A part", Run: run, Example: "  prog sub x\n    prog sub y"}
	sub.Flags().IntP("number", "n", 7, "how `MANY`")
	sub.Flags().String("unset", "", "no default")
	sub.Flags().Bool("secret", false, "not shown")
	if err := sub.Flags().MarkHidden("secret"); err != nil {
		panic(err)
	}
	deeper := &cobra.Command{Use: "deep", Short: "Deeper", Run: run}
	sub.AddCommand(deeper)
	root.AddCommand(sub, Command(), &cobra.Command{Use: "dark", Hidden: true, Run: run})
	return root
}

func TestWrite(t *testing.T) {
	dir := t.TempDir()
	root := program()
	t.Setenv("SOURCE_DATE_EPOCH", "86400")
	root.SetArgs([]string{"manual", "--release", "1.2", dir})
	if err := root.Execute(); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range files {
		files[i] = filepath.Base(files[i])
	}
	if want := []string{"prog-sub-deep.1", "prog-sub.1", "prog.1"}; !slices.Equal(files, want) {
		t.Errorf("files %q, want %q", files, want)
	}
	page := func(name string) string {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	for name, parts := range map[string][]string{
		"prog.1": {
			`.TH "PROG" 1 "1970\-01\-02" "prog 1.2" "User Commands"` + "\n",
			".SH NAME\nprog \\- Do things\n",
			".B prog\nCOMMAND [flags]\n",
			"\n\\&.dotted, 'quoted, and a C:\\epath.\n",
			"Exit status:\n.RS 4\n.nf\n0  well\n   still well\n\n1  not\n.fi\n.RE\n",
			".TP\n.BR prog\\-sub (1)\nA part\n",
		},
		"prog-sub.1": {
			".B prog sub\nFILE [flags]\n",
			".TP\n\\fB\\-n\\fR, \\fB\\-\\-number\\fR \\fIMANY\\fR\nhow MANY (default 7)\n",
			".TP\n\\fB\\-\\-unset\\fR \\fIstring\\fR\nno default\n.SH",
			".nf\nprog sub x\n  prog sub y\n.fi\n",
			".SH SEE ALSO\n\\fBprog\\fR(1),\n\\fBprog\\-sub\\-deep\\fR(1)\n",
		},
	} {
		for _, part := range parts {
			if !strings.Contains(page(name), part) {
				t.Errorf("%s has no\n%s\nin\n%s", name, part, page(name))
			}
		}
	}
	for _, hidden := range []string{"secret", "dark", "completion"} {
		if strings.Contains(page("prog.1")+page("prog-sub.1"), hidden) {
			t.Errorf("%q is shown", hidden)
		}
	}

	if _, err := exec.LookPath("groff"); err != nil {
		return
	}
	for _, name := range files {
		// What it warns of differs by version, what an error is does not.
		var warnings bytes.Buffer
		cmd := exec.Command("groff", "-man", "-Tascii", filepath.Join(dir, name))
		cmd.Stderr = &warnings
		out, err := cmd.Output()
		if err != nil || strings.Contains(warnings.String(), "error") {
			t.Errorf("groff on %s: %v\n%s", name, err, &warnings)
		}
		if line := `.dotted, 'quoted, and a C:\path.`; name == "prog.1" && !strings.Contains(string(out), line) {
			t.Errorf("groff shows no\n%s\nof %s:\n%s", line, name, out)
		}
	}
}

func TestWriteFails(t *testing.T) {
	if err := Write(filepath.Join(t.TempDir(), "none"), program(), "", time.Now()); err == nil {
		t.Error("pages were written into a folder that is not there")
	}
	t.Setenv("SOURCE_DATE_EPOCH", "soon")
	root := program()
	root.SilenceErrors, root.SilenceUsage = true, true
	root.SetArgs([]string{"manual", t.TempDir()})
	if err := root.Execute(); err == nil || !strings.Contains(err.Error(), "SOURCE_DATE_EPOCH") {
		t.Errorf("a date that is none: %v", err)
	}
}
