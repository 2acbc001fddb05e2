package ledger

import (
	"slices"
	"testing"

	"issuance/providers"
	"issuance/tasks/order"
)

// story is a record's history without its times, from the second line on.
func (b *bench) story(t testing.TB, r order.Ref) (lines []string) {
	t.Helper()
	for _, h := range b.load(t, r).History[1:] {
		lines = append(lines, h.Event+" "+h.Detail)
	}
	return lines
}

// A look-up that finds an order after a request without a clear answer is a line of the history and counts as a
// look, whatever it led to.
func TestTheLookUpThatFoundAnOrderStandsInItsHistory(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		for found, end := range map[providers.FindingState]func(k order.Ref, fence string, s providers.FindingState) (Answer, error){
			providers.FoundPending: func(k order.Ref, fence string, s providers.FindingState) (Answer, error) {
				return b.Accept(b.ctx, k, fence, Acceptance{ProviderRef: "P1", Found: s})
			},
			providers.FoundIssued: func(k order.Ref, fence string, s providers.FindingState) (Answer, error) {
				return b.Finish(b.ctx, k, fence, Ending{State: order.Issued, ProviderRef: "P1", Found: s})
			},
		} {
			k := b.order()
			f := b.claim(t, k).Record.Fence
			b.submit(t, k, f)
			b.giveBack(t, k, f, Unknown, "timeout")
			f = b.claim(t, k).Record.Fence
			a, err := end(k, f, found)
			applied(t, a, err)
			last := map[providers.FindingState][]string{providers.FoundPending: {"looked_up found pending", "accepted P1"},
				providers.FoundIssued: {"looked_up found issued", "issued "}}[found]
			if got := b.story(t, k); len(got) < 2 || !slices.Equal(got[len(got)-2:], last) {
				t.Errorf("%s: %q", found, got)
			}
			if r := b.load(t, k); r.Polls != 1 || r.ProviderRef != "P1" {
				t.Errorf("%s: looked up %d times, the provider's id is %q", found, r.Polls, r.ProviderRef)
			}
		}
	})
}

// A look-up that finds that issuing failed counts once, and is the first of the two that have to say so.
func TestALookUpThatFoundAFailureIsTheFirstOfTwo(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		k, why := b.order(), Reason{"sold_out", "no seats"}
		f := b.claim(t, k).Record.Fence
		b.submit(t, k, f)
		b.giveBack(t, k, f, Unknown, "timeout")
		f = b.claim(t, k).Record.Fence
		a, err := b.Accept(b.ctx, k, f, Acceptance{Found: providers.FoundFailed, Why: why})
		applied(t, a, err)
		if r := b.load(t, k); r.State != order.Accepted || r.Polls != 1 || r.Reason != why || r.PolledAt.IsZero() || !r.PolledAt.Equal(r.AcceptedAt) {
			t.Errorf("%s after %d looks, the last at %s: %+v", r.State, r.Polls, r.PolledAt, r.Reason)
		}
	})
}

// What a person decided has no code of the machine's: the review's is kept as such, in the record and in the
// event, which also says who decided.
func TestADecisionKeepsTheReviewsCodeAsSuch(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		for _, end := range []order.State{order.Issued, order.Failed} {
			k := b.order()
			f := b.claim(t, k).Record.Fence
			b.submit(t, k, f)
			a, err := b.Rejected(b.ctx, k, f, Reason{Code: "E7", Message: "taken"})
			applied(t, a, err)
			a, err = b.Finish(b.ctx, k, f, Ending{State: order.Review, Reason: Reason{"number_exists", "ask"}})
			applied(t, a, err)
			a, err = b.Resolve(b.ctx, k, Resolution{State: end, Who: "ann", Reason: "seen"})
			applied(t, a, err)
			if r := b.load(t, k); r.Reason != (Reason{}) || r.ReviewReason != (Reason{"number_exists", "ask"}) || r.ResolvedBy != "ann" {
				t.Errorf("%s: %+v, because of %+v, by %q", end, r.Reason, r.ReviewReason, r.ResolvedBy)
			}
			events, err := b.Events(b.ctx, "0", 100, 0)
			must(t, err)
			e := events[len(events)-1]
			if e.State != end || e.Code != "" || e.ReviewCode != "number_exists" || e.By != "ann" {
				t.Errorf("%+v", e)
			}
			if e := events[len(events)-2]; e.State != order.Review || e.Code != "number_exists" || e.ReviewCode != "" || e.By != "" {
				t.Errorf("the review's event: %+v", e)
			}
		}
	})
}
