// SPDX-License-Identifier: Apache-2.0

// Package console is between a member of rooms (package member), or an end of
// a conversation of two (package chat), and whoever uses it: it does what is typed, and shows what happens, to a person at a
// terminal, as lines to a script, or as JSON to a program.
package console

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"vcrypto/internal/chat/member"
	"vcrypto/internal/chat/room"
	"vcrypto/internal/chat/safetext"
)

// Command is something that begins with a slash, for a console C.
type Command[C any] struct {
	Name, Usage, Help string
	args              int // how many words it needs; the last one is all the rest
	do                func(c C, ctx context.Context, where string, args []string) error
}

// ErrQuit is what the command to quit returns.
var ErrQuit = errors.New("quit")

// Commands are those of rooms.
var Commands []Command[*Console]

func commands() []Command[*Console] {
	return []Command[*Console]{
		{"join", "#ROOM", "enter a room", 1, func(c *Console, _ context.Context, _ string, a []string) error {
			return c.Client.Join(a[0])
		}},
		{"part", "[#ROOM]", "leave this room, or another", 0, func(c *Console, _ context.Context, where string, a []string) error {
			return c.Client.Part(or(a, where))
		}},
		{"who", "[#ROOM]", "who is here, and their fingerprints", 0, (*Console).who},
		{"rooms", "", "rooms that your key opens", 0, func(c *Console, _ context.Context, _ string, _ []string) error {
			return c.Client.List()
		}},
		{"msg", "NICK TEXT", "tell somebody alone", 2, func(c *Console, ctx context.Context, where string, a []string) error {
			to, err := c.Client.Find(where, a[0])
			if err != nil {
				return err
			}
			return c.Client.Tell(ctx, where, to, a[1], false)
		}},
		{"me", "TEXT", "say what you do", 1, func(c *Console, ctx context.Context, where string, a []string) error {
			if to, alone := member.ParseAlone(where); alone {
				return c.Client.Tell(ctx, where, to, a[0], true)
			}
			return c.Client.Act(ctx, where, a[0])
		}},
		{"nick", "NAME", "change your nick", 1, func(c *Console, _ context.Context, _ string, a []string) error {
			return c.Client.SetNick(safetext.Nick(a[0]))
		}},
		{"ignore", "[NICK]", "stop showing what somebody says, or start again; whom you ignore", 0, (*Console).ignore},
		{"topic", "[TEXT]", "what the room is about", 0, (*Console).topic},
		{"send", "FILE [NICK]", "offer a file to the room, or to one in it", 1, (*Console).send},
		{"accept", "NUMBER", "take a file, or go on with it", 1, func(c *Console, _ context.Context, _ string, a []string) error {
			return number(a[0], c.Client.Accept)
		}},
		{"decline", "NUMBER", "do not take a file", 1, func(c *Console, _ context.Context, _ string, a []string) error {
			return number(a[0], c.Client.Decline)
		}},
		{"fingerprint", "", "what others see beside your nick in /who", 0, func(c *Console, _ context.Context, _ string, _ []string) error {
			c.info("your fingerprint: %s", c.Client.ID().Fingerprint())
			return nil
		}},
		{"help", "", "this list", 0, func(c *Console, _ context.Context, _ string, _ []string) error {
			help(Commands, c.info)
			return nil
		}},
		{"quit", "", "leave", 0, func(*Console, context.Context, string, []string) error { return ErrQuit }},
	}
}

func init() { Commands = commands() } // /help names the list that it is in

// Console does what is typed.
type Console struct {
	Client *member.Client
	Show   func(member.Event)
}

func (c *Console) info(format string, args ...any) {
	c.Show(member.Event{Type: member.Info, Text: fmt.Sprintf(format, args...)})
}

