package refunding_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"issuance/internal/fakeprovider"
	"issuance/internal/handlertest"
	"issuance/providers"
	"issuance/providers/ecticket/ecticketsim"
	"issuance/providers/skew"
	"issuance/tasks/order"
)

// lost is a refund of ticket 1 whose request got no answer, at a provider of whose clock so much is known.
func lost(t *testing.T, m providers.Skew) (w *world, again func(refunded time.Duration) error) {
	t.Helper()
	w = ecticket(handlertest.Mini(t))
	w.provider.MeasureSkew(m)
	task := w.refundOf("R1", named(1))
	w.provider.AnswerTickets(list(unused...), fakeprovider.Yes)
	w.provider.AnswerRefundTicket(fakeprovider.Lost)
	w.Waits(w.run(task))
	return w, func(refunded time.Duration) error {
		s := w.status(providers.Refunded, merchant)
		s.RefundedAt = handlertest.Start.Add(refunded).In(providers.Taiwan).Format("20060102 15:04")
		w.provider.AnswerStatus(s, fakeprovider.Yes)
		return w.run(task)
	}
}

// Answers that are minutes apart measure a clock to minutes, and what was unused when it was planned is refunded since.
func TestARefundIsOursWithinWhatTheProvidersClocksAreApart(t *testing.T) {
	w, again := lost(t, providers.Skew{Spread: 5 * time.Minute, Answers: 2})
	w.Done(again(-5 * time.Minute))
	w.state(order.Refunded, "", 1)
}

// A refund that seems to be older than its request is looked at until the clock is known as well as it can be.
func TestARefundThatSeemsTooOldIsLookedAtUntilTheClockIsKnown(t *testing.T) {
	w, again := lost(t, providers.Skew{Answers: 2})
	w.Clock.Advance(w.Waits(again(-4 * time.Minute)))
	w.state(order.Submitting, "in_doubt", 0)
	w.provider.MeasureSkew(providers.Skew{Spread: 4 * time.Minute, Answers: 3})
	w.Done(again(-4 * time.Minute))
	w.state(order.Refunded, "", 1)

	w, again = lost(t, providers.Skew{Answers: skew.Enough - 1})
	for range 9 {
		after := w.Waits(again(-4 * time.Minute))
		if after > 30*time.Second {
			t.Errorf("it is looked at again after %s", after)
		}
		w.Clock.Advance(after)
	}
	w.provider.MeasureSkew(providers.Skew{Answers: skew.Enough})
	w.Done(again(-4 * time.Minute))
	w.state(order.Review, "in_doubt", 0)
}

// clocks are ways in which a provider's machines disagree about the time, by a seed.
var clocks = map[string]func(seed uint64) func(ecticketsim.Call) time.Duration{
	"it jumps within 5 minutes with every answer": func(seed uint64) func(ecticketsim.Call) time.Duration {
		r := rand.New(rand.NewPCG(seed, 1))
		return func(ecticketsim.Call) time.Duration { return time.Duration(r.IntN(601)-300) * time.Second }
	},
	"two machines, at random": func(seed uint64) func(ecticketsim.Call) time.Duration {
		r := rand.New(rand.NewPCG(seed, 2))
		return func(ecticketsim.Call) time.Duration { return time.Duration(r.IntN(2)) * -5 * time.Minute }
	},
	"the machine that refunds is another one than those that answer at first": func(seed uint64) func(ecticketsim.Call) time.Duration {
		r := rand.New(rand.NewPCG(seed, 3))
		refunded := false
		return func(c ecticketsim.Call) time.Duration {
			refunded = refunded || c.Op == ecticketsim.OpRefund
			if c.Op == ecticketsim.OpRefund || refunded && r.IntN(2) == 0 {
				return -4 * time.Minute
			}
			return 0
		}
	},
}

// The answer to a refund is lost, or is a rejection though it took effect, and the provider's clocks are minutes apart:
// no refund is taken for somebody else's.
func TestNoClockOfTheProviderMakesARefundSomebodyElses(t *testing.T) {
	for name, clock := range clocks {
		for _, kind := range []ecticketsim.FaultKind{ecticketsim.LoseAnswer, ecticketsim.RejectAfter} {
			t.Run(fmt.Sprintf("%s, %d", name, kind), func(t *testing.T) {
				for seed := range uint64(12) {
					s, sim := atECTicket(t)
					sim.SetClocks(clock(seed))
					sim.SetFault(func(c ecticketsim.Call) ecticketsim.Fault {
						if c.Op == ecticketsim.OpRefund {
							return ecticketsim.Fault{Kind: kind}
						}
						return ecticketsim.Fault{}
					})
					s.issue(paperOrder, false)
					task := s.EnqueueRefund(`{"provider":"ecticket","refund_id":"R1","request":{"MerchantTradeNo":"ORDER1","quantity":2}}`)
					s.ends("R1", task, order.Refunded, 2)
					if done := refundedAt(sim); done != 2 {
						t.Errorf("seed %d: %d tickets are refunded", seed, done)
					}
				}
			})
		}
	}
}

// A machine that nobody sees but for what it refunds: it is left to a person, never taken for somebody else's doing.
func TestARefundByAMachineThatIsNeverSeenNeedsReview(t *testing.T) {
	s, sim := atECTicket(t)
	sim.SetClocks(func(c ecticketsim.Call) time.Duration {
		if c.Op == ecticketsim.OpRefund {
			return -5 * time.Minute
		}
		return 0
	})
	sim.SetFault(func(c ecticketsim.Call) ecticketsim.Fault {
		if c.Op == ecticketsim.OpRefund {
			return ecticketsim.Fault{Kind: ecticketsim.LoseAnswer}
		}
		return ecticketsim.Fault{}
	})
	s.issue(paperOrder, false)
	task := s.EnqueueRefund(`{"provider":"ecticket","refund_id":"R1","request":{"MerchantTradeNo":"ORDER1","quantity":1}}`)
	s.ends("R1", task, order.Review, 0)
}
