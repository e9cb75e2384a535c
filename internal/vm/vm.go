// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/hashicorp/yamux"
	"golang.org/x/sys/unix"

	"vcrypto/internal/vm/proto"
)

// VM is a running guest. Its methods may be used by several goroutines at once.
type VM struct {
	cfg    Config
	dir    string // sockets and initramfs; removed by Close
	cmd    *exec.Cmd
	log    *logBuffer // the guest's console
	stderr *logBuffer // what QEMU says
	mon    *monitor

	done chan struct{} // closed when QEMU has ended
	wg   sync.WaitGroup

	lastID atomic.Uint64
	closed atomic.Bool

	mu        sync.Mutex
	session   *yamux.Session // nil while the guest is being reset
	resetting bool
	resets    int
}

const (
	// socketPoll is how often Start looks for a socket that QEMU is to make.
	socketPoll = 5 * time.Millisecond
	// panicGrace is how long a guest that panicked may go on writing its log.
	panicGrace = 3 * time.Second
	// exitGrace is how long after the loss of the agent QEMU's end is awaited,
	// to tell why. It has ended, or is about to: a machine may be busy.
	exitGrace = time.Minute
	// unplugAgain is how often a guest is asked again to let go of a device. One
	// that is not through with the device's arrival may miss the first time;
	// QEMU refuses to ask more often than each 1 s (pc) or 5 s (q35).
	unplugAgain = 2 * time.Second
	// firstLineGrace is how long a kernel may take to its first line with KVM.
	firstLineGrace = 8 * time.Second
	// maxSocketPath is what fits into a sockaddr_un, without its final zero.
	maxSocketPath = 107
)

// patience bounds calls that wait for QEMU or for a guest to boot or to end, where
// the caller's context has no deadline: so long no guest takes, however busy the
// machine. Commands in the guest have no such bound.
var patience = 10 * time.Minute

// limited returns ctx with a deadline.
func limited(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, has := ctx.Deadline(); has {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, patience)
}

// Start boots a guest and returns when it takes commands. ctx bounds the boot
// only, which fails after ten minutes in any case; the guest runs until
// [VM.Close]. It is an error if a module, a share or the network could not be
// set up.
func Start(ctx context.Context, c Config) (_ *VM, err error) {
	ctx, cancel := limited(ctx)
	defer cancel()
	defer func() {
		for _, n := range c.NICs {
			if n.Link != nil {
				n.Link.Close()
			}
		}
	}()
	c, err = c.complete()
	if err != nil {
		return nil, err
	}
	dir, err := tempDir()
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			os.RemoveAll(dir)
		}
	}()
	if err := writeInitramfs(c, filepath.Join(dir, initramfsName)); err != nil {
		return nil, err
	}

	accels, err := accelerators()
	if err != nil {
		return nil, err
	}
	v, err := bootWith(ctx, c, dir, accels)
	if err != nil && len(accels) > 1 && ctx.Err() == nil && !errors.Is(err, errSetup) {
		// Where KVM is only half there QEMU does not fall back by itself.
		if v, err = bootWith(ctx, c, dir, accels[1:]); err == nil {
			rememberBrokenKVM()
		}
	}
	if err != nil {
		return nil, err
	}
	// QEMU has it in memory, for later resets too.
	os.Remove(filepath.Join(dir, initramfsName))
	return v, nil
}

// errSetup is a guest that booted, but could not be set up as asked.
var errSetup = errors.New("the guest could not be set up")

// bootWith starts QEMU with these accelerators and waits for the guest.
func bootWith(ctx context.Context, c Config, dir string, accels []string) (*VM, error) {
	v, err := launch(ctx, c, dir, accels)
	if err != nil {
		return nil, err
	}
	if len(accels) > 1 {
		v.wg.Go(v.watchFirstLine)
	}
	if err := v.waitReady(ctx); err != nil {
		v.closed.Store(true)
		v.kill()
		return nil, fmt.Errorf("booting a guest: %w", err)
	}
	return v, nil
}

// watchFirstLine ends a QEMU of which nothing is heard: with a KVM that does
// not work a guest may hang before its kernel's first line.
func (v *VM) watchFirstLine() {
	ctx, cancel := context.WithTimeout(context.Background(), firstLineGrace)
	defer cancel()
	if _, err := v.log.wait(ctx, firstLine); err != nil {
		v.cmd.Process.Kill()
	}
}

// watchInternalError ends a QEMU whose accelerator failed: it would keep a
// stopped guest for a debugger.
func (v *VM) watchInternalError() {
	for since := EventMark(0); ; since = v.mon.mark() {
		if _, err := v.mon.wait(context.Background(), since, func(e Event) bool { return e.Name == "STOP" }); err != nil {
			return // QEMU ended
		}
		status, err := v.mon.do(context.Background(), "query-status", nil)
		if err == nil && bytes.Contains(status, []byte(`"internal-error"`)) {
			fmt.Fprintln(v.stderr, "the accelerator failed (internal-error)")
			v.cmd.Process.Kill()
			return
		}
	}
}

