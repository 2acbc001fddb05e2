package refunding_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"issuance/internal/fakeprovider"
	"issuance/internal/handlertest"
	"issuance/internal/keys"
	"issuance/internal/vault"
	"issuance/providers"
	"issuance/tasks/order"
)

// gone are the ways in which a settled record loses its document, tickets and plan.
var gone = map[string]func(w *world, r order.Ref){
	"expired": func(w *world, _ order.Ref) { w.Redis.FastForward(91 * 24 * time.Hour) },
	"erased": func(w *world, r order.Ref) {
		if e, err := w.Ledger.Erase(context.Background(), r, "op"); err != nil || !e.Applied {
			w.T.Fatalf("erase: %+v, %v", e, err)
		}
	},
}

// loses has the order lose its document, and leaves the stub that its first intent wrote.
func (w *world) loses(r order.Ref, lose func(w *world, r order.Ref)) (stub []byte) {
	w.T.Helper()
	request, err := vault.OpenDocument(w.Ring, r, w.Record(r).Document)
	if err != nil {
		w.T.Fatal(err)
	}
	codec, _ := providers.CodecOf(r.Account.Provider)
	d, invalid := codec.ParseOrder("request", request, w.ProviderRules())
	if invalid != nil {
		w.T.Fatal(invalid)
	}
	w.set(r, "stub", string(d.Stub))
	lose(w, r)
	if rec := w.Record(r); rec.Document != "" || rec.State != order.Issued {
		w.T.Fatalf("the record is %s, with a document of %d bytes", rec.State, len(rec.Document))
	}
	return d.Stub
}

