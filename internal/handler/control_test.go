package handler_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"issuance/internal/fakeprovider"
	"issuance/internal/handler"
	"issuance/internal/handlertest"
	"issuance/providers"
	"issuance/tasks/order"
)

const knownDoc = `{"provider":"pass2u","request":{"productSaleId":"S1","channelOrderId":"KNOWN1","quantity":2,"pickupType":"order"}}`

// Answers that come at about the same time share one control.
func TestAControlServesAllWhoWaitForIt(t *testing.T) {
	w := newWorld(handlertest.Mini(t), "order")
	w.OrderIn(order.Issued, knownDoc)
	c := w.worker("w")
	w.provider.AnswerLookUp(fakeprovider.Known(providers.FoundIssued)) // one: a second one fails the test
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			got, err := c.Control(t.Context(), w.Log, true)
			if err != nil || !got.OK || !got.Found || !got.Means(fakeprovider.Busy) {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
	wg.Wait()
}

// "Not now" may have begun since a control began: it says nothing of an answer that came after that.
func TestAControlServesNoAnswerThatCameAfterItBegan(t *testing.T) {
	w := newWorld(handlertest.Mini(t), "order")
	w.OrderIn(order.Issued, knownDoc)
	c := w.worker("w")
	var later handler.Control
	w.provider.AnswerLookUp(fakeprovider.Known(providers.FoundIssued), func(ctx context.Context) {
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		var err error
		if later, err = c.Control(ctx, w.Log, false); err != nil {
			t.Error(err)
		}
	})
	w.provider.AnswerLookUp(fakeprovider.Busy)
	first, err := c.Control(t.Context(), w.Log, false)
	if err != nil || !first.Found || !first.Means(fakeprovider.Busy) {
		t.Errorf("the first one: %+v, %v", first, err)
	}
	if later.Found || later.Means(fakeprovider.Busy) {
		t.Errorf("the later one: %+v", later)
	}
}

// Nor is one used again that is over.
func TestAControlIsNotUsedAgain(t *testing.T) {
	w := newWorld(handlertest.Mini(t), "order")
	w.OrderIn(order.Issued, knownDoc)
	c := w.worker("w")
	for _, f := range []providers.Finding{fakeprovider.Known(providers.FoundIssued), fakeprovider.Busy} {
		w.provider.AnswerLookUp(f)
		got, err := c.Control(t.Context(), w.Log, false)
		if err != nil || got.Found != f.Found() {
			t.Errorf("%+v, %v", got, err)
		}
	}
}

// An answer counts for a number that does not exist only where such a number is answered in the same way.
func TestAControlOfAnotherAnswerMeansNothing(t *testing.T) {
	unknown := fakeprovider.Busy
	unknown.Outcome.Code = "another"
	for name, c := range map[string]handler.Control{"another code": {Found: true, OK: true, Unknown: unknown},
		"nobody asked": {Found: true, OK: true}, "unclear": {Found: true, OK: true, Unknown: fakeprovider.Known(providers.Unclear)}} {
		if c.Means(fakeprovider.Busy) {
			t.Errorf("%s: the answer counts", name)
		}
	}
	if !(handler.Control{}).Means(fakeprovider.Known(providers.Absent)) {
		t.Error("an answer whose code is configured needs no control")
	}
}
