package webhooks

import (
	"context"
	"fmt"
	"time"

	"issuance/internal/ledger"
	"issuance/providers"
	"issuance/tasks/order"
)

// endsSince are the ends of found records, and of the other records of their orders, that came at a time or later.
func endsSince(ctx context.Context, l *ledger.Ledger, found []ledger.Found, since time.Time) ([]ledger.Event, error) {
	refs := make([]order.Ref, len(found))
	for i, f := range found {
		refs[i] = f.Ref
	}
	all, err := l.Ends(ctx, refs)
	if err != nil {
		return nil, err
	}
	list := all[:0]
	for _, e := range all {
		if !e.At.Before(since) {
			list = append(list, e)
		}
	}
	return list, nil
}

// ReplayOrder has everything sent again that an order and its refunds have come to, and that the endpoint wants. It
// returns how many events that are.
func (s *Store) ReplayOrder(ctx context.Context, l *ledger.Ledger, to Announced, r order.Ref) (int, error) {
	list, err := l.Ends(ctx, []order.Ref{r.Order()})
	if err != nil {
		return 0, err
	}
	e := Endpoint{Events: to.Events}
	for _, text := range to.Accounts {
		var a providers.Account
		if err := a.UnmarshalText([]byte(text)); err != nil {
			return 0, failed(to.Name, err)
		}
		e.Accounts = append(e.Accounts, a)
	}
	list = e.wanted(list)
	_, err = s.admit(ctx, to.Name, "", "", "", list)
	return len(list), err
}

// bridge has what the stream has lost taken from the ledger.
func (d *Dispatcher) bridge(ctx context.Context, e *Endpoint, cursor string) error {
	last, err := d.Ledger.LastEvent(ctx)
	if err != nil {
		return err
	}
	since := ledger.EventTime(cursor).Add(-publishedWithin)
	ok, err := d.store.bridge(ctx, e.Name, cursor, last, since)
	if ok && err == nil {
		d.Log.Error("alarm: events that were not sent to a webhook are no longer in the stream; they are sent from the ledger, as far as it keeps records",
			"webhook", e.Name, "since", since)
	}
	return err
}

// publishedWithin is how much later than the end itself its event may be in the stream.
const publishedWithin = time.Hour

// Of a replay, so many keys are looked at in one go, or until so many records are found.
const (
	replayKeys    = 5000
	replayRecords = 200
)

// replay admits a page of what the ledger knows.
func (d *Dispatcher) replay(ctx context.Context, e *Endpoint, st State) error {
	from := st.replay
	if from == replayBegin {
		from = ""
	}
	found, next, err := d.Ledger.SearchPage(ctx, ledger.Query{}, from, replayRecords, replayKeys)
	if err != nil {
		if from == "" {
			return fmt.Errorf("webhook %s: replay: %w", e.Name, err)
		}
		// The cluster's nodes may have changed: what is sent twice is recognised by its id.
		return d.store.Replay(ctx, e.Name, st.ReplaySince)
	}
	list, err := endsSince(ctx, d.Ledger, found, st.ReplaySince)
	if err != nil {
		return err
	}
	_, err = d.store.admit(ctx, e.Name, replayField, st.replay, next, e.wanted(list))
	return err
}
