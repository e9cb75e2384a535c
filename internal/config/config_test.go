// SPDX-License-Identifier: Apache-2.0

package config

import (
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"vcrypto/engine"
	"vcrypto/virtiocrypto"
)

var known = Known{Transports: []string{"vhost-user", "vfio-user"}, Engines: []string{"gocrypto", "openssl"}}

// TestExample: the documented example is a good file, and says what it says.
func TestExample(t *testing.T) {
	c, err := Load("../../docs/vcrypto.toml", known)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Devices) != 2 {
		t.Fatalf("%d devices, want 2", len(c.Devices))
	}
	plain := Device{
		Name: "vm1", Transport: "vhost-user", Socket: Socket{Path: "/run/vcrypto/vm1.sock", Mode: 0o600},
		Engine: "auto", Queues: virtiocrypto.DefaultDataQueues, Spin: DefaultSpin,
		MaxSessions: virtiocrypto.DefaultMaxSessions, MaxSize: virtiocrypto.DefaultMaxSize, MSIX: true,
	}
	if !reflect.DeepEqual(c.Devices[0], plain) {
		t.Errorf("a device with defaults is\n%+v, want\n%+v", c.Devices[0], plain)
	}
	full := Device{
		Name: "vm2", Transport: "vhost-user", Socket: Socket{Path: "/run/vcrypto/vm2.sock", Mode: 0o660, Group: "0"},
		Engine: "auto", EngineFor: map[engine.Algorithm]string{engine.AESCBC: "gocrypto"},
		Cryptodev: "/dev/crypto", Queues: 4, Spin: 50 * time.Microsecond,
		Allowed:     []engine.Algorithm{engine.AESCBC, engine.AESCTR, engine.AESGCM, engine.HMACSHA256, engine.RSARaw, engine.RSAPKCS1},
		MaxSessions: 8192, MaxSize: 1 << 20,
		Rates: virtiocrypto.Rates{Requests: 200_000, RequestBurst: 20_000, Bytes: 2e9, ByteBurst: 200e6},
		MSIX:  true,
	}
	if !reflect.DeepEqual(c.Devices[1], full) {
		t.Errorf("a device with all keys is\n%+v, want\n%+v", c.Devices[1], full)
	}
}

