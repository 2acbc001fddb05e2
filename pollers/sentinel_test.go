package pollers

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"issuance/internal/testredis"
	"issuance/providers"
)

const (
	every    = 5 * time.Second
	expected = 5 * time.Minute
	trust    = expected
)

// account is whose orders are pending.
var account = providers.Account{Provider: providers.ECTicket, Merchant: "2000132"}

// stage is an account's pending orders as two workers see them, and a clock that a test moves.
type stage struct {
	*testing.T
	workers  [2]*Sentinel
	calls    int // to the sentinel, to take turns
	start    time.Time
	now      time.Time
	accepted map[string]time.Time
}

func onStage(t *testing.T, run func(st *stage)) {
	testredis.Each(t, func(t *testing.T, s *testredis.Server) {
		start := time.Unix(1_700_000_000, 0)
		st := &stage{T: t, start: start, now: start, accepted: map[string]time.Time{}}
		for i := range st.workers {
			st.workers[i] = NewSentinel(s.Client(), account, SentinelConfig{Every: every, Expected: expected,
				Now: func() time.Time { return st.now }})
		}
		run(st)
	})
}

func (st *stage) sentinel() *Sentinel {
	st.calls++
	return st.workers[st.calls%2]
}

func (st *stage) wait(d time.Duration) { st.now = st.now.Add(d) }

// enter accepts orders, a second apart, and names those that are the sentinel at once.
func (st *stage) enter(ids ...string) (sentinels []string) {
	st.Helper()
	for _, id := range ids {
		st.accepted[id] = st.now
		oldest, err := st.sentinel().Enter(context.Background(), id, time.Time{})
		if err != nil {
			st.Fatal(err)
		}
		if oldest {
			sentinels = append(sentinels, id)
		}
		st.wait(time.Second)
	}
	return sentinels
}

func (st *stage) due(id string) Advice {
	st.Helper()
	// As the handler does, which knows when the order was accepted only once it has read the record.
	a, err := st.sentinel().MaySkip(context.Background(), id, time.Time{}, every, trust)
	if age := st.now.Sub(st.accepted[id]); err == nil && !a.Unclear && (age >= expected || a.Age != age) {
		st.Fatalf("%s after %s: decided without its time of acceptance, as if it were %s old, not %s", id, st.now.Sub(st.start), a.Age, age)
	}
	if err == nil && a.Unclear {
		a, err = st.sentinel().MaySkip(context.Background(), id, st.accepted[id], every, trust)
	}
	if err != nil {
		st.Fatal(err)
	}
	return a
}

func (st *stage) notYet(id string) Advice {
	st.Helper()
	a, err := st.sentinel().StillPending(context.Background(), id, st.accepted[id], every)
	if err != nil {
		st.Fatal(err)
	}
	return a
}

func (st *stage) finished(id string) []string {
	st.Helper()
	wake, err := st.sentinel().Finished(context.Background(), id, time.Time{})
	if err != nil {
		st.Fatal(err)
	}
	return wake
}

// want fails unless the advice is the one given.
func (st *stage) want(what string, got, want Advice) {
	st.Helper()
	if got.Sentinel != want.Sentinel || got.Skip != want.Skip || !slices.Equal(got.Wake, want.Wake) {
		st.Fatalf("%s after %s: %+v, want %+v", what, st.now.Sub(st.start), got, want)
	}
}

func (st *stage) wantWoken(what string, got []string, want ...string) {
	st.Helper()
	if !slices.Equal(got, want) {
		st.Fatalf("%s after %s wakes %v, want %v", what, st.now.Sub(st.start), got, want)
	}
}

func names(n int) (ids []string) {
	for i := range n {
		ids = append(ids, fmt.Sprintf("O%03d", i+1))
	}
	return ids
}

// While the oldest order is not issued it is the sentinel at every round and nobody younger is
// asked, whichever worker looks.
func TestOldestSpeaksForAll(t *testing.T) {
	onStage(t, func(st *stage) {
		if got := st.enter("A", "B", "C"); !slices.Equal(got, []string{"A"}) {
			t.Fatalf("sentinels %v", got)
		}
		st.workers[0].cfg.ScoutEvery, st.workers[1].cfg.ScoutEvery = 1000, 1000
		for range 30 {
			st.want("A's round", st.due("A"), Advice{})
			st.want("A's answer", st.notYet("A"), Advice{Sentinel: true})
			for _, id := range []string{"B", "C"} {
				st.want(id, st.due(id), Advice{Skip: true})
			}
			st.wait(every)
		}
		if n, err := st.sentinel().Pending(context.Background()); n != 3 || err != nil {
			t.Fatal(n, err)
		}
	})
}

