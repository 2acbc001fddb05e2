package faults

import (
	"fmt"
	"math/rand/v2"
	"time"

	"issuance/internal/handler"
	"issuance/internal/keys"
	"issuance/providers"
	"issuance/tasks/order"
)

// refunds are faults of refunds.
func refunds() []fault {
	list := []fault{
		{name: "refund: the request is lost, the ticket unused", provider: providers.ECTicket, from: fromEnqueued, most: time.Minute,
			least: 30 * time.Second, why: "a refund may show 30 s late", run: one(losesRequest, 0)},
		{name: "refund: the answer is lost", provider: providers.ECTicket, from: fromEnqueued, most: seconds,
			least: 3 * trip, why: "a look, a call, a look", run: one(losesAnswer, 0)},
		{name: "refund: the answer is lost", provider: providers.Pass2U, from: fromEnqueued, most: seconds,
			least: 3 * trip, why: "a look, a call, a look", run: one(losesAnswer, 0)},
		{name: "refund by quantity: the request is lost", provider: providers.Pass2U, from: fromEnqueued, most: 16 * time.Minute,
			least: 15*time.Minute + 30*time.Second, why: "it can arrive for 15 min, and two looks", run: one(losesRequest, 0)},
		{name: "refund: rejected although it took effect", provider: providers.ECTicket, from: fromEnqueued, most: seconds,
			least: 3 * trip, why: "a look, a call, a look", run: one(rejects, 0)},
		{name: "refund: rejected although it took effect", provider: providers.Pass2U, from: fromEnqueued, most: seconds,
			least: 3 * trip, why: "a look, a call, a look", run: one(rejects, 0)},
		{name: "refund: rejected although it took effect, look-ups lag 8 s", provider: providers.ECTicket, from: fromVisible, most: soon,
			least: trip, why: "a look", run: one(rejects, 8*time.Second)},
		{name: "refund: rejected although it took effect, look-ups lag 8 s", provider: providers.Pass2U, from: fromVisible, most: soon,
			least: trip, why: "a look", run: one(rejects, 8*time.Second)},
		{name: "second refund: answered by the first one's confirmation", provider: providers.ECTicket, from: fromEnqueued, most: handler.LongestLag + soon,
			least: handler.LongestLag, why: "a confirmed refund may show 10 min late", run: replayed},
		{name: "second refund: answered by the first one's confirmation", provider: providers.Pass2U, from: fromEnqueued, most: 16 * time.Minute,
			least: 15*time.Minute + 30*time.Second, why: "it can arrive for 15 min, and two looks", run: replayed},
	}
	list = append(list, fault{name: "second refund, while the first one's ticket is in doubt", provider: providers.ECTicket, from: fromEnqueued, most: seconds,
		least: 4 * trip, why: "two lists, a call, a look", run: beside})
	for shown := range 2 {
		list = append(list, fault{name: fmt.Sprintf("refund at once: the list shows %d of 2 tickets for 20 s", shown), provider: providers.ECTicket,
			from: fromOver, most: soon, least: 4 * trip, why: "a list, two calls, a list", run: func(s *site) {
				s.house.hide(0, time.Hour, shown, 0)
				s.issue("A", 2)
				s.took = 0
				r := s.refund("A", "R1", 0)
				s.wait(20 * time.Second)
				s.house.hide(0, 0, 0, 0)
				s.expect(time.Now(), "refunded", r)
				s.refunded("A", 2)
			}})
	}
	for _, behind := range []time.Duration{12 * time.Second, 24 * time.Second} {
		list = append(list, fault{name: fmt.Sprintf("refund at once: the list is %.0f s behind all the time", behind.Seconds()), provider: providers.ECTicket,
			from: fromVisible, most: seconds, least: 4 * trip, why: "a list, two calls, two looks", run: func(s *site) {
				s.house.hide(0, behind, 0, 0)
				issued := s.issue("A", 2)
				s.took = 0
				s.expect(issued.Add(behind), "refunded", s.refund("A", "R1", 0))
				s.refunded("A", 2)
			}})
	}
	list = append(list, fault{name: "refund at once: queries lag 8 s behind generate", provider: providers.Pass2U, from: fromVisible, most: soon,
		least: 3 * trip, why: "a look, a call, a look", run: func(s *site) {
			s.house.hide(8*time.Second, 0, 0, 0)
			issued := s.issue("A", 2)
			s.took = 0
			s.expect(issued.Add(8*time.Second), "refunded", s.refund("A", "R1", 1))
			s.refunded("A", 1)
		}})
	for _, off := range []time.Duration{-3 * time.Minute, 5 * time.Minute} {
		list = append(list, fault{name: fmt.Sprintf("refund: the provider's clock is %.0f min off, the answer is lost", off.Minutes()), provider: providers.ECTicket, from: fromEnqueued, most: seconds,
			least: 3 * trip, why: "a look, a call, a look", world: func(h house) { h.clockOff(off) }, run: one(losesAnswer, 0)})
	}
	list = append(list, fault{name: "refund: the provider's clock jumps within 10 min with every answer, the answer is lost", provider: providers.ECTicket, from: fromEnqueued, most: soon,
		least: 3 * trip, why: "a look, a call, a look", world: jumping, run: one(losesAnswer, 0)},
		fault{name: "refund: a machine that is 4 min behind does it and answers every second look, the answer is lost", provider: providers.ECTicket, from: fromEnqueued, most: soon,
			least: 4 * trip, why: "a look, a call, two looks", world: twoMachines, run: one(losesAnswer, 0)})
	for _, p := range both {
		list = append(list, fault{name: "refund: the order's record is past its retention", provider: p, from: fromEnqueued, most: seconds,
			least: 3 * trip, why: "a look, a call, a look", run: forgotten})
	}
	return list
}

