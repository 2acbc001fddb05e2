package refunding_test

import (
	"context"
	"errors"
	"net"
	"sync"
	"testing"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"issuance/internal/fakeprovider"
	"issuance/internal/handlertest"
	"issuance/internal/ledger"
	"issuance/internal/refunding"
	"issuance/providers"
	"issuance/tasks/order"
)

// fault is what becomes of a transition of the ledger.
type fault string

const (
	notWritten fault = "the ledger does not get it"
	answerLost fault = "it is written and its answer is lost"
	refused    fault = "it is refused"
)

var errFault = errors.New("the connection broke")

// faults is a hook of a Redis client that has the next script suffer a fault.
type faults struct {
	mu   sync.Mutex
	next fault
}

func (f *faults) arm(what fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.next = what
}

// take returns the fault that is due, once.
func (f *faults) take() fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	next := f.next
	f.next = ""
	return next
}

// DialHook implements redis.Hook.
func (f *faults) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) { return next(ctx, network, addr) }
}

// ProcessPipelineHook implements redis.Hook.
func (f *faults) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

// ProcessHook implements redis.Hook.
func (f *faults) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if cmd.Name() != "evalsha" && cmd.Name() != "eval" {
			return next(ctx, cmd)
		}
		due := f.take()
		if due == notWritten {
			cmd.SetErr(errFault)
			return errFault
		}
		err := next(ctx, cmd)
		switch {
		case due == "":
			return err
		case redis.HasErrorPrefix(err, "NOSCRIPT"):
			f.arm(due) // it is sent again, whole
			return err
		case due == refused:
			cmd.(*redis.Cmd).SetVal([]any{"verdict", "refused", "state", "queued"})
			return nil
		}
		cmd.SetErr(errFault)
		return errFault
	}
}

// faulty is a worker whose ledger suffers the faults, and whose budget runs atGate before each sending.
func (w *world) faulty(f *faults, atGate func()) refunding.Config {
	rdb := w.Redis.Client()
	rdb.AddHook(f)
	c := w.config("faulty")
	c.Ledger = ledger.New(rdb, ledger.Options{Now: w.Clock.Now})
	c.Gate = providers.Prepayable(gateFunc(func(context.Context) { atGate() }))
	return c
}

// strategies are the two ways to refund, each as a refund of two tickets in one call.
var strategies = []struct {
	name string
	new  func(b *handlertest.Bench) (*world, *asynq.Task)
	// planned scripts what is asked before the plan is written; confirmed scripts a refund that is done.
	planned   func(w *world, during ...fakeprovider.During)
	confirmed func(w *world, during ...fakeprovider.During)
	sends     string // the call that refunds
	asks      string // the call before the plan
	replans   bool   // a plan that was not sent is made anew
	proves    func(w *world)
	proof     string
}{
	{
		name: "ticket by ticket",
		new: func(b *handlertest.Bench) (*world, *asynq.Task) {
			w := ecticket(b)
			return w, w.refundOf("R1", named(1))
		},
		planned: func(w *world, during ...fakeprovider.During) {
			w.provider.AnswerTickets(list(unused...), fakeprovider.Yes, during...)
		},
		confirmed: func(w *world, during ...fakeprovider.During) {
			w.provider.AnswerRefundTicket(fakeprovider.Yes, during...)
		},
		sends: sequence("refund_ticket T1"), asks: "tickets",
		proves: func(w *world) { w.provider.AnswerStatus(w.status(providers.Refunded, merchant), fakeprovider.Yes) },
		proof:  sequence("ticket_status T1"),
	},
	{
		name: "by number",
		new: func(b *handlertest.Bench) (*world, *asynq.Task) {
			w := pass2u(b, "voucher")
			return w, w.countOf("R1", `"quantity":1`)
		},
		planned: func(w *world, during ...fakeprovider.During) {
			w.provider.AnswerBaseline(shows(4, 0), fakeprovider.Yes, during...)
		},
		confirmed: func(w *world, during ...fakeprovider.During) {
			w.provider.AnswerRefundCount(fakeprovider.Yes, during...)
		},
		sends: "refund_count 1", asks: "baseline", replans: true,
		proves: func(w *world) { w.provider.AnswerBaseline(shows(4, 1), fakeprovider.Yes) },
		proof:  "baseline",
	},
}

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
		w.tickets("refunded")
		w.ends(task, "", 0)
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
		w.provider.AnswerRefundTicket(fakeprovider.Yes)
		w.Done(w.run(task))
		w.state(order.Refunded, "", 2)
		w.calls(sequence("refund_ticket T2"))
	})
}

// A rejection after a doubt is remembered before the look-up that has to confirm it. Where that fails, the
// request is in doubt like the one before.
func TestARejectionThatIsNotRememberedIsADoubt(t *testing.T) {
	w, task := countInDoubt(handlertest.Mini(t), "voucher", `"quantity":2`, shows(4, 0))
	w.Clock.Advance(settleAfter)
	w.provider.AnswerBaseline(shows(4, 0), fakeprovider.Yes)
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
