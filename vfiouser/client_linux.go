// SPDX-License-Identifier: Apache-2.0

package vfiouser

import (
	"fmt"
	"net"

	"golang.org/x/sys/unix"
)

// Client is the other end of a connection, for tests and benchmarks: what a
// VMM does. It belongs to one goroutine at a time.
type Client struct {
	*Conn
	id uint16
}

// Dial connects to a server's socket and agrees on a version.
func Dial(path string) (*Client, error) {
	uc, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, err
	}
	c := NewClient(uc)
	if _, err := c.Version(Version{Data: []byte(`{"capabilities":{"max_msg_fds":16,"max_data_xfer_size":1048576,"pgsizes":4096,"max_dma_maps":65535}}`)}); err != nil {
		c.Close()
		return nil, fmt.Errorf("connect to %s: %w", path, err)
	}
	return c, nil
}

// NewClient makes a client of a connection, which it owns then. Version is
// the first thing to do.
func NewClient(uc *net.UnixConn) *Client { return &Client{Conn: NewConn(uc)} }

// CommandError is a command that the server answered with an error.
type CommandError struct {
	Command Command
	Errno   unix.Errno
}

func (e *CommandError) Error() string {
	return fmt.Sprintf("the server answered %v with %v", e.Command, e.Errno)
}

// Unwrap returns the errno.
func (e *CommandError) Unwrap() error { return e.Errno }

// Start sends a command and returns the id that its answer will have.
func (c *Client) Start(cmd Command, flags uint32, payload []byte, fds ...int) (id uint16, err error) {
	c.id++
	return c.id, c.Send(Header{ID: c.id, Command: cmd, Flags: flags}, payload, fds...)
}

// Finish receives the answer to a command: answers come in the order of the
// commands. The answer is valid until the next call.
func (c *Client) Finish(cmd Command, id uint16) ([]byte, error) {
	m, err := c.Receive()
	if err != nil {
		return nil, fmt.Errorf("answer to %v: %w", cmd, err)
	}
	defer m.Close()
	if !m.Reply() || m.ID != id || m.Command != cmd {
		return nil, violation("%v with id %d and flags %#x came instead of the answer to %v with id %d", m.Command, m.ID, m.Flags, cmd, id)
	}
	if m.Flags&FlagError != 0 {
		return nil, &CommandError{cmd, unix.Errno(m.Error)}
	}
	return m.Payload, nil
}

// Do sends a command and returns its answer, which is valid until the next
// call. The error is a *CommandError where the server refused.
func (c *Client) Do(cmd Command, payload []byte, fds ...int) ([]byte, error) {
	id, err := c.Start(cmd, 0, payload, fds...)
	if err != nil {
		return nil, err
	}
	return c.Finish(cmd, id)
}

// Version agrees on a version.
func (c *Client) Version(v Version) (Version, error) {
	b, err := c.Do(CmdVersion, v.Append(nil))
	if err != nil {
		return Version{}, err
	}
	return DecodeVersion(b)
}

// Map gives memory to the device; fd -1 is memory that it cannot see.
func (c *Client) Map(m DMAMap, fd int) error {
	var fds []int
	if fd >= 0 {
		fds = []int{fd}
	}
	_, err := c.Do(CmdDMAMap, m.Append(nil), fds...)
	return err
}

// Unmap takes memory away.
func (c *Client) Unmap(u DMAUnmap) error {
	_, err := c.Do(CmdDMAUnmap, u.Append(nil))
	return err
}

// Info asks what the device is.
func (c *Client) Info() (DeviceInfo, error) {
	b, err := c.Do(CmdGetInfo, DeviceInfo{}.Append(nil))
	if err != nil {
		return DeviceInfo{}, err
	}
	return DecodeDeviceInfo(b)
}

// Region asks for a region.
func (c *Client) Region(index uint32) (RegionInfo, error) {
	b, err := c.Do(CmdRegionInfo, RegionInfo{Index: index}.Append(nil))
	if err != nil {
		return RegionInfo{}, err
	}
	return DecodeRegionInfo(b)
}

// IRQ asks for a kind of interrupts.
func (c *Client) IRQ(index uint32) (IRQInfo, error) {
	b, err := c.Do(CmdIRQInfo, IRQInfo{Index: index}.Append(nil))
	if err != nil {
		return IRQInfo{}, err
	}
	return DecodeIRQInfo(b)
}

// SetIRQs sets interrupts up.
func (c *Client) SetIRQs(s IRQSet, fds ...int) error {
	_, err := c.Do(CmdSetIRQs, s.Append(nil), fds...)
	return err
}

// Read reads from a region into p.
func (c *Client) Read(region uint32, offset uint64, p []byte) error {
	b, err := c.Do(CmdRegionRead, RegionAccess{Offset: offset, Region: region, Count: uint32(len(p))}.Append(nil))
	if err != nil {
		return err
	}
	a, err := DecodeRegionAccess(b)
	if err == nil && len(a.Data) != len(p) {
		err = violation("%d bytes were read, %d wanted", len(a.Data), len(p))
	}
	copy(p, a.Data)
	return err
}

// Write writes to a region.
func (c *Client) Write(region uint32, offset uint64, p []byte) error {
	_, err := c.Do(CmdRegionWrite, RegionAccess{offset, region, uint32(len(p)), p}.Append(nil))
	return err
}

// Post writes to a region and does not wait for it.
func (c *Client) Post(region uint32, offset uint64, p []byte) error {
	_, err := c.Start(CmdRegionWrite, FlagNoReply, RegionAccess{offset, region, uint32(len(p)), p}.Append(nil))
	return err
}

// Reset resets the device.
func (c *Client) Reset() error {
	_, err := c.Do(CmdReset, nil)
	return err
}
