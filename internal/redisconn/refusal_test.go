package redisconn

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"issuance/internal/testredis"
)

// answer is an error as a Redis answers it.
type answer string

func (a answer) Error() string { return string(a) }
func (answer) RedisError()     {}

// What a Redis refuses is said in plain words, with what is missing, whatever its version, and with what stood
// around it; other errors keep their texts.
func TestRefusalsAreSaidInPlainWords(t *testing.T) {
	for text, want := range map[string]struct {
		refusal Refusal
		says    string
	}{
		"NOAUTH Authentication required.":                                                   {NeedsPassword, "Redis wants a password: write REDIS_URL as redis://USER:PASSWORD@HOST:PORT/DB (without USER for its default user)"},
		"WRONGPASS invalid username-password pair or user is disabled.":                     {WrongPassword, "Redis refuses the user or the password: check USER:PASSWORD in REDIS_URL"},
		"NOPERM this user has no permissions to run the 'hdel' command":                     {NotPermitted, `Redis does not permit the user of REDIS_URL to run "hdel" (ACL)`},
		"NOPERM User reader has no permissions to run the 'config|get' command":             {NotPermitted, `Redis does not permit the user of REDIS_URL to run "config|get" (ACL)`},
		"NOPERM this user has no permissions to access one of the keys used as arguments":   {NotPermitted, "Redis does not permit the user of REDIS_URL to use one of the keys that this needs (ACL)"},
		"NOPERM No permissions to access a key":                                             {NotPermitted, "Redis does not permit the user of REDIS_URL to use one of the keys that this needs (ACL)"},
		"NOPERM No permissions to access a channel":                                         {NotPermitted, "Redis does not permit the user of REDIS_URL to use one of the channels that this needs (ACL)"},
		"ERR The user executing the script can't run this command or subcommand script: ab": {NotPermitted, "Redis does not permit the user of REDIS_URL to do this (ACL)"},
		"OOM command not allowed when used memory > 'maxmemory'.":                           {NotRefused, "OOM command not allowed when used memory > 'maxmemory'."},
	} {
		err := fmt.Errorf("resume x: %w; so", answer(text))
		if got := RefusalOf(err); got != want.refusal {
			t.Errorf("%s: %q", text, got)
		}
		if got := Plain(err); got != "resume x: "+want.says+"; so" {
			t.Errorf("%s: %s", text, got)
		}
	}
	if err := errors.New("no Redis"); RefusalOf(err) != NotRefused || RefusalOf(nil) != NotRefused || Plain(err) != "no Redis" {
		t.Error("an error of another kind counts as a refusal")
	}
}

// A Redis that refuses the client at the connection says so, with the address and without advice about the network.
func TestConnectingWithoutThePassword(t *testing.T) {
	s := testredis.Start(t)
	if err := s.Client().ConfigSet(t.Context(), "requirepass", "Kanarie").Err(); err != nil {
		t.Skip("the embedded Redis has no such setting")
	}
	for url, want := range map[string]Refusal{"redis://" + s.Addr: NeedsPassword, "redis://:wrong@" + s.Addr: WrongPassword, "redis://nobody:wrong@" + s.Addr: WrongPassword} {
		o, err := Parse(Source{URL: url})
		if err != nil {
			t.Fatal(err)
		}
		_, err = Connect(t.Context(), o)
		if RefusalOf(err) != want || !strings.HasPrefix(Plain(err), "connect to Redis at "+s.Addr) || strings.Contains(err.Error(), "check that it runs") {
			t.Errorf("%s: %v", url, err)
		}
	}
}

// The Redis library writes nothing to standard error; what it says is logged at level debug, but for the switch to
// another master.
func TestTheLibrarysLinesAreForDevelopers(t *testing.T) {
	var out bytes.Buffer
	lines := func(level slog.Level, texts ...string) string {
		out.Reset()
		LogTo(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: level})))
		defer libraryLog.Store(nil)
		for _, text := range texts {
			libraryLines{}.Printf(context.Background(), "%s", text)
		}
		return out.String()
	}
	const dial, master = "redis: connection pool: failed to dial after 5 attempts", `sentinel: new master="m" addr="a"`
	if got := lines(slog.LevelInfo, dial, master); strings.Contains(got, "failed to dial") || !strings.Contains(got, "level=INFO") || !strings.Contains(got, "new master") {
		t.Error(got)
	}
	if got := lines(slog.LevelDebug, dial); !strings.Contains(got, "level=DEBUG") || !strings.Contains(got, "failed to dial") {
		t.Error(got)
	}
	libraryLines{}.Printf(context.Background(), dial) // nobody asked for it
}