func TestAnOrderWithoutItsDocumentIsRefundedByItsNumber(t *testing.T) {
	for how, lose := range gone {
		t.Run("ticket by ticket/"+how, func(t *testing.T) {
			w := ecticket(handlertest.Mini(t))
			stub := w.loses(w.order(), lose)
			task := w.refundOf("R1", `"quantity":1`)
			w.provider.AnswerTickets(list(unused...), fakeprovider.Yes)
			w.vouches()
			w.provider.AnswerRefundTicket(fakeprovider.Yes)
			w.Done(w.run(task))
			w.state(order.Refunded, "", 1)
			calls := w.provider.Calls()
			if diff := cmp.Diff(providers.Order{ID: "ORDER1", Request: stub, Ref: "REF1"}, calls[0].Order); diff != "" {
				t.Errorf("the order that was asked about (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(providers.TicketRefund{TicketNo: no(1), Operator: "Shop1", StoreID: "TP1001"}, calls[2].Ticket); diff != "" {
				t.Errorf("the refund (-want +got):\n%s", diff)
			}
		})
		t.Run("by number/"+how, func(t *testing.T) {
			w := pass2u(handlertest.Mini(t), "voucher")
			stub := w.loses(w.order(), lose)
			task := w.countOf("R1", `"quantity":2`)
			w.lose(task, shows(4, 0))
			w.provider.AnswerBaseline(shows(4, 2), fakeprovider.Yes)
			w.Done(w.run(task))
			w.state(order.Refunded, "", 2)
			if diff := cmp.Diff(providers.Order{ID: "ORDER1", Request: stub, Ref: "REF1"}, w.provider.Calls()[0].Order); diff != "" {
				t.Errorf("the order that was asked about (-want +got):\n%s", diff)
			}
		})
		t.Run("all of what is not shown/"+how, func(t *testing.T) {
			w := pass2u(handlertest.Mini(t), "order")
			w.loses(w.order(), lose)
			task := w.countOf("R1", `"all":true`)
			w.provider.AnswerBaseline(unshown, fakeprovider.Yes)
			w.provider.AnswerRefundCount(fakeprovider.Yes)
			w.Done(w.run(task))
			w.state(order.Refunded, "", 4)
		})
		t.Run("of another campaign/"+how, func(t *testing.T) {
			w := pass2u(handlertest.Mini(t), "voucher")
			w.loses(w.order(), lose)
			task := w.countOf("R1", `"quantity":1,"pass2uOrderId":"REF1","productSaleId":"S9","pickupType":"voucher"`)
			w.Done(w.run(task))
			w.state(order.Failed, "other_order", 0)
			w.calls("")
		})
	}
}

// A refund in doubt goes on when its order's details expire meanwhile.
func TestARefundInDoubtOutlivesTheDetailsOfItsOrder(t *testing.T) {
	w, task := countInDoubt(handlertest.Mini(t), "voucher", `"quantity":2`, shows(4, 0))
	w.loses(w.order(), gone["expired"])
	w.provider.AnswerBaseline(shows(4, 2), fakeprovider.Yes)
	w.Done(w.run(task))
	w.state(order.Refunded, "", 2)
}

// A person has found such an order issued, though no worker ever sent it.
func TestAnOrderWithNeitherDocumentNorStubIsRefundedAsItsRefundDescribesIt(t *testing.T) {
	forget := func(w *world) {
		w.T.Helper()
		if err := w.RDB.HDel(w.T.Context(), keys.Record(w.order()), "stub").Err(); err != nil {
			w.T.Fatal(err)
		}
		gone["expired"](w, w.order())
	}
	t.Run("ticket by ticket", func(t *testing.T) {
		w := ecticket(handlertest.Mini(t))
		forget(w)
		task := w.refundOf("R1", `"quantity":1`)
		w.provider.AnswerTickets(list(unused...), fakeprovider.Yes)
		w.vouches()
		w.provider.AnswerRefundTicket(fakeprovider.Yes)
		w.Done(w.run(task))
		w.state(order.Refunded, "", 1)
		want := providers.Order{ID: "ORDER1", Request: json.RawMessage(`{"MerchantTradeNo":"ORDER1"}`), Ref: "REF1"}
		if diff := cmp.Diff(want, w.provider.Calls()[0].Order); diff != "" {
			t.Errorf("the order that was asked about (-want +got):\n%s", diff)
		}
	})
	t.Run("by number, which is not enough", func(t *testing.T) {
		w := pass2u(handlertest.Mini(t), "voucher")
		forget(w)
		w.Done(w.run(w.countOf("R1", `"quantity":1`)))
		w.state(order.Failed, "order_unknown", 0)
		w.calls("")
	})
}

// A plan is needed no more once its refund has ended.
func TestRefundsWhosePlansAreGoneBreakNoOther(t *testing.T) {
	for how, lose := range gone {
		t.Run("ticket by ticket/"+how, func(t *testing.T) {
			w := ecticket(handlertest.Mini(t))
			w.provider.AnswerTickets(list(unused...), fakeprovider.Yes)
			w.provider.AnswerRefundTicket(fakeprovider.Yes)
			w.Done(w.run(w.refundOf("R2", named(1))))
			lose(w, w.ref("R2"))
			if rec := w.Record(w.ref("R2")); rec.Plan != "" || rec.State != order.Refunded {
				t.Fatalf("the record is %s, with a plan of %d bytes", rec.State, len(rec.Plan))
			}
			w.set(w.order(), "stub", `{"MerchantTradeNo":"ORDER1"}`)
			task := w.refundOf("R1", named(1, 2))
			w.provider.AnswerTickets(list(providers.Refunded, providers.Unused), fakeprovider.Yes)
			w.provider.AnswerRefundTicket(fakeprovider.Yes)
			w.Done(w.run(task))
			w.state(order.PartiallyRefunded, "refunded_elsewhere", 1)
		})
		// What was refunded is still known: a list that does not show it lags behind.
		t.Run("by number/"+how, func(t *testing.T) {
			w := refundOne(handlertest.Mini(t))
			w.loses(w.order(), func(*world, order.Ref) { lose(w, w.ref("R1")); gone["erased"](w, w.order()) })
			task := w.countOf("R2", `"all":true`)
			w.provider.AnswerBaseline(shows(4, 0), fakeprovider.Yes)
			w.Waits(w.run(task))
			w.stateOf("R2", order.Queued, "refunds_not_shown", 0)
			w.provider.AnswerBaseline(shows(4, 1), fakeprovider.Yes)
			w.provider.AnswerRefundCount(fakeprovider.Yes)
			w.Done(w.run(task))
			w.stateOf("R2", order.Refunded, "", 3)
		})
	}
}

// The rules have become stricter since: what is planned does not need the document any more.
func TestAPlannedRefundGoesOnThoughItsDocumentBreaksARuleNow(t *testing.T) {
	stricter := func(w *world) func() providers.Rules {
		return func() providers.Rules { return providers.Rules{Merchant: "1111111", Now: w.Clock.Now()} }
	}
	t.Run("in doubt", func(t *testing.T) {
		w := ecticket(handlertest.Mini(t))
		task := w.refundOf("R1", named(1)+`,"MerchantID":"`+merchant+`"`)
		w.provider.AnswerTickets(list(unused...), fakeprovider.Yes)
		w.provider.AnswerRefundTicket(fakeprovider.Lost)
		w.Waits(w.run(task))
		c := w.config("w")
		c.Rules = stricter(w)
		w.provider.AnswerStatus(w.status(providers.Refunded, merchant), fakeprovider.Yes)
		w.Done(w.runWith(c, task))
		w.state(order.Refunded, "", 1)
	})
	t.Run("not planned", func(t *testing.T) {
		w := ecticket(handlertest.Mini(t))
		task := w.refundOf("R1", named(1)+`,"MerchantID":"`+merchant+`"`)
		c := w.config("w")
		c.Rules = stricter(w)
		w.Done(w.runWith(c, task))
		w.state(order.Failed, "invalid_document", 0) // nothing was sent, and that is certain
		w.calls("")
	})
	t.Run("planned, and never sent", func(t *testing.T) {
		w := pass2u(handlertest.Mini(t), "voucher")
		task := w.countOf("R1", `"quantity":1`)
		w.provider.AnswerBaseline(shows(4, 0), fakeprovider.Yes)
		w.provider.AnswerRefundCount(fakeprovider.Unreached)
		w.Waits(w.run(task))
		sealed, err := vault.SealDocument(w.Ring, w.ref("R1"), json.RawMessage(`{"channelOrderId":"ORDER1","quantity":0}`))
		if err != nil {
			t.Fatal(err)
		}
		w.set(w.ref("R1"), "doc", string(sealed))
		w.Done(w.run(task))
		w.state(order.Failed, "invalid_document", 0)
	})
}

// The order was issued elsewhere, so the document would have said how to find it.
func TestARefundOfAnOrderElsewhereWhoseDocumentBreaksARuleWaitsAndThenNeedsNobody(t *testing.T) {
	w := newWorld(handlertest.Mini(t), handlertest.ECTicket)
	task := w.refundOf("R1", named(1)+`,"MerchantID":"`+merchant+`"`)
	c := w.config("w")
	c.Rules = func() providers.Rules { return providers.Rules{Merchant: "1111111", Now: w.Clock.Now()} }
	w.Waits(w.runWith(c, task))
	w.state(order.Queued, "order_unknown", 0)
	w.Clock.Advance(10 * time.Minute)
	w.Done(w.runWith(c, task))
	w.state(order.Failed, "order_unknown", 0)
	w.calls("")
}
