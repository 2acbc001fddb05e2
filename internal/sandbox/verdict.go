package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"issuance/internal/cli/table"
	"issuance/internal/ledger"
	"issuance/providers"
	"issuance/providers/ecticket/ecticketsim"
	"issuance/tasks/order"
)

// Verdict writes the demo's table and returns what did not end as it should have, in plain words:
// nothing when all is well. It reads the ledger and the simulators' books, which must agree.
func (d *Demo) Verdict(ctx context.Context, w io.Writer) (wrong []string, err error) {
	t := table.Table{Indent: "  ", Right: []int{4, 5, 6}}
	books := d.sandbox.ecticket.Books()
	t.Row("PROVIDER", "ORDER", "KIND", "STATE", "ATTEMPTS", "POLLS", "SECONDS")
	for _, o := range d.orders {
		var complaints []string
		for _, r := range o.refs() {
			want := o.want
			if r.RefundID != "" {
				want = o.refund.want
			}
			rec, err := d.ledger.Load(ctx, r)
			switch {
			case errors.Is(err, ledger.ErrNotFound):
				rec = &ledger.Record{State: "-"}
			case err != nil:
				return nil, err
			}
			t.Row(string(r.Account.Provider), r.OrderID, describe(r, rec.Shape), string(rec.State), strconv.Itoa(rec.Attempts), pollsOf(r, rec), seconds(rec))
			if rec.State != want {
				complaints = append(complaints, strings.TrimSuffix(fmt.Sprintf("%s is %s and should be %s (%s)", r, rec.State, want, because(rec.Reason)), " ()"))
			}
		}
		if len(complaints) == 0 {
			complaints = d.audit(books, o)
		}
		wrong = append(wrong, complaints...)
	}
	_, err = t.WriteTo(w)
	return wrong, err
}

func pollsOf(r order.Ref, d *ledger.Record) string {
	if r.RefundID != "" {
		return "-"
	}
	return strconv.Itoa(d.Polls)
}

// audit compares the simulator's books with what should have become of an order.
func (d *Demo) audit(books ecticketsim.Books, o demoOrder) []string {
	wantIssued, wantRefunded := 0, 0
	if o.want == order.Issued || o.taken { // the other system's
		wantIssued = 1
	}
	if o.refund != nil {
		wantRefunded = 1
	}
	issued, refunded := d.sandbox.booked(books, o.ref)
	if issued != wantIssued || refunded != wantRefunded {
		return []string{fmt.Sprintf("%s: the simulator issued it %d times and refunded %d of its tickets; it should be %d and %d",
			o.ref, issued, refunded, wantIssued, wantRefunded)}
	}
	return nil
}

// booked is how often a simulator issued an order, and how many of its tickets it refunded.
func (s *Sandbox) booked(books ecticketsim.Books, r order.Ref) (issued, refunded int) {
	if r.Account.Provider == providers.Pass2U {
		b, _ := s.pass2u.Order(r.OrderID)
		return b.Generated, b.Refunded()
	}
	b, _ := books.Order(r.OrderID)
	for _, t := range b.Tickets {
		refunded += t.Refunds - t.RefundCancels
	}
	return b.TimesIssued, refunded
}
