package refunding_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/hibiken/asynq"

	"issuance/internal/fakeprovider"
	"issuance/internal/handler"
	"issuance/internal/handlertest"
	"issuance/internal/keys"
	"issuance/internal/queue"
	"issuance/internal/refunding"
	"issuance/providers"
	"issuance/tasks/order"
)

// waitsUntil expects a wait whose text, which is all that a queue keeps, names the moment it is over.
func (w *world) waitsUntil(err error, want time.Time) {
	w.T.Helper()
	w.Waits(err)
	if _, until, ok := queue.ParseWait(err.Error()); !ok || !until.Equal(want) {
		w.T.Errorf("%q: until %s, want %s", err, until, want)
	}
}

func TestAWaitNamesTheMomentAtWhichItIsOver(t *testing.T) {
	t.Run("a ticket in doubt", func(t *testing.T) {
		w, task := inDoubt(handlertest.Mini(t))
		w.provider.AnswerStatus(w.status(providers.Unused, ""), fakeprovider.Yes)
		w.waitsUntil(w.run(task), handlertest.Start.Add(30*time.Second))
	})
	t.Run("a number in doubt", func(t *testing.T) {
		w, task := countInDoubt(handlertest.Mini(t), "voucher", `"quantity":2`, shows(4, 0))
		w.provider.AnswerBaseline(shows(4, 0), fakeprovider.Yes)
		w.waitsUntil(w.run(task), handlertest.Start.Add(settleAfter))
	})
	t.Run("a number that is not shown", func(t *testing.T) {
		w, task := countInDoubt(handlertest.Mini(t), "order", `"quantity":2`, unshown)
		w.waitsUntil(w.run(task), handlertest.Start.Add(settleAfter))
	})
	t.Run("another refund in doubt", func(t *testing.T) {
		w := crashed(t)
		w.waitsUntil(w.run(w.countOf("R2", `"quantity":1`)), w.Record(w.ref("R1")).DoubtAt.Add(settleAfter))
	})
	t.Run("an order that nobody knows", func(t *testing.T) {
		w := newWorld(handlertest.Mini(t), handlertest.Pass2U)
		w.waitsUntil(w.run(w.countOf("R1", `"all":true`)), handlertest.Start.Add(10*time.Minute))
	})
}

func TestARequestThatNeverLeftIsNotCountedAsSent(t *testing.T) {
	for name, out := range map[string]providers.Outcome{"the connection was refused": fakeprovider.Unreached,
		"the credentials were refused": {Kind: providers.Held, Code: "credentials", RetryAfter: time.Second}} {
		t.Run("ticket by ticket/"+name, func(t *testing.T) {
			w := ecticket(handlertest.Mini(t))
			task := w.refundOf("R1", named(1))
			w.provider.AnswerTickets(list(unused...), fakeprovider.Yes)
			for n := range 3 {
				w.provider.AnswerRefundTicket(out)
				w.Waits(w.run(task))
				w.counted(n+1, n+1)
			}
			w.provider.AnswerRefundTicket(fakeprovider.Yes)
			w.Done(w.run(task))
			w.counted(4, 3)
		})
		t.Run("by number/"+name, func(t *testing.T) {
			w := pass2u(handlertest.Mini(t), "voucher")
			task := w.countOf("R1", `"quantity":1`)
			for n := range 3 {
				w.provider.AnswerBaseline(shows(4, 0), fakeprovider.Yes)
				w.provider.AnswerRefundCount(out)
				w.Waits(w.run(task))
				w.counted(n+1, n+1)
			}
			w.provider.AnswerBaseline(shows(4, 0), fakeprovider.Yes)
			w.provider.AnswerRefundCount(fakeprovider.Yes)
			w.Done(w.run(task))
			w.counted(4, 3)
		})
	}
}

func (w *world) counted(attempts, unsent int) {
	w.T.Helper()
	if rec := w.Record(w.ref("R1")); rec.Attempts != attempts || rec.Unsent != unsent {
		w.T.Errorf("%d intents, %d of them unsent; want %d and %d", rec.Attempts, rec.Unsent, attempts, unsent)
	}
}

// R1's only request never left before its workers died, so it is none that may still arrive.
func TestARequestThatNeverLeftHoldsUpNoOtherRefund(t *testing.T) {
	w := pass2u(handlertest.Mini(t), "voucher")
	task := w.countOf("R1", `"quantity":1`)
	w.provider.AnswerBaseline(shows(4, 0), fakeprovider.Yes)
	w.provider.AnswerRefundCount(fakeprovider.Unreached)
	w.Waits(w.run(task))
	w.crashes(task, func() { w.provider.AnswerBaseline(shows(4, 0), fakeprovider.Yes, handlertest.Dies) })
	w.state(order.Review, "crashes_worker", 0)
	w.provider.Forget()
	w.provider.AnswerBaseline(shows(4, 0), fakeprovider.Yes)
	w.provider.AnswerRefundCount(fakeprovider.Yes)
	w.Done(w.run(w.countOf("R2", `"quantity":1`)))
	w.stateOf("R2", order.Refunded, "", 1)
	w.calls("baseline, refund_count 1, baseline")
}

