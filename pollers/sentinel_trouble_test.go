package pollers

import (
	"context"
	"slices"
	"testing"
	"time"

	"issuance/internal/testredis"
)

// A late order stops being the sentinel: it lets the oldest that is not late be asked, which takes
// over, and a new order need not even wait for that.
func TestLateSentinelHandsOver(t *testing.T) {
	onStage(t, func(st *stage) {
		st.enter("A")
		st.wait(2 * time.Minute)
		st.enter("B", "C")
		for st.now.Sub(st.accepted["A"]) < expected {
			st.notYet("A")
			st.wait(every)
		}
		st.want("late A", st.due("A"), Advice{Sentinel: true, Skip: true, Wake: []string{"B"}})
		st.want("B", st.notYet("B"), Advice{Sentinel: true})
		st.want("A", st.notYet("A"), Advice{})
		st.want("A's own poll", st.due("A"), Advice{Skip: true})
		st.want("C", st.due("C"), Advice{Skip: true})
	})
	onStage(t, func(st *stage) {
		st.enter("A")
		st.wait(expected)
		st.want("A alone keeps it", st.notYet("A"), Advice{Sentinel: true})
		if oldest, err := st.sentinel().Enter(context.Background(), "A", st.accepted["A"]); oldest || err != nil {
			t.Fatalf("late, without a clear answer, it is still to be asked at every round; %v", err)
		}
		if got := st.enter("B"); !slices.Equal(got, []string{"B"}) {
			t.Fatal("a new order does not take over from a late one")
		}
	})
}

// Orders that were late and still not issued are the last to be woken, and one that answers so has
// another asked that is not late, instead of speaking for it at a pause of minutes.
func TestLateOnesComeLast(t *testing.T) {
	onStage(t, func(st *stage) {
		st.enter(names(50)...)
		st.wait(expected)
		for _, id := range names(49) {
			st.notYet(id)
		}
		st.enter("B", "C", "D")
		st.notYet("B")
		st.wantWoken("B's end", st.finished("B"), "O050", "C") // O050 may just have been issued late
		st.wantWoken("O050's end", st.finished("O050"), "D", "O001")
	})
	onStage(t, func(st *stage) {
		st.enter("A1", "A2")
		st.wait(expected)
		st.enter("B")
		st.wait(time.Minute) // the sentinel has fallen silent
		ask := func(id string) Advice {
			a, err := st.sentinel().StillPending(context.Background(), id, st.accepted[id], 10*time.Minute)
			if err != nil {
				t.Fatal(err)
			}
			return a
		}
		a := ask("A2")
		st.want("A2", a, Advice{Sentinel: true, Wake: []string{"B"}})
		if a.Again > every {
			t.Errorf("while B waits, A2 speaks for it for %s", a.Again)
		}
		if a = ask("A1"); a.Again > every { // B has not answered yet
			t.Errorf("while B is asked, A1 speaks for it for %s", a.Again)
		}
		st.want("B", ask("B"), Advice{Sentinel: true})
		st.want("A2 again", ask("A2"), Advice{})
	})
}

// With a provider that has stopped issuing, late orders are not asked one by one either: the oldest
// speaks for them, at the pause of its schedule. But each is asked itself when it has not
// answered for long.
func TestProviderStopped(t *testing.T) {
	onStage(t, func(st *stage) {
		st.enter("A", "B")
		st.wait(expected)
		ask := func(id string) Advice {
			a, err := st.sentinel().StillPending(context.Background(), id, st.accepted[id], 2*time.Minute)
			if err != nil {
				t.Fatal(err)
			}
			return a
		}
		st.want("A", ask("A"), Advice{Sentinel: true})
		may := func(id string, trust time.Duration) Advice {
			a, err := st.sentinel().MaySkip(context.Background(), id, st.accepted[id], 2*time.Minute, trust)
			if err != nil {
				t.Fatal(err)
			}
			return a
		}
		st.wait(100 * time.Second)
		st.want("B", may("B", 10*time.Minute), Advice{Skip: true})
		st.want("B, which has not answered for long", may("B", 5*time.Minute), Advice{})
		st.want("B", ask("B"), Advice{})
		st.want("B, just asked", may("B", 5*time.Minute), Advice{Skip: true})
	})
}

