// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"

	"vcrypto/internal/chat/hub/natstest"
	"vcrypto/internal/chat/relay"
)

// signed makes an NKey, and says whose it is.
func signed(t testing.TB, make func() (nkeys.KeyPair, error)) (key nkeys.KeyPair, public string) {
	t.Helper()
	key, err := make()
	if err != nil {
		t.Fatal(err)
	}
	if public, err = key.PublicKey(); err != nil {
		t.Fatal(err)
	}
	return key, public
}

// encoded is a claim as a token, signed by a key.
func encoded(t testing.TB, c jwt.Claims, by nkeys.KeyPair) string {
	t.Helper()
	token, err := c.Encode(by)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// credentials writes a user's file as NATS's tools do: a token that the account
// signed, and the user's seed.
func credentials(t testing.TB, account nkeys.KeyPair) (path string) {
	t.Helper()
	user, public := signed(t, nkeys.CreateUser)
	seed, err := user.Seed()
	if err != nil {
		t.Fatal(err)
	}
	claims := jwt.NewUserClaims(public)
	claims.Pub.Allow.Add("vchat.>", "$JS.API.>", "_INBOX.>") // all that docs/chat.md asks for
	claims.Sub.Allow.Add("vchat.>", "_INBOX.>")
	b, err := jwt.FormatUserConfig(encoded(t, claims, account), seed)
	if err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(t.TempDir(), "hub.creds")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// closedNATS is a server that lets only users of one account in, who have
// tokens signed by it.
func closedNATS(t testing.TB) (s *server.Server, account nkeys.KeyPair) {
	t.Helper()
	operator, operatorID := signed(t, nkeys.CreateOperator)
	account, accountID := signed(t, nkeys.CreateAccount)
	_, systemID := signed(t, nkeys.CreateAccount)
	claims := jwt.NewAccountClaims(accountID)
	claims.Limits.JetStreamLimits = jwt.JetStreamLimits{MemoryStorage: 256 << 20, Streams: jwt.NoLimit, Consumer: jwt.NoLimit}
	resolver := &server.MemAccResolver{}
	for id, c := range map[string]*jwt.AccountClaims{accountID: claims, systemID: jwt.NewAccountClaims(systemID)} {
		if err := resolver.Store(id, encoded(t, c, operator)); err != nil {
			t.Fatal(err)
		}
	}
	o := natstest.Options(t)
	o.TrustedKeys, o.SystemAccount, o.AccountResolver = []string{operatorID}, systemID, resolver
	return natstest.Start(t, o), account
}

// TestCredentials: a cluster that lets nobody in without credentials lets a hub
// in that has them, and no other; the error says why.
func TestCredentials(t *testing.T) {
	s, account := closedNATS(t)
	creds := credentials(t, account)
	_, addr, _ := start(t, Config{NATS: s.ClientURL(), Credentials: creds})
	ann := connect(t, addr)
	joined := ann.join(testRoom)
	ann.post(0, "one")
	ann.hears("one")
	again := connect(t, addr) // which reads the stream otherwise
	again.send(relay.Frame{Type: relay.Join, Room: testRoom, Stream: joined.Stream, Seq: joined.Seq})
	again.hears("one")
	again.receive(relay.Joined)
	again.lists(1)

	stranger, _ := signed(t, nkeys.CreateAccount)
	empty := filepath.Join(t.TempDir(), "empty.creds")
	if err := os.WriteFile(empty, []byte("nothing\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for what, x := range map[string]struct{ file, says string }{
		"none":              {"", "Authorization Violation"},
		"another account's": {credentials(t, stranger), "Authorization Violation"},
		"no file":           {filepath.Join(t.TempDir(), "missing.creds"), "missing.creds"},
		"an empty file":     {empty, "empty.creds"},
	} {
		h, err := New(t.Context(), Config{NATS: s.ClientURL(), Credentials: x.file})
		if err == nil {
			h.Close()
			t.Errorf("%s: the hub is let in", what)
			continue
		}
		if !strings.Contains(err.Error(), x.says) {
			t.Errorf("%s: %v", what, err)
		}
	}
}
