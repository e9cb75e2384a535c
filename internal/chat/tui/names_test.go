// SPDX-License-Identifier: Apache-2.0

package tui

import (
	"strings"
	"testing"
)

// TestOneNickTwoConversations: no two conversations are shown alike, as long as
// the persons are not the same.
func TestOneNickTwoConversations(t *testing.T) {
	u := New(Options{Nick: "ann"})
	shown := func(want map[string]string) {
		t.Helper()
		for name, s := range want {
			if i := u.find(name); i < 0 || u.rooms[i].shown != s {
				t.Errorf("%s is shown as %q, expected %q", name, u.Names()[name], s)
			}
		}
	}
	const a, b, c = "aaaaaaaa00000000", "aaaaaaaa0123bbbb", "cccccccc"
	u.Meet("@a", "bob", a)
	shown(map[string]string{"@a": "bob"})
	u.Meet("@c", "Bob~cccccccc", c)
	shown(map[string]string{"@a": "bob~aaaaaaaa", "@c": "Bob~cccccccc"})
	u.Meet("@b", "bob", b) // made to look like the first
	shown(map[string]string{"@a": "bob~aaaaaaaa00", "@b": "bob~aaaaaaaa01", "@c": "Bob~cccccccc"})
	u.Rename("@a", "robert")
	u.Close("@c")
	shown(map[string]string{"@a": "robert", "@b": "bob"})
	u.Rename("@b", "robert")
	shown(map[string]string{"@a": "robert~aaaaaaaa00", "@b": "robert~aaaaaaaa01"})
	u.Rename("@nobody", "robert")
	u.Rename("", "robert")
	shown(map[string]string{"": ""})

	// What tells them apart is seen where there is little room, too.
	long := strings.Repeat("x", 100)
	u.Rename("@a", long)
	u.Rename("@b", long)
	tabs := map[string]bool{}
	for _, r := range u.rooms {
		tabs[r.tab()] = true
		if n := width(r.tab()); n > maxTabCells {
			t.Errorf("%q has %d columns", r.tab(), n)
		}
	}
	if len(tabs) != len(u.rooms) {
		t.Errorf("tabs are %v", tabs)
	}

	// And where there are no more rooms to be had, none is called as another.
	for i := range 2 * maxRooms {
		u.Meet("@"+strings.Repeat("y", i+1), "dan", strings.Repeat("d", i+1))
	}
	if len(u.rooms) != maxRooms {
		t.Errorf("%d rooms", len(u.rooms))
	}
}
