// SPDX-License-Identifier: Apache-2.0

package room

import (
	"bytes"
	"testing"
	"time"

	"vcrypto/internal/chat/relay"
)

// lossy is a room in which the stream was lost when ann had bob's "one" and
// "three", and "two" had not come.
func lossy(t *testing.T) (w *world, ann, bob *player, two []byte) {
	w = newWorld(t)
	ann, bob = w.join("ann"), w.join("bob")
	w.pass(time.Second)
	ann.seen()
	bob.say("one")
	w.deliver()
	two = bob.say("two")
	ann.bend = func(_ int, e []byte) [][]byte {
		if bytes.Equal(e, two) {
			return nil
		}
		return [][]byte{e}
	}
	bob.say("three")
	w.deliver()
	ann.saw("message bob  one")
	ann.Resumed(w.now)
	ann.Lost()
	return w, ann, bob, two
}

// TestLostShowsWhatCame: what came and waits for something before it is shown
// though the stream is lost, and it is said that something is missing.
func TestLostShowsWhatCame(t *testing.T) {
	t.Run("nothing more comes", func(t *testing.T) {
		w, ann, _, _ := lossy(t)
		w.members = []*player{ann} // bob says no more
		w.pass(missingAfter + time.Second)
		ann.saw("! missing", "message bob  three")
	})
	t.Run("it is said again", func(t *testing.T) {
		w, ann, _, two := lossy(t)
		ann.bend = nil
		w.log = append(w.log, two)
		w.deliver()
		ann.saw("message bob  two", "message bob  three", "! reordered")
		w.pass(missingAfter + time.Second)
		ann.saw()
	})
	t.Run("it goes on", func(t *testing.T) {
		w, ann, bob, two := lossy(t)
		four := bob.say("four")
		ann.bend = func(_ int, e []byte) [][]byte {
			if bytes.Equal(e, two) || bytes.Equal(e, four) {
				return nil
			}
			return [][]byte{e}
		}
		bob.say("five")
		w.deliver()
		ann.saw("! missing", "message bob  three", "message bob  five")
		bob.say("six")
		w.pass(missingAfter + time.Second)
		ann.saw("message bob  six")
	})
	t.Run("its number comes with another message", func(t *testing.T) {
		w, ann, bob, two := lossy(t)
		e, err := relay.ParseEnvelope(two)
		if err != nil {
			t.Fatal(err)
		}
		bob.seq, bob.prev = e.Seq+1, hash{}
		bob.say("somebody else's three") // with the number of what waits
		w.deliver()
		ann.saw("! missing", "message bob  three", "! replayed")
	})
}
