// SPDX-License-Identifier: Apache-2.0

package console

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"vcrypto/internal/chat"
	"vcrypto/internal/chat/member"
	"vcrypto/internal/chat/room"
	"vcrypto/internal/chat/safetext"
	"vcrypto/internal/chat/wire"
)

// PairCommands are those of a conversation of two.
var PairCommands []Command[*Pair]

func pairCommands() []Command[*Pair] {
	return []Command[*Pair]{
		{"me", "TEXT", "say what you do", 1, func(p *Pair, _ context.Context, _ string, a []string) error {
			if !p.chat.Encrypted() {
				return errors.New("bare bytes (--plain) have no place for that")
			}
			return p.push(wire.Act, a[0])
		}},
		{"nick", "NAME", "change your nick", 1, func(p *Pair, _ context.Context, _ string, a []string) error {
			nick := safetext.Nick(a[0])
			if nick == "" {
				return fmt.Errorf("%q is no nick", safetext.Line(a[0]))
			}
			return p.push(wire.Nick, nick)
		}},
		{"send", "FILE", "offer a file", 1, func(p *Pair, _ context.Context, _ string, a []string) error {
			if !p.chat.Encrypted() {
				return errors.New("bare bytes (--plain) have no place for files")
			}
			return p.files.Send(a[0])
		}},
		{"accept", "NUMBER", "take a file, or go on with it", 1, func(p *Pair, _ context.Context, _ string, a []string) error {
			return number(a[0], p.files.Accept)
		}},
		{"decline", "NUMBER", "do not take a file", 1, func(p *Pair, _ context.Context, _ string, a []string) error {
			return number(a[0], p.files.Decline)
		}},
		{"who", "", "who is here", 0, (*Pair).who},
		{"fingerprint", "", "what to compare with the other, by a way on which you know them", 0, (*Pair).fingerprint},
		{"help", "", "this list", 0, func(p *Pair, _ context.Context, _ string, _ []string) error {
			help(PairCommands, p.info)
			return nil
		}},
		{"quit", "", "leave", 0, func(*Pair, context.Context, string, []string) error { return ErrQuit }},
	}
}

func init() { PairCommands = pairCommands() } // /help names the list that it is in

// Pair is between a conversation of two (package chat) and whoever uses it: it
// does what is typed, and makes events of what happens. It is the chat's
// display.
type Pair struct {
	chat  *chat.Chat
	files *chat.Files
	show  func(member.Event)
	// failed says why events cannot be shown, nil if they can.
	failed func() error

	typed  chan chat.Chunk
	cancel context.CancelFunc // ends the chat
	done   chan struct{}      // closed when the chat has ended
	err    error              // why it has; read after done is closed

	mu      sync.Mutex
	own     string     // our nick
	nick    string     // the peer's, "" while it has told none
	peer    *chat.Peer // nil while nobody is there
	partial []byte     // a line of the peer's that has not ended
}

// NewPair makes a console for c, and is its input, display and log from now
// on. Files come into a folder. person says that a person types, not a
// program. failed may be nil.
func NewPair(c *chat.Chat, folder string, show func(member.Event), failed func() error, person bool) *Pair {
	p := &Pair{chat: c, show: show, failed: failed, own: c.Nick, typed: make(chan chat.Chunk), done: make(chan struct{})}
	p.files = chat.NewFiles(folder, p.file)
	c.Files = p.files
	c.In, c.Out, c.Log, c.Told = chat.NewTyped(p.typed, person), p, p.info, true
	return p
}

// Run has the chat run by talk while its user uses it; it returns when both
// have ended.
func (p *Pair) Run(ctx context.Context, talk, use func(context.Context) error) error {
	talking, cancel := context.WithCancel(ctx)
	defer cancel()
	p.cancel = cancel
	using, leave := context.WithCancel(ctx)
	defer leave()
	defer p.files.Close()
	go func() {
		p.err = talk(talking)
		close(p.done)
	}()
	used := make(chan error, 1)
	go func() { used <- use(using) }()
	var err error
	select {
	case <-p.done:
		leave()
		err = <-used // the terminal is as it was
	case err = <-used:
		cancel()
		<-p.done
	}
	if errors.Is(err, member.ErrStopped) {
		err = nil
	}
	return errors.Join(p.err, err)
}

// Type implements Talker.
func (p *Pair) Type(ctx context.Context, where, line string) error {
	text, command := typed(line)
	switch {
	case command:
		return run(PairCommands, p, ctx, where, text)
	case text == "":
		return nil
	}
	return p.push(wire.Data, text+"\n")
}

// push hands something to the chat.
func (p *Pair) push(k wire.Kind, text string) error {
	if len(text) > room.MaxText+1 { // and a line feed
		return fmt.Errorf("%d bytes are too many: at most %d", len(text), room.MaxText)
	}
	return p.hand(chat.Chunk{Kind: k, Bytes: []byte(text)})
}

func (p *Pair) hand(c chat.Chunk) error {
	select {
	case p.typed <- c:
		return nil
	case <-p.done:
		return member.ErrStopped
	}
}

// Quit implements Talker. What becomes of the chat, Run returns.
func (p *Pair) Quit(ctx context.Context, patience time.Duration) error {
	defer p.cancel()
	if p.with() == nil {
		return nil
	}
	late := time.NewTimer(patience)
	defer late.Stop()
	select {
	case p.typed <- chat.Chunk{Err: chat.ErrQuit}:
	case <-p.done:
	case <-late.C:
	case <-ctx.Done():
	}
	select {
	case <-p.done:
	case <-late.C:
	case <-ctx.Done():
	}
	return nil
}

