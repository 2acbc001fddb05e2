package refunding_test

import (
	"context"
	"errors"
	"testing"

	"github.com/hibiken/asynq"

	"issuance/internal/fakeprovider"
	"issuance/internal/handlertest"
	"issuance/providers"
	"issuance/tasks/order"
)

// ends has the refund go on to its end, and expects one request for all of it, which is the first, or with
// unsent of an intent without one the second.
func (w *world) ends(task *asynq.Task, calls string, unsent int) {
	w.T.Helper()
	w.provider.Forget()
	w.Done(w.run(task))
	w.calls(calls)
	if rec := w.state(order.Refunded, "", 1); rec.Attempts-rec.Unsent != 1 || rec.Unsent != unsent {
		w.T.Errorf("%d intents, %d of them unsent", rec.Attempts, rec.Unsent)
	}
	w.quiet(task)
}

func TestAnIntentThatIsNotWrittenOrWhoseAnswerIsLostSendsNothingAndLosesNothing(t *testing.T) {
	for _, s := range strategies {
		for what, unsent := range map[fault]int{notWritten: 0, answerLost: 1} {
			t.Run(s.name+"/"+string(what), func(t *testing.T) {
				handlertest.Each(t, func(b *handlertest.Bench) {
					w, task := s.new(b)
					s.planned(w)
					var f faults
					if err := w.runWith(w.faulty(&f, func() { f.arm(what) }), task); !errors.Is(err, errFault) {
						w.T.Fatalf("the run ended with %v", err)
					}
					w.calls(s.asks)
					if rec := w.Record(w.ref("R1")); rec.State.Final() || rec.Runner != "" || !rec.DoubtAt.IsZero() || rec.Attempts != unsent || rec.Unsent != unsent {
						w.T.Errorf("%s, held by %q, in doubt since %s, %d of %d intents unsent", rec.State, rec.Runner, rec.DoubtAt, rec.Unsent, rec.Attempts)
					}
					calls := s.sends
					if s.replans {
						s.planned(w)
						calls = s.asks + ", " + s.sends
					}
					s.confirmed(w)
					w.ends(task, calls, unsent)
				})
			})
		}
	}
}

func TestARefusedIntentSendsNothing(t *testing.T) {
	for _, s := range strategies {
		t.Run(s.name+"/another worker has taken over", func(t *testing.T) {
			handlertest.Each(t, func(b *handlertest.Bench) {
				w, task := s.new(b)
				s.planned(w)
				if s.replans {
					s.planned(w)
				}
				s.confirmed(w)
				taken := w.faulty(&faults{}, func() {
					w.Clock.Advance(lease)
					w.Done(w.Run(w.worker("second"), task))
				})
				w.Waits(w.runWith(taken, task))
				w.state(order.Refunded, "", 1)
				calls := s.asks + ", " + s.sends
				if s.replans {
					calls = s.asks + ", " + calls
				}
				w.calls(calls)
				w.quiet(task)
			})
		})
		t.Run(s.name+"/it is cancelled", func(t *testing.T) {
			w, task := s.new(handlertest.Mini(t))
			s.planned(w)
			w.Waits(w.runWith(w.faulty(&faults{}, func() { w.cancel("R1") }), task))
			w.calls(s.asks)
			w.state(order.Cancelled, "", 0)
			w.free()
			w.quiet(task)
		})
	}
}

func (w *world) cancel(id string) {
	w.T.Helper()
	if a, err := w.Ledger.Cancel(context.Background(), w.ref(id), "op", "not wanted any more"); err != nil || !a.Applied {
		w.T.Fatalf("cancel: %+v, %v", a, err)
	}
}

func TestAPlanThatIsNotWrittenOrWhoseAnswerIsLostSendsNothingAndLosesNothing(t *testing.T) {
	for _, s := range strategies {
		for _, what := range []fault{notWritten, answerLost} {
			t.Run(s.name+"/"+string(what), func(t *testing.T) {
				handlertest.Each(t, func(b *handlertest.Bench) {
					w, task := s.new(b)
					var f faults
					s.planned(w, func(context.Context) { f.arm(what) })
					if err := w.runWith(w.faulty(&f, func() {}), task); !errors.Is(err, errFault) {
						w.T.Fatalf("the run ended with %v", err)
					}
					w.calls(s.asks)
					w.state(order.Queued, "", 0)
					calls := s.sends
					if s.replans || what == notWritten {
						s.planned(w)
						calls = s.asks + ", " + s.sends
					}
					s.confirmed(w)
					w.ends(task, calls, 0)
				})
			})
		}
	}
}

