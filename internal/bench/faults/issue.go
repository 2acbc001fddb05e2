package faults

import (
	"fmt"
	"time"

	"issuance/providers"
	"issuance/tasks/order"
)

// What a time is measured from.
const (
	fromEnqueued = "enqueued"
	fromVisible  = "it can be seen"
	fromOver     = "the fault is over"
	fromBack     = "a worker is back"
)

// What safety needs.
const (
	lag     = 30 * time.Second // that a provider may be behind itself, until it was seen to be longer
	soon    = 30 * time.Second // the target for what has become visible
	seconds = 10 * time.Second // the target for what can be asked for
)

var both = []providers.Name{providers.ECTicket, providers.Pass2U}

// lostAnswers are requests to issue that took effect, and were answered by nothing or by a rejection.
func lostAnswers() (list []fault) {
	for _, p := range both {
		list = append(list, fault{name: "none", provider: p, from: fromEnqueued, most: seconds, least: trip, why: "one call",
			run: func(s *site) { s.expect(time.Now(), "issued", s.enqueue("A", 2)) }})
	}
	for _, p := range both {
		list = append(list, fault{name: "the answer is lost", provider: p, from: fromEnqueued, most: seconds,
			least: 2 * trip, why: "a call, a look",
			run: func(s *site) {
				s.house.misbehave(toIssue, "A", 1, losesAnswer)
				s.expect(time.Now(), "issued", s.enqueue("A", 2))
			}})
		for _, hidden := range []time.Duration{15 * time.Second, 20 * time.Second} {
			list = append(list, fault{name: fmt.Sprintf("the answer is lost, the order invisible for %.0f s", hidden.Seconds()), provider: p, from: fromVisible, most: soon,
				least: trip, why: "a look",
				run: func(s *site) {
					s.house.hide(hidden, 0, 0, 0)
					s.house.misbehave(toIssue, "A", 1, losesAnswer)
					s.expect(time.Now().Add(hidden), "issued", s.enqueue("A", 2))
				}})
		}
		list = append(list, fault{name: "the answer is lost, the provider's clock jumps within 10 min with every answer", provider: p, from: fromEnqueued, most: soon,
			least: 2 * trip, why: "a call, a look", world: jumping,
			run: func(s *site) {
				s.house.misbehave(toIssue, "A", 1, losesAnswer)
				s.expect(time.Now(), "issued", s.enqueue("A", 2))
			}})
		list = append(list, fault{name: "rejected although it took effect, look-ups lag 2 s", provider: p, from: fromVisible, most: seconds,
			least: trip, why: "a look",
			run: func(s *site) {
				s.house.hide(2*time.Second, 0, 0, 0)
				s.house.misbehave(toIssue, "A", 1, rejects)
				s.expect(time.Now().Add(2*time.Second), "issued", s.enqueue("A", 2))
			}})
	}
	return list
}

// others are other things that happen to an order.
func others() (list []fault) {
	for _, p := range both {
		list = append(list, fault{name: `the answer is lost, look-ups answer "busy" for 5 min`, provider: p, from: fromOver, most: soon,
			least: trip, why: "a look",
			run: func(s *site) {
				s.house.misbehave(toIssue, "A", 1, losesAnswer)
				s.house.misbehave(toLook, "", 0, busy)
				r := s.enqueue("A", 2)
				s.wait(5 * time.Minute)
				s.house.behave()
				s.expect(time.Now(), "issued", r)
			}}, fault{name: "the number is an older order's, the answer is lost", provider: p, from: fromEnqueued, most: seconds,
			least: 2 * trip, why: "a call, a look",
			run: func(s *site) {
				s.house.stranger("A")
				s.house.misbehave(toIssue, "A", 1, losesAnswer)
				r := s.enqueue("A", 2)
				s.expect(time.Now(), "review (number_taken)", r)
				if rec := s.ended(r); rec.Result != "" || rec.ProviderRef != "" {
					s.failf("something of the other order is stored")
				}
			}})
	}
	list = append(list, fault{name: "the provider says that it could not issue the order", provider: providers.ECTicket, from: fromEnqueued, most: lag + seconds,
		least: lag, why: "two looks, as far apart as it may be behind",
		run: func(s *site) {
			s.house.cannotIssue("A")
			s.expect(time.Now(), "failed (status_2)", s.enqueue("A", 2))
		}})
	return append(list, fault{name: "one order draws HTTP 403, others pass", provider: providers.ECTicket, from: fromEnqueued, most: 65 * time.Minute, long: true,
		least: time.Hour, why: "two bans of 30 min",
		run: func(s *site) {
			s.house.forbid("A")
			began := time.Now()
			r := s.enqueue("A", 1)
			var others []order.Ref
			add := func(name string) {
				for i := range 10 {
					others = append(others, s.enqueue(fmt.Sprintf("%s%d", name, i), 1))
				}
			}
			add("B")
			s.wait(40 * time.Minute)
			add("C")
			s.ended(r)
			add("D")
			s.expect(began, "issued", others...)
			s.took = 0
			s.expect(began, "review (draws_ban)", r)
		}})
}
