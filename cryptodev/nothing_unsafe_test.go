// SPDX-License-Identifier: Apache-2.0

package cryptodev_test

import "unsafe"

// nothing is a Conn that does nothing and reports success.
type nothing struct{}

func (nothing) Ioctl(uintptr, unsafe.Pointer) error { return nil }
func (nothing) Close() error                        { return nil }