// Type does what was typed in a room, or in a conversation with one other (see
// member.Alone).
// The error is for the user; after ErrQuit there is no more.
func (c *Console) Type(ctx context.Context, where, line string) error {
	text, command := typed(line)
	switch {
	case command:
		return run(Commands, c, ctx, where, text)
	case text == "":
		return nil
	case where == "":
		return errors.New("you are in no room: /join #ROOM, or /help")
	}
	if to, alone := member.ParseAlone(where); alone {
		return c.Client.Tell(ctx, where, to, text, false)
	}
	return c.Client.Say(ctx, where, text)
}

// typed returns a line as it is said, or a command without its slash. "" is
// nothing.
func typed(line string) (text string, command bool) {
	line = strings.TrimRight(line, "\r\n")
	rest, slash := strings.CutPrefix(line, "/")
	switch {
	case strings.TrimSpace(line) == "":
		return "", false
	case slash && !strings.HasPrefix(rest, "/"):
		return rest, true
	case slash:
		line = rest
	}
	return strings.ToValidUTF8(line, "\ufffd"), false
}

// run does a command.
func run[C any](all []Command[C], c C, ctx context.Context, where, line string) error {
	name, rest, _ := strings.Cut(line, " ")
	var k *Command[C]
	for i := range all {
		if strings.EqualFold(all[i].Name, name) {
			k = &all[i]
		}
	}
	if k == nil {
		return fmt.Errorf("no command /%s: /help lists all", safetext.Line(name))
	}
	var args []string
	for rest = strings.TrimSpace(strings.ToValidUTF8(rest, "\ufffd")); rest != ""; {
		if len(args)+1 >= k.args {
			args = append(args, rest)
			break
		}
		var word string
		word, rest, _ = strings.Cut(rest, " ")
		args = append(args, word)
		rest = strings.TrimLeft(rest, " ")
	}
	if len(args) < k.args {
		return fmt.Errorf("usage: /%s %s", k.Name, k.Usage)
	}
	return k.do(c, ctx, where, args)
}

// help lists commands.
func help[C any](all []Command[C], info func(format string, args ...any)) {
	for _, k := range all {
		info("/%s", strings.TrimSpace(fmt.Sprintf("%s %s", k.Name, k.Usage))+": "+k.Help)
	}
	info("//TEXT says something that begins with a slash")
}

func or(args []string, where string) string {
	if len(args) > 0 {
		return args[0]
	}
	return where
}

func number(s string, f func(int) error) error {
	n, err := strconv.Atoi(s)
	if err != nil {
		return fmt.Errorf("%q is not the number of a file", safetext.Line(s))
	}
	return f(n)
}

func (c *Console) who(_ context.Context, where string, args []string) error {
	all, err := c.Client.Who(or(args, where))
	if err != nil {
		return err
	}
	c.info("%d in %s: %s", len(all), safetext.Room(or(args, where)), people(all))
	return nil
}

// ignore says whom it is about, and not only by a nick, which others may have.
func (c *Console) ignore(_ context.Context, where string, args []string) error {
	if len(args) == 0 {
		all, err := c.Client.Ignored()
		if err == nil {
			c.info("%s", strings.TrimSpace(fmt.Sprintf("you ignore %d %s", len(all), people(all))))
		}
		return err
	}
	who, ignored, err := c.Client.Ignore(where, args[0])
	if err == nil {
		c.info("%s is %s", people([]room.Member{who}), map[bool]string{true: "ignored", false: "shown again"}[ignored])
	}
	return err
}

// people are nicks with fingerprints.
func people(all []room.Member) string {
	names := make([]string, len(all))
	for i, m := range all {
		names[i] = safetext.Line(m.Nick) + " (" + m.ID.Fingerprint() + ")"
		if m.Own {
			names[i] += " that is you"
		}
	}
	return strings.Join(names, ", ")
}

func (c *Console) topic(ctx context.Context, where string, args []string) error {
	if len(args) > 0 {
		return c.Client.SetTopic(ctx, where, args[0])
	}
	text, by, err := c.Client.Topic(where)
	switch {
	case err != nil:
		return err
	case by == "":
		c.info("no topic was set since you came")
	default:
		c.info("topic of %s, by %s: %s", where, by, safetext.Line(text))
	}
	return nil
}

