// SPDX-License-Identifier: Apache-2.0

package member_test

import (
	"fmt"
	"slices"
	"testing"

	"vcrypto/internal/chat/member"
	"vcrypto/internal/chat/relay"
	"vcrypto/internal/chat/room"
	"vcrypto/internal/chat/suite/suitetest"
)

// TestListIsBounded: the rooms that we are in come first, then others that the
// key opens, and no more than can be read, whatever the hub says.
func TestListIsBounded(t *testing.T) {
	t.Parallel()
	key, err := room.NewKey([]byte("0123456789abcdef0123456789abcdef")) // join's
	if err != nil {
		t.Fatal(err)
	}
	list := &relay.Frame{Type: relay.Rooms, More: 7}
	for n := range 60 {
		name := fmt.Sprintf("#a%02d", 59-n)
		label, err := key.SealName(suitetest.All, name)
		if err != nil {
			t.Fatal(err)
		}
		l := relay.Listed{Room: key.RoomID(name), Label: label}
		list.Rooms = append(list.Rooms, l, relay.Listed{Room: relay.ID{byte(n)}, Label: []byte("a stranger's")})
		if n == 0 {
			list.Rooms = append(list.Rooms, l) // the same again
		}
	}
	addr, _ := startHub(t, "")
	evil, _ := relayed(t, addr, func(f *relay.Frame) []*relay.Frame {
		if f.Type == relay.Rooms {
			f = list
		}
		return []*relay.Frame{f}
	})
	ann := join(t, "ann", evil)
	if err := ann.List(); err != nil {
		t.Fatal(err)
	}
	e := ann.await(func(e member.Event) bool { return e.Type == member.Rooms }, "for the list")
	want := []string{testRoom}
	for n := range 49 {
		want = append(want, fmt.Sprintf("#a%02d", n))
	}
	if !slices.Equal(e.Names, want) {
		t.Errorf("rooms are %q", e.Names)
	}
	if e.Text != "and 11 more, and, says the hub, 60 that our key does not open, and, says the hub, 7 more than a list has" {
		t.Errorf("and %q", e.Text)
	}
}
