// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"vcrypto/engine"
	"vcrypto/internal/config"
	"vcrypto/internal/supervisor"
)

// serveConfig serves the devices of a file, or only checks it.
func serveConfig(cmd *cobra.Command, o serveOptions, log *slog.Logger) error {
	for _, flag := range []string{"socket-path", "fd"} {
		if cmd.Flags().Changed(flag) {
			return fmt.Errorf("--config and --%s: the file says where sockets are", flag)
		}
	}
	c, err := config.Load(o.config, known())
	if o.checkConfig {
		return printConfig(cmd.OutOrStdout(), o, c, err)
	}
	if err != nil {
		return err
	}
	program, err := os.Executable()
	if err != nil {
		return err
	}
	s := supervisor.New(supervisor.Options{Program: program, Log: log, Stderr: cmd.ErrOrStderr()})
	defer s.Close()
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, unix.SIGHUP)
	defer signal.Stop(hangup)
	reload := func(c *config.Config) {
		did := s.Reload(children(c, o.log))
		log.Info("configuration in force", "file", o.config, "added", did.Added, "removed", did.Removed,
			"replaced", did.Replaced, "kept", did.Kept)
	}
	reload(c)
	for {
		select {
		case <-cmd.Context().Done():
			log.Info("ending all devices")
			return nil
		case <-hangup:
			c, err := config.Load(o.config, known())
			if err != nil {
				logRefused(log, err)
				continue
			}
			reload(c)
		}
	}
}

// known is what a file may name.
func known() config.Known { return config.Known{Transports: transports, Engines: engine.Names()[1:]} }

// logRefused says why a file is not used.
func logRefused(log *slog.Logger, err error) {
	var all config.Errors
	if errors.As(err, &all) {
		for _, e := range all {
			log.Error("configuration", "file", e.File, "line", e.Line, "err", e.What)
		}
		err = fmt.Errorf("%d errors in it", len(all))
	}
	log.Error("the new configuration is refused, the old one stays in force", "err", err)
}

// children are the processes for the devices of a file.
func children(c *config.Config, l logFlags) (all []supervisor.Child) {
	for _, d := range c.Devices {
		all = append(all, supervisor.Child{
			Name:  d.Name,
			Args:  append(arguments(d), "--log-level", l.level, "--log-format", l.format),
			Drain: d.Drain,
		})
	}
	return all
}

// arguments are those of a device's process. What is not said in the file
// is said here too: a process list shows all of it.
func arguments(d config.Device) []string {
	args := []string{"serve", "--supervised"}
	add := func(flag, value string) {
		if value != "" {
			args = append(args, "--"+flag+"="+value)
		}
	}
	add("name", d.Name)
	add("transport", d.Transport)
	add("socket-path", d.Socket.Path)
	add("socket-mode", fmt.Sprintf("%04o", d.Socket.Mode))
	add("socket-group", d.Socket.Group)
	add("engine", d.Engine)
	for _, a := range engine.Algorithms() {
		if e, ok := d.EngineFor[a]; ok {
			add("engine-for", a.String()+"="+e)
		}
	}
	add("device", d.Cryptodev)
	add("openssl-config", d.OpenSSL.Config)
	add("openssl-provider", d.OpenSSL.Provider)
	add("openssl-properties", d.OpenSSL.Properties)
	add("openssl-engine", d.OpenSSL.Engine)
	add("queues", strconv.Itoa(d.Queues))
	add("max-sessions", strconv.Itoa(d.MaxSessions))
	add("max-size", strconv.Itoa(d.MaxSize))
	add("packed", strconv.FormatBool(d.Packed))
	add("msix", strconv.FormatBool(d.MSIX))
	add("legacy", strconv.FormatBool(d.Legacy))
	add("spin", d.Spin.String())
	add("rate-requests", strconv.Itoa(d.Rates.Requests))
	add("burst-requests", strconv.Itoa(d.Rates.RequestBurst))
	add("rate-bytes", strconv.Itoa(d.Rates.Bytes))
	add("burst-bytes", strconv.Itoa(d.Rates.ByteBurst))
	var names, cpus []string
	for _, a := range d.Allowed {
		names = append(names, a.String())
	}
	add("algorithms", strings.Join(names, ","))
	for _, cpu := range d.CPUs {
		cpus = append(cpus, strconv.Itoa(cpu))
	}
	add("cpus", strings.Join(cpus, ","))
	return args
}

// printConfig prints what a file says, or what is wrong with it.
func printConfig(w io.Writer, o serveOptions, c *config.Config, err error) error {
	if o.json {
		var report struct {
			File    string          `json:"file"`
			Errors  []*config.Error `json:"errors,omitempty"`
			Devices []config.Device `json:"devices,omitempty"`
		}
		report.File = o.config
		var all config.Errors
		if errors.As(err, &all) {
			report.Errors = all
		} else if err == nil {
			report.Devices = c.Devices
		}
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return errors.Join(err, e.Encode(report))
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "%s is in order and has %d devices:\n", o.config, len(c.Devices))
	for _, d := range c.Devices {
		fmt.Fprintf(w, "  %-16s %s, mode %04o, engine %s, %d queues\n", d.Name, d.Socket.Path, d.Socket.Mode, d.Engine, d.Queues)
		for _, e := range missingEngines(d) {
			fmt.Fprintf(w, "  %-16s cannot start on this machine as it is: %v\n", "", e)
		}
	}
	return nil
}

// missingEngines says which of the engines that a device names are not
// available here.
func missingEngines(d config.Device) (missing []error) {
	options := engine.Options{
		Device: d.Cryptodev, OpenSSLConfig: d.OpenSSL.Config, OpenSSLProvider: d.OpenSSL.Provider,
		OpenSSLProperties: d.OpenSSL.Properties, OpenSSLEngine: d.OpenSSL.Engine,
	}
	for _, driver := range engine.Drivers() {
		named := d.Engine == driver.Name
		for _, e := range d.EngineFor {
			named = named || e == driver.Name
		}
		if !named {
			continue
		}
		e, err := driver.Start(options)
		if err != nil {
			missing = append(missing, err)
			continue
		}
		e.Close()
	}
	return missing
}
