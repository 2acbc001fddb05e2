package chaos

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"issuance/internal/ledger"
	"issuance/tasks/order"
)

// Auditor compares the simulators' books with the ledger and the events.
type Auditor struct {
	rig   *Rig
	load  *Load
	books Books

	// replayed are the records that Replays has deleted, as they were.
	replayed map[order.Ref]*ledger.Record
	orders   map[*Order]*ledger.Record
	refunds  map[*Refund]*ledger.Record
	events   map[order.Ref]map[string]order.State // of each record its events' ids, and what each reports
	stream   []ledger.Event                       // all of them
	replaced bool                                 // see Place
	Report
}

// Report is what an audit found.
type Report struct {
	// Differences must be empty.
	Differences []Difference
	// States counts final states: "provider kind" → state → number.
	OrderStates, RefundStates map[string]map[order.State]int
	// Reviews are the records that need review, by code.
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
	WrongCancel    Trouble = "wrong cancellation"
	Replayed       Trouble = "worked on without a record"
	PausedCall     Trouble = "call during a pause"
	NeedlessReview Trouble = "needless review"
	ReceiptLost    Trouble = "receipt without a record"
	ReceiptTwice   Trouble = "receipted twice as new"
	OtherDocument  Trouble = "another document accepted"
	KeySplit       Trouble = "one key, two orders"
	NotFinal       Trouble = "receipt without a final status"
	Undelivered    Trouble = "event not delivered"
	OutOfOrder     Trouble = "events out of order"
	Unfounded      Trouble = "event of no record"
	StreamBroken   Trouble = "gap or repetition in a stream"
	LinkOpened     Trouble = "link opened"
	LeftOpen       Trouble = "left open"
)