// crashes has seven workers die with a refund, and the next one give it up.
func (w *world) crashes(task *asynq.Task, script func()) {
	w.T.Helper()
	for range 7 {
		script()
		if err := w.run(task); !errors.Is(err, handlertest.ErrDied) {
			w.T.Fatal(err)
		}
		w.Clock.Advance(lease)
	}
	w.Done(w.run(task))
}

// What one host of a provider has done, another one knows nothing of.
func TestARefundInDoubtWaitsForAWorkerOfItsHost(t *testing.T) {
	t.Run("ticket by ticket", func(t *testing.T) {
		w, task := inDoubt(handlertest.Mini(t))
		w.waitsForItsHost(task)
		w.provider.AnswerStatus(w.status(providers.Refunded, merchant), fakeprovider.Yes)
		w.Done(w.run(task))
		w.state(order.Refunded, "", 2)
	})
	t.Run("by number", func(t *testing.T) {
		w, task := countInDoubt(handlertest.Mini(t), "voucher", `"quantity":2`, shows(4, 0))
		w.waitsForItsHost(task)
		w.provider.AnswerBaseline(shows(4, 2), fakeprovider.Yes)
		w.Done(w.run(task))
		w.state(order.Refunded, "", 2)
	})
}

// waitsForItsHost expects that a worker of another host leaves a refund alone, however long that takes.
func (w *world) waitsForItsHost(task *asynq.Task) {
	w.T.Helper()
	w.provider.SetHost("other.invalid")
	for range 2 {
		if after := w.Waits(w.run(task)); after != time.Minute {
			w.T.Errorf("waits %s", after)
		}
		w.Clock.Advance(48 * time.Hour)
	}
	w.state(order.Submitting, "other_host", 0)
	w.calls("")
	if !w.Said("alarm: an earlier request of this record went to another host") {
		w.T.Error("no alarm was raised")
	}
	w.provider.SetHost(fakeprovider.Host)
}

func TestARefundOfWhichNothingWasSentGoesOnAtAnotherHost(t *testing.T) {
	w := pass2u(handlertest.Mini(t), "voucher")
	w.orderAt("") // a person has resolved it
	task := w.countOf("R1", `"quantity":1`)
	w.provider.AnswerBaseline(shows(4, 0), fakeprovider.Yes)
	w.provider.AnswerRefundCount(fakeprovider.Unreached)
	w.Waits(w.run(task))
	w.provider.SetHost("other.invalid")
	w.provider.AnswerBaseline(shows(4, 1), fakeprovider.Yes)
	w.provider.AnswerRefundCount(fakeprovider.Yes)
	w.Done(w.run(task))
	if rec := w.state(order.Refunded, "", 1); rec.Host != "other.invalid" {
		t.Errorf("the intent was for %s", rec.Host)
	}
}

// bare is a config with what is required and nothing else.
func (w *world) bare() refunding.Config {
	c := w.config("w")
	return refunding.Config{Config: handler.Config{Provider: c.Provider, Ledger: c.Ledger, Ring: c.Ring, Worker: "w", Log: c.Log}}
}

func TestTheDefaultsHold(t *testing.T) {
	t.Run("ticket by ticket", func(t *testing.T) {
		w := ecticket(handlertest.Mini(t))
		task := w.refundOf("R1", named(1))
		w.provider.AnswerTickets(list(unused...), fakeprovider.Yes)
		w.provider.AnswerRefundTicket(fakeprovider.Lost)
		if after := w.Waits(w.runWith(w.bare(), task)); !soon(after) {
			t.Errorf("waits %s", after)
		}
		w.Clock.Advance(24 * time.Hour)
		w.provider.AnswerStatus(providers.TicketStatus{}, fakeprovider.Lost)
		w.Waits(w.runWith(w.bare(), task))
		w.Clock.Advance(time.Second)
		w.provider.AnswerStatus(providers.TicketStatus{}, fakeprovider.Lost)
		w.Done(w.runWith(w.bare(), task))
		w.state(order.Review, "in_doubt", 0)
	})
	t.Run("by number", func(t *testing.T) {
		w := pass2u(handlertest.Mini(t), "voucher")
		task := w.countOf("R1", `"quantity":1`)
		w.provider.AnswerBaseline(unshown, fakeprovider.Lost)
		if after := w.Waits(w.runWith(w.bare(), task)); !soon(after) {
			t.Errorf("waits %s", after)
		}
		w.Clock.Advance(24 * time.Hour)
		w.provider.AnswerBaseline(unshown, fakeprovider.Lost)
		w.Waits(w.runWith(w.bare(), task))
		w.state(order.Queued, fakeprovider.Lost.Code, 0)
	})
}

