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
			rec, err := read(ctx, d.ledger, r)
			switch {
			case errors.Is(err, ledger.ErrNotFound):
				rec.State = "-"
			case err != nil:
				return nil, err
			}
			t.Row(string(r.Provider), r.OrderID, describe(r, rec.Shape), string(rec.State), strconv.Itoa(rec.Attempts), pollsOf(r, rec), seconds(rec.Base))
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

func pollsOf(r ledger.Ref, d details) string {
	if r.RefundID != "" {
		return "-"
	}
	return strconv.Itoa(d.polls)
}

// audit compares the simulator's books with what should have become of an order.
func (d *Demo) audit(books ecticketsim.Books, o demoOrder) []string {
	wantIssued, wantRefunded := 0, 0
	if o.want == ledger.Issued {
		wantIssued = 1
	}
	if o.refund != nil {
		wantRefunded = 1
	}
	issued, refunded := d.sandbox.booked(books, o.key)
	if issued != wantIssued || refunded != wantRefunded {
		return []string{fmt.Sprintf("%s: the simulator issued it %d times and refunded %d of its tickets; it should be %d and %d",
			o.key, issued, refunded, wantIssued, wantRefunded)}
	}
	return nil
}

// booked is how often a simulator issued an order, and how many of its tickets it refunded.
func (s *Sandbox) booked(books ecticketsim.Books, k ledger.Key) (issued, refunded int) {
	if k.Provider == providers.Pass2U {
		b, _ := s.pass2u.Order(k.OrderID)
		return b.Generated, b.Refunded()
	}
	b, _ := books.Order(k.OrderID)
	for _, t := range b.Tickets {
		refunded += t.Refunds - t.RefundCancels
	}
	return b.TimesIssued, refunded
}
