// SPDX-License-Identifier: Apache-2.0

package virtiopci

import (
	"errors"
	"fmt"
	"time"

	"vcrypto/vfiouser"
	"vcrypto/virtio"
	"vcrypto/virtio/virtqdrv"
)

// Driver is a driver of a virtio-pci function over a client, for tests and
// benchmarks. It finds its way as a guest's driver does, by the capabilities.
// It belongs to one goroutine at a time.
type Driver struct {
	c      *vfiouser.Client
	places map[byte]place // by the capability's type
}

// place is where a capability says a structure is.
type place struct {
	bar            uint32
	offset, length uint64
	multiplier     uint64 // of doorbells
}

// Errors of a Driver. Test with errors.Is.
var (
	// ErrFunction: this is no virtio-pci function.
	ErrFunction = errors.New("not a modern virtio-pci function")
	// ErrRefused: the device does not accept the features.
	ErrRefused = errors.New("the device refuses the features, or cannot work")
)

// NewDriver finds the parts of a function.
func NewDriver(c *vfiouser.Client) (*Driver, error) {
	d := &Driver{c: c, places: make(map[byte]place)}
	var b [configSize]byte
	if err := c.Read(vfiouser.RegionConfig, 0, b[:]); err != nil {
		return nil, err
	}
	if le.Uint16(b[pciVendor:]) != vendorRedHat || le.Uint16(b[pciStatus:])&statusCapList == 0 {
		return nil, ErrFunction
	}
	const least = 0x40 // capabilities follow the header
	for at, n := int(b[pciCapabilities]), 0; at >= least && at+notifyCapSize <= configSize && n < configSize/4; at, n = int(b[at+1]), n+1 {
		kind := b[at+3]
		if _, have := d.places[kind]; b[at] != capIDVendor || have {
			continue
		}
		p := place{bar: uint32(b[at+capBAR]), offset: uint64(le.Uint32(b[at+capOffset:])), length: uint64(le.Uint32(b[at+capLength:]))}
		if kind == cfgNotify {
			p.multiplier = uint64(le.Uint32(b[at+capMore:]))
		}
		d.places[kind] = p
	}
	for _, kind := range []byte{cfgCommon, cfgNotify, cfgISR} {
		if d.places[kind].length == 0 {
			return nil, fmt.Errorf("%w: no capability of type %d", ErrFunction, kind)
		}
	}
	return d, nil
}

// Client returns the client.
func (d *Driver) Client() *vfiouser.Client { return d.c }

// read and write are accesses to the common configuration, as wide as said.
func (d *Driver) read(at, size int) (uint64, error) {
	var b [8]byte
	p := d.places[cfgCommon]
	err := d.c.Read(p.bar, p.offset+uint64(at), b[:size])
	return le.Uint64(b[:]), err
}

func (d *Driver) write(at, size int, v uint64) error {
	var b [8]byte
	le.PutUint64(b[:], v)
	p := d.places[cfgCommon]
	return d.c.Post(p.bar, p.offset+uint64(at), b[:size])
}

// Status reads the device status, SetStatus writes it.
func (d *Driver) Status() (byte, error) {
	v, err := d.read(commonStatus, 1)
	return byte(v), err
}

// SetStatus writes the device status.
func (d *Driver) SetStatus(v byte) error { return d.write(commonStatus, 1, uint64(v)) }

// resetNap is how long Reset sleeps between looks.
const resetNap = time.Millisecond

// Reset resets the device and waits until that is done, or until a time.
func (d *Driver) Reset(until time.Time) error {
	if err := d.SetStatus(0); err != nil {
		return err
	}
	for {
		s, err := d.Status()
		if err != nil || s == 0 {
			return err
		}
		if time.Now().After(until) {
			return fmt.Errorf("the reset is not done, status %#x", s)
		}
		time.Sleep(resetNap)
	}
}

// Offered reads the features that the device offers.
func (d *Driver) Offered() (features uint64, err error) {
	for i := range uint64(2) {
		if err := d.write(commonDeviceSelect, 4, i); err != nil {
			return 0, err
		}
		v, err := d.read(commonDeviceFeature, 4)
		if err != nil {
			return 0, err
		}
		features |= v << (32 * i)
	}
	return features, nil
}

