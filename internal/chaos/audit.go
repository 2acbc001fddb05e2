package chaos

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"issuance/internal/ledger"
	"issuance/providers"
)

// Auditor compares the simulators' books with the ledger and the events.
type Auditor struct {
	rig   *Rig
	load  *Load
	books Books

	orders  map[*Order]*ledger.Record
	refunds map[*Refund]*ledger.RefundRecord
	events  map[string]int // event id → times on the stream
	Report
}

// Report is what an audit found.
type Report struct {
	// Differences must be empty.
	Differences []Difference
	// States counts final states: "provider kind" → state → number.
	OrderStates, RefundStates map[string]map[ledger.State]int
	// Reviews are the records that need a person, by reason.
	Reviews map[string]int
	// Repeated counts events that stand on the stream more than once, which is allowed.
	Repeated int
}

// Difference is one thing that is not as it should be.
type Difference struct {
	Kind Trouble
	What string // order or refund
	Text string
}

// Trouble is a kind of difference.
type Trouble string

// What must never happen.
const (
	IssuedTwice    Trouble = "issued twice"
	RefundedTwice  Trouble = "refunded too much"
	LostTrack      Trouble = "lost"
	WrongStatus    Trouble = "wrong status"
	WrongData      Trouble = "wrong data"
	EventMissing   Trouble = "event missing"
	WrongEvent     Trouble = "wrong event"
	NoIntent       Trouble = "call without an intent"
	NeedlessReview Trouble = "needless review"
	LinkOpened     Trouble = "link opened"
	LeftOpen       Trouble = "left open"
)

// Troubles lists every kind, for the table.
func Troubles() []Trouble {
	return []Trouble{IssuedTwice, RefundedTwice, LostTrack, WrongStatus, WrongData, EventMissing, WrongEvent, NoIntent, NeedlessReview, LinkOpened, LeftOpen}
}

func (d Difference) String() string { return fmt.Sprintf("%s: %s: %s", d.Kind, d.What, d.Text) }

// Has reports whether a kind of difference was found.
func (r *Report) Has(kind Trouble) bool {
	return slices.ContainsFunc(r.Differences, func(d Difference) bool { return d.Kind == kind })
}

func (a *Auditor) differ(kind Trouble, what fmt.Stringer, format string, args ...any) {
	a.Differences = append(a.Differences, Difference{kind, what.String(), fmt.Sprintf(format, args...)})
}

// Audit makes the report. Nothing may be under way any more.
func Audit(ctx context.Context, r *Rig, l *Load) (*Report, error) {
	a := &Auditor{rig: r, load: l, books: TakeBooks(r), orders: map[*Order]*ledger.Record{}, refunds: map[*Refund]*ledger.RefundRecord{},
		events: map[string]int{}, Report: Report{OrderStates: map[string]map[ledger.State]int{}, RefundStates: map[string]map[ledger.State]int{},
			Reviews: map[string]int{}}}
	if err := a.readEvents(ctx); err != nil {
		return nil, err
	}
	for _, o := range l.Orders {
		if err := a.order(ctx, o); err != nil {
			return nil, err
		}
	}
	for _, o := range l.Orders {
		for _, f := range o.Refunds {
			if err := a.readRefund(ctx, f); err != nil {
				return nil, err
			}
		}
		if err := a.refundsOf(o); err != nil {
			return nil, err
		}
	}
	a.strangers()
	a.leftovers(ctx)
	return &a.Report, nil
}

func (a *Auditor) readEvents(ctx context.Context) error {
	for after := "0"; ; {
		list, err := a.rig.Ledger.Events(ctx, after, 1000, 0)
		if err != nil || len(list) == 0 {
			return err
		}
		for _, e := range list {
			if a.events[e.ID]++; a.events[e.ID] > 1 {
				a.Repeated++
			}
			after = e.StreamID
		}
	}
}

// final checks what final records of both kinds share: their event, and no other.
func (a *Auditor) final(what fmt.Stringer, b *ledger.Base) {
	id := what.String() + "/" + string(b.State)
	if a.events[id] == 0 {
		a.differ(EventMissing, what, "it is %s, and the stream does not tell", b.State)
	}
	if b.Event == "" {
		a.differ(EventMissing, what, "it is %s, and its event is not marked as published", b.State)
	}
	for _, s := range append(ledger.OrderStates(), ledger.RefundStates()...) {
		if other := what.String() + "/" + string(s); s != b.State && a.events[other] > 0 {
			a.differ(WrongEvent, what, "it is %s, and the stream tells %s too", b.State, s)
		}
	}
	if b.State == ledger.Review {
		a.Reviews[b.Reason.Code]++
	}
}

// strangers finds orders at the providers that nobody ordered.
func (a *Auditor) strangers() {
	ordered := map[string]bool{}
	for _, o := range a.load.Orders {
		ordered[o.ID] = true
	}
	for _, id := range slices.Concat(slices.Collect(maps.Keys(a.books.ecticket)), slices.Collect(maps.Keys(a.books.pass2u))) {
		if !ordered[id] {
			a.differ(IssuedTwice, ledger.Key{Provider: "?", OrderID: id}, "the provider has an order that nobody ordered")
		}
	}
}

// leftovers checks what belongs to no order.
func (a *Auditor) leftovers(ctx context.Context) {
	in := a.rig.Intents
	in.mu.Lock()
	for _, text := range in.missing {
		a.Differences = append(a.Differences, Difference{NoIntent, "at its arrival", text})
	}
	in.mu.Unlock()
	if n := a.books.LinksOpened; n > 0 {
		a.Differences = append(a.Differences, Difference{LinkOpened, "pass2u", fmt.Sprintf("%d links were fetched", n)})
	}
	for _, p := range providers.All() {
		if n, err := a.rig.Ledger.OpenCount(ctx, p); err != nil || n > 0 {
			a.Differences = append(a.Differences, Difference{LeftOpen, string(p), fmt.Sprintf("%d records are in the open set (%v)", n, err)})
		}
	}
}

func count(table map[string]map[ledger.State]int, row string, s ledger.State) {
	if table[row] == nil {
		table[row] = map[ledger.State]int{}
	}
	table[row][s]++
}

// summary is one line for every kind of difference.
func (r *Report) summary() string {
	n := map[Trouble]int{}
	for _, d := range r.Differences {
		n[d.Kind]++
	}
	var parts []string
	for _, k := range Troubles() {
		parts = append(parts, fmt.Sprintf("%s %d", k, n[k]))
	}
	return strings.Join(parts, ", ")
}
