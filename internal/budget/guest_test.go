package budget

import (
	"testing"
	"time"

	"issuance/providers"
	"issuance/tasks/order"
)

// What a person's command is answered says nothing of the account that the workers call: neither that something is wrong
// with it nor that it is well again. Its calls count, and its bans hold everybody.
func TestAGuestSpeaksForNobody(t *testing.T) {
	virtual(t, Config{Ban: time.Minute}, func(w *world) {
		g := w.workers[0].Guest(order.Poll)
		if err := g.Pass(w.ctx); err != nil {
			w.Fatal(err)
		}
		if s, err := w.workers[1].State(w.ctx); err != nil || s.Used[order.Poll] != 1 {
			w.Errorf("%v, %v", s.Used, err)
		}
		if _, speaks := g.(providers.HealthReporter); speaks {
			w.Error("it says how the account is")
		}
		g.(providers.BanReporter).Banned(w.ctx, "HTTP 403")
		w.held(w.pass(1, order.Checkout), time.Minute)
	})
}
