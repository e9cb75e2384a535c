// SPDX-License-Identifier: Apache-2.0

package config

// file is a file as TOML has it. Values that may be written in several ways
// are of type any.
type file struct {
	Device []fileDevice `toml:"device"`
}

type fileDevice struct {
	Name       string            `toml:"name"`
	Transport  *string           `toml:"transport"`
	Socket     fileSocket        `toml:"socket"`
	Engines    map[string]string `toml:"engines"`
	Cryptodev  string            `toml:"cryptodev"`
	OpenSSL    OpenSSL           `toml:"openssl"`
	Queues     *int64            `toml:"queues"`
	Services   *[]string         `toml:"services"`
	Algorithms *[]string         `toml:"algorithms"`
	Legacy     bool              `toml:"legacy"`
	Spin       *string           `toml:"spin"`
	CPUs       []int64           `toml:"cpus"`
	Drain      bool              `toml:"drain"`
	Packed     bool              `toml:"packed"`
	MSIX       *bool             `toml:"msix"`
	Limits     fileLimits        `toml:"limits"`
}

type fileSocket struct {
	Path  string `toml:"path"`
	Mode  any    `toml:"mode"`
	Group any    `toml:"group"`
}

type fileLimits struct {
	Sessions      *int64 `toml:"sessions"`
	RequestSize   any    `toml:"request-size"`
	Requests      *int64 `toml:"requests"`
	RequestsBurst *int64 `toml:"requests-burst"`
	Bytes         any    `toml:"bytes"`
	BytesBurst    any    `toml:"bytes-burst"`
}
