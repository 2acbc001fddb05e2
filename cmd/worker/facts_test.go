package main

import (
	"io"
	"log/slog"
	"net"
	"testing"
	"time"

	"issuance/internal/redisconn"
	"issuance/internal/testredis"
	"issuance/providers"
)

// facing is a worker of the Redis, which has entered; running says that its loops run, too.
func facing(t *testing.T, s *testredis.Server, running bool) *worker {
	t.Helper()
	settings, err := check(flags{}, production(s.URL()))
	if err != nil {
		t.Fatal(err)
	}
	w, err := build(t.Context(), settings, redisconn.Production, slog.New(slog.NewTextHandler(io.Discard, nil)), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.stop)
	if err := w.enter(t.Context()); err != nil {
		t.Fatal(err)
	}
	if running {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		if err := w.start(l); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

// What a worker has learned of an account, the others know within seconds, and those that are started later from the beginning.
func TestWorkersShareWhatTheyHaveLearnedOfAnAccount(t *testing.T) {
	t.Parallel()
	s := testredis.Start(t)
	beside := facing(t, s, true)
	one := facing(t, s, false)
	learned := func(w *worker, a providers.Account) bool {
		_, ok := w.wiring.facts.Of(a).Recall("fact")
		return ok
	}
	for _, a := range one.names() {
		one.wiring.facts.Of(a).Remember(t.Context(), "fact", "learned", true)
	}
	later := facing(t, s, false)
	for _, a := range one.names() {
		if !learned(later, a) {
			t.Errorf("%s: a worker that is started later does not know it", a)
		}
		for end := time.Now().Add(20 * time.Second); !learned(beside, a); time.Sleep(50 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%s: a worker beside it has not learned it", a)
			}
		}
	}
}

// An account's client learns into, and knows from, what workers share.
func TestAnAccountsClientUsesWhatWorkersShare(t *testing.T) {
	t.Parallel()
	w := facing(t, testredis.Start(t), false)
	for _, a := range w.roster.now().all {
		now := time.Now().UTC().Format(time.RFC3339)
		w.wiring.facts.Of(a.Name).Remember(t.Context(), "zone@"+providers.Site(a.provider), `{"shift":28800000000000,"measured":"`+now+`","of":["A1",""],"sent":"`+now+`","seen":"`+now+`"}`, true)
		if shift, ok := a.provider.(providers.ZoneTeller).Zone(t.Context()); !ok || shift != 8*time.Hour {
			t.Errorf("%s: %s, %t", a.Name, shift, ok)
		}
	}
}