// When the sentinel is issued, all that was accepted before its last "not yet" is woken, never more
// at a time than the window, each success waking more; what came later one by one; and the first
// that is not issued is the new sentinel. Every other order is asked exactly once.
func TestCascade(t *testing.T) {
	onStage(t, func(st *stage) {
		st.enter(names(40)...)
		st.notYet("O001")
		st.wait(time.Second)
		late := []string{"P1", "P2", "P3", "P4"}
		st.enter(late...)
		issued := func(id string) bool { return id[0] == 'O' || id == "P1" || id == "P2" }

		asked := map[string]int{}
		out, most := []string{"O001"}, 0
		var line Advice
		for len(out) > 0 {
			id := out[0]
			out = out[1:]
			asked[id]++
			st.wait(200 * time.Millisecond)
			if !issued(id) {
				line = st.notYet(id)
				continue
			}
			woken := st.finished(id)
			out = append(out, woken...)
			most = max(most, len(out))
			for _, w := range woken {
				if w[0] == 'P' && len(out) > 1 {
					t.Errorf("%s, which may have missed the job, is asked along with %v", w, out)
				}
			}
		}
		for _, id := range append(names(40), late[:3]...) {
			if asked[id] != 1 {
				t.Errorf("%s was asked %d times", id, asked[id])
			}
		}
		st.want("the line", line, Advice{Sentinel: true})
		if most != 8 || asked["P4"] != 0 {
			t.Errorf("up to %d at a time, P4 %d times", most, asked["P4"])
		}
		st.want("P4", st.due("P4"), Advice{Skip: true})
	})
}

// A single order that has failed, or was issued out of turn, costs two calls at most: nobody
// takes it for a job.
func TestLoneFailure(t *testing.T) {
	onStage(t, func(st *stage) {
		st.enter(names(20)...)
		st.notYet("O001")
		woken := st.finished("O001")
		if len(woken) == 0 || len(woken) > 2 || woken[0] != "O002" {
			t.Fatalf("woken: %v", woken)
		}
		// O002 contradicts: one against one. It is left to its own schedule, in case the exception
		// was not O001.
		next := st.notYet("O002")
		if next.Sentinel || len(next.Wake) > 1 {
			t.Fatalf("%+v", next)
		}
		a := st.notYet("O003")
		st.want("O003", a, Advice{Sentinel: true})
		st.want("O004", st.due("O004"), Advice{Skip: true})
	})
}

// An oldest order that stays in process while younger ones are issued is found out by a scout,
// left to its own schedule, and speaks for nobody any more.
func TestStuckOldest(t *testing.T) {
	onStage(t, func(st *stage) {
		st.enter(names(10)...)
		st.notYet("O001")
		// A job runs and issues all but O001.
		var scout string
		for range 3 {
			st.wait(every)
			a := st.due("O001")
			if a.Skip {
				if !a.Sentinel || len(a.Wake) != 1 {
					t.Fatalf("%+v", a)
				}
				scout = a.Wake[0]
				break
			}
			st.notYet("O001")
		}
		if scout == "" {
			t.Fatal("no scout in three rounds")
		}
		// The scout is issued: the sentinel is asked once more, to be sure.
		st.wantWoken("the scout's success", st.finished(scout), "O001")
		out := st.notYet("O001").Wake
		for found := 0; found < 8; found++ {
			if len(out) == 0 {
				t.Fatalf("the cascade ends after %d", found)
			}
			id := out[0]
			out = append(out[1:], st.finished(id)...)
		}
		if len(out) != 0 {
			t.Fatalf("woken: %v", out)
		}
		st.want("the overtaken order's own poll", st.due("O001"), Advice{})
		st.want("its answer", st.notYet("O001"), Advice{})
		if got := st.enter("N"); !slices.Equal(got, []string{"N"}) {
			t.Fatal("a new order is not the sentinel beside an overtaken one")
		}
		st.want("N", st.notYet("N"), Advice{Sentinel: true})
		st.wantWoken("the overtaken order's end", st.finished("O001"))
		st.want("N", st.notYet("N"), Advice{Sentinel: true})
	})
}

// Whatever single order is issued out of turn, scouts find it: each round of scouts asks another.
func TestScouts(t *testing.T) {
	onStage(t, func(st *stage) {
		ids := names(6)
		st.enter(ids...)
		asked := map[string]bool{}
		rounds := 0
		for ; len(asked) < 6 && rounds < 40; rounds++ {
			id := "O001"
			if a := st.due(id); a.Skip {
				id = a.Wake[0]
				st.want("a scout's own poll", st.due(id), Advice{})
			}
			asked[id] = true
			if id == "O001" {
				st.want(id, st.notYet(id), Advice{Sentinel: true})
			} else {
				st.want(id, st.notYet(id), Advice{})
			}
			st.wait(every)
		}
		if len(asked) != 6 || rounds > 3*5+1 {
			t.Fatalf("%d rounds reached only %v", rounds, asked)
		}
	})
}
