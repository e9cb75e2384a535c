// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vcrypto/internal/vm"
)

// TestChatGCM: where the device has AES-GCM, the chat uses it through
// /dev/crypto, both ways, and says so. (The demo's device has CBC only.)
func TestChatGCM(t *testing.T) {
	if !testAll {
		t.Skip("another VM: with VCRYPTO_TEST_ALL only")
	}
	w := generic(t)
	d := w.serve(t)
	key := filepath.Join(t.TempDir(), "key")
	if out, err := exec.Command(built(t, "vchat"), "keygen", key).CombinedOutput(); err != nil {
		t.Fatalf("vchat keygen: %v\n%s", err, out)
	}
	c := withDriver(t, "")
	c.QEMU, c.Devices = w.qemu.Path, attach(t, w, d.socket)
	c.NICs = []vm.NIC{{}}
	c.Files = append(c.Files, vm.File{Host: built(t, "vchat"), Guest: "/usr/bin/vchat"}, vm.File{Host: key, Guest: "/root/key", Mode: 0o600})
	guest := boot(t, c)

	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	l.Close()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	host := exec.CommandContext(ctx, built(t, "vchat"), "listen", "--once", "--psk-file", key, "--crypto", "gocrypto", "127.0.0.1:"+port)
	host.Stdin = strings.NewReader("hello guest\n")
	var said, heard output
	host.Stderr, host.Stdout = &said, &heard
	if err := host.Start(); err != nil {
		t.Fatal(err)
	}
	said.waitFor(t, "listening")
	begin := time.Now()
	out := run(t, guest, "sh", "-c", fmt.Sprintf("dd if=/dev/zero bs=1M count=2 2>/dev/null | vchat connect --psk-file /root/key --crypto /dev/crypto 10.0.2.2:%s", port))
	t.Logf("2 MiB took %v", time.Since(begin))
	if err := host.Wait(); err != nil {
		t.Errorf("on the host: %v\n%s", err, said.String())
	}
	for _, want := range []string{"AES-128-GCM, fingerprint", "virtio-cryptodev", "hello guest"} {
		if !strings.Contains(out, want) {
			t.Errorf("the guest does not say %q: %q", want, out)
		}
	}
	if n := len(heard.String()); n != 2<<20 {
		t.Errorf("%d bytes came", n)
	}
	cleanLog(t, guest)
}