// TestErrors: what is wrong is named, with the line it is in, and all of it.
func TestErrors(t *testing.T) {
	const head = "[[device]]\nname = \"a\"\nsocket.path = \"/a\"\n" // three lines
	for _, c := range []struct {
		name, file string
		want       []string // LINE: part of the message
	}{
		{"nothing", "", []string{"1: no device"}},
		{"not TOML", head + "queues = = 1", []string{"4: "}},
		{"a string for a number", head + "queues = \"2\"", []string{"4: queues"}},
		{"unknown key", head + "quues = 2", []string{"4: device.quues: there is no such key"}},
		{"unknown top-level key", "log = 1\n" + head, []string{"1: log: there is no such key"}},
		{"unknown table", head + "[device.limit]\nbytes = 1", []string{"4: device.limit"}},
		{"unknown key in a table", head + "[device.limits]\nsesions = 1", []string{"5: device.limits.sesions"}},
		{"unknown key in an inline table", head + "limits = { bytes = 1,\n byte-burst = 2 }", []string{"5: device.byte-burst: there is no such key"}},
		{"no name", "[[device]]\nsocket.path = \"/a\"", []string{"1: name: every device needs one"}},
		{"no socket", "\n[[device]]\nname = \"a\"", []string{`2: device "a": socket.path: every device needs one`}},
		{"a bad name", "[[device]]\nname = \"a b\"\nsocket.path = \"/a\"", []string{"2: "}},
		{"a relative socket", "[[device]]\nname = \"a\"\nsocket.path = \"a\"", []string{"3: device \"a\": socket.path: \"a\" does not begin with /"}},
		{"a long socket", "[[device]]\nname = \"a\"\nsocket.path = \"/" + strings.Repeat("x", 107) + "\"", []string{"3: device \"a\": socket.path: has 108 bytes"}},
		{"a name twice", head + "\n" + strings.Replace(head, "/a", "/b", 1), []string{"6: device \"a\": name: there is another"}},
		{"a socket twice", head + "\n" + strings.Replace(strings.Replace(head, `"a"`, `"b"`, 1), "/a", "//./a", 1), []string{"7: device \"b\": socket.path: device \"a\" has this socket"}},
		{"mode", head + "socket.mode = \"0999\"", []string{"4: device \"a\": socket.mode"}},
		{"mode as a number", head + "socket.mode = 0o7777", []string{"4: device \"a\": socket.mode"}},
		{"group", head + "socket.group = \"no such group\"", []string{"4: device \"a\": socket.group"}},
		{"transport", head + "transport = \"carrier-pigeon\"", []string{"4: device \"a\": transport: \"carrier-pigeon\": there are vhost-user, vfio-user"}},
		{"engine", head + "engines.default = \"steam\"", []string{"4: device \"a\": engines.default: \"steam\": there are auto, gocrypto, openssl"}},
		{"engine by algorithm", head + "engines = { default = \"auto\", aes-cbc = \"steam\" }", []string{"4: device \"a\": engines.aes-cbc"}},
		{"engine by no algorithm", head + "engines = { aes-cbd = \"auto\" }", []string{"4: device \"a\": engines.aes-cbd"}},
		{"no queue", head + "queues = 0", []string{"4: device \"a\": queues: 0 is not between 1 and 64"}},
		{"too many queues", head + "queues = 65", []string{"4: "}},
		{"service", head + "services = [\"cypher\"]", []string{"4: device \"a\": services: unknown service \"cypher\""}},
		{"no service", head + "services = []", []string{"4: "}},
		{"algorithm", head + "algorithms = [\"aes-cbc\", \"aes\"]", []string{"4: device \"a\": algorithms: unknown algorithm \"aes\""}},
		{"legacy", head + "algorithms = [\"md5\"]", []string{"4: device \"a\": algorithms: md5 needs legacy = true"}},
		{"another service's", head + "services = [\"cipher\"]\nalgorithms = [\"sha256\"]", []string{"5: device \"a\": algorithms: sha256 is of service \"hash\""}},
		{"msix", head + "msix = false", []string{"4: device \"a\": msix: only transport \"vfio-user\" has it"}},
		{"spin", head + "spin = \"20\"", []string{"4: device \"a\": spin"}},
		{"long spin", head + "spin = \"1h\"", []string{"4: device \"a\": spin"}},
		{"cpu", head + "cpus = [0, -1]", []string{"4: device \"a\": cpus: there is no CPU -1"}},
		{"sessions", head + "[device.limits]\n\nsessions = 65537", []string{"6: device \"a\": limits.sessions"}},
		{"request size", head + "limits.request-size = \"1KiB\"", []string{"4: device \"a\": limits.request-size: 1KiB is not between 4096 and 16777216 bytes"}},
		{"a size of no bytes", head + "limits.bytes = \"lots\"", []string{"4: device \"a\": limits.bytes: \"lots\" is not a number of bytes"}},
		{"a rate of nothing", head + "limits.requests = 0", []string{"4: "}},
		{"a burst alone", head + "limits.requests-burst = 1\nlimits.bytes-burst = 1", []string{"4: ", "5: "}},
		{
			"several", head + "queues = 0\nspin = 1\n", []string{"5: spin"}, // a wrong type ends the reading
		},
		{
			"several of all kinds", head + "queues = 0\nquues = 1\n[device.limits]\nsessions = 0\n" + "[[device]]\nname = \"b\"\nsocket.path = \"/b\"\nqueues = 99",
			[]string{"4: device \"a\": queues", "5: device.quues", "7: device \"a\": limits.sessions", "11: device \"b\": queues"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Parse("file", []byte(c.file), known)
			if err == nil {
				t.Fatal("the file was taken")
			}
			got := strings.Split(err.Error(), "\n")
			if len(got) != len(c.want) {
				t.Fatalf("%d errors, want %d:\n%v", len(got), len(c.want), err)
			}
			for i, want := range c.want {
				line, part, _ := strings.Cut(want, ": ")
				if !strings.HasPrefix(got[i], "file:"+line+": ") || !strings.Contains(got[i], part) {
					t.Errorf("error %q, want line %s and %q", got[i], line, part)
				}
			}
		})
	}
}

func TestLoadSaysWhichFile(t *testing.T) {
	path := t.TempDir() + "/none.toml"
	if _, err := Load(path, known); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("error %v", err)
	}
	if err := os.WriteFile(path, []byte("x = 1"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(path, known); err == nil || !strings.HasPrefix(err.Error(), path+":1: ") {
		t.Errorf("error %v", err)
	}
}

// FuzzParse: no document is too strange for it, and a bad one has errors with
// lines it has.
func FuzzParse(f *testing.F) {
	example, err := os.ReadFile("../../docs/vcrypto.toml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(example))
	f.Add("device = [{ name = \"a\", socket = { path = \"/a\" } }]")
	f.Add("[device]\nname = 1")
	f.Add("device.x = 1\n[[device]]")
	f.Fuzz(func(t *testing.T, document string) {
		_, err := Parse("file", []byte(document), known)
		errs, ok := err.(Errors)
		if err != nil && !ok {
			t.Fatalf("error %v", err)
		}
		for _, e := range errs {
			if n := strings.Count(document, "\n") + 1; e.Line < 1 || e.Line > n {
				t.Errorf("error in line %d of %d: %v", e.Line, n, e)
			}
		}
	})
}
