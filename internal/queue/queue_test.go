package queue

import (
	"strings"
	"testing"

	"issuance/providers"
	"issuance/tasks/order"
)

// Queues and task types are what dashboards, scripts and the other programs expect.
func TestQueuesAndTypes(t *testing.T) {
	for got, want := range map[string]string{
		Name(providers.ECTicket, order.Checkout): "ecticket-checkout", Name(providers.Pass2U, order.Bulk): "pass2u-bulk", Name(providers.ECTicket, order.Poll): "ecticket-poll",
		IssueType(providers.ECTicket): "issue:ecticket", RefundType(providers.Pass2U): "refund:pass2u", PollType(providers.ECTicket): "poll:ecticket",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// A record has one home by its state and lane, and shares it with no other record.
func TestARecordHasOneHome(t *testing.T) {
	refund := a1.Refund("R1")
	for _, c := range []struct {
		r     order.Ref
		state order.State
		lane  order.Lane
		want  Home
	}{
		{a1, order.Queued, order.Checkout, Home{"ecticket-checkout", "issue:ecticket", "issue:ecticket:2000132:A1"}},
		{a1, order.Submitting, order.Bulk, Home{"ecticket-bulk", "issue:ecticket", "issue:ecticket:2000132:A1"}},
		{a1, order.Queued, "", Home{"ecticket-checkout", "issue:ecticket", "issue:ecticket:2000132:A1"}},
		{a1, order.Queued, order.Poll, Home{"ecticket-checkout", "issue:ecticket", "issue:ecticket:2000132:A1"}},
		{a1, order.Review, order.Bulk, Home{"ecticket-bulk", "issue:ecticket", "issue:ecticket:2000132:A1"}},
		{a1, order.Accepted, order.Bulk, Home{"ecticket-poll", "poll:ecticket", "poll:ecticket:2000132:A1"}},
		{refund, order.Queued, order.Bulk, Home{"ecticket-bulk", "refund:ecticket", "refund:ecticket:2000132:A1:R1"}},
		{refund, order.Submitting, order.Checkout, Home{"ecticket-checkout", "refund:ecticket", "refund:ecticket:2000132:A1:R1"}},
	} {
		if got := HomeOf(c.r, c.state, c.lane); got != c.want {
			t.Errorf("%s, %s in lane %q: %+v, want %+v", c.r, c.state, c.lane, got, c.want)
		}
	}
	if PollHome(a1) != HomeOf(a1, order.Accepted, "") {
		t.Error("an accepted order is not at home with its poll")
	}
	if HomeOf(a1, order.Queued, order.Bulk).ID == HomeOf(order.Ref{Account: other, OrderID: "A1"}, order.Queued, order.Bulk).ID {
		t.Error("two merchants' orders of one number are one task")
	}
}

// A task's id names its record, also one beside the record's own; what is no id of ours names none.
func TestATasksIDNamesItsRecord(t *testing.T) {
	for _, r := range []order.Ref{a1, a1.Refund("R1"), {Account: other, OrderID: "A-1.2"}, a1.Refund("R~1")} {
		homes := []Home{HomeOf(r, order.Queued, order.Bulk)}
		if !r.IsRefund() {
			homes = append(homes, PollHome(r))
		}
		for _, h := range homes {
			ids := []string{detour(h.ID, 3, 1), detour(h.ID, 12, 2)}
			if !strings.Contains(h.ID, "~") { // no rule of ids allows it
				ids = append(ids, h.ID)
			}
			for _, id := range ids {
				if got, ok := RefOf(id); !ok || got != r {
					t.Errorf("%s names %s, %t, want %s", id, got, ok, r)
				}
			}
		}
	}
	for _, id := range []string{"", "issue:ecticket:2000132", "issue:ecticket:2000132:A1:R1", "refund:ecticket:2000132:A1", "poll:pass2u:main:A1:R1", "other:ecticket:2000132:A1", "~1"} {
		if r, ok := RefOf(id); ok {
			t.Errorf("%q names %s", id, r)
		}
	}
}
