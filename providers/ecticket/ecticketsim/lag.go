package ecticketsim

import "time"

// Lag is how far the questions stay behind what has happened. The zero value is none.
type Lag struct {
	// IssueResult, OrderInfo and TicketStatus let QueryIssueResult, QueryOrderInfo and
	// QueryTicketStatus answer as of so long ago: an order is not known yet, then in process, and a
	// refunded ticket is shown as unused.
	IssueResult, OrderInfo, TicketStatus time.Duration
	// List lets QueryOrderInfo show an issued order at once, with ListShows of its tickets for so long
	// after it was issued. TotalCount counts what is listed, so that the answer looks complete.
	List      time.Duration
	ListShows int
}

// SetLag makes the questions about every order lag, but for those of SetLagOf.
func (s *Sim) SetLag(l Lag) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lag = l
}

// SetLagOf makes the questions about one order lag.
func (s *Sim) SetLagOf(id string, l Lag) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lagOf[id] = l
}

// lagging is the order's lag; s.mu is held.
func (s *Sim) lagging(o *order) Lag {
	if l, ok := s.lagOf[o.key.id]; ok {
		return l
	}
	return s.lag
}

// after reports whether something of the time at is still unknown to a question that lags by lag.
func after(at, now time.Time, lag time.Duration) bool { return lag > 0 && at.After(now.Add(-lag)) }

// statusAt is the order's Status as a question sees it that lags by lag; 0 while it is unknown.
func (o *order) statusAt(now time.Time, lag time.Duration) int {
	switch {
	case after(o.receivedAt, now, lag):
		return 0
	case o.status == Issued && after(o.issuedAt, now, lag):
		return Processing
	}
	return o.status
}

// useAt is the ticket's UseStatus as a question sees it that lags by lag.
func (t *ticket) useAt(now time.Time, lag time.Duration) int {
	if t.refunded != nil && after(t.refunded.at, now, lag) {
		seen := *t
		seen.refunded = nil
		return seen.use(now)
	}
	return t.use(now)
}

// refundedAt is the time of the refund that such a question shows.
func (t *ticket) refundedAt(now time.Time, lag time.Duration) string {
	if t.refunded != nil && after(t.refunded.at, now, lag) {
		return ""
	}
	return minute(t.refunded)
}

// SetClockOff sets the simulator's clock so far ahead of Config.Now: the timestamps and dates of its
// answers, and the window for requests.
func (s *Sim) SetClockOff(ahead time.Duration) { s.ahead.Store(int64(ahead)) }

// SetClocks has every call answered by a machine whose clock is so far ahead of the simulator's: the Timestamp and
// the dates of what it does, but not the window for requests. off is called once a call, with the simulator locked, and
// also for the job, as the operation OpJob; nil is one clock for all.
func (s *Sim) SetClocks(off func(Call) time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clocks = off
}

// OpJob is the scheduled job; see SetClocks.
const OpJob = "job"

// clockOf is how far the clock of the machine that answers a call is ahead of the simulator's; s.mu is held.
func (s *Sim) clockOf(c Call) time.Duration {
	if s.clocks == nil {
		return 0
	}
	return s.clocks(c)
}