// send offers a file. Its name may have spaces: the last word is a nick if
// there is somebody of that nick.
func (c *Console) send(ctx context.Context, where string, args []string) error {
	path := args[0]
	to, alone := member.ParseAlone(where)
	if i := strings.LastIndexByte(path, ' '); i > 0 && !alone {
		all, err := c.Client.Who(where)
		if err != nil {
			return err
		}
		for _, m := range all {
			if !m.Own && m.Nick == path[i+1:] {
				path, to = strings.TrimRight(path[:i], " "), m.ID
				break
			}
		}
	}
	return c.Client.Send(ctx, where, to, path)
}

// Text is an event in words, harmless, without its room; "" is not shown to
// people. quiet says that it is beside what is said.
func Text(e *member.Event) (text string, quiet bool) {
	nick, said := safetext.Line(e.Nick), safetext.Line(e.Text)
	to := ""
	if e.Own {
		to = "-> "
	}
	file := fmt.Sprintf("%s (%s)", safetext.Line(e.File), Size(e.Size))
	switch e.Type {
	case room.Said:
		return fmt.Sprintf("<%s> %s", nick, said), false
	case room.Acted:
		return fmt.Sprintf("* %s %s", nick, said), false
	case room.Told:
		return fmt.Sprintf("%s*%s* %s", to, nick, said), false
	case room.ToldAct:
		return fmt.Sprintf("%s** %s %s", to, nick, said), false
	case room.Topic:
		return fmt.Sprintf("%s sets the topic: %s", nick, said), true
	case room.Came:
		return nick + " has come", true
	case room.Went:
		return strings.TrimSuffix(nick+" has left: "+said, ": "), true
	case room.Silent:
		return "nothing was heard of " + nick + " for a while: gone", true
	case room.Renamed:
		return fmt.Sprintf("%s is now %s", safetext.Line(e.Old), nick), true
	case room.Taken:
		return fmt.Sprintf("somebody is %s already: you are %s", safetext.Line(e.Old), nick), true
	case room.Offered:
		if e.Own {
			return fmt.Sprintf("you offer %s, file %d", file, e.Offer), true
		}
		return fmt.Sprintf("%s offers %s: /accept %d or /decline %d", nick, file, e.Offer, e.Offer), true
	case room.Warning:
		return "! " + said, true
	case member.Info:
		return said, true
	case member.Connected:
		if e.Fingerprint != "" {
			said += fmt.Sprintf(": %s, fingerprint %s", e.Suite, e.Fingerprint)
		}
		return "connected to " + said, true
	case member.Away:
		return said, true
	case member.Entered:
		return fmt.Sprintf("you are in %s as %s", safetext.Line(e.Room), nick), true
	case member.Parted:
		return "you have left " + safetext.Line(e.Room), true
	case member.Rooms:
		names := make([]string, len(e.Names))
		for i, n := range e.Names {
			names[i] = safetext.Line(n)
		}
		return strings.TrimSpace(fmt.Sprintf("%d rooms: %s %s", len(names), strings.Join(names, ", "), said)), true
	case member.File:
		saved := ""
		if e.Saved != "" {
			saved = ", saved as " + safetext.Line(e.Saved)
		}
		return fmt.Sprintf("%s of %s: %s%s", file, nick, said, saved), true
	}
	return "", true
}

// Size is a number of bytes for people.
func Size(n int64) string {
	const unit = 1024
	if n < unit {
		return fmt.Sprintf("%d bytes", n)
	}
	f, names := float64(n)/unit, []string{"KiB", "MiB", "GiB", "TiB"}
	for f >= unit && len(names) > 1 {
		f, names = f/unit, names[1:]
	}
	return fmt.Sprintf("%.1f %s", f, names[0])
}
