// SPDX-License-Identifier: Apache-2.0

// Package manpage writes the manual pages of a program, one for each of its
// commands, of what their --help prints. There is thus one text to keep right.
//
// The texts of a command are plain, and not Markdown: paragraphs, and indented
// lines that are shown as they are. Pages are in the macros of man(7).
package manpage

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// section is that of programs which users run.
const section = "1"

// Command returns a command for a program's root, "manual DIR", which writes
// the pages of all of the program's commands. It is not listed in --help: who
// makes packages uses it.
func Command() *cobra.Command {
	var release string
	cmd := &cobra.Command{
		Use:     "manual DIR",
		Short:   "Write the manual pages into a folder",
		Example: "  vcrypto manual --release 1.2 debian/man",
		Hidden:  true,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			when := time.Now()
			if s := os.Getenv("SOURCE_DATE_EPOCH"); s != "" {
				seconds, err := strconv.ParseInt(s, 10, 64)
				if err != nil {
					return fmt.Errorf("SOURCE_DATE_EPOCH is not a number of seconds: %w", err)
				}
				when = time.Unix(seconds, 0)
			}
			return Write(args[0], cmd.Root(), release, when)
		},
	}
	cmd.Flags().StringVar(&release, "release", "", "the program's version, for the foot of each page")
	return cmd
}

// Write writes the pages of root and of the commands below it into dir, which
// must exist: PROGRAM.1, PROGRAM-COMMAND.1 and so on. Hidden commands have
// none, nor has what cobra adds to every program (help, completion).
func Write(dir string, root *cobra.Command, release string, when time.Time) error {
	file := filepath.Join(dir, name(root)+"."+section)
	if err := os.WriteFile(file, Page(root, release, when), 0o644); err != nil {
		return fmt.Errorf("writing the manual page of %q: %w", root.CommandPath(), err)
	}
	for _, cmd := range listed(root) {
		if err := Write(dir, cmd, release, when); err != nil {
			return err
		}
	}
	return nil
}

// Page returns the page of one command.
func Page(cmd *cobra.Command, release string, when time.Time) []byte {
	var p page
	program := cmd.Root().Name()
	p.line(".TH %s %s %s %s %s", quote(strings.ToUpper(name(cmd))), section, quote(when.UTC().Format(time.DateOnly)),
		quote(strings.TrimSpace(program+" "+release)), quote("User Commands"))

	// No hyphenation and no spaces within lines: names of files and flags are
	// copied from here.
	p.line(".nh\n.ad l")

	p.line(".SH NAME")
	p.text(name(cmd) + " - " + cmd.Short)

	p.line(".SH SYNOPSIS")
	command, args, _ := strings.Cut(cmd.UseLine(), cmd.CommandPath())
	p.line(`.B %s`, escape(command+cmd.CommandPath()))
	if args = strings.TrimSpace(args); cmd.HasAvailableSubCommands() && (args == "" || args == "[flags]") {
		args = "COMMAND [flags]"
	}
	p.text(args)

	p.line(".SH DESCRIPTION")
	p.paragraphs(cmp.Or(cmd.Long, cmd.Short))

	if commands := listed(cmd); len(commands) > 0 {
		p.line(".SH COMMANDS")
		for _, c := range commands {
			p.line(".TP")
			p.line(`.BR %s (%s)`, escape(name(c)), section)
			p.text(c.Short)
		}
	}

	cmd.InitDefaultHelpFlag()
	p.line(".SH OPTIONS")
	cmd.LocalFlags().VisitAll(p.flag)
	cmd.InheritedFlags().VisitAll(p.flag)

	if cmd.HasExample() {
		p.line(".SH EXAMPLES")
		p.verbatim(strings.Split(cmd.Example, "\n"))
	}
	p.seeAlso(cmd)
	return []byte(p.String())
}

// name is a page's name: the words of the command, joined.
func name(cmd *cobra.Command) string { return strings.ReplaceAll(cmd.CommandPath(), " ", "-") }

