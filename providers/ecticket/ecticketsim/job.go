package ecticketsim

import "time"

// RunJob runs the scheduled job once, now: it issues what Issue has received since, but for
// orders that are to fail (FailOrder) or to stay in process (StickOrder).
func (s *Sim) RunJob() {
	s.mu.Lock()
	defer s.mu.Unlock()
	now, off := s.now(), s.clockOf(Call{Op: OpJob})
	var waiting []*order
	for _, o := range s.pending {
		if s.settle(o, now, off); o.status == Processing {
			waiting = append(waiting, o)
		}
	}
	s.pending = waiting
}

// settle issues an order, or fails it, or leaves it in process.
func (s *Sim) settle(o *order, now time.Time, off time.Duration) {
	if s.stuck[o.key.id] {
		return
	}
	if remark, fails := s.failing[o.key.id]; fails {
		o.status, o.remark = Failed, remark
		return
	}
	day := now.Format(dayFormat)
	o.status, o.issuedAt, o.issuedOff = Issued, now, off
	o.timesIssued++
	o.escrowExpire = now.AddDate(0, 0, s.cfg.EscrowDays).Format(dayFormat)
	o.tickets = make([]*ticket, 0, o.ticketCount())
	for i := range o.lines {
		l := &o.lines[i]
		if l.start == "" {
			l.start = day
		}
		for range l.count {
			t := &ticket{order: o, line: l}
			s.addTicket(t, day)
			o.tickets = append(o.tickets, t)
		}
	}
}

// FailOrder makes issuing of the order with this number fail, with this Remark. It may be said
// before the order arrives; an order that is issued already stays issued.
func (s *Sim) FailOrder(id, remark string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failing[id] = remark
}

// StickOrder keeps the order with this number in process, even a paper one, until Unstick.
func (s *Sim) StickOrder(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stuck[id] = true
}

// Unstick lets the next run of the job issue the order.
func (s *Sim) Unstick(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.stuck, id)
}
