package chaos

import (
	"slices"
	"testing"
	"time"

	"issuance/internal/ledger"
	"issuance/internal/seal"
	"issuance/internal/thinevent"
	"issuance/internal/vault"
	"issuance/tasks"
	"issuance/tasks/order"
)

// two are the events of an order and of its refund, in this order.
func two() []ledger.Event {
	ref := anOrder(order.Issued).Ref
	return []ledger.Event{
		{StreamID: "1-1", ID: "A1/issued/1", Ref: ref, State: order.Issued, At: time.UnixMilli(1).UTC()},
		{StreamID: "2-1", ID: "A1/R1/refunded/1", Ref: ref.Refund("R1"), State: order.Refunded, At: time.UnixMilli(2).UTC()},
	}
}

func delivery(e ledger.Event, accepted bool) arrival {
	return arrival{id: e.ID, event: thinevent.New(e), accepted: accepted}
}

// Every event is accepted by every receiver, in the order of its order, and repetitions may come at any time.
func TestTheAuditFindsWrongDeliveries(t *testing.T) {
	t.Parallel()
	e := two()
	other, wrong := e[0], e[0]
	other.ID, wrong.State = "A1/issued/2", order.Failed
	for _, c := range []struct {
		name string
		list []arrival
		want []Trouble
	}{
		{"in order", []arrival{delivery(e[0], true), delivery(e[1], true)}, nil},
		{"refused first, and repeated", []arrival{delivery(e[0], false), delivery(e[0], true), delivery(e[1], true), delivery(e[0], true)}, nil},
		{"never accepted", []arrival{delivery(e[0], true), delivery(e[1], false)}, []Trouble{Undelivered}},
		{"never sent", []arrival{delivery(e[1], true)}, []Trouble{Undelivered}},
		{"the second first", []arrival{delivery(e[1], true), delivery(e[0], true)}, []Trouble{OutOfOrder}},
		{"the second before the first was accepted", []arrival{delivery(e[0], false), delivery(e[1], false), delivery(e[0], true), delivery(e[1], true)}, []Trouble{OutOfOrder}},
		{"of no record", []arrival{delivery(other, true), delivery(e[0], true), delivery(e[1], true)}, []Trouble{Unfounded}},
		{"of another state", []arrival{delivery(wrong, true), delivery(e[1], true)}, []Trouble{Unfounded}},
	} {
		a := &Auditor{stream: append(two(), e[0])} // an event may stand on the stream twice
		a.deliveries("shop", c.list)
		if found := troubles(a.Differences); !slices.Equal(found, c.want) {
			t.Errorf("%s: found %v, want %v", c.name, a.Differences, c.want)
		}
	}
}

// Events of one order stand on the stream as they happened.
func TestTheAuditFindsEventsThatWerePublishedInAnotherOrder(t *testing.T) {
	t.Parallel()
	e := two()
	for _, c := range []struct {
		stream []ledger.Event
		found  int
	}{{e, 0}, {[]ledger.Event{e[1], e[0]}, 1}} {
		a := &Auditor{stream: c.stream}
		a.happened()
		if len(a.Differences) != c.found {
			t.Errorf("found %v", a.Differences)
		}
	}
}

// A reader that goes on after the last event it has read gets every event once.
func TestTheAuditFindsGapsAndRepetitionsInAStream(t *testing.T) {
	t.Parallel()
	read := func(of ...ledger.Event) (list []streamed) {
		for _, e := range of {
			list = append(list, streamed{position: e.StreamID, event: thinevent.New(e)})
		}
		return list
	}
	e := two()
	for _, c := range []struct {
		name  string
		read  []streamed
		gaps  []string
		found int
	}{
		{"all", read(e...), nil, 0},
		{"a gap", read(e[1]), nil, 1},
		{"the last is missing", read(e[0]), nil, 1},
		{"a repetition", read(e[0], e[0], e[1]), nil, 1},
		{"a reported gap", read(e...), []string{"{}"}, 1},
	} {
		a := &Auditor{stream: e}
		a.streams("reader", c.read, c.gaps)
		if len(a.Differences) != c.found {
			t.Errorf("%s: found %v", c.name, a.Differences)
		}
	}
}