// tempDir makes a folder for one VM, in which socket paths are short enough.
func tempDir() (string, error) {
	base := os.TempDir()
	if len(base)+len("/vcrypto-vm-0123456789/")+len(monitorSocket) > maxSocketPath {
		base = "/tmp"
	}
	dir, err := os.MkdirTemp(base, "vcrypto-vm-")
	if err != nil {
		return "", fmt.Errorf("making a folder for the guest: %w", err)
	}
	return dir, nil
}

func writeInitramfs(c Config, path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := buildInitramfs(c, f); err != nil {
		return err
	}
	return f.Close()
}

// launch starts QEMU and returns when its machine is there.
func launch(ctx context.Context, c Config, dir string, accels []string) (*VM, error) {
	args, inherit := qemuArgs(c, dir, accels)
	v := &VM{
		cfg: c, dir: dir,
		log:    newLogBuffer(c.LogWriter),
		stderr: newLogBuffer(nil),
		done:   make(chan struct{}),
	}
	for _, name := range []string{agentSocket, monitorSocket} {
		os.Remove(filepath.Join(dir, name))
	}
	v.cmd = exec.Command(c.QEMU, args...)
	v.cmd.ExtraFiles = inherit
	v.cmd.Stdout = v.log
	v.cmd.Stderr = v.stderr
	// A process group of its own, so that a terminal's Ctrl-C does not reach
	// QEMU; and no QEMU outlives us.
	v.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := v.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting QEMU: %w (make setup installs it)", err)
	}
	v.wg.Go(func() {
		v.cmd.Wait()
		v.log.end()
		v.stderr.end()
		close(v.done)
	})
	v.wg.Go(v.watchPanic)

	conn, err := v.dial(ctx, monitorSocket)
	if err == nil {
		stop := context.AfterFunc(ctx, func() { conn.Close() })
		if v.mon, err = newMonitor(conn); err == nil && !stop() {
			err = context.Cause(ctx)
		}
		stop()
		if err != nil {
			conn.Close()
		}
	}
	if err == nil {
		if _, err = v.mon.do(ctx, "qmp_capabilities", nil); err == nil {
			v.wg.Go(v.watchInternalError)
		}
	}
	if err != nil {
		err = v.failed(ctx, fmt.Errorf("starting QEMU: %w", err))
		v.closed.Store(true)
		v.kill()
		return nil, err
	}
	return v, nil
}

// dial connects to a socket that QEMU makes.
func (v *VM) dial(ctx context.Context, name string) (net.Conn, error) {
	for {
		conn, err := net.Dial("unix", filepath.Join(v.dir, name))
		if err == nil {
			return conn, nil
		}
		select {
		case <-v.done:
			return nil, errors.New("it ended")
		case <-ctx.Done():
			return nil, fmt.Errorf("connecting to its %s socket: %w", name, context.Cause(ctx))
		case <-time.After(socketPoll):
		}
	}
}

// waitReady connects to the agent and returns when the guest has booted.
func (v *VM) waitReady(ctx context.Context) error {
	conn, err := v.dial(ctx, agentSocket)
	if err != nil {
		return v.failed(ctx, err)
	}
	session, err := yamux.Client(conn, proto.Config())
	if err != nil {
		conn.Close()
		return err
	}
	v.mu.Lock()
	v.session = session
	v.mu.Unlock()
	var ev proto.Event
	if err := v.ask(ctx, proto.Request{Op: proto.OpPing}, &ev); err != nil {
		return err
	}
	if ev.Error != "" {
		return fmt.Errorf("%w:\n%s\nlast lines of its log:\n%s", errSetup, ev.Error, v.log.tail())
	}
	return nil
}

// ask makes a request that has one answer.
func (v *VM) ask(ctx context.Context, req proto.Request, answer *proto.Event) error {
	s, err := v.open(ctx, req)
	if err != nil {
		return v.failed(ctx, err)
	}
	defer func() { go s.Close() }() // it may have to wait for a guest that is stopped
	defer context.AfterFunc(ctx, func() { s.SetDeadline(time.Unix(1, 0)) })()
	if err := proto.Receive(s, answer); err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return v.failed(ctx, fmt.Errorf("waiting for the guest's agent: %w", err))
	}
	return nil
}