func TestAProviderThatCannotRefundIsRefusedAtStart(t *testing.T) {
	w := newWorld(handlertest.Mini(t), handlertest.ECTicket)
	c := w.config("w")
	c.Provider = struct{ providers.Provider }{w.provider}
	if _, err := refunding.New(c); err == nil {
		t.Error("a provider without refunds was taken")
	}
}

// The doubt about a ticket begins when its worker dies, however long ago a person asked for another try.
func TestAnAbandonedTicketGetsAllTheTimeThatADoubtGets(t *testing.T) {
	w := ecticket(handlertest.Mini(t))
	task := w.refundOf("R1", named(1, 2))
	w.provider.AnswerTickets(list(unused...), fakeprovider.Yes)
	w.provider.AnswerRefundTicket(fakeprovider.Lost)
	w.provider.AnswerRefundTicket(fakeprovider.Unreached)
	w.Waits(w.run(task))
	w.Clock.Advance(25 * time.Hour)
	w.provider.AnswerStatus(providers.TicketStatus{}, fakeprovider.Lost)
	w.Done(w.run(task))
	w.state(order.Review, "in_doubt", 0)
	w.reopen("R1")
	w.Clock.Advance(48 * time.Hour) // no worker runs
	w.provider.AnswerStatus(w.status(providers.Refunded, merchant), fakeprovider.Yes)
	w.provider.AnswerRefundTicket(providers.Outcome{}, handlertest.Dies)
	if err := w.run(task); !errors.Is(err, handlertest.ErrDied) {
		t.Fatal(err)
	}
	w.Clock.Advance(lease)
	w.provider.AnswerStatus(providers.TicketStatus{}, fakeprovider.Lost)
	w.Waits(w.run(task))
	w.tickets("refunded", "doubt:abandoned")
}

// A person has to act, and a wait alone does not say so.
func TestAListThatTheAccountIsRefusedRaisesAnAlarm(t *testing.T) {
	w := ecticket(handlertest.Mini(t))
	w.provider.AnswerTickets(nil, providers.Outcome{Kind: providers.Rejected, Code: "no_rights", Alarm: true})
	w.Waits(w.run(w.refundOf("R1", `"all":true`)))
	if !w.Said("alarm: the provider refuses this account") {
		t.Error("no alarm was raised")
	}
}

// Nothing is known of a refund whose worker was held back in the middle, so it is not given up.
func TestARefundWhoseBudgetCannotBeAskedWaits(t *testing.T) {
	w := ecticket(handlertest.Mini(t))
	task := w.refundOf("R1", named(1, 2))
	w.provider.AnswerTickets(list(unused...), fakeprovider.Yes)
	w.gate.Refuse(context.DeadlineExceeded)
	if after := w.Waits(w.run(task)); after != time.Second {
		t.Errorf("waits %s", after)
	}
	w.calls("tickets")
	w.tickets("planned", "planned")
	w.counted(0, 0)
	w.gate.Refuse(nil)
	w.provider.AnswerRefundTicket(fakeprovider.Yes)
	w.provider.AnswerRefundTicket(fakeprovider.Yes)
	w.Done(w.run(task))
	w.state(order.Refunded, "", 2)
}

// orderAt has the order's request gone to a host; "" when nobody knows to which.
func (w *world) orderAt(host string) {
	w.T.Helper()
	r := order.Ref{Account: w.provider.Account(), OrderID: "ORDER1"}
	for _, err := range []error{w.RDB.HDel(w.T.Context(), keys.Record(r), "h").Err(), w.RDB.HSet(w.T.Context(), keys.Details(r), "host", host).Err()} {
		if err != nil {
			w.T.Fatal(err)
		}
	}
}

// A stage and a production know nothing of each other's orders: what is refunded under the number there is another's.
func TestARefundGoesToTheHostThatTheOrderIsAt(t *testing.T) {
	for kind, begin := range map[string]func(*handlertest.Bench) (*world, *asynq.Task){
		"tickets": func(b *handlertest.Bench) (*world, *asynq.Task) {
			w := newWorld(b, handlertest.ECTicket)
			w.OrderIn(order.Issued, ecticketOrder)
			return w, w.refundOf("R1", `"quantity":1`)
		},
		"count": func(b *handlertest.Bench) (*world, *asynq.Task) {
			w := pass2u(b, "voucher")
			return w, w.countOf("R1", `"quantity":1`)
		},
	} {
		t.Run(kind, func(t *testing.T) {
			w, task := begin(handlertest.Mini(t))
			w.orderAt("stage.invalid")
			if after := w.Waits(w.run(task)); after != time.Minute {
				t.Errorf("waits %s", after)
			}
			w.state(order.Queued, "other_host", 0)
			w.calls("")
			w.free()
			if !w.Said("alarm: an earlier request of this record went to another host") {
				t.Error("no alarm was raised")
			}
		})
	}
}

