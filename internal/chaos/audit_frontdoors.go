package chaos

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"issuance/internal/ledger"
	"issuance/internal/thinevent"
	"issuance/internal/vault"
	"issuance/tasks/order"
)

// receipts compares what producers were answered with the ledger: a receipt means a record, one document has a number,
// and its record is new once.
func (a *Auditor) receipts(ctx context.Context, k *Receipts) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, ref := range slices.SortedFunc(maps.Keys(k.kept), func(x, y order.Ref) int { return strings.Compare(x.String(), y.String()) }) {
		of := k.kept[ref]
		if of.news > 1 {
			a.differ(ReceiptTwice, ref, "%d receipts say that it is new", of.news)
		}
		if len(of.documents) > 1 {
			a.differ(OtherDocument, ref, "%d documents under its number were acknowledged", len(of.documents))
		}
		rec, err := a.record(ctx, ref)
		switch {
		case errors.Is(err, ledger.ErrNotFound):
			a.differ(ReceiptLost, ref, "it has %d receipts, and the ledger does not know it", of.news+of.again)
			continue
		case err != nil:
			return err
		}
		if err := a.document(rec, of); err != nil {
			return err
		}
		a.answered(rec, of)
	}
	return nil
}

// document compares the document of a record with the one that was acknowledged.
func (a *Auditor) document(rec *ledger.Record, of *receipted) error {
	request, err := vault.OpenDocument(a.rig.Ring, rec.Ref, rec.Document)
	if err != nil {
		return err
	}
	for doc := range of.documents {
		if !sameRequest(rec.Ref, request, []byte(doc)) {
			a.differ(OtherDocument, rec.Ref, "the record holds another document than the one that was acknowledged")
		}
	}
	return nil
}

// sameRequest reports whether a record's request is the document's. The order's number may be left out of the latter.
func sameRequest(ref order.Ref, request json.RawMessage, doc []byte) bool {
	var parts struct{ Request map[string]any }
	var kept map[string]any
	if json.Unmarshal(doc, &parts) != nil || json.Unmarshal(request, &kept) != nil {
		return false
	}
	for name, value := range kept {
		if _, there := parts.Request[name]; !there && value == ref.OrderID {
			delete(kept, name)
		}
	}
	return reflect.DeepEqual(parts.Request, kept)
}

// answered compares the record with the final states that receipts reported, and with the status that a front door
// answered in the end.
func (a *Auditor) answered(rec *ledger.Record, of *receipted) {
	for said := range of.ends {
		if said != rec.State {
			a.differ(NotFinal, rec.Ref, "a receipt says that it is %s, which is final; it is %s", said, rec.State)
		}
	}
	if a.rig.Front == nil {
		return
	}
	if said := a.rig.Front.statuses[rec.Ref]; !said.Final() || said != rec.State {
		a.differ(NotFinal, rec.Ref, "a front door answers that it is %q; it is %s", said, rec.State)
	}
}

// front compares what receivers and readers got with the events; l may be nil.
func (a *Auditor) front(l *FrontDoors) {
	if l == nil {
		return
	}
	a.happened()
	for _, rec := range l.receivers {
		rec.mu.Lock()
		a.deliveries(rec.name, rec.arrivals)
		for _, text := range rec.unsigned {
			a.Differences = append(a.Differences, Difference{Unfounded, rec.name, "a delivery cannot be verified: " + text})
		}
		rec.mu.Unlock()
	}
	for i, s := range l.readers {
		s.mu.Lock()
		a.streams(fmt.Sprintf("reader %d", i+1), s.read, s.gaps)
		s.mu.Unlock()
	}
}

// happened checks that the events of one order stand on the stream in the order in which they happened.
func (a *Auditor) happened() {
	last, seen := map[order.Ref]ledger.Event{}, map[string]bool{}
	for _, e := range a.stream {
		if seen[e.ID] { // a repetition is known by its id
			continue
		}
		seen[e.ID] = true
		if before, ok := last[e.Ref.Order()]; ok && e.At.Before(before.At) {
			a.differ(OutOfOrder, e.Ref, "%s happened %s before %s, and stands behind it", e.ID, before.At.Sub(e.At), before.ID)
		}
		last[e.Ref.Order()] = e
	}
}

// deliveries compares a receiver's with the events: each was accepted, none is of no record, and of those of one order
// each came for the first time only after the one before it was accepted (or given up, which is found as such).
func (a *Auditor) deliveries(receiver string, list []arrival) {
	first, accepted := map[string]int{}, map[string]int{}
	events := map[string]thinevent.Event{}
	for _, e := range a.stream {
		events[e.ID] = thinevent.New(e)
	}
	for i, d := range list {
		want, ok := events[d.id]
		if a.replaced {
			want.Timestamp = d.event.Timestamp // that of an end which came again
		}
		if !ok || !reflect.DeepEqual(want, d.event) {
			a.Differences = append(a.Differences, Difference{Unfounded, receiver, fmt.Sprintf("it got %s: %s", d.id, d.body)})
		}
		if _, ok := first[d.id]; !ok {
			first[d.id] = i
		}
		if _, ok := accepted[d.id]; !ok && d.accepted {
			accepted[d.id] = i
		}
	}
	before := map[order.Ref]string{} // of each order, the event before
	seen := map[string]bool{}
	for _, e := range a.stream {
		if seen[e.ID] {
			continue
		}
		seen[e.ID] = true
		if _, ok := accepted[e.ID]; !ok {
			a.differ(Undelivered, e.Ref, "%s has not accepted %s", receiver, e.ID)
		}
		last := before[e.Ref.Order()]
		at, came := first[e.ID]
		if taken, ok := accepted[last]; ok && came && at < taken {
			a.differ(OutOfOrder, e.Ref, "%s got %s before it had accepted %s", receiver, e.ID, last)
		}
		before[e.Ref.Order()] = e.ID
	}
}

// withoutForgotten leaves out what a reader has read before the master was replaced, of which the new one had nothing, so that it came again.
func (a *Auditor) withoutForgotten(read []streamed) []streamed {
	stands, last := map[string]bool{}, map[string]int{}
	for _, e := range a.stream {
		stands[e.StreamID] = true
	}
	for i, s := range read {
		last[s.event.Data.EventID] = i
	}
	var left []streamed
	for i, s := range read {
		if stands[s.position] || last[s.event.Data.EventID] == i {
			left = append(left, s)
		}
	}
	return left
}

// streams compares what a reader has read with the events, position by position.
func (a *Auditor) streams(reader string, read []streamed, gaps []string) {
	for _, g := range gaps {
		a.Differences = append(a.Differences, Difference{StreamBroken, reader, "it was answered that events are gone: " + g})
	}
	if a.replaced {
		read = a.withoutForgotten(read)
	}
	for i := range max(len(read), len(a.stream)) {
		var have, want string
		if i < len(read) {
			have = read[i].position + " " + read[i].event.Data.EventID
		}
		if i < len(a.stream) {
			want = a.stream[i].StreamID + " " + a.stream[i].ID
		}
		if have != want {
			a.Differences = append(a.Differences, Difference{StreamBroken, reader, fmt.Sprintf("event %d of %d is %q for it, not %q", i+1, len(a.stream), have, want)})
			return
		}
	}
}
