// SPDX-License-Identifier: Apache-2.0

package gocrypto

import (
	"reflect"
	"unsafe"
)

// erase zeroes the struct behind a pointer in an interface, and the byte slices
// it holds. The library gives no way to zero a key schedule; its structs hold
// it by value, so this does.
func erase(pointer any) { eraseStruct(pointer, false) }

// eraseAll also erases the structs behind its interfaces: HMAC has two hashes
// there. Nobody else may use them.
func eraseAll(pointer any) { eraseStruct(pointer, true) }

func eraseStruct(pointer any, all bool) {
	v := reflect.ValueOf(pointer)
	if v.Kind() != reflect.Pointer || v.IsNil() || v.Elem().Kind() != reflect.Struct {
		return
	}
	s := v.Elem()
	for i := range s.NumField() {
		// A field that is not exported cannot be set or taken out of the
		// struct, but its address can be.
		f := reflect.NewAt(s.Field(i).Type(), unsafe.Pointer(s.Field(i).UnsafeAddr())).Elem()
		switch {
		case f.Kind() == reflect.Slice && f.Type().Elem().Kind() == reflect.Uint8:
			clear(f.Bytes()[:f.Cap()])
		case all && f.Kind() == reflect.Interface && !f.IsNil():
			eraseAll(f.Interface())
		}
	}
	s.SetZero()
}
