// SPDX-License-Identifier: Apache-2.0

package vmm

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
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

// TestCloudHypervisorArgs: the options of each version, in the form that its
// option parser takes.
func TestCloudHypervisorArgs(t *testing.T) {
	for _, test := range []struct {
		version vm.Version
		route   string
		config  Config
		want    []string // nil: there is no such route
	}{
		{vm.Version{Major: 53}, "", Config{Socket: "/run/s", Queues: 2}, []string{"--generic-vhost-user", "socket=/run/s,device_type=crypto,queue_sizes=[1024,1024,1024],id=vcrypto0"}},
		{vm.Version{Major: 52}, "", Config{Socket: "/run/s"}, []string{"--generic-vhost-user", "socket=/run/s,virtio_id=crypto,queue_sizes=[1024,1024],id=vcrypto0"}},
		{vm.Version{Major: 51, Minor: 2}, "", Config{Socket: "/run/s", ID: "a"}, []string{"--user-device", "socket=/run/s,id=a"}},
		{vm.Version{Major: 51, Minor: 2}, RouteGeneric, Config{Socket: "/run/s"}, nil},
		{vm.Version{Major: 53}, RouteCryptodev, Config{Socket: "/run/s"}, nil},
		{vm.Version{Major: 53}, RouteVFIOUser, Config{Socket: `/run/a "b",[c`, MemoryMB: 512}, []string{"--memory", "size=512M,shared=on", "--user-device", `socket="/run/a ""b"",[c",id=vcrypto0`}},
	} {
		r, err := CloudHypervisor{Version: test.version}.Choose(test.route)
		if test.want == nil {
			if err == nil {
				t.Errorf("%v has route %q", test.version, test.route)
			}
			continue
		}
		if err != nil {
			t.Error(err)
		} else if got := r.Args(test.config, test.version); !slices.Equal(got, test.want) {
			t.Errorf("%v, %q: %q, want %q", test.version, test.route, got, test.want)
		}
	}
}

func TestFindCloudHypervisor(t *testing.T) {
	dir := t.TempDir()
	program := filepath.Join(dir, CloudHypervisorName)
	for text, want := range map[string]vm.Version{
		"cloud-hypervisor v52.0.0":      {Major: 52},
		"cloud-hypervisor v51.2":        {Major: 51, Minor: 2},
		"cloud-hypervisor v53.0-dirty.": {Major: 53},
		"something else":                {},
	} {
		if err := os.WriteFile(program, []byte("#!/bin/sh\necho '"+text+"'\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		t.Setenv("PATH", dir)
		c, err := FindCloudHypervisor("")
		if c.Version != want || (err == nil) != (want != vm.Version{}) {
			t.Errorf("%q: %v, %v", text, c, err)
		}
	}
	t.Setenv("PATH", t.TempDir())
	if _, err := FindCloudHypervisor(""); !errors.Is(err, exec.ErrNotFound) {
		t.Errorf("none in $PATH: %v", err)
	}
}
