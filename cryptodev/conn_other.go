// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package cryptodev

import "errors"

func openNode(string) (Conn, error) { return nil, errors.ErrUnsupported }
func fdConn(int) (Conn, error)      { return nil, errors.ErrUnsupported }