func TestARefusedPlanSendsNothing(t *testing.T) {
	for _, s := range strategies {
		t.Run(s.name+"/it is written, and refused when the client repeats it", func(t *testing.T) {
			w, task := s.new(handlertest.Mini(t))
			var f faults
			s.planned(w, func(context.Context) { f.arm(refused) })
			w.Waits(w.runWith(w.faulty(&f, func() {}), task))
			w.calls(s.asks)
			w.Clock.Advance(lease)
			calls := s.sends
			if s.replans {
				s.planned(w)
				calls = s.asks + ", " + s.sends
			}
			s.confirmed(w)
			w.ends(task, calls, 0)
		})
		t.Run(s.name+"/another worker has taken over", func(t *testing.T) {
			w, task := s.new(handlertest.Mini(t))
			s.planned(w, func(context.Context) {
				w.Clock.Advance(lease)
				w.Done(w.Run(w.worker("second"), task))
			})
			s.planned(w)
			s.confirmed(w)
			w.Waits(w.run(task))
			w.calls(s.asks + ", " + s.asks + ", " + s.sends)
			w.state(order.Refunded, "", 1)
			w.quiet(task)
		})
		t.Run(s.name+"/it is cancelled", func(t *testing.T) {
			w, task := s.new(handlertest.Mini(t))
			s.planned(w, func(context.Context) { w.cancel("R1") })
			w.Waits(w.run(task))
			w.calls(s.asks)
			w.state(order.Cancelled, "", 0)
			w.free()
		})
	}
}

// Whether it was written or not, the answer of a request is not lost for good.
func TestAnAnswerWhoseRecordingFailsIsAskedFor(t *testing.T) {
	for _, s := range strategies {
		t.Run(s.name+"/"+string(notWritten), func(t *testing.T) {
			handlertest.Each(t, func(b *handlertest.Bench) {
				w, task := s.new(b)
				s.planned(w)
				var f faults
				s.confirmed(w, func(context.Context) { f.arm(notWritten) })
				if err := w.runWith(w.faulty(&f, func() {}), task); !errors.Is(err, errFault) {
					w.T.Fatalf("the run ended with %v", err)
				}
				w.state(order.Submitting, "", 0)
				s.proves(w)
				w.ends(task, s.proof, 0)
			})
		})
	}
	t.Run("ticket by ticket/"+string(answerLost), func(t *testing.T) {
		w := ecticket(handlertest.Mini(t))
		task := w.refundOf("R1", named(1))
		w.provider.AnswerTickets(list(unused...), fakeprovider.Yes)
		var f faults
		w.provider.AnswerRefundTicket(fakeprovider.Yes, func(context.Context) { f.arm(answerLost) })
		if err := w.runWith(w.faulty(&f, func() {}), task); !errors.Is(err, errFault) {
			t.Fatalf("the run ended with %v", err)
		}
		w.tickets("doubt:unconfirmed")
		w.provider.AnswerStatus(w.status(providers.Refunded, merchant), fakeprovider.Yes)
		w.ends(task, sequence("ticket_status T1"), 0)
	})
	t.Run("ticket by ticket/"+string(refused), func(t *testing.T) {
		w := ecticket(handlertest.Mini(t))
		task := w.refundOf("R1", named(1, 2))
		w.provider.AnswerTickets(list(unused...), fakeprovider.Yes)
		var f faults
		w.provider.AnswerRefundTicket(fakeprovider.Yes, func(context.Context) { f.arm(refused) })
		w.Waits(w.runWith(w.faulty(&f, func() {}), task))
		w.calls(sequence("tickets, refund_ticket T1")) // the second ticket is another run's
		w.Clock.Advance(lease)
		w.provider.AnswerStatus(w.status(providers.Refunded, merchant), fakeprovider.Yes)
		w.provider.AnswerRefundTicket(fakeprovider.Yes)
		w.Done(w.run(task))
		w.state(order.Refunded, "", 2)
		w.calls(sequence("ticket_status T1, refund_ticket T2, tickets"))
	})
}

// A rejection after a doubt is remembered before the look-up that has to confirm it. Where that fails, the
// request is in doubt like the one before.
func TestARejectionThatIsNotRememberedIsADoubt(t *testing.T) {
	w, task := countInDoubt(handlertest.Mini(t), "voucher", `"quantity":2`, shows(4, 0))
	w.settles(task, shows(4, 0))
	var f faults
	w.provider.AnswerRefundCount(exhausted, func(context.Context) { f.arm(notWritten) })
	if err := w.runWith(w.faulty(&f, func() {}), task); !errors.Is(err, errFault) {
		t.Fatalf("the run ended with %v", err)
	}
	w.provider.AnswerBaseline(shows(4, 0), fakeprovider.Yes)
	w.Waits(w.run(task))
	w.state(order.Submitting, "in_doubt", 0)
	w.calls("baseline, refund_count 2, baseline")
}

func TestALateRejectionAfterADoubtIsNotApplied(t *testing.T) {
	w, task := countInDoubt(handlertest.Mini(t), "voucher", `"quantity":2`, shows(4, 0))
	w.settles(task, shows(4, 0))
	w.provider.AnswerRefundCount(exhausted, func(context.Context) {
		w.Clock.Advance(lease)
		w.Waits(w.Run(w.worker("second"), task))
	})
	w.provider.AnswerBaseline(shows(4, 0), fakeprovider.Yes)
	w.Waits(w.run(task))
	w.state(order.Submitting, "in_doubt", 0)
	w.calls("baseline, refund_count 2, baseline")
}
