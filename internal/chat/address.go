// SPDX-License-Identifier: Apache-2.0

package chat

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// DefaultPort is the TCP port where nothing else is said.
const DefaultPort = "35001"

// Address completes what a user wrote: HOST, HOST:PORT, :PORT, an IPv6
// address with or without brackets, or nothing at all.
func Address(s string) (string, error) {
	host, port := s, DefaultPort
	if _, err := netip.ParseAddr(s); err == nil || s == "" {
		return net.JoinHostPort(host, port), nil // IPv4, or IPv6 without brackets
	}
	if inner, ok := strings.CutPrefix(s, "["); ok && strings.HasSuffix(s, "]") {
		host = strings.TrimSuffix(inner, "]")
	} else if strings.Contains(s, ":") {
		var err error
		if host, port, err = net.SplitHostPort(s); err != nil {
			return "", fmt.Errorf("address %q: %w (write HOST, HOST:PORT, :PORT or [IPV6]:PORT)", s, err)
		}
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil {
		return "", fmt.Errorf("address %q: port %q is not a number from 0 to 65535", s, port)
	} else if _, err := strconv.Atoi(s); err == nil {
		return "", fmt.Errorf("address %q is a number: for a port write :%s", s, s)
	} else {
		port = strconv.FormatUint(n, 10)
	}
	return net.JoinHostPort(host, port), nil
}