// Troubles lists every kind, for the table.
func Troubles() []Trouble {
	return []Trouble{IssuedTwice, RefundedTwice, LostTrack, WrongStatus, WrongData, EventMissing, WrongEvent, NoIntent, WrongCancel, Replayed,
		PausedCall, NeedlessReview, ReceiptLost, ReceiptTwice, OtherDocument, KeySplit, NotFinal, Undelivered, OutOfOrder, Unfounded, StreamBroken,
		LinkOpened, LeftOpen}
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
func Audit(ctx context.Context, run *Run) (*Report, error) {
	l := run.Load
	a := &Auditor{rig: run.Rig, replaced: run.Rig.Place.Replaced, load: l, books: TakeBooks(run.Rig), replayed: run.Replays.Records, orders: map[*Order]*ledger.Record{}, refunds: map[*Refund]*ledger.Record{},
		events: map[order.Ref]map[string]order.State{}, Report: Report{OrderStates: map[string]map[order.State]int{},
			RefundStates: map[string]map[order.State]int{}, Reviews: map[string]int{}}}
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
	a.unordered()
	if err := a.receipts(ctx, run.Producers.receipts); err != nil {
		return nil, err
	}
	a.front(run.Rig.Front)
	return &a.Report, a.leftovers(ctx)
}

// record reads a record, or takes it as it was when it was deleted after its end.
func (a *Auditor) record(ctx context.Context, ref order.Ref) (*ledger.Record, error) {
	if rec := a.replayed[ref]; rec != nil {
		return rec, nil
	}
	return a.rig.Ledger.Load(ctx, ref)
}

func (a *Auditor) readEvents(ctx context.Context) error {
	for after := "0"; ; {
		list, err := a.rig.Ledger.Events(ctx, after, 1000, 0)
		if err != nil || len(list) == 0 {
			return err
		}
		for _, e := range list {
			after = e.StreamID
			a.stream = append(a.stream, e)
			of := a.events[e.Ref]
			if of == nil {
				of = map[string]order.State{}
				a.events[e.Ref] = of
			}
			if _, again := of[e.ID]; again {
				a.Repeated++
			}
			of[e.ID] = e.State
		}
	}
}

// final checks what final records of orders and refunds share: one end and one event of it, and nothing in
// doubt.
func (a *Auditor) final(rec *ledger.Record) {
	switch ids := a.events[rec.Ref]; {
	case len(ids) == 0:
		a.differ(EventMissing, rec.Ref, "it is %s, and no event reports it", rec.State)
	case len(ids) > 1:
		a.differ(WrongEvent, rec.Ref, "it has ended once, and has %d different events: %v", len(ids), ids)
	default:
		for id, state := range ids {
			if state != rec.State {
				a.differ(WrongEvent, rec.Ref, "it is %s, and its event %s reports %s", rec.State, id, state)
			}
		}
	}
	if rec.Event == "" {
		a.differ(EventMissing, rec.Ref, "it is %s, and its event is not marked as published", rec.State)
	}
	if rec.Runner != "" {
		a.differ(LeftOpen, rec.Ref, "it is %s, and %s still holds its claim", rec.State, rec.Runner)
	}
	if rec.State == order.Review {
		a.Reviews[rec.Reason.Code]++
	} else if !rec.DoubtAt.IsZero() || rec.Rejection.Code != "" {
		a.differ(LeftOpen, rec.Ref, "it is %s, and a request of it is still in doubt", rec.State)
	}
}

// cancelled compares what became of a wish to cancel with the record's end and with what reached the provider.
// It reports whether the record was cancelled.
func (a *Auditor) cancelled(rec *ledger.Record, c *Cancellation) bool {
	is := rec.State == order.Cancelled
	switch {
	case is && c == nil:
		a.differ(WrongCancel, rec.Ref, "it is cancelled, and nobody wanted that")
	case is && c.TooLate && !c.Done:
		a.differ(WrongCancel, rec.Ref, "it is cancelled, and the answer was that it cannot be")
	case !is && c != nil && c.Done:
		a.differ(WrongCancel, rec.Ref, "it is %s, and the answer was that it is cancelled", rec.State)
	case is && rec.Attempts != rec.Unsent:
		a.differ(WrongCancel, rec.Ref, "it is cancelled after %d requests, %d of which had no effect", rec.Attempts, rec.Unsent)
	}
	return is
}

// unordered finds orders at the providers that nobody ordered.
func (a *Auditor) unordered() {
	ordered := map[string]bool{}
	for _, o := range a.load.Orders {
		ordered[o.ID] = true
	}
	for _, id := range slices.Concat(slices.Collect(maps.Keys(a.books.ecticket)), slices.Collect(maps.Keys(a.books.pass2u))) {
		if !ordered[id] {
			a.Differences = append(a.Differences, Difference{IssuedTwice, id, "the provider has an order that nobody ordered"})
		}
	}
}

// leftovers checks what belongs to no order.
func (a *Auditor) leftovers(ctx context.Context) error {
	in := a.rig.Intents
	in.mu.Lock()
	for _, text := range in.missing {
		a.Differences = append(a.Differences, Difference{NoIntent, "at its arrival", text})
	}
	in.mu.Unlock()
	if n := a.books.LinksOpened; n > 0 {
		a.Differences = append(a.Differences, Difference{LinkOpened, "pass2u", fmt.Sprintf("%d links were fetched", n)})
	}
	reviews := int64(0)
	for _, acc := range accounts() {
		n, err := a.rig.Ledger.OpenCount(ctx, acc)
		if err != nil {
			return err
		}
		if n > 0 {
			a.differ(LeftOpen, acc, "%d records are in the open set", n)
		}
		if n, err = a.rig.Ledger.ReviewCount(ctx, acc); err != nil {
			return err
		}
		reviews += n
	}
	need := int64(0)
	for _, n := range a.Reviews {
		need += int64(n)
	}
	if reviews != need {
		a.Differences = append(a.Differences, Difference{LeftOpen, "reviews", fmt.Sprintf("%d records need review, %d are listed", need, reviews)})
	}
	return nil
}

func count(table map[string]map[order.State]int, row string, s order.State) {
	if table[row] == nil {
		table[row] = map[order.State]int{}
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
