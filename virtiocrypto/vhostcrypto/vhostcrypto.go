// SPDX-License-Identifier: Apache-2.0

// Package vhostcrypto serves QEMU's cryptodev-vhost-user back-end and its
// kin: the form of vhost-user in which the front-end keeps the device's
// configuration space and control queue, hands over data queues, and asks for
// sessions by messages of its own (CREATE_CRYPTO_SESSION and
// CLOSE_CRYPTO_SESSION, QEMU's docs/interop/vhost-user.rst).
//
// The message's layout has changed twice without a bit to tell: see session.go
// for the three that are in use and how they are told apart. A message of
// another length is refused in a form that the next QEMU would understand, as
// its VM stands still until it has an answer.
//
// Such a front-end gets one data queue: QEMU never starts a second here.
package vhostcrypto

import (
	"fmt"
	"log/slog"

	"vcrypto/vhostuser"
	"vcrypto/virtiocrypto"
)

// Requests and protocol features of the extension.
const (
	RequestCreate vhostuser.Request = 26 // VHOST_USER_CREATE_CRYPTO_SESSION
	RequestClose  vhostuser.Request = 27 // VHOST_USER_CLOSE_CRYPTO_SESSION

	// ProtocolCryptoSession is VHOST_USER_PROTOCOL_F_CRYPTO_SESSION.
	ProtocolCryptoSession = 1 << 7

	closeSize = 8 // of a close message's payload: le64 session_id
)

// Handler is the extension, for one device.
type Handler struct {
	device *virtiocrypto.Device
	log    *slog.Logger
}

var _ vhostuser.Extension = (*Handler)(nil)

// New returns the extension for a device. log may be nil.
func New(d *virtiocrypto.Device, log *slog.Logger) *Handler {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Handler{d, log}
}

// ProtocolFeatures returns ProtocolCryptoSession.
func (h *Handler) ProtocolFeatures() uint64 { return ProtocolCryptoSession }

// FrontEndControls reports whether the front-end keeps the control queue. The
// generic device of QEMU acknowledges every bit it has heard of, so the
// session bit alone says nothing; but it insists on the configuration space,
// which a cryptodev back-end never asks for.
func (h *Handler) FrontEndControls(acked uint64) bool {
	return acked&ProtocolCryptoSession != 0 && acked&vhostuser.ProtocolConfig == 0
}

// DataQueues returns 1.
func (h *Handler) DataQueues() int { return 1 }

// Handle opens and closes sessions, at the rate that the device has.
func (h *Handler) Handle(r vhostuser.ExtensionRequest) (reply []byte, err error) {
	switch r.Request {
	case RequestCreate, RequestClose:
		h.device.Pace(len(r.Payload))
	}
	switch r.Request {
	case RequestCreate:
		return h.create(r.Payload)
	case RequestClose:
		return nil, h.close(r.Payload)
	}
	return nil, vhostuser.ErrUnknownRequest
}

// create answers with the session's ID or the negative of a status. A front-end
// waits for the answer, whatever it asked for, and all of its VM with it: a
// message of a layout that nobody knows gets one too, with which the error is
// logged.
func (h *Handler) create(payload []byte) ([]byte, error) {
	l, err := detect(payload)
	if err != nil {
		return refuse(payload), err
	}
	p, err := l.parse(payload)
	var id uint64
	if err == nil {
		id, err = h.device.CreateSession(p)
	}
	if err != nil {
		// Guests ask for sessions as often as they like, so this is not for
		// the log of every day.
		h.log.Debug("session refused", "layout", l.name, "err", err)
		return l.answer(payload, -int64(virtiocrypto.StatusOf(err))), nil
	}
	h.log.Debug("session created", "layout", l.name, "id", id)
	return l.answer(payload, int64(id)), nil
}

func (h *Handler) close(payload []byte) error {
	if len(payload) != closeSize {
		return fmt.Errorf("%w: close has %d bytes, want %d", ErrMessage, len(payload), closeSize)
	}
	id := le.Uint64(payload)
	if err := h.device.DestroySession(id); err != nil {
		return fmt.Errorf("close session %d: %w", id, err)
	}
	return nil
}
