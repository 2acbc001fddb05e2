package looks

import (
	"context"
	"testing"
	"time"

	"issuance/internal/notices"
)

// Of many accounts a part is asked about each time, every one of them in turn; one whose looks are under way, or wait for
// the call budget, is left out.
func TestManyAccountsAreAskedAboutInTurn(t *testing.T) {
	list := make([]*Looker, 1000)
	for i := range list {
		list[i] = &Looker{}
	}
	r := runner{until: map[*Looker]time.Time{}}
	seen := map[*Looker]int{}
	for range asked {
		turn := r.turn(list)
		if len(turn) != 100 {
			t.Fatalf("%d are asked about at once", len(turn))
		}
		for _, l := range turn {
			seen[l]++
		}
	}
	if len(seen) != len(list) {
		t.Errorf("%d of %d accounts are asked about", len(seen), len(list))
	}
	r.next = 0
	r.until[list[0]], r.until[list[1]], r.until[list[2]] = time.Time{}, time.Now().Add(time.Hour), time.Now().Add(-time.Second)
	if turn := r.turn(list[:3]); len(turn) != 1 || turn[0] != list[2] {
		t.Errorf("%d are asked about", len(turn))
	}
	list[1].Retire()
	if r.turn(list[:1]); len(r.until) != 1 {
		t.Errorf("%d accounts are remembered", len(r.until))
	}
	if len(r.turn(nil)) != 0 {
		t.Error("nobody's looks are asked about")
	}
}

// A looker that is retired takes no further look; the one that replaces it goes on.
func TestARetiredLookerTakesNoLook(t *testing.T) {
	b := start(t)
	b.must(b.Notices.Want(t.Context(), ref("A1")))
	b.Retire()
	if _, err := b.Due(t.Context()); err != nil {
		t.Error(err)
	}
	if due, err := notices.DueAmong(t.Context(), []*notices.Store{b.Notices}); err != nil || !due[0] {
		t.Errorf("the look is gone: %v %v", due, err)
	}
	if due, err := notices.DueAmong(context.Background(), nil); err != nil || len(due) != 0 {
		t.Errorf("%v %v", due, err)
	}
}
