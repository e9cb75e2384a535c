// SPDX-License-Identifier: Apache-2.0

//go:build amd64 || arm64 || riscv64 || loong64 || s390x

package abi

import (
	"testing"
	"unsafe"
)

// TestLayout compares with what a C compiler makes of cryptodev.h of
// cryptodev-linux 1.14 on amd64 and arm64 (sizeof and offsetof, printed by a
// C program).
func TestLayout(t *testing.T) {
	var (
		s SessionOp
		c CryptOp
		i SessionInfoOp
		a AuthOp
		h CopyHashOp
	)
	for _, tt := range []struct {
		name      string
		got, want uintptr
	}{
		{"session_op", unsafe.Sizeof(s), 48},
		{"session_op.cipher", unsafe.Offsetof(s.Cipher), 0},
		{"session_op.mac", unsafe.Offsetof(s.MAC), 4},
		{"session_op.keylen", unsafe.Offsetof(s.KeyLen), 8},
		{"session_op.key", unsafe.Offsetof(s.Key), 16},
		{"session_op.mackeylen", unsafe.Offsetof(s.MACKeyLen), 24},
		{"session_op.mackey", unsafe.Offsetof(s.MACKey), 32},
		{"session_op.ses", unsafe.Offsetof(s.Session), 40},

		{"crypt_op", unsafe.Sizeof(c), 48},
		{"crypt_op.ses", unsafe.Offsetof(c.Session), 0},
		{"crypt_op.op", unsafe.Offsetof(c.Op), 4},
		{"crypt_op.flags", unsafe.Offsetof(c.Flags), 6},
		{"crypt_op.len", unsafe.Offsetof(c.Len), 8},
		{"crypt_op.src", unsafe.Offsetof(c.Src), 16},
		{"crypt_op.dst", unsafe.Offsetof(c.Dst), 24},
		{"crypt_op.mac", unsafe.Offsetof(c.MAC), 32},
		{"crypt_op.iv", unsafe.Offsetof(c.IV), 40},

		{"session_info_op", unsafe.Sizeof(i), 268},
		{"session_info_op.ses", unsafe.Offsetof(i.Session), 0},
		{"session_info_op.cipher_info", unsafe.Offsetof(i.Cipher), 4},
		{"session_info_op.cipher_info.cra_driver_name", unsafe.Offsetof(i.Cipher) + unsafe.Offsetof(i.Cipher.Driver), 68},
		{"session_info_op.hash_info", unsafe.Offsetof(i.Hash), 132},
		{"session_info_op.alignmask", unsafe.Offsetof(i.AlignMask), 260},
		{"session_info_op.flags", unsafe.Offsetof(i.Flags), 264},

		{"crypt_auth_op", unsafe.Sizeof(a), 72},
		{"crypt_auth_op.len", unsafe.Offsetof(a.Len), 8},
		{"crypt_auth_op.auth_len", unsafe.Offsetof(a.AuthLen), 12},
		{"crypt_auth_op.auth_src", unsafe.Offsetof(a.AuthSrc), 16},
		{"crypt_auth_op.src", unsafe.Offsetof(a.Src), 24},
		{"crypt_auth_op.dst", unsafe.Offsetof(a.Dst), 32},
		{"crypt_auth_op.tag", unsafe.Offsetof(a.Tag), 40},
		{"crypt_auth_op.tag_len", unsafe.Offsetof(a.TagLen), 48},
		{"crypt_auth_op.iv", unsafe.Offsetof(a.IV), 56},
		{"crypt_auth_op.iv_len", unsafe.Offsetof(a.IVLen), 64},

		{"cphash_op", unsafe.Sizeof(h), 8},
		{"cphash_op.src_ses", unsafe.Offsetof(h.Src), 4},

		{"CIOCAUTHCRYPT", CIOCAUTHCRYPT, 0xc048636d},
		{"CIOCASYNCCRYPT", CIOCASYNCCRYPT, 0x4030636e},
		{"CIOCASYNCFETCH", CIOCASYNCFETCH, 0x8030636f},
		{"CIOCCPHASH", CIOCCPHASH, 0x40086370},
		{"CRIOGET", CRIOGET, 0xc0046365},
		{"CIOCGSESSION", CIOCGSESSION, 0xc0306366},
		{"CIOCFSESSION", CIOCFSESSION, 0x40046367},
		{"CIOCCRYPT", CIOCCRYPT, 0xc0306368},
		{"CIOCGSESSINFO", CIOCGSESSINFO, 0xc10c636b},
	} {
		if tt.got != tt.want {
			t.Errorf("%s: %#x, in C %#x", tt.name, tt.got, tt.want)
		}
	}
}
