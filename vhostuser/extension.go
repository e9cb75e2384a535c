// SPDX-License-Identifier: Apache-2.0

package vhostuser

// Extension is what a kind of device adds to the protocol. Its methods are
// called from the goroutine that serves the connection.
type Extension interface {
	// ProtocolFeatures are the protocol feature bits that are offered beside
	// this package's own.
	ProtocolFeatures() uint64

	// FrontEndControls reports whether, with these protocol features
	// acknowledged, the front-end keeps the configuration space and the
	// control queue to itself and hands over data queues only. Nothing is
	// known then of what the driver negotiated: rings run with
	// [virtq.Config.Unnegotiated], VERSION_1 is assumed, a ring counts as
	// enabled unless it was said to be disabled, and where it starts says
	// nothing about a reset.
	FrontEndControls(acked uint64) bool

	// DataQueues is the number of queues, from queue 0 on, that such a
	// front-end can use. It is what GET_QUEUE_NUM answers then.
	DataQueues() int

	// Handle handles a request that this package does not know.
	//
	// A reply that is not nil is the payload of an answer that is sent
	// whether or not the front-end set FlagNeedReply; it may be r.Payload
	// itself, changed. An error that comes with it is only logged. With
	// neither reply nor error the request is acknowledged if that was asked
	// for. An error alone is logged (a request's first; guests may cause
	// them without end), and acknowledged as a failure if that was asked
	// for; the connection goes on. For a request it does not know
	// Handle returns [ErrUnknownRequest].
	Handle(r ExtensionRequest) (reply []byte, err error)
}

// ExtensionRequest is a request for an [Extension].
type ExtensionRequest struct {
	Request Request

	// Payload may be read and written until Handle returns. It and the reply
	// are zeroed when the answer was sent: they may hold keys.
	Payload []byte

	// Protocol are the protocol features that were acknowledged.
	Protocol uint64
}