// When the sentinel falls silent, because the worker that polls it has died, exactly one of the
// orders whose time comes is asked and takes over; the old one is one among the others.
func TestDeadSentinel(t *testing.T) {
	onStage(t, func(st *stage) {
		st.enter("A", "B", "C")
		st.notYet("A")
		st.wait(3 * every)
		st.want("B while the answer counts", st.due("B"), Advice{Skip: true})
		st.wait(time.Second)
		st.want("B", st.due("B"), Advice{})
		st.want("C", st.due("C"), Advice{Skip: true})
		st.want("A", st.due("A"), Advice{}) // its task has come back, too
		st.want("B", st.notYet("B"), Advice{Sentinel: true})
		st.want("A, the older", st.notYet("A"), Advice{Sentinel: true})
		st.want("B", st.due("B"), Advice{Skip: true})
	})
}

// What a younger order answers says nothing about an older one: that is asked once itself.
func TestYoungerSpeaksNotForOlder(t *testing.T) {
	onStage(t, func(st *stage) {
		st.enter("A", "B", "C")
		st.notYet("A")
		st.wait(expected)
		st.enter("N") // while nobody was asked, a job may have run
		st.want("N", st.notYet("N"), Advice{Sentinel: true})
		may := func(id string) Advice {
			a, err := st.sentinel().MaySkip(context.Background(), id, st.accepted[id], every, time.Hour)
			if err != nil {
				t.Fatal(err)
			}
			return a
		}
		st.want("B", may("B"), Advice{})
		st.want("B", st.notYet("B"), Advice{})
		st.want("B, just asked", may("B"), Advice{Skip: true})
		st.want("C, younger than B", may("C"), Advice{Skip: true})
	})
}

// Rounds keep their pace although polls start up to a second early or late and calls take time.
func TestPace(t *testing.T) {
	onStage(t, func(st *stage) {
		st.enter("A") // due after every
		for _, c := range []struct{ at, again time.Duration }{
			{5300 * time.Millisecond, 4700 * time.Millisecond},
			{9200 * time.Millisecond, 5800 * time.Millisecond},
			{15 * time.Second, 5 * time.Second},
			{24 * time.Second, 5 * time.Second}, // too late: a new pace
			{26 * time.Second, 5 * time.Second}, // woken between: likewise
		} {
			st.now = st.start.Add(c.at)
			if a := st.notYet("A"); a.Again != c.again || !a.Sentinel {
				t.Errorf("after %s: %+v, want again after %s", c.at, a, c.again)
			}
		}
	})
}

// Wakes that got lost (a worker died, an answer of Redis was lost and its command repeated) stop
// the cascade for no longer than the sentinel's silence.
func TestLostWakes(t *testing.T) {
	onStage(t, func(st *stage) {
		st.enter(names(5)...)
		st.notYet("O001")
		lost := st.finished("O001")
		if len(lost) == 0 {
			t.Fatal("nothing is woken")
		}
		st.wantWoken("the same again", st.finished("O001"))
		st.wait(3*every + time.Second)
		st.want("O005", st.due("O005"), Advice{})
		woken := st.finished("O005")
		if len(woken) == 0 || slices.Contains(lost, woken[0]) {
			t.Fatalf("lost %v, woken %v", lost, woken)
		}
		for _, id := range lost {
			st.want("a lost order's own poll", st.due(id), Advice{})
			st.finished(id)
		}
	})
}

// An order whose task is gone for good is forgotten after a while instead of being woken for ever.
func TestGhost(t *testing.T) {
	onStage(t, func(st *stage) {
		st.enter("G", "A", "B")
		for range 100 {
			st.wait(every)
			for _, id := range []string{"A", "B"} {
				if !st.due(id).Skip {
					st.notYet(id)
				}
			}
		}
		st.finished("A")
		st.finished("B")
		if n, err := st.sentinel().Pending(context.Background()); n != 0 || err != nil {
			t.Fatalf("%d pending, %v", n, err)
		}
	})
}

// A success that comes in after the line between the issued and the others was seen wakes nobody
// beyond it.
func TestLateSuccess(t *testing.T) {
	onStage(t, func(st *stage) {
		st.enter("A", "B")
		st.notYet("A")
		st.wait(time.Second)
		st.enter("P", "Q")
		st.wantWoken("A's end", st.finished("A"), "B")
		st.want("P", st.notYet("P"), Advice{Sentinel: true})
		st.wantWoken("B's end", st.finished("B"))
		st.want("Q", st.due("Q"), Advice{Skip: true})
		st.want("P", st.due("P"), Advice{})
	})
}

