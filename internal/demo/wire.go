// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
)

const (
	dumpColumns = 16 // bytes a line
	dumpLines   = 4  // of each packet
	dumpPackets = 4
)

// wire shows what a capture has of a port's conversation, and checks whether
// what was said can be read in it.
func (s *stage) wire(capture, port string, said dialogue, readable bool) error {
	packets, err := payloads(s.capture(capture), port)
	if err != nil {
		return err
	}
	if len(packets) == 0 {
		return fmt.Errorf("nothing of port %s was captured", port)
	}
	fmt.Printf("      on the wire:\n")
	for _, p := range packets[max(0, len(packets)-dumpPackets):] {
		p.dump()
	}
	streams := make(map[string]*strings.Builder)
	for _, p := range packets {
		b := streams[p.from]
		if b == nil {
			b = new(strings.Builder)
			streams[p.from] = b
		}
		b.Write(p.data)
	}
	for _, line := range slices.Concat(said.listener, said.caller) {
		found := false
		for _, b := range streams {
			found = found || strings.Contains(b.String(), line)
		}
		if found != readable {
			return fmt.Errorf("%q on the wire: found %t, want %t", line, found, readable)
		}
	}
	if readable {
		ok("every line can be read on the wire (%d packets with data)", len(packets))
	} else {
		ok("no line can be read on the wire (%d packets with data)", len(packets))
	}
	return nil
}

// packet is a TCP segment with data.
type packet struct {
	from, to string
	data     []byte
}

// payloads returns the segments with data of a TCP port, either way.
func payloads(path, port string) ([]packet, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r, err := pcapgo.NewReader(f)
	if err != nil {
		return nil, fmt.Errorf("reading the capture: %w", err)
	}
	var found []packet
	for {
		data, _, err := r.ReadPacketData()
		// QEMU writes the file while it is read: the last packet may be cut.
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return found, nil
		}
		if err != nil {
			return nil, fmt.Errorf("reading the capture: %w", err)
		}
		p := gopacket.NewPacket(data, layers.LayerTypeEthernet, gopacket.NoCopy)
		ip, isIP := p.Layer(layers.LayerTypeIPv4).(*layers.IPv4)
		tcp, isTCP := p.Layer(layers.LayerTypeTCP).(*layers.TCP)
		if !isIP || !isTCP || len(tcp.Payload) == 0 {
			continue
		}
		src, dst := fmt.Sprint(uint16(tcp.SrcPort)), fmt.Sprint(uint16(tcp.DstPort))
		if src == port || dst == port {
			found = append(found, packet{
				from: ip.SrcIP.String() + "." + src,
				to:   ip.DstIP.String() + "." + dst,
				data: append([]byte(nil), tcp.Payload...),
			})
		}
	}
}

// dump prints a packet as tcpdump -X does.
func (p packet) dump() {
	fmt.Printf("      IP %s > %s: length %d\n", p.from, p.to, len(p.data))
	for i := 0; i < len(p.data) && i < dumpColumns*dumpLines; i += dumpColumns {
		row := p.data[i:min(len(p.data), i+dumpColumns)]
		var hex, text strings.Builder
		for j, b := range row {
			if j%2 == 0 && j > 0 {
				hex.WriteByte(' ')
			}
			fmt.Fprintf(&hex, "%02x", b)
			if b < ' ' || b > '~' {
				b = '.'
			}
			text.WriteByte(b)
		}
		fmt.Printf("        0x%04x:  %-39s  %s\n", i, hex.String(), text.String())
	}
	if len(p.data) > dumpColumns*dumpLines {
		fmt.Printf("        ...\n")
	}
}
