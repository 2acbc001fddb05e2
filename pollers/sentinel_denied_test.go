package pollers

import (
	"context"
	"slices"
	"testing"
	"time"
)

// An order that the provider accepted and now does not know speaks for nobody: the next one is asked at once, and the
// denied one is left to its own schedule.
func TestAnOrderThatTheProviderDeniesHoldsNobodyUp(t *testing.T) {
	onStage(t, func(st *stage) {
		st.enter("A")
		st.wait(time.Second)
		st.enter("B", "C")
		wake, err := st.sentinel().Aside(context.Background(), "A")
		if err != nil || !slices.Equal(wake, []string{"B"}) {
			t.Fatalf("woken are %v, %v", wake, err)
		}
		st.want("B", st.notYet("B"), Advice{Sentinel: true})
		st.want("A's own poll", st.due("A"), Advice{})
		if wake, err = st.sentinel().Aside(context.Background(), "A"); err != nil || len(wake) != 0 {
			t.Fatalf("woken are %v, %v", wake, err)
		}
		st.want("C", st.due("C"), Advice{Skip: true})
		st.wantWoken("A's end", st.finished("A"))
	})
}

// An order that was denied and is known again, not issued yet, is one among the others: the next round may be its own.
func TestADeniedOrderThatIsKnownAgainSpeaksForOthers(t *testing.T) {
	onStage(t, func(st *stage) {
		st.enter("A")
		for range 2 { // whatever happens twice
			if wake, err := st.sentinel().Aside(context.Background(), "A"); err != nil || len(wake) != 0 {
				t.Fatalf("woken are %v, %v", wake, err)
			}
			st.wait(every)
		}
		a := st.notYet("A")
		st.want("A", a, Advice{Sentinel: true})
		if a.Again > every {
			t.Errorf("asked again after %s", a.Again)
		}
		st.enter("B")
		st.want("B", st.due("B"), Advice{Skip: true})
		st.notYet("A")
		st.wantWoken("A's end", st.finished("A"), "B")
	})
}

// One that was overtaken stays so, whether the provider denies it meanwhile or not.
func TestAnOvertakenOrderThatIsDeniedStaysOvertaken(t *testing.T) {
	onStage(t, func(st *stage) {
		st.enter("A", "B", "C")
		st.finished("C")
		st.finished("B")
		st.want("A", st.notYet("A"), Advice{})
		if _, err := st.sentinel().Aside(context.Background(), "A"); err != nil {
			t.Fatal(err)
		}
		st.want("A again", st.notYet("A"), Advice{})
	})
}

// An order that is issued, and shows too little of it, proves once that a job has run, and holds nobody up.
func TestAnIssuedOrderThatIsKeptWakesTheOthers(t *testing.T) {
	onStage(t, func(st *stage) {
		kept := func(id string) []string {
			t.Helper()
			wake, err := st.sentinel().Kept(context.Background(), id, st.accepted[id])
			if err != nil {
				t.Fatal(err)
			}
			return wake
		}
		st.enter("A", "B", "C", "D")
		st.notYet("A")
		st.wait(every)
		st.enter("E")
		st.wantWoken("A, issued", kept("A"), "B", "C")
		st.wantWoken("B's end", st.finished("B"), "D")
		st.wantWoken("A, again", kept("A"))
		st.want("A's own poll", st.due("A"), Advice{})
		st.finished("C")
		st.finished("D")
		st.want("E", st.notYet("E"), Advice{Sentinel: true})
	})
}

// What was denied before it was issued proves a job since it was accepted, and no more.
func TestADeniedOrderThatIsIssuedWakesThoseThatAreOlder(t *testing.T) {
	onStage(t, func(st *stage) {
		st.enter("A", "B", "C")
		if _, err := st.sentinel().Aside(context.Background(), "B"); err != nil {
			t.Fatal(err)
		}
		wake, err := st.sentinel().Finished(context.Background(), "B", st.accepted["B"])
		if err != nil || !slices.Equal(wake, []string{"A"}) {
			t.Fatalf("woken are %v, %v", wake, err)
		}
	})
}