// A job that leaves out everything from some order on is not followed through all of it: after as
// many against as the window holds, the line is drawn.
func TestHalfAJob(t *testing.T) {
	onStage(t, func(st *stage) {
		st.enter(names(100)...)
		st.notYet("O001")
		misses, sentinel := 0, ""
		for out := []string{"O001"}; len(out) > 0; {
			id := out[0]
			out = out[1:]
			if id <= "O050" {
				out = append(out, st.finished(id)...)
				continue
			}
			misses++
			a := st.notYet(id)
			out = append(out, a.Wake...)
			if a.Sentinel && sentinel == "" {
				sentinel = id
			}
		}
		if sentinel == "" || misses > 8+1 {
			t.Errorf("%d asked in vain, the sentinel is %q", misses, sentinel)
		}
	})
}

// An order that is given up to a person was not issued: nobody is overtaken by it or asked in vain.
func TestGivenUpIsNotIssued(t *testing.T) {
	onStage(t, func(st *stage) {
		st.enter("A")
		st.wait(24*time.Hour - 3*time.Minute)
		st.enter("B", "C", "D")
		st.notYet("B")
		st.wait(2 * time.Minute)
		st.notYet("A") // as a scout, or by its own schedule
		st.wait(time.Minute)
		st.notYet("B")
		giveUp := func(id string) []string {
			wake, err := st.sentinel().GivenUp(context.Background(), id)
			if err != nil {
				t.Fatal(err)
			}
			return wake
		}
		st.wantWoken("A's end", giveUp("A"))
		st.wantWoken("the sentinel's own", giveUp("B"), "C")
		st.want("C", st.notYet("C"), Advice{Sentinel: true})
		if n, err := st.sentinel().Pending(context.Background()); n != 2 || err != nil {
			t.Errorf("%d orders are followed, 2 pend; %v", n, err)
		}
	})
}

// Two workers that learn the same of one order change nothing twice, and an order that nobody
// follows (one issued at once) is asked and says nothing about the others.
func TestLostRaces(t *testing.T) {
	onStage(t, func(st *stage) {
		st.enter(names(6)...)
		st.notYet("O001")
		st.accepted["paper"] = st.now
		st.want("an unknown order", st.due("paper"), Advice{})
		st.wantWoken("its end", st.finished("paper"))
		st.wait(4 * every)
		st.wantWoken("an end when the sentinel is silent", st.finished("paper"), "O001")
		st.notYet("O001")
		st.want("O002", st.due("O002"), Advice{Skip: true})

		first, second := st.finished("O001"), st.finished("O001")
		if len(first) == 0 || len(second) != 0 {
			t.Fatalf("%v, then %v", first, second)
		}
		for _, id := range first {
			for _, again := range st.finished(id) {
				if slices.Contains(first, again) {
					t.Fatalf("%s is woken twice", again)
				}
			}
		}
	})
}

// Without a clock of its own it takes Redis's, for orders and answers alike.
func TestRedisClock(t *testing.T) {
	testredis.Each(t, func(t *testing.T, r *testredis.Server) {
		ctx := context.Background()
		s := NewSentinel(r.Client(), account, SentinelConfig{})
		oldest, err := s.Enter(ctx, "A", time.Time{})
		if err != nil || !oldest {
			t.Fatal(oldest, err)
		}
		if oldest, err = s.Enter(ctx, "B", time.Time{}); err != nil || oldest {
			t.Fatal(oldest, err)
		}
		a, err := s.StillPending(ctx, "A", time.Now(), every)
		if err != nil || !a.Sentinel {
			t.Fatalf("%+v %v", a, err)
		}
		if a, err = s.MaySkip(ctx, "B", time.Now(), every, trust); err != nil || !a.Skip {
			t.Fatalf("%+v %v", a, err)
		}
	})
}

// A Redis that is away is an error, never an advice.
func TestSentinelWithoutRedis(t *testing.T) {
	testredis.Each(t, func(t *testing.T, r *testredis.Server) {
		s := NewSentinel(r.Client(), account, SentinelConfig{})
		r.Kill()
		ctx := context.Background()
		_, err1 := s.Enter(ctx, "A", time.Time{})
		a, err2 := s.MaySkip(ctx, "A", time.Now(), every, trust)
		b, err3 := s.StillPending(ctx, "A", time.Now(), every)
		_, err4 := s.Finished(ctx, "A", time.Time{})
		_, err5 := s.Pending(ctx)
		for i, err := range []error{err1, err2, err3, err4, err5} {
			if err == nil {
				t.Errorf("call %d gives no error", i)
			}
		}
		if a.Skip || a.Sentinel || b.Sentinel {
			t.Errorf("%+v %+v", a, b)
		}
	})
}
