// SPDX-License-Identifier: Apache-2.0

package member_test

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"vcrypto/internal/chat/member"
	"vcrypto/internal/chat/relay"
	"vcrypto/internal/chat/room"
)

// TestFileGrows: a file that grows while it is sent ends, at both ends, with
// the reason; who asks for it later is told, too.
func TestFileGrows(t *testing.T) {
	t.Parallel()
	addr, _ := startHub(t, "")
	path := filepath.Join(t.TempDir(), "log.txt")
	const size = 1 << 20
	grow := sync.OnceFunc(func() {
		if err := os.Truncate(path, size+1); err != nil {
			t.Error(err)
		}
	})
	toBob, _ := relayed(t, addr, func(f *relay.Frame) []*relay.Frame {
		if f.Type == relay.Direct {
			grow() // when the first block has come
		}
		return []*relay.Frame{f}
	})
	ann, bob, cat := join(t, "ann", addr), join(t, "bob", toBob), join(t, "cat", addr)
	ann.knows("bob", "cat")
	bob.knows("ann")
	cat.knows("ann")
	if err := os.WriteFile(path, make([]byte, size), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := ann.Send(t.Context(), testRoom, room.ID{}, path); err != nil {
		t.Fatal(err)
	}
	ended := func(u *user) {
		t.Helper()
		e := u.await(func(e member.Event) bool { return e.Type == member.File }, "for the end of the file")
		if !strings.Contains(e.Text, "longer or shorter") || e.Saved != "" || e.Own != (u == ann) {
			t.Errorf("%s: %+v", u.name, e)
		}
	}
	for _, u := range []*user{bob, cat} {
		offer := u.await(func(e member.Event) bool { return e.Type == room.Offered }, "for the offer")
		if err := u.Accept(offer.Offer); err != nil {
			t.Fatal(err)
		}
		ended(u)
		ended(ann)
	}
}
