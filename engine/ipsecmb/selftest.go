// SPDX-License-Identifier: Apache-2.0

//go:build ipsecmb && cgo

package ipsecmb

func (e *Engine) selfTest() error { return nil }
