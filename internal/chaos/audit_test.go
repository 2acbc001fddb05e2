package chaos

import (
	"slices"
	"testing"
	"time"

	"issuance/internal/budget"
	"issuance/internal/ledger"
	"issuance/providers"
	"issuance/tasks/order"
)

func anOrder(s order.State) *ledger.Record {
	return &ledger.Record{Ref: order.Ref{Account: accountOf(providers.ECTicket), OrderID: "A1"}, State: s, Event: "1-1"}
}

// troubles lists what an auditor has found.
func troubles(list []Difference) (kinds []Trouble) {
	for _, d := range list {
		kinds = append(kinds, d.Kind)
	}
	return kinds
}

// A cancellation is an answer that must be true: what is cancelled was wanted so, was never sent, and what
// was answered to be cancelled is.
func TestTheAuditFindsCancellationsThatAreNotTrue(t *testing.T) {
	t.Parallel()
	sent := anOrder(order.Cancelled)
	sent.Attempts = 1
	held := anOrder(order.Cancelled)
	held.Attempts, held.Unsent = 2, 2
	for _, c := range []struct {
		name  string
		rec   *ledger.Record
		wish  *Cancellation
		wrong bool
	}{
		{"cancelled as wanted", anOrder(order.Cancelled), &Cancellation{Done: true}, false},
		{"cancelled, and all requests were held back", held, &Cancellation{Done: true}, false},
		{"too late, and issued", anOrder(order.Issued), &Cancellation{TooLate: true}, false},
		{"nobody wanted it", anOrder(order.Issued), nil, false},
		{"cancelled by nobody", anOrder(order.Cancelled), nil, true},
		{"cancelled, and answered to be sent", anOrder(order.Cancelled), &Cancellation{TooLate: true}, true},
		{"answered to be cancelled, and issued", anOrder(order.Issued), &Cancellation{Done: true}, true},
		{"cancelled after a request", sent, &Cancellation{Done: true}, true},
	} {
		a := &Auditor{}
		a.cancelled(c.rec, c.wish)
		if found := troubles(a.Differences); slices.Contains(found, WrongCancel) != c.wrong {
			t.Errorf("%s: found %v", c.name, found)
		}
	}
}

// Every end has one event id, whose event reports that end, and leaves neither claim nor doubt.
func TestTheAuditFindsEndsThatAreNotOne(t *testing.T) {
	t.Parallel()
	claimed := anOrder(order.Issued)
	claimed.Runner = "host/1/2"
	doubtful := anOrder(order.Failed)
	doubtful.DoubtAt = time.Unix(1, 0)
	unmarked := anOrder(order.Issued)
	unmarked.Event = ""
	for _, c := range []struct {
		name   string
		rec    *ledger.Record
		events map[string]order.State
		want   []Trouble
	}{
		{"one event", anOrder(order.Issued), map[string]order.State{"A1/issued/1": order.Issued}, nil},
		{"none", anOrder(order.Issued), nil, []Trouble{EventMissing}},
		{"two ends", anOrder(order.Issued), map[string]order.State{"A1/issued/1": order.Issued, "A1/issued/2": order.Issued}, []Trouble{WrongEvent}},
		{"of another state", anOrder(order.Issued), map[string]order.State{"A1/failed/1": order.Failed}, []Trouble{WrongEvent}},
		{"not marked", unmarked, map[string]order.State{"A1/issued/1": order.Issued}, []Trouble{EventMissing}},
		{"still claimed", claimed, map[string]order.State{"A1/issued/1": order.Issued}, []Trouble{LeftOpen}},
		{"still in doubt", doubtful, map[string]order.State{"A1/failed/1": order.Failed}, []Trouble{LeftOpen}},
	} {
		a := &Auditor{events: map[order.Ref]map[string]order.State{c.rec.Ref: c.events}}
		a.final(c.rec)
		if found := troubles(a.Differences); !slices.Equal(found, c.want) {
			t.Errorf("%s: found %v, want %v", c.name, found, c.want)
		}
	}
}

// A call that arrives in the middle of a pause is found, one that was on its way is not, and neither is one
// by a worker that was stalled with the permission in its hands.
func TestTheAuditFindsCallsDuringAPause(t *testing.T) {
	t.Parallel()
	began := time.Unix(1_000, 0)
	at := func(s int) time.Time { return began.Add(time.Duration(s) * time.Second) }
	for _, c := range []struct {
		name    string
		arrival time.Time
		stalled []span
		found   int
	}{
		{"before", at(-1), nil, 0},
		{"on its way", at(1), nil, 0},
		{"in the middle", at(3), nil, 1},
		{"after", at(6), nil, 0},
		{"by a stalled worker", at(3), []span{{at(-20), at(2)}}, 0},
	} {
		w := newWeather(1, Odds{}, 0)
		w.arrivals[providers.ECTicket] = []time.Time{c.arrival}
		d := &Disasters{rig: &Rig{Weather: w}, stalled: c.stalled,
			pauses: []pauseSpan{{span{began.Add(onTheWay), at(5)}, providers.ECTicket}}}
		if found := d.duringPauses(); len(found) != c.found {
			t.Errorf("%s: found %v", c.name, found)
		}
	}
}

// The time for which Redis was away does not count against those who take up what a dead worker left, and
// outages that overlap count once.
func TestOutagesAreTakenOffARecoveryOnce(t *testing.T) {
	t.Parallel()
	at := func(s int) time.Time { return time.Unix(1_000+int64(s), 0) }
	mine, other := accountOf(providers.ECTicket), accountOf(providers.Pass2U)
	d := &Disasters{outages: []span{{at(20), at(40)}, {at(-5), at(2)}, {at(4), at(8)}, {at(5), at(7)}}}
	if took := d.took(recovery{"r", mine, span{at(0), at(25)}}); took != 14*time.Second {
		t.Errorf("%s", took)
	}
	if took := d.took(recovery{"r", mine, span{at(9), at(19)}}); took != 10*time.Second {
		t.Errorf("%s", took)
	}
	d.holds = map[providers.Account][]span{mine: {{at(6), at(10)}, {at(18), time.Time{}}}} // the last one is not over
	if took := d.took(recovery{"r", mine, span{at(0), at(25)}}); took != 10*time.Second {
		t.Errorf("while its account was held: %s", took)
	}
	if took := d.took(recovery{"r", other, span{at(0), at(25)}}); took != 14*time.Second {
		t.Errorf("while another account was held: %s", took)
	}
}

// An account is held from the first state that says so to the first that does not; a lane's pause is no hold of it.
func TestHoldsOfAnAccountAreNotedAsLongAsTheyLast(t *testing.T) {
	t.Parallel()
	a := accountOf(providers.ECTicket)
	free, down := budget.State{Account: a}, budget.State{Account: a, Trouble: &budget.Trouble{Down: true}}
	lane := budget.State{Account: a, Paused: []budget.Hold{{Lane: order.Bulk}}}
	d := &Disasters{holds: map[providers.Account][]span{}}
	for _, s := range []budget.State{free, lane, down, down, free, free, lane, down} {
		d.noteHold(s)
	}
	if list := d.holds[a]; len(list) != 2 || list[0].to.Sub(list[0].from) < resumed || !list[1].to.IsZero() {
		t.Errorf("%+v", list)
	}
}