// listed are the commands right below cmd that have pages, in order.
func listed(cmd *cobra.Command) []*cobra.Command {
	return slices.DeleteFunc(slices.Clone(cmd.Commands()), func(c *cobra.Command) bool {
		return !c.IsAvailableCommand() || c.Name() == "help" || c.Name() == "completion"
	})
}

// page is a page as it is written.
type page struct{ strings.Builder }

func (p *page) line(format string, args ...any) { fmt.Fprintf(p, format+"\n", args...) }

// text writes words that are filled.
func (p *page) text(s string) {
	for line := range strings.Lines(s) {
		if line = strings.TrimSpace(line); line != "" {
			p.line("%s", escape(line))
		}
	}
}

// paragraphs writes a command's text. Lines that are indented stay as they
// are, and stay together with what is said before them.
func (p *page) paragraphs(s string) {
	var shown []string
	begun := false
	flush := func() {
		p.verbatim(shown)
		shown = nil
	}
	for _, line := range strings.Split(s, "\n") {
		switch {
		case strings.HasPrefix(line, " "), strings.HasPrefix(line, "\t"):
			shown = append(shown, line)
		case strings.TrimSpace(line) == "":
			if len(shown) > 0 {
				shown = append(shown, "")
			}
			begun = false
		default:
			flush()
			if !begun {
				p.line(".PP")
			}
			begun = true
			p.text(line)
		}
	}
	flush()
}

// verbatim writes lines as they are, less the indent that they have in common.
func (p *page) verbatim(lines []string) {
	for len(lines) > 0 && strings.TrimSpace(lines[len(lines)-1]) == "" {
		lines = lines[:len(lines)-1]
	}
	if len(lines) == 0 {
		return
	}
	indent := len(lines[0])
	for _, l := range lines {
		if strings.TrimSpace(l) != "" {
			indent = min(indent, len(l)-len(strings.TrimLeft(l, " ")))
		}
	}
	p.line(".RS 4\n.nf")
	for _, l := range lines {
		p.line("%s", escape(l[min(indent, len(l)):]))
	}
	p.line(".fi\n.RE")
}

// unset are the defaults that say nothing.
var unset = []string{"", "0", "0s", "false", "[]"}

func (p *page) flag(f *pflag.Flag) {
	if f.Hidden {
		return
	}
	value, usage := pflag.UnquoteUsage(f)
	p.line(".TP")
	dashed := `\fB` + escape("--"+f.Name) + `\fR`
	if f.Shorthand != "" {
		dashed = `\fB` + escape("-"+f.Shorthand) + `\fR, ` + dashed
	}
	switch {
	case f.NoOptDefVal != "" && f.Value.Type() != "bool":
		dashed += `[=\fI` + escape(value) + `\fR]`
	case value != "":
		dashed += ` \fI` + escape(value) + `\fR`
	}
	p.line("%s", dashed)
	if !slices.Contains(unset, f.DefValue) {
		usage += " (default " + f.DefValue + ")"
	}
	p.text(usage)
}

func (p *page) seeAlso(cmd *cobra.Command) {
	var others []string
	refer := func(c *cobra.Command) {
		others = append(others, fmt.Sprintf(`\fB%s\fR(%s)`, escape(name(c)), section))
	}
	if cmd.HasParent() {
		refer(cmd.Parent())
		for _, c := range listed(cmd.Parent()) {
			if c != cmd {
				refer(c)
			}
		}
	}
	for _, c := range listed(cmd) {
		refer(c)
	}
	if len(others) == 0 {
		return
	}
	p.line(".SH SEE ALSO")
	p.line("%s", strings.Join(others, ",\n"))
}

// escape returns text as man(7) has it: hyphens that can be copied, and no
// line that is taken for a macro.
func escape(s string) string {
	s = strings.NewReplacer(`\`, `\e`, `-`, `\-`, "\t", "        ").Replace(s)
	if strings.HasPrefix(s, ".") || strings.HasPrefix(s, "'") {
		s = `\&` + s
	}
	return s
}

// quote returns an argument of a macro.
func quote(s string) string { return `"` + strings.ReplaceAll(escape(s), `"`, `\(dq`) + `"` }