// EndInput implements Talker. It waits for the peer's end, too, as long as
// that takes; a listener goes on, receiving.
func (p *Pair) EndInput(ctx context.Context, _ time.Duration) error {
	close(p.typed)
	select {
	case <-p.done:
	case <-ctx.Done():
	}
	return nil
}

// with returns whom we talk with, or nil.
func (p *Pair) with() *chat.Peer {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.peer
}

func (p *Pair) info(format string, args ...any) {
	p.event(member.Event{Type: member.Info, Text: fmt.Sprintf(format, args...)})
}

// Warn shows a warning.
func (p *Pair) Warn(text string) { p.event(member.Event{Type: room.Warning, Text: text}) }

func (p *Pair) event(e member.Event) {
	e.Time = time.Now()
	p.show(e)
}

// names returns how the two are called here. The peer is never called what we
// are.
func (p *Pair) names() (own, peer string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	own, peer = p.own, p.nick
	if own == "" {
		own = "you"
	}
	if peer == "" {
		peer = "peer"
	}
	if safetext.Fold(own) == safetext.Fold(peer) {
		peer += "~"
	}
	return own, peer
}

func (p *Pair) who(context.Context, string, []string) error {
	own, nick := p.names()
	if peer := p.with(); peer != nil {
		p.info("%s at %s, and %s, that is you", nick, peer.Addr, own)
	} else {
		p.info("nobody but you, %s", own)
	}
	return nil
}

func (p *Pair) fingerprint(context.Context, string, []string) error {
	switch peer := p.with(); {
	case peer == nil:
		return errors.New("nobody is connected: each conversation has a fingerprint of its own")
	case peer.Fingerprint == "":
		return errors.New("there is none without encryption")
	default:
		p.info("fingerprint: %s. If the other sees the same, nobody is between you", peer.Fingerprint)
	}
	return nil
}

// Files returns what takes files that are on offer.
func (p *Pair) Files() Files { return p.files }

// file shows what happens to a file.
func (p *Pair) file(f chat.FileEvent) {
	own, nick := p.names()
	e := member.Event{Type: member.File, Nick: nick, Own: f.Own, Offer: f.Number, File: f.Name, Size: f.Size, Done: f.Done, Text: f.Text, Saved: f.Saved}
	if f.Own {
		e.Nick = own
	}
	switch f.State {
	case chat.FileOffered:
		e.Type = room.Offered
	case chat.FileProgress:
		e.Type = member.Progress
	}
	p.event(e)
}

// Begin implements chat.Display.
func (p *Pair) Begin(peer chat.Peer) {
	p.mu.Lock()
	p.peer, p.nick, p.partial = &peer, "", nil
	p.mu.Unlock()
	p.event(member.Event{Type: member.Connected, Text: peer.Addr, Suite: peer.Suite, Fingerprint: peer.Fingerprint})
}

// SetNick implements chat.Display.
func (p *Pair) SetNick(nick string) {
	p.mu.Lock()
	first := p.nick == ""
	p.mu.Unlock()
	_, old := p.names()
	p.mu.Lock()
	p.nick = nick
	p.mu.Unlock()
	own, nick := p.names()
	switch {
	case first:
		p.event(member.Event{Type: room.Came, Nick: nick})
	case nick != old:
		p.event(member.Event{Type: room.Renamed, Nick: nick, Old: old})
	default:
		return
	}
	p.event(member.Event{Type: member.Members, Nick: own, Names: []string{own, nick}})
}

// Write implements chat.Display: what came is shown line by line.
func (p *Pair) Write(b []byte) error {
	_, nick := p.names()
	for len(b) > 0 {
		line, rest, ended := bytes.Cut(b, []byte{'\n'})
		p.partial = append(p.partial, line...)
		for len(p.partial) > room.MaxText { // what long a line nobody types
			p.said(nick, p.partial[:room.MaxText])
			p.partial = p.partial[room.MaxText:]
		}
		if ended {
			p.said(nick, p.partial)
			p.partial = p.partial[:0]
		}
		b = rest
	}
	if p.failed == nil {
		return nil
	}
	return p.failed()
}

func (p *Pair) said(nick string, line []byte) {
	p.event(member.Event{Type: room.Said, Nick: nick, Text: strings.TrimSuffix(string(line), "\r")})
}

// Act implements chat.Display.
func (p *Pair) Act(text string) error {
	_, nick := p.names()
	p.event(member.Event{Type: room.Acted, Nick: nick, Text: text})
	if p.failed == nil {
		return nil
	}
	return p.failed()
}

// Sent implements chat.Display.
func (p *Pair) Sent(k wire.Kind, b []byte) {
	own, _ := p.names()
	switch k {
	case wire.Data:
		p.event(member.Event{Type: room.Said, Nick: own, Text: strings.TrimSuffix(string(b), "\n"), Own: true})
	case wire.Act:
		p.event(member.Event{Type: room.Acted, Nick: own, Text: string(b), Own: true})
	case wire.Nick:
		p.mu.Lock()
		p.own = string(b)
		p.mu.Unlock()
		p.event(member.Event{Type: room.Renamed, Nick: string(b), Old: own, Own: true})
	}
}

// End implements chat.Display.
func (p *Pair) End(err error) {
	_, nick := p.names()
	if len(p.partial) > 0 {
		p.said(nick, p.partial)
	}
	p.mu.Lock()
	p.peer, p.partial = nil, nil
	p.mu.Unlock()
	e := member.Event{Type: room.Went, Nick: nick}
	if err != nil && !errors.Is(err, chat.ErrLeft) {
		p.Warn(err.Error()) // a cut, say: it matters more than that somebody has left
	}
	p.event(e)
	p.event(member.Event{Type: member.Members})
}
