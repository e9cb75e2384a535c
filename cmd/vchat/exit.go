// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"

	"vcrypto/internal/chat"
	"vcrypto/internal/chat/wire"
)

// Exit statuses, as the help and docs/chat.md list them.
const (
	exitOK       = 0
	exitFailed   = 1
	exitUsage    = 2
	exitUnproved = 3
	exitBroken   = 4
	exitBusy     = 5
)

// usageError is an error in what the user asked for.
type usageError struct{ error }

func (u usageError) Unwrap() error { return u.error }

// exitCode finds the status for an error.
func exitCode(err error) int {
	var usage usageError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &usage):
		return exitUsage
	case errors.Is(err, wire.ErrCipher), errors.Is(err, chat.ErrLocal):
		return exitFailed
	case errors.Is(err, wire.ErrBusy):
		return exitBusy
	case errors.Is(err, chat.ErrUnproved):
		return exitUnproved
	case errors.Is(err, chat.ErrBroken), errors.Is(err, chat.ErrLeft):
		return exitBroken
	}
	return exitFailed
}
