// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
)

// A machine may have a /dev/kvm that does not work: QEMU aborts with it, or the
// guest hangs before its first word. Where the CPU says that it cannot work it is
// not tried (kvmProblem). Otherwise Start finds that out by trying, falls back to
// emulation, and remembers it: in this process, and in the cache folder until the
// machine boots again.

// kvmBroken is what this process found out.
var kvmBroken atomic.Bool

// kvmNote is the file of the cache folder that remembers it. It holds the id of
// the boot that it was found out in.
const kvmNote = "kvm-unusable"

// accelerators returns QEMU's accelerators to try, in order: what $VCRYPTO_ACCEL
// names, or KVM with emulation (tcg) behind it, or emulation alone.
func accelerators() ([]string, error) {
	switch want := os.Getenv("VCRYPTO_ACCEL"); want {
	case "kvm", "tcg":
		return []string{want}, nil
	case "":
	default:
		return nil, fmt.Errorf("VCRYPTO_ACCEL=%s: it is kvm or tcg, or not set", want)
	}
	if why, _ := WhyNoKVM(); why != "" || kvmBroken.Load() {
		return []string{"tcg"}, nil
	}
	return []string{"kvm", "tcg"}, nil
}

// rememberBrokenKVM notes that a guest booted without KVM that did not with it.
func rememberBrokenKVM() {
	kvmBroken.Store(true)
	if note, boot := kvmNotePath(); note != "" {
		// Without the note the next process finds out again: only slower.
		_ = os.WriteFile(note, []byte(boot+"\n"), 0o644)
	}
}

// kvmNotePath returns the note's path and the id of this boot, or nothing.
func kvmNotePath() (path, boot string) {
	cache, err := CacheDir()
	if err != nil {
		return "", ""
	}
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", ""
	}
	return filepath.Join(cache, kvmNote), strings.TrimSpace(string(id))
}