// Where a master was replaced, an end that it had published alone comes again under its id, later; nothing else may.
func TestTheAuditKnowsWhatAReplacedMasterHadPublishedAlone(t *testing.T) {
	t.Parallel()
	e := two()
	lost := e[0]
	lost.StreamID, lost.At = "0-9", time.UnixMilli(0).UTC()
	other := lost
	other.ID = "A1/issued/2"
	read := func(events ...ledger.Event) (list []streamed) {
		for _, e := range events {
			list = append(list, streamed{position: e.StreamID, event: thinevent.New(e)})
		}
		return list
	}
	for _, c := range []struct {
		name     string
		got      []ledger.Event
		replaced bool
		found    []Trouble
	}{
		{"again", []ledger.Event{lost, e[0], e[1]}, true, nil},
		{"again, and no master was replaced", []ledger.Event{lost, e[0], e[1]}, false, []Trouble{Unfounded, StreamBroken}},
		{"of no record", []ledger.Event{other, e[0], e[1]}, true, []Trouble{Unfounded, StreamBroken}},
		{"not again", []ledger.Event{lost, e[1]}, true, []Trouble{StreamBroken}},
		{"twice", []ledger.Event{e[0], e[0], e[1]}, true, []Trouble{StreamBroken}},
	} {
		a := &Auditor{stream: e, replaced: c.replaced}
		var arrivals []arrival
		for _, e := range c.got {
			arrivals = append(arrivals, delivery(e, true))
		}
		a.deliveries("shop", arrivals)
		a.streams("reader", read(c.got...), nil)
		if found := troubles(a.Differences); !slices.Equal(found, c.found) {
			t.Errorf("%s: found %v, want %v", c.name, a.Differences, c.found)
		}
	}
}

// A receipt means that the record is there, with the document that was acknowledged, is new once, and ends as was
// answered.
func TestTheAuditFindsReceiptsThatAreNotTrue(t *testing.T) {
	t.Parallel()
	ring, err := seal.ParseRing(newSecrets(dice(1)).SealKeys)
	if err != nil {
		t.Fatal(err)
	}
	rec := anOrder(order.Issued)
	sealed, err := vault.SealDocument(ring, rec.Ref, []byte(`{"MerchantTradeNo":"A1","n":1}`))
	if err != nil {
		t.Fatal(err)
	}
	rec.Document = sealed
	const whole, short, another = `{"request":{"n":1,"MerchantTradeNo":"A1"}}`, `{"request":{"n":1}}`, `{"request":{"n":2}}`
	fresh := tasks.Receipt{Account: rec.Account, OrderID: rec.OrderID}
	again, ended := fresh, fresh
	again.Duplicate, ended.Duplicate, ended.State = true, true, order.Failed
	type answer struct {
		r   tasks.Receipt
		doc string
	}
	for _, c := range []struct {
		name string
		list []answer
		said order.State // by a front door in the end
		want []Trouble
	}{
		{"as it should be", []answer{{fresh, whole}, {again, whole}}, order.Issued, nil},
		{"without the number", []answer{{fresh, short}}, order.Issued, nil},
		{"new twice", []answer{{fresh, whole}, {fresh, whole}}, order.Issued, []Trouble{ReceiptTwice}},
		{"another document", []answer{{fresh, another}}, order.Issued, []Trouble{OtherDocument}},
		{"two documents", []answer{{fresh, whole}, {again, short}}, order.Issued, []Trouble{OtherDocument}},
		{"another end", []answer{{ended, whole}}, order.Issued, []Trouble{NotFinal}},
		{"no end", []answer{{fresh, whole}}, order.Accepted, []Trouble{NotFinal}},
		{"no status", []answer{{fresh, whole}}, "", []Trouble{NotFinal}},
	} {
		k := newReceipts()
		for _, r := range c.list {
			k.note(r.r, []byte(r.doc))
		}
		a := &Auditor{rig: &Rig{Ring: ring, Front: &FrontDoors{statuses: map[order.Ref]tasks.State{rec.Ref: c.said}}},
			replayed: map[order.Ref]*ledger.Record{rec.Ref: rec}}
		if err := a.receipts(t.Context(), k); err != nil {
			t.Fatal(err)
		}
		if found := troubles(a.Differences); !slices.Equal(found, c.want) {
			t.Errorf("%s: found %v, want %v", c.name, a.Differences, c.want)
		}
	}
}
