package chaos

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"issuance/internal/ledger"
	"issuance/providers"
	"issuance/providers/ecticket/ecticketsim"
	"issuance/tasks"
	"issuance/tasks/order"
)

// noticeBugs are the planted bugs of what follows from notices, all in one worker, and what the audit must find.
var noticeBugs = map[string]Trouble{
	"look-forgotten":     EventMissing,
	"ticket-event-twice": WrongEvent,
}

// The audit finds a notice that nothing follows from and a ticket whose event is published twice.
func TestPlantedBugsOfNoticesAreFound(t *testing.T) {
	t.Parallel()
	var names []string
	for name := range noticeBugs {
		names = append(names, name)
		plant(t, name) // it must apply by itself, too
	}
	slices.Sort(names)
	overlay := plant(t, names...)
	bin := must(t, func() (string, error) { return build(t.TempDir(), "worker", overlay) })
	rig := NewRig(t, RigConfig{Seed: 5, Workers: 1, Binary: bin, Doors: 2, DoorBinary: theDoor(t), Log: t.Logf, Script: func(Call) (Fault, bool) { return NoFault, true }})
	run, err := Execute(t.Context(), rig, Plan{Seed: 5, Load: sold(kindElectronic, 8, 0, nil)(), Spread: time.Second, Patience: time.Minute, Notices: 12})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if !slices.ContainsFunc(run.Notices.Differences, func(d Difference) bool { return d.Kind == noticeBugs[name] }) {
			t.Errorf("%s was planted, and %q is not among what was found: %q", name, noticeBugs[name], run.Problems())
		}
	}
}

// Every ticket that was used up has one event, with its state, and nothing else has one; the status shows it.
func TestTheAuditFindsWrongEventsOfTickets(t *testing.T) {
	t.Parallel()
	ref := anOrder(order.Issued).Ref
	event := func(id string, ticket int, state order.State, code string) ledger.Event {
		return ledger.Event{ID: id, Ref: ref, Ticket: ticket, State: state, Code: code}
	}
	redeemed, refunded := event("1", 1, order.State(providers.Redeemed), ""), event("2", 2, order.Refunded, "refunded_elsewhere")
	stranger := redeemed
	stranger.OrderID, stranger.ID = strangerOf(0), "3"
	ours := refunded
	ours.Code = ""
	used := []usedTicket{{ref: ref, no: "T1", state: order.State(providers.Redeemed)}, {ref: ref, no: "T2", state: order.Refunded}}
	for _, c := range []struct {
		name string
		list []ledger.Event
		want []Trouble
	}{
		{"one of each", []ledger.Event{redeemed, refunded}, nil},
		{"one is missing", []ledger.Event{redeemed}, []Trouble{EventMissing}},
		{"one comes twice", []ledger.Event{redeemed, refunded, redeemed}, []Trouble{WrongEvent}},
		{"one of a stranger", []ledger.Event{redeemed, refunded, stranger}, []Trouble{Unfounded}},
		{"one of an order's end", []ledger.Event{redeemed, refunded, {ID: "4", Ref: ref, State: order.Issued}}, []Trouble{Unfounded}},
		{"not marked as another's refund", []ledger.Event{redeemed, ours}, []Trouble{WrongEvent}},
	} {
		k := &Notices{used: used}
		k.events(c.list)
		if found := troubles(k.Differences); !slices.Equal(found, c.want) {
			t.Errorf("%s: found %v, want %v", c.name, k.Differences, c.want)
		}
	}
	book := ecticketsim.OrderBook{Tickets: []ecticketsim.TicketBook{{UseStatus: ecticketsim.Redeemed}, {UseStatus: ecticketsim.Refunded}, {UseStatus: ecticketsim.Unused}}}
	for _, c := range []struct {
		name   string
		looked *tasks.Looked
		found  int
	}{
		{"as it is", &tasks.Looked{Unused: 1, Redeemed: 1, Refunded: 1, Elsewhere: 1}, 0},
		{"no look", nil, 1},
		{"not redeemed", &tasks.Looked{Unused: 2, Refunded: 1, Elsewhere: 1}, 1},
		{"refunded by us", &tasks.Looked{Unused: 1, Redeemed: 1, Refunded: 1}, 1},
	} {
		k := &Notices{used: used}
		k.shown(ref, tasks.Status{Looked: c.looked}, book)
		if len(k.Differences) != c.found {
			t.Errorf("%s: found %v", c.name, k.Differences)
		}
	}
}

// A ticket that a refund of the order had refunded before has an event as well, which is not marked as another's refund.
func TestTheAuditDistinguishesOwnRefundsFromOthers(t *testing.T) {
	t.Parallel()
	ref := anOrder(order.Issued).Ref
	refunded := func(ticket int, code string) ledger.Event {
		return ledger.Event{ID: fmt.Sprint(ticket), Ref: ref, Ticket: ticket, State: order.Refunded, Code: code}
	}
	others := refunded(1, "refunded_elsewhere")
	for _, c := range []struct {
		name string
		list []ledger.Event
		want []Trouble
	}{
		{"one of each", []ledger.Event{others, refunded(2, "")}, nil},
		{"ours is marked", []ledger.Event{others, refunded(2, "refunded_elsewhere")}, []Trouble{WrongEvent}},
		{"ours is missing", []ledger.Event{others}, []Trouble{EventMissing}},
		{"neither is marked", []ledger.Event{refunded(1, ""), refunded(2, "")}, []Trouble{WrongEvent}},
	} {
		k := &Notices{used: []usedTicket{{ref: ref, no: "T1", state: order.Refunded}, {ref: ref, no: "T2", state: order.Refunded, ours: true}}}
		k.events(c.list)
		if found := troubles(k.Differences); !slices.Equal(found, c.want) {
			t.Errorf("%s: found %v, want %v", c.name, k.Differences, c.want)
		}
	}
}
