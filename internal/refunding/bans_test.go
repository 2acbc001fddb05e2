package refunding_test

import (
	"testing"
	"time"

	"issuance/internal/fakeprovider"
	"issuance/internal/handlertest"
	"issuance/tasks/order"
)

// A refund's questions can draw bans as its requests can: the second sets it apart, if others passed between.
func TestARefundThatDrawsBansIsSetApart(t *testing.T) {
	for _, c := range []struct {
		name   string
		passed bool
		state  order.State
		code   string
	}{
		{"others pass", true, order.Review, "draws_ban"},
		{"nobody passes", false, order.Queued, fakeprovider.Forbidden.Code},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := ecticket(handlertest.Mini(t))
			task := w.refundOf("R1", named(1))
			w.provider.AnswerTickets(nil, fakeprovider.Forbidden)
			if got := w.Waits(w.run(task)); got < 32*time.Minute { // the ban, and two minutes in which others go first
				t.Errorf("after the first ban it waits %s", got)
			}
			w.Clock.Advance(33 * time.Minute)
			if c.passed {
				w.OrderIn(order.Issued, `{"provider":"ecticket","request":{"MerchantTradeNo":"OTHER1","IssueType":"1","Operator":"Shop2","CustomerEmail":"`+
					handlertest.CustomerEmail+`","TicketInfo":[{"ItemNo":"VNS21400","TicketAmount":8}]}}`)
			}
			w.provider.AnswerTickets(nil, fakeprovider.Forbidden)
			if err := w.run(task); err != nil {
				w.Waits(err)
			}
			w.state(c.state, c.code, 0)
			w.calls("tickets, tickets")
		})
	}
}
