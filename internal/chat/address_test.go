// SPDX-License-Identifier: Apache-2.0

package chat

import "testing"

func TestAddress(t *testing.T) {
	for in, want := range map[string]string{
		"":                 ":35001",
		":4000":            ":4000",
		"host":             "host:35001",
		"host.example:1":   "host.example:1",
		"10.0.2.2":         "10.0.2.2:35001",
		"10.0.2.2:80":      "10.0.2.2:80",
		"::1":              "[::1]:35001",
		"fe80::1%eth0":     "[fe80::1%eth0]:35001",
		"[::1]":            "[::1]:35001",
		"[::1]:4000":       "[::1]:4000",
		"[fe80::1%eth0]:1": "[fe80::1%eth0]:1",
		"127.0.0.1:0":      "127.0.0.1:0",
	} {
		if got, err := Address(in); err != nil || got != want {
			t.Errorf("Address(%q) is %q, %v; expected %q", in, got, err, want)
		}
	}
	for _, in := range []string{"host:", "host:x", "host:65536", "host:-1", "a:b:c", "[::1", "4000", "host:http", "[::1]4000"} {
		if got, err := Address(in); err == nil {
			t.Errorf("Address(%q) is %q, expected an error", in, got)
		}
	}
}
