package fairness

import "testing"

// A file's worth of orders that are rejected, at a provider whose code for "unknown number" nobody knows: each is looked up
// twice, hundreds share a few controls, all are failed within the minute after their rejection, and good orders that wait behind
// them are not kept waiting by look-ups. It holds with one account, whose line is the queue, and with more.
func TestAFileOfRejectedOrdersCostsTwoLookUpsEach(t *testing.T) {
	needsRedis(t)
	for _, accounts := range []int{1, 2} {
		r, err := RunRejected(t, accounts, 300)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%+v", r)
		if per := float64(r.Looks) / float64(r.Orders); per > 2.2 {
			t.Errorf("%d accounts: %.2f look-ups an order", accounts, per)
		}
		if r.Controls > r.Orders/2 {
			t.Errorf("%d accounts: %d controls", accounts, r.Controls)
		}
		if r.Least < 30 || r.Median > 45 || r.Longest > 60 {
			t.Errorf("%d accounts: failed %.0f to %.0f s after the rejection, half of them within %.0f s", accounts, r.Least, r.Longest, r.Median)
		}
		// An order that is rejected takes a request and two look-ups, of which one may come after the order behind it.
		if most := 4 * float64(r.Orders) / PerSecond; r.Took > most || r.Behind > most || r.After+r.GoodSent > most {
			t.Errorf("%d accounts: all had ended after %.0f s, the order behind them was sent after %.0f s, those enqueued later after %.0f s",
				accounts, r.Took, r.Behind, r.After+r.GoodSent)
		}
	}
}
