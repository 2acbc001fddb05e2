package main

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"time"

	"issuance/internal/announce"
	"issuance/internal/budget"
	"issuance/internal/keys"
	"issuance/internal/testredis"
	"issuance/providers"
)

// heard has a worker announce itself a while ago.
func heard(t *testing.T, s *testredis.Server, w announce.Worker, ago time.Duration) {
	t.Helper()
	rdb := s.Client()
	now, err := rdb.Time(t.Context()).Result()
	if err != nil {
		t.Fatal(err)
	}
	w.At = now.Add(-ago).UTC()
	raw, err := json.Marshal(w)
	if err == nil {
		err = rdb.HSet(t.Context(), keys.Workers, w.Name, raw).Err()
	}
	if err != nil {
		t.Fatal(err)
	}
}

// A worker that was killed counts for what limits calls until it is gone for certain, and as one whose settings differ only while it
// is heard of.
func TestAKilledWorkerCountsForTheBudgetAndRaisesNoAlarm(t *testing.T) {
	s := testredis.Start(t)
	a := accountAt(houseA)
	other := announce.Worker{Name: "other/1", Accounts: []string{a.String()}}
	n := &neighbours{rdb: s.Client(), self: "me/1"}
	for _, c := range []struct {
		ago    time.Duration
		serves bool
		backs  backing
	}{
		{0, true, backed}, {announce.Every, true, backed}, {announce.Every + 10*time.Second, true, backedByUnheard},
		{announce.Silent - 5*time.Second, true, backedByUnheard}, {announce.Silent + 5*time.Second, false, backedByNobody},
	} {
		heard(t, s, other, c.ago)
		serve, err := n.ask(t.Context())
		if err != nil || serve[a] != c.serves {
			t.Errorf("%s ago: it serves the account: %t, %v", c.ago, serve[a], err)
		}
		by, err := n.backers(t.Context())
		if err != nil || by[a] != c.backs {
			t.Errorf("%s ago: %v, %v", c.ago, by[a], err)
		}
	}
	other.Differing = other.Accounts // it goes by others' terms itself
	heard(t, s, other, 0)
	if by, err := n.backers(t.Context()); err != nil || by[a] != backedByNobody {
		t.Errorf("%v, %v", by, err)
	}
	heard(t, s, announce.Worker{Name: "third/1", Accounts: other.Accounts}, 0)
	if by, err := n.backers(t.Context()); err != nil || by[a] != backed {
		t.Errorf("%v, %v", by, err)
	}
}

// Files that go on differing are no alarm where the worker with the other one is gone: one line says by whose settings the account
// goes. They are one as soon as such a worker runs.
func TestFilesThatDifferedFromAGoneWorkersAreNoAlarm(t *testing.T) {
	var log bytes.Buffer
	a := accountAt(houseA)
	by, asked := backed, 0
	terms := terms{log: slog.New(slog.NewTextHandler(&log, nil)),
		backers: func(context.Context) (map[providers.Account]backing, error) {
			asked++
			return map[providers.Account]backing{a: by}, nil
		},
		other: map[providers.Account]*otherTerms{a: {name: a, own: budget.Terms{Allowance: "own", PerSecond: 4}, inForce: budget.Terms{Allowance: "its", PerSecond: 2}}}}
	const alarm, gone = "alarm: another worker was given other allowances", "no other worker has the allowances or calls per second in force"
	for _, c := range []struct {
		name            string
		by              backing
		since           time.Duration
		alarmed, noted  int
		questions       int
		againWithinBeat bool
	}{
		{"lately", backed, 0, 0, 0, 0, false},
		{"it may have died", backedByUnheard, 2 * spread, 0, 0, 1, false},
		{"it is gone", backedByNobody, 2 * spread, 0, 1, 2, false},
		{"still", backedByNobody, 2 * spread, 0, 1, 3, false},
		{"just asked", backed, 2 * spread, 0, 1, 3, true},
		{"it is back", backed, 2 * spread, 1, 1, 4, false},
		{"still back", backed, 2 * spread, 1, 1, 4, false},
	} {
		if !c.againWithinBeat {
			terms.asked = time.Time{}
		}
		by, terms.other[a].since = c.by, time.Now().Add(-c.since)
		terms.report(t.Context())
		if n := strings.Count(log.String(), alarm); n != c.alarmed {
			t.Errorf("%s: %d alarms: %s", c.name, n, &log)
		}
		if n := strings.Count(log.String(), gone); n != c.noted {
			t.Errorf("%s: %d notes: %s", c.name, n, &log)
		}
		if asked != c.questions {
			t.Errorf("%s: Redis was asked %d times", c.name, asked)
		}
	}
	if got := terms.differing(); len(got) != 1 || got[0] != a.String() {
		t.Errorf("%v", got)
	}
}
