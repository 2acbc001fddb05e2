package pollers

import (
	"context"
	"slices"
	"testing"
	"time"
)

// A sentinel that gets no clear answers keeps being asked, but its last answer stops counting.
func TestUnclearSentinel(t *testing.T) {
	onStage(t, func(st *stage) {
		st.enter("A", "B")
		st.notYet("A")
		for range 4 {
			st.wait(every)
			oldest, err := st.sentinel().Enter(context.Background(), "A", st.accepted["A"])
			if err != nil || !oldest {
				t.Fatal(oldest, err)
			}
		}
		st.want("B", st.due("B"), Advice{})
		st.want("B", st.notYet("B"), Advice{Sentinel: true})
	})
}

// An answer that is not clear may be the order's own trouble, so the next one is asked at once; it may be everybody's, so ever
// fewer are until there is a clear one.
func TestAnOrderWithoutAClearAnswerHoldsNobodyUp(t *testing.T) {
	onStage(t, func(st *stage) {
		mute := func(id string, aside bool, wake ...string) {
			t.Helper()
			got, woken, err := st.sentinel().Mute(context.Background(), id, st.accepted[id])
			if err != nil || got != aside || !slices.Equal(woken, wake) {
				t.Fatalf("%s after %s: aside %v, woken %v, %v", id, st.now.Sub(st.start), got, woken, err)
			}
			if !aside {
				if oldest, err := st.sentinel().Enter(context.Background(), id, st.accepted[id]); err != nil || !oldest {
					t.Fatal(oldest, err)
				}
			}
		}
		st.enter(names(5)...)
		mute("O001", true, "O002")
		mute("O002", false)
		st.wait(every)
		mute("O002", true, "O003")
		st.wait(every)
		mute("O003", false)
		st.wait(every)
		mute("O003", true, "O004")
		st.want("O004", st.notYet("O004"), Advice{Sentinel: true})
		mute("O004", true, "O005") // there was a clear answer meanwhile
		st.want("O001's own poll", st.due("O001"), Advice{})
		st.want("O001", st.notYet("O001"), Advice{Sentinel: true})
		st.wait(expected)
		mute2, woken, err := st.sentinel().Mute(context.Background(), "O001", st.accepted["O001"])
		if err != nil || mute2 || len(woken) > 0 {
			t.Fatalf("a late order speaks for nobody: %v, %v, %v", mute2, woken, err)
		}
	})
}

// None was asked for before the job, so that each is a guess. Of answers that take 12 s, more are waited for at once the more guesses
// were right; of quick ones, one after the other.
func TestSlowAnswersAreWaitedForTogether(t *testing.T) {
	for took, want := range map[time.Duration][]int{12 * time.Second: {1, 3, 4, 5, 6}, 500 * time.Millisecond: {1, 1, 1, 1, 1}} {
		onStage(t, func(st *stage) {
			st.enter(names(12)...)
			var out []string
			var most []int
			next := func(id string) {
				st.wait(took / time.Duration(max(len(out), 1)))
				out = append(out, st.finished(id)...)
				most = append(most, len(out))
			}
			next("O001")
			for len(most) < len(want) {
				id := out[0]
				out = out[1:]
				next(id)
			}
			if !slices.Equal(most, want) {
				t.Errorf("answers take %s: on their way are %v, want %v", took, most, want)
			}
		})
	}
}
