// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"time"

	"vcrypto/internal/chat/tui"
)

// The scene: three people in a room, and a file on its way. Its clock stands,
// so that the picture changes only when the interface does.
var sceneBegins = time.Date(2026, time.March, 9, 10, 41, 0, 0, time.UTC)

const (
	lastShown = "Take it?"
	lastTyped = "> maja: on it, I'll run the self-test in vm2 as w"
)

// sceneKeys are typed: with a completion.
var sceneKeys = [][]string{{"-l", "ma"}, {"Tab"}, {"-l", "on it, I'll run the self-test in vm2 as w"}}

func playScene(ctx context.Context) error {
	u := tui.New(tui.Options{Nick: "ann"})
	at := func(minutes int) time.Time { return sceneBegins.Add(time.Duration(minutes) * time.Minute) }
	u.SetStatus(tui.Status{Nick: "ann", State: "connected", Driver: "AES-128-GCM on /dev/crypto", Fingerprint: "3f2a 99c1"})
	u.Open("#lab")
	u.SetTopic("#lab", "AES for the guests")
	u.SetMembers("#lab", []string{"ann", "maja", "otto", "yuki"})
	for _, m := range []tui.Message{
		{Time: at(0), Kind: tui.Notice, Text: "you have joined #lab"},
		{Time: at(0), Kind: tui.Notice, Text: "the key of this room has the fingerprint 3f2a 99c1: compare it"},
		{Time: at(1), Nick: "otto", Text: "morning! vm1 is up, its chat runs on the host's multi-buffer engine"},
		{Time: at(1), Nick: "maja", Text: "ann: which driver does yours say?"},
		{Time: at(2), Nick: "ann", Text: "virtio_cryptodev, AES-128-GCM. The device does it all, the guest holds no lock on a core"},
		{Time: at(3), Nick: "otto", Kind: tui.Action, Text: "sends around the numbers of last night"},
		{Time: at(4), Kind: tui.Notice, Text: "yuki has joined"},
		{Time: at(4), Nick: "yuki", Text: "おはよう! I see 8 queues here, one for each of my processes, and they share nothing but the device. Is that what you have as well?"},
		{Time: at(5), Nick: "maja", Text: "yes. And \x1b[2Jthis\x1b[0m is what an escape sequence looks like here \u202eeht dna"},
		{Time: at(6), Nick: "otto", Text: "😄 harmless, as it should be"},
		{Time: at(7), Kind: tui.Notice, Text: "yuki is now known as yuki_vm2"},
		{Time: at(9), Nick: "maja", Text: "ann: can you check the new build on a second machine before I tag it?"},
	} {
		m.Room = "#lab"
		u.Show(m)
	}
	u.Show(tui.Message{Time: at(8), Room: "#kitchen", Nick: "lena", Text: "coffee is ready"})
	u.Show(tui.Message{Time: at(8), Room: "#kitchen", Nick: "lena", Text: "and cake"})
	u.Show(tui.Message{Time: at(9), Room: "otto", Nick: "otto", Kind: tui.Private, Text: "have a look at the plot"})
	u.Progress("1", "traces.tar.zst from otto", 157<<20, 240<<20)
	go u.Ask(ctx, "maja sends build.log (2.1 MiB). Take it?")
	return u.Run(ctx)
}