// open opens a stream to the agent with a request.
func (v *VM) open(ctx context.Context, req proto.Request) (*yamux.Stream, error) {
	v.mu.Lock()
	session := v.session
	v.mu.Unlock()
	if session == nil {
		return nil, errors.New("the guest is not running")
	}
	type result struct {
		s   *yamux.Stream
		err error
	}
	opened := make(chan result, 1)
	go func() {
		s, err := session.OpenStream()
		if err == nil {
			if err = proto.Send(s, req); err != nil {
				s.Close()
			}
		}
		opened <- result{s, err}
	}()
	select {
	case r := <-opened:
		if r.err != nil {
			return nil, fmt.Errorf("the guest's agent: %w", r.err)
		}
		return r.s, nil
	case <-ctx.Done():
		// What has not gone out by now ends with the session at the latest.
		go func() {
			if r := <-opened; r.err == nil {
				r.s.Close()
			}
		}()
		return nil, fmt.Errorf("calling the guest's agent: %w", context.Cause(ctx))
	}
}

// life returns how often the guest was reset.
func (v *VM) life() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.resets
}

// failed adds to an error of a call what the VM has to say: the end of its log if
// the time was up, why it ended if it did. A caller that gave up knows enough.
func (v *VM) failed(ctx context.Context, err error) error {
	switch ctx.Err() {
	case nil:
		return v.explain(err)
	case context.DeadlineExceeded:
		return fmt.Errorf("%w; last lines of the guest's log:\n%s", err, v.log.tail())
	}
	return err
}

// firstLine is how every kernel's log begins.
var firstLine = regexp.MustCompile(`Linux version `)

var panicPattern = regexp.MustCompile(`Kernel panic - not syncing.*|---\[ end Kernel panic.*|Attempted to kill init.*`)

// watchPanic ends a QEMU whose guest panicked but does not end by itself.
func (v *VM) watchPanic() {
	if _, err := v.log.wait(context.Background(), panicPattern); err != nil {
		return // the log ended
	}
	select {
	case <-v.done:
	case <-time.After(panicGrace):
		v.cmd.Process.Kill()
	}
}

// explain adds to an error why the VM ended, if it did or is just ending.
func (v *VM) explain(err error) error {
	if v.closed.Load() {
		return fmt.Errorf("%w: the VM was closed", err)
	}
	v.mu.Lock()
	resetting := v.resetting
	v.mu.Unlock()
	if resetting {
		return fmt.Errorf("%w: the guest was reset", err)
	}
	select {
	case <-v.done:
	case <-time.After(exitGrace):
		return err
	}
	if v.closed.Load() {
		return fmt.Errorf("%w: the VM was closed", err)
	}
	text := fmt.Sprintf("QEMU ended (%v)", v.cmd.ProcessState)
	if s := strings.TrimSpace(v.stderr.tail()); s != "" {
		text += ", it said:\n" + s
	}
	log := v.log.String()
	if p := panicPattern.FindString(log); p != "" {
		text = "the guest's kernel panicked (" + p + "): " + text
	}
	if log != "" {
		text += "\nlast lines of the guest's log:\n" + v.log.tail()
	}
	return fmt.Errorf("%w: %s", err, text)
}

// Log returns the guest's console, which is its kernel's log, as far as it is
// kept (the last 4 MiB at least).
func (v *VM) Log() string { return v.log.String() }

// WaitLog returns the first line of the log that matches, past ones included.
func (v *VM) WaitLog(ctx context.Context, re *regexp.Regexp) (string, error) {
	line, err := v.log.wait(ctx, re)
	if err != nil {
		return "", fmt.Errorf("%w; its last lines:\n%s", err, v.log.tail())
	}
	return line, nil
}

// QMP runs a command of QEMU's monitor, such as device_add. args is what JSON
// makes an object of, or nil. An error that QEMU answered is a [*QMPError].
func (v *VM) QMP(ctx context.Context, execute string, args any) (json.RawMessage, error) {
	ctx, cancel := limited(ctx)
	defer cancel()
	out, err := v.mon.do(ctx, execute, args)
	var refused *QMPError
	if err != nil && !errors.As(err, &refused) {
		err = v.failed(ctx, err)
	}
	return out, err
}

// Monitor runs a command line of QEMU's human monitor, such as "info pci", and
// returns what it prints (also its complaints: QEMU does not tell them apart).
func (v *VM) Monitor(ctx context.Context, line string) (string, error) {
	out, err := v.QMP(ctx, "human-monitor-command", map[string]string{"command-line": line})
	if err != nil {
		return "", err
	}
	var text string
	if err := json.Unmarshal(out, &text); err != nil {
		return "", fmt.Errorf("QEMU command %q: decoding its output: %w", line, err)
	}
	return strings.ReplaceAll(text, "\r", ""), nil
}

// EventMark returns the present moment, for [VM.WaitEvent]: taken before a
// command, it has WaitEvent see what the command causes and nothing older.
func (v *VM) EventMark() EventMark { return v.mon.mark() }

