// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"vcrypto/engine"
	"vcrypto/engine/gocrypto"
)

// talker is an engine that logs. It is there in the processes of tests, too.
type talker struct{ *gocrypto.Engine }

func (talker) Name() string { return "talker" }

func init() {
	engine.Register(engine.Driver{
		Name:  "talker",
		About: "for a test",
		Probe: func(engine.Options) error { return nil },
		Open: func(o engine.Options) (engine.Engine, error) {
			if o.Log == nil {
				return nil, errors.New("there is no log")
			}
			o.Log.Warn("an engine's trouble")
			return talker{gocrypto.New()}, nil
		},
	})
}

// TestEngineLog: what an engine logs is a record like all of the device's.
func TestEngineLog(t *testing.T) {
	d := startProgram(t, "serve", "--socket-path", filepath.Join(t.TempDir(), "s"), "--engine", "talker", "--name", "vm1", "--log-format", "json")
	d.says(`"msg":"serving"`, 1)
	for line := range strings.Lines(d.said()) {
		var record struct{ Level, Msg, Device string }
		if err := json.Unmarshal([]byte(line), &record); err != nil {
			t.Errorf("%q is no record: %v", line, err)
		}
		if record.Msg == "an engine's trouble" {
			if record.Level != "WARN" || record.Device != "vm1" {
				t.Errorf("the record is %q", line)
			}
			d.end()
			return
		}
	}
	t.Error("what the engine logs is not in the log")
}
