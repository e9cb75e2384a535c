// SPDX-License-Identifier: Apache-2.0

// Package sock is what transports over Unix sockets have in common: a socket
// that is taken over from a process that died and refused while one lives, one
// peer served after the other, and messages that come with descriptors beside
// their first bytes.
package sock