// With another key a refund waits until that has shown the order under the provider's own number: it is the same account's then.
// Another account may have an order under the same number of ours.
func TestARefundWithAnotherKeyWaitsUntilThatShowsTheOrder(t *testing.T) {
	for ref, same := range map[string]bool{"REF1": true, "REF2": false, "": false} {
		t.Run(ref, func(t *testing.T) {
			w := pass2u(handlertest.Mini(t), "voucher")
			w.orderAt(fakeprovider.Host + "#aaaaaa")
			w.provider.SetCredential("bbbbbb")
			shown := fakeprovider.Known(providers.FoundIssued)
			shown.Result = &providers.Result{Ref: ref}
			if ref == "" {
				shown = fakeprovider.Known(providers.Absent)
			}
			w.provider.AnswerLookUp(shown)
			task := w.countOf("R1", `"quantity":1`)
			if !same {
				if after := w.Waits(w.run(task)); after != time.Minute {
					t.Errorf("waits %s", after)
				}
				w.state(order.Queued, "other_host", 0)
				w.calls("look_up")
				w.free()
				return
			}
			w.provider.AnswerBaseline(shows(4, 0), fakeprovider.Yes)
			w.provider.AnswerRefundCount(fakeprovider.Yes)
			w.provider.AnswerBaseline(shows(4, 1), fakeprovider.Yes)
			w.Done(w.run(task))
			w.state(order.Refunded, "", 1)
			// It is remembered: the next one costs no look-up.
			w.provider.Forget()
			w.provider.AnswerBaseline(shows(4, 1), fakeprovider.Yes)
			w.provider.AnswerRefundCount(fakeprovider.Yes)
			w.provider.AnswerBaseline(shows(4, 2), fakeprovider.Yes)
			w.Done(w.run(w.countOf("R2", `"quantity":1`)))
			if s := w.provider.Sequence(); strings.Contains(s, "look_up") {
				t.Errorf("the calls were %s", s)
			}
		})
	}
}

// So does one of an order whose details have expired: which key it was made with is known by a mark then, and the order shows it.
func TestAnAgedOrderIsShownToAnotherKeyBeforeItsRefund(t *testing.T) {
	for _, same := range []bool{true, false} {
		w := pass2u(handlertest.Mini(t), "voucher")
		r := w.order()
		for _, err := range []error{w.RDB.Del(t.Context(), keys.Details(r)).Err(), w.RDB.HSet(t.Context(), keys.Record(r), "h", 1).Err()} {
			if err != nil {
				t.Fatal(err)
			}
		}
		w.provider.SetCredential("bbbbbb")
		if rec, err := w.Ledger.Load(t.Context(), r); err != nil || !rec.SentElsewhere(providers.Site(w.provider)) {
			t.Fatalf("%+v, %v", rec, err)
		}
		shown := fakeprovider.Known(providers.FoundIssued)
		if shown.Result = (&providers.Result{Ref: "REF2"}); same {
			shown.Result.Ref = "REF1"
		}
		w.provider.AnswerLookUp(shown)
		task := w.countOf("R1", `"quantity":1`)
		if !same {
			w.Waits(w.run(task))
			w.state(order.Queued, "other_host", 0)
			continue
		}
		w.provider.AnswerBaseline(shows(4, 0), fakeprovider.Yes)
		w.provider.AnswerRefundCount(fakeprovider.Yes)
		w.provider.AnswerBaseline(shows(4, 1), fakeprovider.Yes)
		w.Done(w.run(task))
		w.state(order.Refunded, "", 1)
	}
}

// Where an order is, is known for as long as its record: a refund may come when the details are gone.
func TestTheHostOfAnOrderOutlivesItsDetails(t *testing.T) {
	w := newWorld(handlertest.Mini(t), handlertest.ECTicket)
	r := w.OrderIn(order.Issued, ecticketOrder)
	if err := w.RDB.Del(t.Context(), keys.Details(r)).Err(); err != nil {
		t.Fatal(err)
	}
	rec, err := w.Ledger.Load(t.Context(), r)
	if err != nil || rec.Host != "" || rec.SentElsewhere(fakeprovider.Host) || !rec.SentElsewhere("stage.invalid") {
		t.Errorf("%+v, %v", rec, err)
	}
}
