// SPDX-License-Identifier: Apache-2.0

package tui

import (
	"context"
	"fmt"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"
)

// Run shows the interface until the user leaves (Ctrl-C or Ctrl-D on an empty
// line), until ctx is done, or until the terminal fails, which alone is an
// error. The terminal is then as it was before.
func (u *UI) Run(ctx context.Context) error {
	defer u.close()
	p := tea.NewProgram(newScreen(u),
		tea.WithInput(u.opts.In), tea.WithOutput(u.opts.Out), tea.WithEnvironment(u.opts.Env),
		tea.WithFilter(sized),
		tea.WithoutSignalHandler()) // signals are the program's, and end ctx
	defer context.AfterFunc(ctx, p.Quit)()

	stop := make(chan struct{})
	defer close(stop)
	go func() {
		for {
			select {
			case <-u.dirty:
				p.Send(redrawMsg{})
			case <-stop:
				return
			}
		}
	}()
	if _, err := p.Run(); err != nil {
		return fmt.Errorf("terminal: %w", err)
	}
	return nil
}

// close lets go of whoever waits for the user.
func (u *UI) close() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.closed = true
	close(u.done)
	close(u.lines)
}

// redrawMsg says that the state has changed.
type redrawMsg struct{}

// screen is what the loop of Run has for itself: what is typed, and what the
// terminal is like.
type screen struct {
	ui            *UI
	editor        editor
	columns, rows int
	paint         painter
}

// The size of a terminal that does not tell its own, such as a serial line.
const (
	defaultColumns = 80
	defaultRows    = 24
)

// sized gives a terminal without a size one.
func sized(_ tea.Model, msg tea.Msg) tea.Msg {
	if size, ok := msg.(tea.WindowSizeMsg); ok && (size.Width <= 0 || size.Height <= 0) {
		return tea.WindowSizeMsg{Width: defaultColumns, Height: defaultRows}
	}
	return msg
}

func newScreen(u *UI) *screen {
	return &screen{ui: u, editor: newEditor(), columns: defaultColumns, rows: defaultRows}
}

// Init implements tea.Model.
func (s *screen) Init() tea.Cmd { return nil }

// Update implements tea.Model.
func (s *screen) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		s.columns, s.rows = msg.Width, msg.Height
	case tea.ColorProfileMsg:
		s.paint.colours = msg.Profile >= colorprofile.ANSI
	case tea.FocusMsg, tea.BlurMsg:
		_, focused := msg.(tea.FocusMsg)
		s.ui.focus(focused)
	case tea.PasteMsg:
		s.editor.paste(msg.Content)
	case tea.KeyPressMsg:
		return s, s.press(msg)
	}
	return s, nil
}

// focus notes whether the user is looking.
func (u *UI) focus(focused bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.focused = focused
	u.look()
}
