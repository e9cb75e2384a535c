// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"vcrypto/internal/vm/proto"
)

// Names within the VM's own temporary folder.
const (
	initramfsName = "initramfs"
	agentSocket   = "agent"
	monitorSocket = "monitor"
)

// kernelArgs is the kernel's command line: its log on the first serial port; a
// panic, or an oops, ends QEMU (with -no-reboot), which the host sees at once.
// The serial port and the keyboard controller are where an emulated boot loses
// its time, hence one port and no probing. Whether timer interrupts arrive is
// not tested: emulated on a busy machine they come too late, and the kernel
// panics. The emulated processors' cycle counter is the host's, the same on all
// of them, which Linux does not believe of several unless told: it then reads
// the time from an emulated device, at several microseconds each.
const kernelArgs = "console=ttyS0 rdinit=/init panic=-1 oops=panic loglevel=7 " +
	"8250.nr_uarts=1 i8042.noaux i8042.nokbd mitigations=off no_timer_check random.trust_cpu=on net.ifnames=0 tsc=reliable"

// MemoryArgs are the QEMU arguments for a machine whose memory is shared, as a
// vhost-user or vfio-user device needs it.
func MemoryArgs(machine string, megabytes int) []string {
	return []string{
		"-object", fmt.Sprintf("memory-backend-memfd,id=mem,size=%dM,share=on", megabytes),
		"-machine", machine + ",memory-backend=mem",
		"-m", fmt.Sprintf("%dM", megabytes),
	}
}

func shareTag(i int) string { return fmt.Sprintf("share%d", i) }

// optionValue writes a value into a QEMU option, where a comma ends it.
func optionValue(s string) string { return strings.ReplaceAll(s, ",", ",,") }

// qemuArgs returns the arguments for a completed configuration, and the files
// that QEMU inherits, the first as descriptor 3.
func qemuArgs(c Config, dir string, accels []string) (args []string, inherit []*os.File) {
	add := func(a ...string) { args = append(args, a...) }
	socket := func(name string) string {
		return fmt.Sprintf("socket,id=%s,path=%s,server=on,wait=off", name, optionValue(filepath.Join(dir, name)))
	}
	add("-nodefaults", "-no-user-config", "-no-reboot", "-display", "none", "-cpu", "max")
	for _, a := range accels {
		add("-accel", a)
	}
	add(MemoryArgs(c.Machine, c.MemMB)...)
	add("-smp", fmt.Sprint(c.CPUs))
	add("-kernel", c.Kernel.Image, "-initrd", filepath.Join(dir, initramfsName))
	add("-append", strings.TrimSpace(kernelArgs+" "+c.Append))
	add("-chardev", "stdio,id=console,signal=off", "-serial", "chardev:console")
	add("-chardev", socket(monitorSocket), "-mon", "mode=control,chardev="+monitorSocket)
	add("-device", "virtio-serial-pci,id=vserial", "-chardev", socket(agentSocket),
		"-device", "virtserialport,bus=vserial.0,chardev="+agentSocket+",name="+proto.PortName)

	for i, n := range c.NICs {
		net := fmt.Sprintf("user,id=net%d,restrict=off", i)
		for _, f := range n.Forward {
			net += ",hostfwd=" + optionValue(f)
		}
		if n.Link != nil {
			const firstInherited = 3 // after the standard streams
			net = fmt.Sprintf("socket,id=net%d,fd=%d", i, firstInherited+len(inherit))
			inherit = append(inherit, n.Link)
		}
		add("-netdev", net, "-device", fmt.Sprintf("virtio-net-pci,netdev=net%d,mac=%s,romfile=", i, n.mac))
		if n.Pcap != "" {
			add("-object", fmt.Sprintf("filter-dump,id=dump%d,netdev=net%d,file=%s", i, i, optionValue(n.Pcap)))
		}
	}
	for i, s := range c.Shares {
		fs := fmt.Sprintf("local,id=fs%d,path=%s,security_model=none,multidevs=remap", i, optionValue(s.Host))
		if s.ReadOnly {
			fs += ",readonly=on"
		}
		add("-fsdev", fs, "-device", fmt.Sprintf("virtio-9p-pci,fsdev=fs%d,mount_tag=%s", i, shareTag(i)))
	}
	return append(args, c.Devices...), inherit
}
