// SPDX-License-Identifier: Apache-2.0

package vfiouser

import (
	"golang.org/x/sys/unix"

	"vcrypto/virtio"
)

// resampler unmasks an interrupt line whenever an eventfd is signalled. KVM
// does that when the guest has handled the interrupt, without asking QEMU.
type resampler struct {
	event, stop *virtio.Event
	done        chan struct{} // closed when the thread has ended
}

// newResampler takes over the event.
func newResampler(v *Vector, event *virtio.Event) (*resampler, error) {
	stop, err := virtio.NewEvent()
	if err != nil {
		event.Close()
		return nil, err
	}
	r := &resampler{event, stop, make(chan struct{})}
	go r.run(v)
	return r, nil
}

func (r *resampler) run(v *Vector) {
	defer close(r.done)
	for {
		set := []unix.PollFd{{Fd: int32(r.event.FD()), Events: unix.POLLIN}, {Fd: int32(r.stop.FD()), Events: unix.POLLIN}}
		_, err := unix.Poll(set, -1)
		switch {
		case err == unix.EINTR:
		case err != nil || set[1].Revents != 0 || !r.event.Take():
			return
		default:
			v.unmask()
		}
	}
}

// close ends the thread.
func (r *resampler) close() {
	r.stop.Notify()
	<-r.done
	r.stop.Close()
	r.event.Close()
}
