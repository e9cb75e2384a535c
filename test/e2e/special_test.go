// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"vcrypto/engine/gocrypto"
	"vcrypto/internal/matrix"
	"vcrypto/internal/vm"
	"vcrypto/internal/vmm"
)

// newest returns the way of the newest QEMU by a route, for what is tried beside
// the plan.
func newest(t *testing.T, route string) (way, matrix.Row) {
	t.Helper()
	const version = "11.1"
	return way{qemu: findQEMU(t, version), route: route},
		matrix.Row{Way: matrix.Way{QEMU: version, Route: route}, Driver: matrix.DriverOurs, Machine: matrix.PC}
}

// TestManyQueues: 64 data queues, the most a device has, over both transports.
func TestManyQueues(t *testing.T) {
	if !testLong {
		t.Skip("make test-all runs it; TestVFIOUserQueues has four")
	}
	const queues = 64
	for _, route := range []string{vmm.RouteGeneric, vmm.RouteVFIOUser} {
		t.Run(route, func(t *testing.T) {
			w, row := newest(t, route)
			row.CPUs = 4
			c := withDriver(t, "")
			k := kernelOf(t, c)
			rec := newRecord(t, row, fmt.Sprint(queues, " queues"), w.qemu, k)
			d := w.serve(t, "--queues", fmt.Sprint(queues))
			c.QEMU, c.CPUs = w.qemu.Path, row.CPUs
			c.Devices = attach(t, w, d.socket, "--queues", fmt.Sprint(queues))
			v := boot(t, c)
			rec.check("vcrypto test", func() (string, error) {
				if out, err := try(t, v, "vcrypto", "test", "--procs", "16"); err != nil {
					return "", fmt.Errorf("%w: %s", err, tail(out, 15))
				}
				line, err := v.WaitLog(bounded(t), regexp.MustCompile(`\d+ data queues`))
				if err != nil {
					return "", err
				}
				saw := regexp.MustCompile(`\d+ data queues`).FindString(line)
				if saw != fmt.Sprint(queues, " data queues") {
					return "", errors.New(saw)
				}
				return saw, nil
			})
			cleanLog(t, v)
		})
	}
}

// kernelOf returns the kernel that a guest with this configuration gets.
func kernelOf(t *testing.T, c vm.Config) vm.Kernel {
	t.Helper()
	if c.Kernel != (vm.Kernel{}) {
		return c.Kernel
	}
	version := ""
	if len(c.Insmod) > 0 {
		var err error
		if version, err = vm.BuiltFor(c.Insmod[0].Path); err != nil {
			t.Fatal(err)
		}
	}
	k, err := vm.FindKernel(version, "")
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// TestSeveralDevices: one VM with a device by each route, and two by one; each is
// a node of its own and works.
func TestSeveralDevices(t *testing.T) {
	if !testLong {
		t.Skip("make test-all runs it; TestVFIOUserHotPlug has two devices in a VM")
	}
	_, row := newest(t, vmm.RouteVFIOUser)
	row.CPUs = 2
	c := withDriver(t, "")
	w, _ := newest(t, vmm.RouteVFIOUser)
	routes := []string{vmm.RouteGeneric, vmm.RouteVFIOUser, vmm.RouteVFIOUser, vmm.RouteCryptodev}
	row.Way.Route = "generic, vfio-user twice, cryptodev"
	rec := newRecord(t, row, "several devices in one VM", w.qemu, kernelOf(t, c))
	var daemons []*daemon
	for i, route := range routes {
		w, _ := newest(t, route)
		d := w.serve(t)
		daemons = append(daemons, d)
		c.Devices = append(c.Devices, attach(t, w, d.socket, "--id", fmt.Sprint("dev", i))...)
	}
	c.QEMU, c.CPUs = w.qemu.Path, row.CPUs
	v := boot(t, c)
	rec.check("vcrypto test", func() (string, error) {
		nodes := strings.Fields(run(t, v, "sh", "-c", "ls /dev/cryptodev?"))
		if len(nodes) != len(routes) {
			return "", fmt.Errorf("%d nodes: %v", len(nodes), nodes)
		}
		for _, n := range nodes {
			if out, err := try(t, v, "vcrypto", "test", n, "--procs", "2"); err != nil {
				return "", fmt.Errorf("%s: %w: %s", n, err, tail(out, 15))
			}
		}
		return fmt.Sprint(len(nodes), " nodes"), nil
	})
	cleanLog(t, v)
	v.Close()
	// Each device did its part.
	for _, d := range daemons {
		d.log.waitFor(t, `device reset.*counted.operations=[1-9]`)
	}
}

// TestSelfTestsRunOnEachKernel: an engine that is wrong by one bit fails the
// self-test of each kernel: so that "passed" in the matrix says something.
func TestSelfTestsRunOnEachKernel(t *testing.T) {
	if !testAll {
		t.Skip("make test-all runs it; TestSelfTestRuns does so on the default kernel")
	}
	for _, version := range matrix.Kernels {
		t.Run(version, func(t *testing.T) {
			w, row := newest(t, vmm.RouteGeneric)
			k := findKernel(t, version)
			row.Driver, row.Kernel, row.CPUs = matrix.DriverInTree, version, 1
			rec := newRecord(t, row, "an engine that is wrong by one bit", w.qemu, k)
			socket := serveEngine(t, w, wrongEngine{gocrypto.New()})
			v := boot(t, vm.Config{QEMU: w.qemu.Path, Kernel: k, Modules: []string{"virtio_crypto"}, Devices: attach(t, w, socket)})
			rec.check("the kernel's self-test finds it", func() (string, error) {
				line, err := v.WaitLog(bounded(t), regexp.MustCompile(`alg: skcipher: `+inTreeCBC+` .*(failed|wrong)`))
				if err != nil {
					return "", err
				}
				_, saw, _ := strings.Cut(line, "alg: ")
				saw, _, _ = strings.Cut(saw, ",")
				return saw, nil
			})
		})
	}
}
