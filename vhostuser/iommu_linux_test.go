// SPDX-License-Identifier: Apache-2.0

package vhostuser

import (
	"strings"
	"testing"

	"vcrypto/virtio"
)

// TestIOMMU: whatever a front-end does for a virtual IOMMU is refused, and the
// log says why and what to do.
func TestIOMMU(t *testing.T) {
	const reason = "iommu_platform=on"
	for name, do := range map[string]func(r *rig) error{
		"feature": func(r *rig) error {
			return r.fe.SetFeatures(r.fe.Offered() | virtio.FeatureAccessPlatform)
		},
		"translation": func(r *rig) error {
			return r.fe.Do(ReqIOTLBMsg, make([]byte, 32))
		},
		"ring at an I/O address": func(r *rig) error {
			if err := r.fe.ShareMemory(r.memory(testMemory, testGuestAddr)); err != nil {
				return err
			}
			// What QEMU 11.1 sends for a cryptodev with iommu_platform=on.
			const iova = 0xffff8000
			if _, err := r.fe.SetupQueue(0, QueueSetup{Size: testQueueSize, Desc: iova, Avail: iova + 0x100, Used: iova + 0x200}); err != nil {
				return err
			}
			return r.fe.Enable(0, true)
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, nil)
			r.negotiate()
			if err := do(r); err == nil {
				t.Error("it is not refused")
			}
			if log := r.log.String(); !strings.Contains(log, reason) || !strings.Contains(log, "virtual IOMMU") {
				t.Errorf("no reason in the log:\n%s", log)
			}
			r.fe.Close()
			r.wait()
		})
	}
}
