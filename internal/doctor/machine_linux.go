// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"

	"vcrypto/internal/vm"
)

// acceleration looks at KVM.
func acceleration() Finding {
	f := Finding{Area: "kvm", Name: "KVM", State: OK, Says: "usable"}
	if why, fix := vm.WhyNoKVM(); why != "" {
		f.State, f.Says, f.Fix = Optional, why+"; QEMU emulates the guest's CPU, slowly; Cloud Hypervisor does not work", fix
	}
	return f
}

const (
	meminfo = "/proc/meminfo"
	// hugeFix reserves some; how many depends on the guests.
	hugeFix = "sysctl vm.nr_hugepages=N, and hugetlb=on for QEMU's memory-backend-memfd (hugepages=on for Cloud Hypervisor's --memory)"
	// lockedWanted is what a device locks, keys, with room to spare.
	lockedWanted = 1 << 20
)

// memory looks at what guest memory is made of, and at memory for keys.
func memory() (all []Finding) {
	f := Finding{Area: "memory", Name: "memfd", State: OK, Says: "guests can have memory that vcrypto maps (memory-backend-memfd,share=on)"}
	if fd, err := unix.MemfdCreate("vcrypto-doctor", unix.MFD_CLOEXEC); err != nil {
		f.State, f.Says = Missing, fmt.Sprintf("making shared memory: %v", err)
		f.Fix = "a kernel with CONFIG_MEMFD_CREATE, and a sandbox that allows memfd_create"
	} else {
		unix.Close(fd)
	}
	all = append(all, f)

	text, err := os.ReadFile(meminfo)
	if err == nil {
		all = append(all, hugePages(text))
	}

	var limit unix.Rlimit
	f = Finding{Area: "memory", Name: "locked memory", State: OK, Says: "keys can be kept out of swap"}
	if err := unix.Getrlimit(unix.RLIMIT_MEMLOCK, &limit); err == nil && limit.Cur < lockedWanted {
		f.State = Optional
		f.Says = fmt.Sprintf("%d bytes may be locked: keys may get into swap", limit.Cur)
		f.Fix = "ulimit -l unlimited, or LimitMEMLOCK=infinity in the systemd unit"
	}
	return append(all, f)
}

// hugePages reads /proc/meminfo.
func hugePages(text []byte) Finding {
	total, free, size := field(text, "HugePages_Total"), field(text, "HugePages_Free"), field(text, "Hugepagesize")
	f := Finding{Area: "memory", Name: "huge pages", State: OK, Says: fmt.Sprintf("%d of %d KiB, %d free", total, size, free)}
	if total == 0 {
		f.State, f.Says, f.Fix = Optional, "none reserved; guests work with ordinary pages", hugeFix
	}
	return f
}

// field returns a number of /proc/meminfo, 0 if it is not there.
func field(text []byte, name string) int64 {
	for line := range bytes.Lines(text) {
		key, value, _ := bytes.Cut(line, []byte(":"))
		if string(key) != name {
			continue
		}
		first, _, _ := bytes.Cut(bytes.TrimSpace(value), []byte(" "))
		n, _ := strconv.ParseInt(string(first), 10, 64)
		return n
	}
	return 0
}

const (
	cryptoNode  = "/dev/crypto"
	usualFolder = "/run/vcrypto"
	// longestName is room for a socket's name in its folder.
	longestName = len("/0123456789.sock")
)

// permissions looks at who may make sockets, and open /dev/crypto.
func permissions(o Options) []Finding {
	folder := socketFolder(cmp.Or(o.SocketFolder, usualFolder))
	if o.SocketFolder == "" && folder.State == Missing {
		folder.State = Optional // any other will do
	}
	return []Finding{folder, node(cryptoNode)}
}

func socketFolder(dir string) Finding {
	f := Finding{Area: "permissions", Name: "socket folder", State: OK, Says: dir + ": sockets can be made there"}
	fail := func(says, fix string) Finding {
		f.State, f.Says, f.Fix = Missing, says, fix
		return f
	}
	const mkdir = "install -d -m 0755 -o %s %s\nor name another with --socket-folder, where the sockets of serve --socket-path are to be"
	user := strconv.Itoa(os.Getuid())
	st, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fail(dir+" does not exist", fmt.Sprintf(mkdir, user, dir))
	case err != nil:
		return fail(err.Error(), fmt.Sprintf(mkdir, user, dir))
	case !st.IsDir():
		return fail(dir+" is not a folder", fmt.Sprintf(mkdir, user, filepath.Dir(dir)))
	}
	if err := unix.Access(dir, unix.W_OK|unix.X_OK); err != nil {
		return fail(fmt.Sprintf("%s: user %s may not make sockets there (%v)", dir, user, err), fmt.Sprintf("chown %s %s", user, dir))
	}
	if most := len(unix.RawSockaddrUnix{}.Path) - 1 - longestName; len(dir) > most {
		return fail(fmt.Sprintf("%s: the path has %d bytes; with a name behind it a socket's path must have less than %d", dir, len(dir), len(unix.RawSockaddrUnix{}.Path)),
			"a folder with a shorter path")
	}
	if st.Mode().Perm()&0o002 != 0 && st.Mode()&fs.ModeSticky == 0 {
		f.State = Optional
		f.Says = fmt.Sprintf("%s: everybody may remove and replace sockets there (mode %v)", dir, st.Mode())
		f.Fix = "chmod o-w " + dir
	}
	return f
}

// node looks at the host's own cryptodev node, for engine devcrypto.
func node(path string) Finding {
	f := Finding{Area: "permissions", Name: path, State: OK, Says: "can be opened (engine devcrypto)"}
	fd, err := os.OpenFile(path, os.O_RDWR, 0)
	switch {
	case err == nil:
		fd.Close()
	case errors.Is(err, fs.ErrNotExist):
		f.State, f.Says = Optional, "not on this host; engine devcrypto alone needs it (guests have their own)"
	case errors.Is(err, fs.ErrPermission):
		f.State, f.Says = Optional, fmt.Sprintf("user %d may not open it; engine devcrypto alone needs it", os.Getuid())
		f.Fix = "chmod 0666 " + path + ", or a udev rule with a group"
	default:
		f.State, f.Says = Optional, err.Error()
	}
	return f
}
