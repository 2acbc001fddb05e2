package ledger

import (
	"context"
	"strings"
	"time"

	"issuance/internal/keys"
	"issuance/tasks/order"
)

// Erasure is what was removed of one record.
type Erasure struct {
	Applied bool
	State   order.State // "" when there is no such record
	// Removed names what was there: "doc", "result", "plan", "message", "resolved_reason", "tickets".
	Removed []string
	At      time.Time // when something of it was removed first or last; zero when there was nothing
}

// Erase removes the customer's data of one record: the document, the tickets, the provider's texts. What
// stays says that there was such an order and how it ended. What a provider sends of an erased order later is not
// stored. It is found by its own number alone afterwards. The reasons of earlier decisions leave the order's list of them,
// and stay in keys.Decisions. It is refused while the record is needed to
// find out what is true: before it has ended, unless the provider has accepted it, while what was found under its number is still to be recognised,
// and in review.
func (l *Ledger) Erase(ctx context.Context, r order.Ref, who string) (Erasure, error) {
	k := []string{keys.Record(r), keys.Details(r)}
	if !r.IsRefund() {
		k = append(k, keys.Tickets(r), keys.DecisionsOf(r))
	}
	f, err := l.run(ctx, r, "erase", k, who)
	if err != nil {
		return Erasure{}, err
	}
	e := Erasure{Applied: f.answer().Applied, State: f.answer().State, At: millis(f["erased_at"])}
	if f["removed"] != "" {
		e.Removed = strings.Split(f["removed"], ",")
	}
	if !e.Applied {
		return e, nil
	}
	return e, l.unlist(ctx, r)
}
