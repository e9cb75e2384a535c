// SPDX-License-Identifier: Apache-2.0

package room

// Type says what an event is.
type Type string

const (
	Said    Type = "message"        // Nick said Text
	Acted   Type = "action"         // Nick does Text
	Told    Type = "private"        // Nick said Text to us alone; or we to Nick, if Own
	ToldAct Type = "private-action" // likewise
	Topic   Type = "topic"          // Nick set the topic to Text
	Came    Type = "join"           // Nick has come
	Went    Type = "leave"          // Nick has gone, and said so
	Silent  Type = "silent"         // nothing was heard of Nick for long
	Renamed Type = "nick"           // Old is now Nick
	Taken   Type = "nick-taken"     // somebody has our nick: we are Nick now
	Offered Type = "offer"          // Nick would send a file
	Warning Type = "warning"        // Text, in words of ours
	Sent    Type = "sent"           // our own message has come back: it has its place in the room
)

// Event is something that happened in a room. Nicks, texts and names of files
// are as others wrote them: authentic, and hostile.
type Event struct {
	Type  Type
	From  ID     // who did it
	Nick  string // who did it; no other member is shown as this
	Old   string
	Text  string
	Offer *Offer
	Own   bool // we did it
	Seq   uint64
	Kind  Problem // of a Warning
}

// Problem says what a Warning is about, for programs.
type Problem string

const (
	Forged   Problem = "forged"    // not authentic: dropped
	Replayed Problem = "replayed"  // it came before: dropped
	Missing  Problem = "missing"   // messages were left out
	Disorder Problem = "reordered" // put right
	Broken   Problem = "broken"    // two write in one member's name
	Unseen   Problem = "unseen"    // somebody answers what we were not given
	Stale    Problem = "stale"     // it cannot be shown to be fresh: dropped
	NoSuite  Problem = "no-suite"  // sealed in a suite that our place lacks
	Crowded  Problem = "crowded"   // more members than we keep
)
