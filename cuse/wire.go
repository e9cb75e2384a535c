// SPDX-License-Identifier: Apache-2.0

package cuse

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// The messages of /dev/cuse, Linux include/uapi/linux/fuse.h. All integers are
// the machine's own; a request is a header and a body, an answer likewise.

// Opcodes, enum fuse_opcode.
const (
	opOpen      = 14   // FUSE_OPEN
	opRelease   = 18   // FUSE_RELEASE
	opInterrupt = 36   // FUSE_INTERRUPT
	opIoctl     = 39   // FUSE_IOCTL
	opPoll      = 40   // FUSE_POLL
	opInit      = 4096 // CUSE_INIT
)

// notifyPoll is FUSE_NOTIFY_POLL of enum fuse_notify_code.
const notifyPoll = 1

// Sizes, in bytes.
const (
	inHeaderSize  = 40 // struct fuse_in_header
	outHeaderSize = 16 // struct fuse_out_header
	initInSize    = 16 // struct cuse_init_in
	initOutSize   = 72 // struct cuse_init_out
	releaseInSize = 8  // struct fuse_release_in, as much of it as counts
	openOutSize   = 16 // struct fuse_open_out
	ioctlInSize   = 32 // struct fuse_ioctl_in
	ioctlOutSize  = 16 // struct fuse_ioctl_out
	iovecSize     = 16 // struct fuse_ioctl_iovec
	pollInSize    = 24 // struct fuse_poll_in
	pollOutSize   = 8  // struct fuse_poll_out
)

// The protocol's version.
const (
	protocolMajor = 7  // FUSE_KERNEL_VERSION
	protocolMinor = 31 // what is used here is older than this
)

// Flags.
const (
	initUnrestricted = 1 << 0 // CUSE_UNRESTRICTED_IOCTL
	ioctlCompat      = 1 << 0 // FUSE_IOCTL_COMPAT
	ioctlRetry       = 1 << 2 // FUSE_IOCTL_RETRY
	pollNotify       = 1 << 0 // FUSE_POLL_SCHEDULE_NOTIFY
	pollRdNorm       = 0x40   // POLLRDNORM
	pollWrNorm       = 0x100  // POLLWRNORM
)

const (
	// maxRound is how many bytes an ioctl may bring, and take, in one round:
	// FUSE_DEFAULT_MAX_PAGES_PER_REQ pages of the smallest size.
	maxRound = 32 * 4096

	// maxSpans is FUSE_IOCTL_MAX_IOV.
	maxSpans = 256

	// transfer is the most bytes of read and write, which no device here has:
	// the smallest number that the kernel takes.
	transfer = 4096

	// bufferSize holds the largest request.
	bufferSize = inHeaderSize + ioctlInSize + maxRound + 4096
)

var order = binary.NativeEndian

// header is what a request begins with.
type header struct {
	opcode uint32
	unique uint64 // names it in the answer
	uid    uint32
	pid    uint32 // of the thread; 0 where it has none here
}

// parse splits a request. The kernel sends no malformed ones; a truncated one
// is an error all the same.
func parse(b []byte) (h header, body []byte, err error) {
	if len(b) < inHeaderSize || int(order.Uint32(b)) != len(b) {
		return header{}, nil, fmt.Errorf("a request of %d bytes that is not as long as it says", len(b))
	}
	h = header{
		opcode: order.Uint32(b[4:]),
		unique: order.Uint64(b[8:]),
		uid:    order.Uint32(b[24:]),
		pid:    order.Uint32(b[32:]),
	}
	return h, b[inHeaderSize:], nil
}

// putHeader fills in an answer's header; b is the whole answer.
func putHeader(b []byte, unique uint64, errno int32) []byte {
	order.PutUint32(b, uint32(len(b)))
	order.PutUint32(b[4:], uint32(errno))
	order.PutUint64(b[8:], unique)
	return b
}

// initAnswer is the answer to CUSE_INIT: from it the kernel makes the device,
// with a number of its choice.
func initAnswer(unique uint64, name string) []byte {
	b := make([]byte, outHeaderSize+initOutSize)
	out := b[outHeaderSize:]
	order.PutUint32(out, protocolMajor)
	order.PutUint32(out[4:], protocolMinor)
	order.PutUint32(out[12:], initUnrestricted)
	order.PutUint32(out[16:], transfer) // max_read
	order.PutUint32(out[20:], transfer) // max_write
	b = append(b, "DEVNAME="+name+"\x00"...)
	return putHeader(b, unique, 0)
}

// ioctlIn is struct fuse_ioctl_in.
type ioctlIn struct {
	file    uint64
	flags   uint32
	cmd     uint32
	arg     uint64
	inSize  uint32 // bytes that follow
	outSize uint32 // bytes that the answer may have
}

func parseIoctl(b []byte) (in ioctlIn, data []byte, err error) {
	if len(b) < ioctlInSize {
		return ioctlIn{}, nil, fmt.Errorf("an ioctl of %d bytes", len(b))
	}
	in = ioctlIn{
		file:    order.Uint64(b),
		flags:   order.Uint32(b[8:]),
		cmd:     order.Uint32(b[12:]),
		arg:     order.Uint64(b[16:]),
		inSize:  order.Uint32(b[24:]),
		outSize: order.Uint32(b[28:]),
	}
	data = b[ioctlInSize:]
	if uint64(in.inSize) != uint64(len(data)) || in.outSize > maxRound {
		return ioctlIn{}, nil, fmt.Errorf("an ioctl with %d bytes that says %d, and room for %d", len(data), in.inSize, in.outSize)
	}
	return in, data, nil
}

// putIoctl appends a finished ioctl's result and what it writes.
func putIoctl(b []byte, result int32, out []byte) []byte {
	b = order.AppendUint32(b, uint32(result))
	b = append(b, make([]byte, ioctlOutSize-4)...)
	return append(b, out...)
}

// putRetry appends the demand for another round.
func putRetry(b []byte, in, out []Span) []byte {
	b = order.AppendUint32(b, 0)
	b = order.AppendUint32(b, ioctlRetry)
	b = order.AppendUint32(b, uint32(len(in)))
	b = order.AppendUint32(b, uint32(len(out)))
	for _, spans := range [][]Span{in, out} {
		for _, s := range spans {
			b = order.AppendUint64(b, s.Addr)
			b = order.AppendUint64(b, s.Len)
		}
	}
	return b
}

// checkName says whether a name can be a device's: one part of a path.
func checkName(name string) error {
	if name == "" || name == "." || name == ".." || strings.ContainsAny(name, "/\x00=\n !") || len(name) > 200 {
		return fmt.Errorf("%q is no name for a device node", name)
	}
	return nil
}
