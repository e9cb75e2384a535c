// SPDX-License-Identifier: Apache-2.0

package tui

import (
	"context"
	"errors"
	"slices"

	"vcrypto/internal/chat/safetext"
)

// Why a question has no answer.
var (
	// ErrClosed: Run has returned.
	ErrClosed = errors.New("the terminal is closed")
	// ErrQuestions: there are too many open ones already.
	ErrQuestions = errors.New("too many questions wait for an answer")
)

// maxQuestions bounds how many may wait: each is a stranger's to cause.
const maxQuestions = 16

// question is one that waits for its answer.
type question struct {
	text   string
	answer chan bool // holds one
}

// Ask asks the user a question, and waits for yes or no, for ctx, or for the
// end of Run. Questions are shown one at a time. They are answered by Alt-Y
// or Alt-N, or by /yes or /no, so that what is typed when one comes up is not
// taken for an answer.
func (u *UI) Ask(ctx context.Context, text string) (bool, error) {
	q := &question{text: flat(safetext.Line(text)), answer: make(chan bool, 1)}
	u.mu.Lock()
	switch {
	case u.closed:
		u.mu.Unlock()
		return false, ErrClosed
	case len(u.questions) >= maxQuestions:
		u.mu.Unlock()
		return false, ErrQuestions
	}
	u.questions = append(u.questions, q)
	u.redraw()
	u.mu.Unlock()

	var err error
	select {
	case yes := <-q.answer:
		return yes, nil
	case <-ctx.Done():
		err = ctx.Err()
	case <-u.done:
		err = ErrClosed
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.questions = slices.DeleteFunc(u.questions, func(o *question) bool { return o == q })
	u.redraw()
	select {
	case yes := <-q.answer: // both at once: the user's word counts
		return yes, nil
	default:
		return false, err
	}
}

// answer gives the question that is shown its answer, and says whether there
// was one. u.mu is held.
func (u *UI) answer(yes bool) bool {
	if len(u.questions) == 0 {
		return false
	}
	u.questions[0].answer <- yes
	u.questions = u.questions[1:]
	u.redraw()
	return true
}
