// SPDX-License-Identifier: Apache-2.0

package virtiopci

import (
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"vcrypto/vfiouser"
	"vcrypto/virtio"
	"vcrypto/virtio/virtq"
)

const (
	// DefaultQueueSize is the size of queues that a driver finds, and may
	// make smaller.
	DefaultQueueSize = 1024

	// resetPatience is how long a reset is waited for: a driver waits for the
	// device status to become 0, a client for its answer.
	resetPatience = 2 * time.Second

	// requestPatience is how long requests that were not begun are waited for
	// when they have to end. A reset then ends in time, and so does an unmap,
	// for which vfiouser waits longer than for a reset here.
	requestPatience = resetPatience / 2
)

// Options are settings of a Function. Zero values stand for the defaults.
type Options struct {
	Log       *slog.Logger // nil for none
	QueueSize int          // of all queues: a power of two

	// NoMSIX leaves the driver with the interrupt line alone. QEMU up to 11.1
	// at least aborts when a vfio-user device that has MSI-X is unplugged.
	NoMSIX bool
}

// Function is a virtio-pci function. It implements [vfiouser.Device].
type Function struct {
	in      *virtio.Instance
	offered uint64 // features
	log     *slog.Logger
	dma     *vfiouser.DMA
	irqs    *vfiouser.Interrupts

	config  configSpace
	vectors int    // of MSI-X; 0 for none
	table   []byte // MSI-X

	// What the driver chose in the common configuration.
	deviceSelect, driverSelect uint32
	features                   uint64
	selected                   uint16
	queues                     []queue

	// status is the driver's part of device_status, needsReset ours.
	status       atomic.Uint32
	needsReset   atomic.Bool
	configVector atomic.Uint32
	generation   atomic.Uint32

	// resetting is closed when the reset that was begun is done; nil if none
	// was.
	resetting chan struct{}
	held      bool // Hold was called, GoOn not yet

	// line is the interrupt of drivers that do without MSI-X.
	line struct {
		mu  sync.Mutex
		isr byte
	}
	msix atomic.Bool // the driver has enabled it
}

// queue is what the driver said of a queue.
type queue struct {
	size, limit        uint16
	enabled            bool
	desc, avail, used  uint64
	vector             atomic.Uint32
	chains             uint64 // that were taken before it started
	suspected, started bool
}

var _ vfiouser.Device = (*Function)(nil)

// New makes a function of a device, which then belongs to it. It lowers the
// device's [virtio.Options.Patience] to 1 s: clients give up soon.
//
// A device that wants to tell its driver of changes to its configuration
// space has a method SetConfigChanger(virtio.ConfigChanger), which New calls.
func New(in *virtio.Instance, o Options) (*Function, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.QueueSize == 0 {
		o.QueueSize = DefaultQueueSize
	}
	if o.QueueSize < 1 || o.QueueSize > virtq.MaxSize || o.QueueSize&(o.QueueSize-1) != 0 {
		return nil, fmt.Errorf("virtio-pci function: queues of %d: must be a power of two up to %d", o.QueueSize, virtq.MaxSize)
	}
	n := in.Device().Queues()
	if n < 1 || n > MaxQueues {
		return nil, fmt.Errorf("virtio-pci function: %d queues: must be 1 to %d", n, MaxQueues)
	}
	in.LimitPatience(requestPatience)
	f := &Function{
		in:      in,
		offered: in.Offered(),
		log:     o.Log,
		dma:     vfiouser.NewDMA(in.Memory()),
		queues:  make([]queue, n),
	}
	if !o.NoMSIX {
		f.vectors = n + 1
	}
	f.irqs = vfiouser.NewInterrupts(f.vectors)
	f.initialise(uint16(o.QueueSize))
	if d, ok := in.Device().(interface{ SetConfigChanger(virtio.ConfigChanger) }); ok {
		d.SetConfigChanger(f)
	}
	return f, nil
}

// initialise brings everything but the instance to its initial state.
func (f *Function) initialise(queueSize uint16) {
	f.config = newConfigSpace(f.in.Device().ID(), f.vectors)
	f.msix.Store(false)
	f.table = make([]byte, f.vectors*msixEntrySize)
	const vectorControl, masked = 12, 1
	for i := range f.vectors {
		f.table[i*msixEntrySize+vectorControl] = masked
	}
	f.initialiseCommon(queueSize)
}

// Interrupts returns the function's interrupts.
func (f *Function) Interrupts() *vfiouser.Interrupts { return f.irqs }

// DMA returns what is known of the guest's memory.
func (f *Function) DMA() *vfiouser.DMA { return f.dma }

// RegionSize is the size of a region in bytes.
func (f *Function) RegionSize(region int) uint64 {
	switch region {
	case vfiouser.RegionBAR0:
		return bar0Size
	case vfiouser.RegionBAR1:
		return bar1Size
	case vfiouser.RegionConfig:
		return configSize
	}
	return 0
}

