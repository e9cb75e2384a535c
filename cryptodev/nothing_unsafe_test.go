// SPDX-License-Identifier: Apache-2.0

package cryptodev_test

import "unsafe"

// nothing is a Conn that does nothing and reports success.
type nothing struct{}

func (nothing) Ioctl(uintptr, unsafe.Pointer) error { return nil }
func (nothing) Close() error                        { return nil }

// cloner is a Conn that answers CRIOGET with a number.
type cloner int32

func (c cloner) Ioctl(_ uintptr, arg unsafe.Pointer) error {
	*(*int32)(arg) = int32(c)
	return nil
}

func (cloner) Close() error { return nil }