// WaitEvent returns the first event of QEMU since a mark that match accepts. The
// mark 0 is the start of the machine.
func (v *VM) WaitEvent(ctx context.Context, since EventMark, match func(Event) bool) (Event, error) {
	e, err := v.mon.wait(ctx, since, match)
	if err != nil {
		err = v.failed(ctx, err)
	}
	return e, err
}

// Unplug removes a device by its QEMU id and returns when the guest has let go of
// it. A guest that does not is asked again.
func (v *VM) Unplug(ctx context.Context, id string) error {
	ctx, cancel := limited(ctx)
	defer cancel()
	since := v.EventMark()
	for asked := 0; ; asked++ {
		_, err := v.QMP(ctx, "device_del", map[string]string{"id": id})
		var refused *QMPError
		if err != nil && (asked == 0 || !errors.As(err, &refused)) {
			return err
		}
		if refused != nil && refused.Class == deviceNotFound {
			return nil // gone between two questions
		}
		wait, stop := context.WithTimeout(ctx, unplugAgain)
		_, err = v.mon.wait(wait, since, func(e Event) bool {
			var gone struct {
				Device string `json:"device"`
			}
			return e.Name == "DEVICE_DELETED" && json.Unmarshal(e.Data, &gone) == nil && gone.Device == id
		})
		again := wait.Err() != nil && ctx.Err() == nil
		stop()
		if err == nil {
			return nil
		}
		if !again {
			return v.failed(ctx, fmt.Errorf("unplugging %s, asked %d times: %w", id, asked+1, err))
		}
	}
}

// deviceNotFound is the class of QEMU's error about a device that is not there.
const deviceNotFound = "DeviceNotFound"

// Reset resets the machine, as its reset button would, and returns when the
// guest has booted again, or fails as [Start] does. Commands that run in it fail.
func (v *VM) Reset(ctx context.Context) error {
	ctx, cancel := limited(ctx)
	defer cancel()
	v.mu.Lock()
	old := v.session
	v.session = nil
	v.resetting = true
	v.resets++
	v.mu.Unlock()
	defer func() {
		v.mu.Lock()
		v.resetting = false
		v.mu.Unlock()
	}()
	if old != nil {
		old.Close()
	}
	// -no-reboot would make a reset the end of QEMU.
	onReboot := func(action string) error {
		_, err := v.QMP(ctx, "set-action", map[string]string{"reboot": action})
		return err
	}
	if err := onReboot("reset"); err != nil {
		return err
	}
	since := v.EventMark()
	if _, err := v.QMP(ctx, "system_reset", nil); err != nil {
		return err
	}
	if _, err := v.WaitEvent(ctx, since, func(e Event) bool { return e.Name == "RESET" }); err != nil {
		return err
	}
	// The firmware may reset once more, so this stays allowed until it is up.
	if err := v.waitReady(ctx); err != nil {
		return fmt.Errorf("booting the guest again: %w", err)
	}
	return onReboot("shutdown")
}

// Poweroff shuts the guest down and waits for QEMU to end.
func (v *VM) Poweroff(ctx context.Context) error {
	ctx, cancel := limited(ctx)
	defer cancel()
	s, err := v.open(ctx, proto.Request{Op: proto.OpPoweroff})
	if err != nil {
		return v.failed(ctx, err)
	}
	defer func() { go s.Close() }()
	select {
	case <-v.done:
		return nil
	case <-ctx.Done():
		return v.failed(ctx, fmt.Errorf("waiting for the guest to power off: %w", context.Cause(ctx)))
	}
}

// Done returns a channel that is closed when QEMU has ended.
func (v *VM) Done() <-chan struct{} { return v.done }

// Pid returns the process id of QEMU.
func (v *VM) Pid() int { return v.cmd.Process.Pid }

// QEMU returns the path of the emulator that runs the guest.
func (v *VM) QEMU() string { return v.cfg.QEMU }

// Kernel returns the kernel that the guest runs.
func (v *VM) Kernel() Kernel { return v.cfg.Kernel }

// Close kills QEMU, fails the calls that wait for the guest, and removes the
// VM's temporary files. It may be called more than once.
func (v *VM) Close() error {
	if v.closed.Swap(true) {
		<-v.done
		return nil
	}
	v.kill()
	return os.RemoveAll(v.dir)
}

// kill ends QEMU and everything of ours that belongs to it.
func (v *VM) kill() {
	v.cmd.Process.Kill()
	v.wg.Wait()
	v.mu.Lock()
	session := v.session
	v.session = nil
	v.mu.Unlock()
	if session != nil {
		session.Close()
	}
	if v.mon != nil {
		v.mon.conn.Close()
	}
}

// NewLink makes a network cable between two guests: an end for the [NIC] of each.
func NewLink() (a, b *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("making a network link: %w", err)
	}
	return os.NewFile(uintptr(fds[0]), "link a"), os.NewFile(uintptr(fds[1]), "link b"), nil
}