// ReadRegion reads a region.
func (f *Function) ReadRegion(region int, p []byte, offset uint64) error {
	clear(p)
	at := int(offset) // within the region
	switch region {
	case vfiouser.RegionConfig:
		return f.readConfig(p, at)
	case vfiouser.RegionBAR0:
		f.readBAR0(p, at)
	case vfiouser.RegionBAR1:
		f.readBAR1(p, at)
	}
	return nil
}

// WriteRegion writes to a region. What cannot be written is left as it is.
func (f *Function) WriteRegion(region int, p []byte, offset uint64) error {
	at := int(offset)
	switch region {
	case vfiouser.RegionConfig:
		return f.writeConfig(p, at)
	case vfiouser.RegionBAR0:
		f.writeBAR0(p, at)
	case vfiouser.RegionBAR1:
		if at < len(f.table) {
			copy(f.table[at:], p)
		}
	}
	return nil
}

// readConfig reads configuration space. A read of the access capability's
// data reads what it points at.
func (f *Function) readConfig(p []byte, at int) error {
	if at < windowEnd && at+len(p) > windowData {
		if bar, offset, n, ok := f.config.window(); ok {
			data := f.config.bytes[windowData:windowEnd]
			clear(data)
			if err := f.ReadRegion(bar, data[:n], offset); err != nil {
				return err
			}
		}
	}
	copy(p, f.config.bytes[at:])
	return nil
}

// writeConfig writes configuration space. A write of the access capability's
// data writes what it points at.
func (f *Function) writeConfig(p []byte, at int) error {
	f.config.write(p, at)
	f.msix.Store(f.config.msixEnabled())
	if at < windowEnd && at+len(p) > windowData {
		if bar, offset, n, ok := f.config.window(); ok {
			return f.WriteRegion(bar, f.config.bytes[windowData:][:n], offset)
		}
	}
	return nil
}

func (f *Function) readBAR0(p []byte, at int) {
	switch at / part * part {
	case commonPart:
		var c [commonSize]byte
		f.readCommon(&c)
		if at < commonSize {
			copy(p, c[at:])
		}
	case isrPart:
		if at == isrPart && len(p) > 0 {
			p[0] = f.takeISR()
		}
	case devicePart:
		// Other parts are not for one access to reach.
		if f.settled(0) {
			f.in.Device().ReadConfig(p[:min(len(p), notifyPart-at)], uint32(at-devicePart))
		}
	}
}

func (f *Function) writeBAR0(p []byte, at int) {
	switch at / part * part {
	case commonPart:
		f.writeCommon(p, at)
	case notifyPart:
		if i := (at - notifyPart) / notifyMultiplier; i < len(f.queues) {
			f.doorbell(i)
		}
	}
}

func (f *Function) readBAR1(p []byte, at int) {
	var b [bar1Size]byte
	copy(b[:], f.table)
	for i := range f.vectors {
		if f.irqs.MSIX(i).Pending() {
			b[pendingBits+i/8] |= 1 << (i % 8)
		}
	}
	copy(p, b[at:])
}

// Hold keeps the queues from using guest memory until GoOn.
func (f *Function) Hold() {
	f.held = true
	if f.settled(0) {
		f.in.Hold()
	}
}

// GoOn ends a Hold.
func (f *Function) GoOn() {
	f.held = false
	if f.settled(0) {
		f.in.GoOn()
	}
}

// Reset is a reset of the function. If requests do not end it returns an
// error, and the reset ends when they do.
func (f *Function) Reset() error {
	f.beginReset()
	f.initialise(f.queues[0].limit)
	if !f.settled(resetPatience) {
		return fmt.Errorf("%w: requests that run have not ended after %v", unix.ETIMEDOUT, resetPatience)
	}
	return nil
}

// beginReset begins a reset of the device. Nothing may be asked of the
// instance until it is settled.
func (f *Function) beginReset() {
	if !f.settled(0) {
		return
	}
	done := make(chan struct{})
	f.resetting = done
	go func() {
		defer close(done)
		f.in.Reset()
	}()
}

// settled reports whether no reset is under way, and waits for one for a
// while.
func (f *Function) settled(patience time.Duration) bool {
	if f.resetting == nil {
		return true
	}
	select {
	case <-f.resetting:
	default:
		if patience == 0 {
			return false
		}
		timer := time.NewTimer(patience)
		defer timer.Stop()
		select {
		case <-f.resetting:
		case <-timer.C:
			return false
		}
	}
	f.resetting = nil
	f.status.Store(0)
	// What the last requests left behind is not the next driver's.
	f.needsReset.Store(false)
	f.takeISR()
	if f.held {
		f.in.Hold()
	} else {
		f.in.GoOn()
	}
	return true
}

// Close resets the device and gives everything back. It waits for requests to
// end.
func (f *Function) Close() error {
	if f.resetting != nil {
		<-f.resetting
	}
	f.in.Reset()
	err := f.dma.Close()
	f.irqs.Close()
	return err
}
