// SPDX-License-Identifier: Apache-2.0

package vmm

import (
	"encoding/json"
	"slices"
	"testing"

	"vcrypto/internal/vm"
)

// TestVFIOUserArgs: the device's description is JSON that survives any path.
func TestVFIOUserArgs(t *testing.T) {
	i := slices.IndexFunc(QEMURoutes, func(r Route) bool { return r.Name == RouteVFIOUser })
	if i < 0 || QEMURoutes[i].Transport != TransportVFIOUser {
		t.Fatal("no route over vfio-user")
	}
	const path = `/tmp/a "quoted", path`
	args := QEMURoutes[i].Args(Config{Socket: path}, vm.Version{Major: 11, Minor: 1})
	if len(args) != 2 || args[0] != "-device" {
		t.Fatalf("arguments %q", args)
	}
	var device struct {
		Driver, ID string
		Socket     struct{ Type, Path string }
	}
	if err := json.Unmarshal([]byte(args[1]), &device); err != nil {
		t.Fatal(err)
	}
	if device.Driver != "vfio-user-pci" || device.ID != "vcrypto0" || device.Socket.Type != "unix" || device.Socket.Path != path {
		t.Errorf("%+v", device)
	}
}
