package webhooks

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"issuance/internal/ledger"
	"issuance/providers"
	"issuance/tasks/order"
)

// endedSince are the events of what has ended at a time or later.
func endedSince(list []ledger.Event, since time.Time) []ledger.Event {
	return slices.DeleteFunc(list, func(e ledger.Event) bool { return e.At.Before(since) })
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

// inStream begins the place of a replay that reads the stream: the id of the event that it has read last follows.
const inStream = "e"

// replay admits a page of what has ended since a time, as the records say it now. They are found by the stream of events where
// that reaches back so far, else by a search of the keyspace.
func (d *Dispatcher) replay(ctx context.Context, e *Endpoint, st State) error {
	from := st.replay
	if from == replayBegin {
		since := strconv.FormatInt(max(st.ReplaySince.UnixMilli(), 0), 10) + "-0"
		kept, err := d.reaches(ctx, since)
		if err != nil {
			return err
		}
		if from = ""; kept {
			from = inStream + since
		}
	}
	if after, ok := strings.CutPrefix(from, inStream); ok {
		return d.replayStream(ctx, e, st, after)
	}
	return d.replayRecords(ctx, e, st, from)
}

// reaches reports whether the stream holds whatever was published since a place in it.
func (d *Dispatcher) reaches(ctx context.Context, place string) (bool, error) {
	first, err := d.Ledger.FirstEvent(ctx)
	return first != "" && !ledger.EventTime(first).After(ledger.EventTime(place)) && !ledger.EventTime(place).IsZero(), err
}

// replayStream admits what the records say now of those that the events after one are about. If the stream has lost some of
// them meanwhile, all records are looked at.
func (d *Dispatcher) replayStream(ctx context.Context, e *Endpoint, st State, after string) error {
	list, err := d.Ledger.Events(ctx, after, replayRecords, 0)
	if err != nil {
		return err
	}
	kept, err := d.reaches(ctx, after)
	if err != nil {
		return err
	}
	if !kept {
		return d.replayRecords(ctx, e, st, "")
	}
	next := ""
	if len(list) == replayRecords {
		next = inStream + list[len(list)-1].StreamID
	}
	published := map[string]bool{}
	var refs []order.Ref
	for _, ev := range list {
		if published[ev.ID] = true; !slices.Contains(refs, ev.Ref.Order()) {
			refs = append(refs, ev.Ref.Order())
		}
	}
	ends, err := d.Ledger.Ends(ctx, refs)
	if err != nil {
		return err
	}
	ends = slices.DeleteFunc(ends, func(ev ledger.Event) bool { return !published[ev.ID] }) // another page has it, or the stream will
	_, err = d.store.admit(ctx, e.Name, replayField, st.replay, next, e.wanted(endedSince(ends, st.ReplaySince)))
	return err
}

// replayRecords admits a page of what the ledger knows.
func (d *Dispatcher) replayRecords(ctx context.Context, e *Endpoint, st State, from string) error {
	found, next, err := d.Ledger.SearchPage(ctx, ledger.Query{}, from, replayRecords, replayKeys)
	if err != nil {
		if from == "" {
			return fmt.Errorf("webhook %s: replay: %w", e.Name, err)
		}
		// The cluster's nodes may have changed: what is sent twice is recognised by its id.
		return d.store.Replay(ctx, e.Name, st.ReplaySince)
	}
	refs := make([]order.Ref, len(found))
	for i, f := range found {
		refs[i] = f.Ref
	}
	list, err := d.Ledger.Ends(ctx, refs) // those of the other records of their orders, too
	if err != nil {
		return err
	}
	_, err = d.store.admit(ctx, e.Name, replayField, st.replay, next, e.wanted(endedSince(list, st.ReplaySince)))
	return err
}