// Negotiate resets the device and agrees on features, of which VERSION_1 is
// always one.
func (d *Driver) Negotiate(features uint64) error {
	const acknowledge, driver = 1, 2
	if err := d.Reset(time.Now().Add(time.Minute)); err != nil {
		return err
	}
	features |= virtio.FeatureVersion1
	err := d.SetStatus(acknowledge | driver)
	for i := range uint64(2) {
		err = errors.Join(err, d.write(commonDriverSelect, 4, i), d.write(commonDriverFeature, 4, features>>(32*i)&0xffff_ffff))
	}
	if err = errors.Join(err, d.SetStatus(acknowledge|driver|statusFeaturesOK)); err != nil {
		return err
	}
	s, err := d.Status()
	if err == nil && s&statusFeaturesOK == 0 {
		err = ErrRefused
	}
	return err
}

// Ready ends the setting up: queues run.
func (d *Driver) Ready() error {
	s, err := d.Status()
	if err != nil {
		return err
	}
	return d.SetStatus(s | statusDriverOK)
}

// NoVector is the vector of no interrupt, or of the interrupt line.
const NoVector = noVector

// Ring is a driver's queue: a [virtqdrv.Queue] or a [virtqdrv.Packed].
type Ring interface {
	Size() int
	Desc() uint64
	Avail() uint64
	Used() uint64
}

var (
	_ Ring = (*virtqdrv.Queue)(nil)
	_ Ring = (*virtqdrv.Packed)(nil)
)

// AddQueue says where a queue is and which vector interrupts for it, and
// enables it.
func (d *Driver) AddQueue(index int, q Ring, vector uint16) error {
	err := d.write(commonQueueSelect, 2, uint64(index))
	most, err2 := d.read(commonQueueSize, 2)
	if err := errors.Join(err, err2); err != nil {
		return err
	}
	if uint64(q.Size()) > most {
		return fmt.Errorf("queue %d has at most %d descriptors", index, most)
	}
	err = d.write(commonQueueSize, 2, uint64(q.Size()))
	for at, v := range map[int]uint64{commonQueueDesc: q.Desc(), commonQueueDriver: q.Avail(), commonQueueDevice: q.Used()} {
		err = errors.Join(err, d.write(at, 4, v&0xffff_ffff), d.write(at+4, 4, v>>32))
	}
	if err = errors.Join(err, d.write(commonQueueVector, 2, uint64(vector))); err != nil {
		return err
	}
	got, err := d.read(commonQueueVector, 2)
	if err == nil && uint16(got) != vector {
		err = fmt.Errorf("queue %d: there is no vector %d", index, vector)
	}
	return errors.Join(err, d.write(commonQueueEnable, 2, 1))
}

// SetConfigVector chooses the vector for changes of the configuration.
func (d *Driver) SetConfigVector(vector uint16) error {
	return d.write(commonConfigVector, 2, uint64(vector))
}

// SetVectors gives eventfds for MSI-X vectors from first on.
func (d *Driver) SetVectors(first int, events ...*virtio.Event) error {
	var fds []int
	for _, e := range events {
		fds = append(fds, e.FD())
	}
	return d.c.SetIRQs(vfiouser.IRQSet{
		Flags: vfiouser.IRQDataEventFD | vfiouser.IRQTrigger, Index: vfiouser.IRQMSIX,
		Start: uint32(first), Count: uint32(len(fds)),
	}, fds...)
}

// Kick rings a queue's doorbell.
func (d *Driver) Kick(index int) error {
	p := d.places[cfgNotify]
	return d.c.Post(p.bar, p.offset+uint64(index)*p.multiplier, []byte{byte(index), byte(index >> 8)})
}

// ISR reads the interrupt status, which clears it.
func (d *Driver) ISR() (byte, error) {
	var b [1]byte
	p := d.places[cfgISR]
	err := d.c.Read(p.bar, p.offset, b[:])
	return b[0], err
}

// ReadConfig reads the device's configuration space.
func (d *Driver) ReadConfig(p []byte, offset uint32) error {
	at := d.places[cfgDevice]
	return d.c.Read(at.bar, at.offset+uint64(offset), p)
}