// one is a refund of one of two tickets whose first request misbehaves, while look-ups of refunds lag.
func one(how how, hidden time.Duration) func(s *site) {
	return func(s *site) {
		s.issue("A", 2)
		s.took = 0
		s.house.hide(0, 0, 0, hidden)
		s.house.misbehave(toRefund, "A", 1, how)
		s.expect(time.Now().Add(hidden), "refunded", s.refund("A", "R1", 1))
		s.refunded("A", 1)
	}
}

// replayed is a second refund that is answered by the confirmation of the first one, without an effect.
func replayed(s *site) {
	s.issue("A", 2)
	s.expect(time.Now(), "refunded", s.refund("A", "R1", 1))
	s.took = 0
	s.house.misbehave(toRefund, "A", 2, replays)
	s.expect(time.Now(), "refunded", s.refund("A", "R2", 1))
	s.refunded("A", 2)
}

// beside is a refund beside another one of the order, whose ticket is in doubt.
func beside(s *site) {
	s.issue("A", 2)
	s.took = 0
	s.house.misbehave(toRefund, "A", 1, replays)
	first := s.refund("A", "R1", 1)
	s.wait(3 * time.Second)
	s.expect(time.Now(), "refunded", s.refund("A", "R2", 1))
	if rec, err := s.ledger.Load(s.ctx, first); err != nil || rec.State.Final() {
		s.failf("the first refund was not in doubt: %v", err)
	}
	took := s.took
	s.expect(time.Now(), "refunded", first)
	s.took = took
	s.refunded("A", 2)
}

// jumping has the provider's clock jump with every answer. It is ahead, for virtual time begins with the year 2000, and
// earlier times are none.
func jumping(h house) {
	r := rand.New(rand.NewPCG(1, 0))
	h.clocks(func(call) time.Duration { return time.Duration(r.IntN(601)) * time.Second })
}

// twoMachines has a machine refund that is 4 min behind the one that answered before, and answer every second call from
// then on.
func twoMachines(h house) {
	n := 0
	h.clocks(func(c call) time.Duration {
		if c == toRefund || n > 0 {
			n++
		}
		if n%2 == 1 {
			return 0
		}
		return 4 * time.Minute
	})
}

// forgotten is a refund whose order the ledger has forgotten.
func forgotten(s *site) {
	s.issue("A", 2)
	s.took = 0
	r := order.Ref{Account: s.house.account(), OrderID: "A"}
	must(s.rdb.Del(s.ctx, keys.Record(r), keys.Details(r)).Err())
	s.expect(time.Now(), "refunded", s.refund("A", "R1", 1))
	s.refunded("A", 1)
}
