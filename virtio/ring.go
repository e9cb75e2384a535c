// SPDX-License-Identifier: Apache-2.0

package virtio

import (
	"vcrypto/virtio/mem"
	"vcrypto/virtio/virtq"
)

// virtqueue is a queue's ring, in one of the two formats: the other is nil. A
// branch that always goes the same way costs nothing, where the calls of an
// interface would cost each chain.
type virtqueue struct {
	split  *virtq.Split
	packed *virtq.Packed
}

func newVirtqueue(c virtq.Config, packed bool) (r virtqueue, err error) {
	if packed {
		r.packed, err = virtq.NewPacked(c)
	} else {
		r.split, err = virtq.NewSplit(c)
	}
	return r, err
}

func (r *virtqueue) Attach(t *mem.Table) error {
	if r.split != nil {
		return r.split.Attach(t)
	}
	return r.packed.Attach(t)
}

func (r *virtqueue) Detach() {
	if r.split != nil {
		r.split.Detach()
		return
	}
	r.packed.Detach()
}

func (r *virtqueue) Attached() *mem.Table {
	if r.split != nil {
		return r.split.Attached()
	}
	return r.packed.Attached()
}

func (r *virtqueue) Size() int {
	if r.split != nil {
		return r.split.Size()
	}
	return r.packed.Size()
}

func (r *virtqueue) Held() int {
	if r.split != nil {
		return r.split.Held()
	}
	return r.packed.Held()
}

func (r *virtqueue) Base() uint16 {
	if r.split != nil {
		return r.split.Base()
	}
	return r.packed.Base()
}

func (r *virtqueue) Pending() bool {
	if r.split != nil {
		return r.split.Pending()
	}
	return r.packed.Pending()
}

func (r *virtqueue) Next(batch []*virtq.Chain) (int, error) {
	if r.split != nil {
		return r.split.Next(batch)
	}
	return r.packed.Next(batch)
}

func (r *virtqueue) Push(c *virtq.Chain, written uint32) {
	if r.split != nil {
		r.split.Push(c, written)
		return
	}
	r.packed.Push(c, written)
}

func (r *virtqueue) Publish() bool {
	if r.split != nil {
		return r.split.Publish()
	}
	return r.packed.Publish()
}

func (r *virtqueue) SuppressKicks() {
	if r.split != nil {
		r.split.SuppressKicks()
		return
	}
	r.packed.SuppressKicks()
}

func (r *virtqueue) WantKicks() bool {
	if r.split != nil {
		return r.split.WantKicks()
	}
	return r.packed.WantKicks()
}
