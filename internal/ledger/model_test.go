package ledger

import (
	"fmt"
	"slices"
	"time"

	"issuance/internal/keys"
	"issuance/tasks/order"
)

// edges are the changes of state the graph in doc.go allows; staying is always allowed.
var edges = map[order.State][]order.State{
	"":               {order.Queued},
	order.Queued:     {order.Cancelled, order.Submitting, order.Issued, order.Failed, order.Review, order.Refunded, order.PartiallyRefunded},
	order.Submitting: {order.Queued, order.Accepted, order.Issued, order.Failed, order.Review, order.Refunded, order.PartiallyRefunded},
	order.Accepted:   {order.Issued, order.Failed, order.Review},
	order.Review:     {order.Issued, order.Failed, order.Refunded, order.PartiallyRefunded, order.Queued, order.Submitting}, // by a person
}

// claimModel is what a record's claim should be: the small truth the scripts are held to.
type claimModel struct {
	state    order.State
	holder   int // runner, -1 for none
	until    time.Time
	phase    string
	doubt    time.Time
	rejected bool
	attempts int
	unsent   int
	crashes  int
	finals   []order.State // every final status it had, in order
}

func (m *claimModel) giveBack() { m.holder, m.phase, m.until = -1, "", time.Time{} }

// take is Claim on a record that may be claimed. It fails the test when the old claim is alive.
func (m *claimModel) take(runner int, now time.Time) Verdict {
	if m.holder >= 0 {
		m.crashes++
		if m.phase == "send" {
			m.doubt = m.until
		}
	}
	m.holder, m.phase, m.until = runner, "claim", now.Add(lease)
	if !m.doubt.IsZero() || m.rejected {
		return MustLookUp
	}
	return MaySend
}

func (m *claimModel) intent(now time.Time) {
	if m.phase == "send" {
		m.doubt = now
	}
	m.attempts++
	m.state, m.phase, m.until = order.Submitting, "send", now.Add(lease)
}

// neverSent: every request certainly had no effect.
func (m *claimModel) neverSent() bool { return m.attempts == m.unsent }

func (m *claimModel) inDoubt() bool { return !m.doubt.IsZero() || m.rejected }

func (m *claimModel) release(how Release, now time.Time, tickets []order.TicketState) {
	if how == NotSent && m.phase == "send" {
		m.unsent++
	}
	switch {
	case how == Unknown, how == Idle && m.phase == "send":
		m.state, m.doubt = order.Submitting, now
	case !m.inDoubt() && (len(tickets) == 0 || m.neverSent() && !openTicket(tickets)):
		m.state = order.Queued
	}
	m.giveBack()
	m.crashes = 0 // they count in a row
}

func openTicket(tickets []order.TicketState) bool {
	return slices.Contains(tickets, order.TicketSending) || slices.Contains(tickets, order.TicketDoubt)
}

func (m *claimModel) end(s order.State) {
	m.state = s
	m.finals = append(m.finals, s)
	if s != order.Review {
		m.doubt, m.rejected = time.Time{}, false
	}
	m.giveBack()
}

func (m *claimModel) reopen(now time.Time, free bool) {
	m.state, m.crashes = order.Queued, 0
	if m.inDoubt() || !m.neverSent() {
		m.state = order.Submitting
		if !m.inDoubt() && free {
			m.doubt = now
		}
	}
}

// differs reports where a record is not what the model says.
func (m *claimModel) differs(b *bench, r *Record) string {
	runner := ""
	if m.holder >= 0 {
		runner = runnerName(m.holder)
	}
	phase := b.rdb.HGet(b.ctx, keys.Record(r.Ref), "phase").Val()
	got := fmt.Sprint(r.State, r.Runner, r.Until, phase == "send", r.DoubtAt, r.Attempts, r.Unsent, r.Abandoned)
	want := fmt.Sprint(m.state, runner, m.until, m.phase == "send", m.doubt, m.attempts, m.unsent, m.crashes)
	if got != want {
		return fmt.Sprintf("the record says %s, the model %s", got, want)
	}
	return ""
}

func runnerName(i int) string { return string(rune('A' + i)) }
