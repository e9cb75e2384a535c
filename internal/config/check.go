// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"io/fs"
	"maps"
	"math"
	"os/user"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"vcrypto/engine"
	"vcrypto/virtiocrypto"
)

var nameSyntax = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]*$`)

// config checks a file. Nobody uses what it returns if something was wrong.
func (c *check) config(f file) *Config {
	config := new(Config)
	names, paths := make(map[string]bool), make(map[string]string)
	for i, fd := range f.Device {
		c.path, c.name = fmt.Sprintf("device[%d]", i), fd.Name
		d := c.device(fd)
		if d.Name != "" && names[d.Name] {
			c.bad("name", "there is another device of this name")
		}
		names[d.Name] = true
		if other, taken := paths[d.Socket.Path]; taken && d.Socket.Path != "" {
			c.bad("socket.path", "device %q has this socket", other)
		}
		paths[d.Socket.Path] = d.Name
		config.Devices = append(config.Devices, d)
	}
	if len(f.Device) == 0 {
		c.add(1, "there is no device: a [[device]] is missing")
	}
	return config
}

func (c *check) device(f fileDevice) Device {
	if f.Name == "" {
		c.bad("name", "every device needs one")
	} else if !nameSyntax.MatchString(f.Name) || len(f.Name) > maxName {
		c.bad("name", "must be of letters, digits, '.', '_' and '-', and at most %d of them", maxName)
	}
	d := Device{
		Name:        f.Name,
		Transport:   DefaultTransport,
		Socket:      c.socket(f.Socket),
		Cryptodev:   f.Cryptodev,
		OpenSSL:     f.OpenSSL,
		Queues:      c.number("queues", f.Queues, virtiocrypto.DefaultDataQueues, 1, virtiocrypto.MaxDataQueues),
		Legacy:      f.Legacy,
		Spin:        DefaultSpin,
		Drain:       f.Drain,
		Packed:      f.Packed,
		MSIX:        f.MSIX == nil || *f.MSIX,
		MaxSessions: c.number("limits.sessions", f.Limits.Sessions, virtiocrypto.DefaultMaxSessions, 1, virtiocrypto.MaxSessions),
		MaxSize: c.size("limits.request-size", f.Limits.RequestSize,
			virtiocrypto.DefaultMaxSize, virtiocrypto.MinMaxSize, virtiocrypto.MaxMaxSize),
		Rates: virtiocrypto.Rates{
			Requests:     c.number("limits.requests", f.Limits.Requests, 0, 1, maxRate),
			RequestBurst: c.number("limits.requests-burst", f.Limits.RequestsBurst, 0, 1, maxRate),
			Bytes:        c.size("limits.bytes", f.Limits.Bytes, 0, 1, maxRate),
			ByteBurst:    c.size("limits.bytes-burst", f.Limits.BytesBurst, 0, 1, maxRate),
		},
	}
	if f.Limits.RequestsBurst != nil && f.Limits.Requests == nil {
		c.bad("limits.requests-burst", "there is no limits.requests that it could be a burst of")
	}
	if f.Limits.BytesBurst != nil && f.Limits.Bytes == nil {
		c.bad("limits.bytes-burst", "there is no limits.bytes that it could be a burst of")
	}
	if f.Transport != nil {
		d.Transport = *f.Transport
		c.among("transport", d.Transport, c.known.Transports)
	}
	if f.Spin != nil {
		var err error
		d.Spin, err = time.ParseDuration(*f.Spin)
		if err != nil || d.Spin < 0 || d.Spin > maxSpin {
			c.bad("spin", "%q is not a time between \"0s\" and %q", *f.Spin, maxSpin)
		}
	}
	if f.MSIX != nil && d.Transport != vfioUser {
		c.bad("msix", "only transport %q has it", vfioUser)
	}
	for _, cpu := range f.CPUs {
		if cpu < 0 || cpu > maxCPU {
			c.bad("cpus", "there is no CPU %d", cpu)
		}
		d.CPUs = append(d.CPUs, int(cpu))
	}
	d.Engine, d.EngineFor = c.engines(f.Engines)
	d.Allowed = c.allowed(f)
	return d
}

func (c *check) socket(f fileSocket) Socket {
	s := Socket{Path: f.Path, Mode: DefaultSocketMode}
	switch {
	case f.Path == "":
		c.bad("socket.path", "every device needs one")
	case !filepath.IsAbs(f.Path):
		c.bad("socket.path", "%q does not begin with /", f.Path)
	case len(f.Path) > maxPath:
		c.bad("socket.path", "has %d bytes and may have at most %d", len(f.Path), maxPath)
	default:
		s.Path = filepath.Clean(f.Path)
	}
	mode, ok := int64(DefaultSocketMode), true
	switch v := f.Mode.(type) {
	case nil:
	case int64:
		mode = v
	case string:
		n, err := strconv.ParseUint(v, 8, 32)
		mode, ok = int64(n), err == nil
	default:
		ok = false
	}
	if !ok || mode < 0 || mode > int64(fs.ModePerm) {
		c.bad("socket.mode", "%v is not a mode such as \"0660\" or 0o660", f.Mode)
	}
	s.Mode = Mode(mode)
	switch v := f.Group.(type) {
	case nil:
	case int64:
		s.Group = strconv.FormatInt(v, 10)
	case string:
		s.Group = v
	default:
		c.bad("socket.group", "%v is not a group's name or number", v)
		return s
	}
	if _, err := LookupGroup(s.Group); s.Group != "" && err != nil {
		c.bad("socket.group", "%v", err)
	}
	return s
}

// LookupGroup returns the number of a group that is given by name or number.
func LookupGroup(group string) (gid int, err error) {
	if n, err := strconv.ParseUint(group, 10, 31); err == nil {
		return int(n), nil
	}
	g, err := user.LookupGroup(group)
	if err != nil {
		return 0, fmt.Errorf("group %q: %w", group, err)
	}
	return strconv.Atoi(g.Gid)
}

// engines checks the table engines, whose keys are algorithms and "default".
func (c *check) engines(f map[string]string) (name string, by map[engine.Algorithm]string) {
	name = engine.Auto
	for _, key := range slices.Sorted(maps.Keys(f)) {
		value := f[key]
		c.among("engines."+key, value, append([]string{engine.Auto}, c.known.Engines...))
		if key == "default" {
			name = value
			continue
		}
		a, err := engine.ParseAlgorithm(key)
		if err != nil {
			c.bad("engines."+key, "%v", err)
			continue
		}
		if by == nil {
			by = make(map[engine.Algorithm]string)
		}
		by[a] = value
	}
	return name, by
}

// allowed checks services and algorithms and returns what both allow.
func (c *check) allowed(f fileDevice) []engine.Algorithm {
	kinds := make(map[engine.Kind]bool)
	for _, name := range some(f.Services) {
		kind, err := engine.ParseKind(name)
		if err != nil {
			c.bad("services", "%v", err)
		}
		kinds[kind] = true
	}
	var named []engine.Algorithm
	for _, name := range some(f.Algorithms) {
		a, err := engine.ParseAlgorithm(name)
		switch {
		case err != nil:
			c.bad("algorithms", "%v", err)
		case a.Legacy() && !f.Legacy:
			c.bad("algorithms", "%s needs legacy = true", a)
		case f.Services != nil && !kinds[a.Kind()]:
			c.bad("algorithms", "%s is of service %q, which is not in services", a, a.Kind())
		}
		named = append(named, a)
	}
	switch {
	case f.Services != nil && len(*f.Services) == 0:
		c.bad("services", "a device that allows no service is of no use")
	case f.Algorithms != nil && len(*f.Algorithms) == 0:
		c.bad("algorithms", "a device that allows no algorithm is of no use")
	case f.Algorithms != nil:
		return named
	case f.Services != nil:
		return slices.DeleteFunc(engine.Algorithms(), func(a engine.Algorithm) bool { return !kinds[a.Kind()] })
	}
	return nil
}

func some(list *[]string) []string {
	if list == nil {
		return nil
	}
	return *list
}

func (c *check) among(key, value string, names []string) {
	if !slices.Contains(names, value) {
		c.bad(key, "%q: there are %s", value, strings.Join(names, ", "))
	}
}

func (c *check) number(key string, value *int64, unset, lo, hi int) int {
	if value == nil {
		return unset
	}
	if *value < int64(lo) || *value > int64(hi) {
		c.bad(key, "%d is not between %d and %d", *value, lo, hi)
	}
	return int(*value)
}

// size checks a number of bytes: an integer, or a string with a unit.
func (c *check) size(key string, value any, unset, lo, hi int) int {
	if value == nil {
		return unset
	}
	n, err := int64(0), error(nil)
	switch v := value.(type) {
	case int64:
		n = v
	case string:
		n, err = ParseSize(v)
	default:
		err = fmt.Errorf("%v is not a number of bytes", v)
	}
	switch {
	case err != nil:
		c.bad(key, "%v", err)
	case n < int64(lo) || n > int64(hi):
		c.bad(key, "%v is not between %d and %d bytes", value, lo, hi)
	}
	return int(n)
}

// units of sizes, longest names first.
var units = []struct {
	name  string
	bytes int64
}{
	{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30},
	{"kB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"B", 1}, {"", 1},
}

// ParseSize reads a number of bytes such as "64KiB", "1.5 GB" or "4096".
func ParseSize(s string) (int64, error) {
	for _, u := range units {
		number, ok := strings.CutSuffix(s, u.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
		if n *= float64(u.bytes); err != nil || !(n >= 0 && n < math.MaxInt64) {
			break
		}
		return int64(n), nil
	}
	return 0, fmt.Errorf("%q is not a number of bytes such as \"64KiB\", \"1.5GB\" or 4096", s)
}
