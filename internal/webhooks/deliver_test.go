package webhooks

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"issuance/internal/livefile"
	"issuance/internal/thinevent"
	"issuance/tasks/order"
)

func verified(t *testing.T, secret string, g got) {
	t.Helper()
	w, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Verify(g.body, g.header); err != nil {
		t.Errorf("%s: %v", g.header.Get("webhook-id"), err)
	}
}

// A final status is delivered as a signed thin event, which holds nothing of the customer's and has the same id at
// every try.
func TestAFinalStatusIsDeliveredSigned(t *testing.T) {
	r := receive(t, status(500))
	h := open(t, entryFor("shop", r.URL))
	o := h.cancelled("A1")
	h.settle()
	h.pass(5 * time.Second)
	r.answer(nil)
	h.settle()
	all := r.all()
	if len(all) != 2 {
		t.Fatalf("%d requests", len(all))
	}
	for _, g := range all {
		verified(t, secretA, g)
		d := g.event.Data
		if g.event.Type != "order.cancelled" || d.EventID != "ecticket:2000132/A1/cancelled/1" || d.Account != shop || d.OrderID != o.OrderID || d.State != order.Cancelled || g.event.Timestamp.IsZero() {
			t.Errorf("%s", g.body)
		}
		if g.header.Get("webhook-id") != d.EventID || g.header.Get("Content-Type") != "application/json" {
			t.Errorf("%v", g.header)
		}
		if strings.Contains(string(g.body), document) {
			t.Errorf("%s", g.body)
		}
	}
	if string(all[0].body) != string(all[1].body) {
		t.Errorf("%s, then %s", all[0].body, all[1].body)
	}
	h.pass(24 * time.Hour)
	if h.settle(); len(r.all()) != 2 {
		t.Error("it was delivered again")
	}
	if s := h.state("shop"); s.Delivered != 1 || s.Outstanding != 0 || s.Word() != "ok" {
		t.Errorf("%+v", s)
	}
}

// What endpoints must keep to themselves, and what they answer, is nowhere in Redis.
func TestRedisHoldsNoSecret(t *testing.T) {
	r := receive(t, status(500))
	h := open(t, entryFor("shop", r.URL))
	h.cancelled("A1")
	h.settle()
	h.must(h.store.announce(t.Context(), h.File.Endpoints(), h.now()))
	dump := fmt.Sprint(h.redis.Dump(t.Context()))
	if !strings.Contains(dump, "A1/cancelled/1") {
		t.Fatal("the dump shows nothing")
	}
	for _, c := range canaries {
		if strings.Contains(dump, c) {
			t.Errorf("Redis holds %q", c)
		}
	}
}

// Tries follow the schedule, to the second, and an endpoint that takes nothing at all misses nothing: it is tried once
// a day from then on.
func TestTriesFollowTheSchedule(t *testing.T) {
	r := receive(t, status(503))
	h := open(t, entryFor("shop", r.URL))
	h.cancelled("A1")
	h.settle()
	for i, wait := range []time.Duration{5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour, 10 * time.Hour,
		14 * time.Hour, 20 * time.Hour, 24 * time.Hour} {
		h.pass(wait - time.Second)
		h.settle()
		if n := len(r.all()); n != i+1 {
			t.Fatalf("%d tries a second before try %d", n, i+2)
		}
		h.pass(time.Second)
		h.settle()
		if n := len(r.all()); n != i+2 {
			t.Fatalf("%d tries, want %d", n, i+2)
		}
	}
	if s := h.state("shop"); s.GivenUp != 0 || s.Outstanding != 1 || s.Fails != 10 || s.Word() != "failing" {
		t.Errorf("%+v", s)
	}
	r.answer(nil)
	h.pass(time.Hour)
	h.settle()
	if s := h.state("shop"); s.Delivered != 1 || s.Outstanding != 0 {
		t.Errorf("%+v", s)
	}
}

// An event that an endpoint does not take although it takes others is given up at the end of the schedule, with an alarm.
func TestAnEventThatAloneFailsIsGivenUp(t *testing.T) {
	r := receive(t, func(w http.ResponseWriter, ev thinevent.Event) {
		if ev.Data.OrderID == "BAD" {
			w.WriteHeader(500)
		}
	})
	h := open(t, entryFor("shop", r.URL))
	h.cancelled("BAD")
	h.settle()
	h.pass(time.Second)
	h.cancelled("A1")
	h.settle()
	tries := 0
	for range 80 * 6 {
		h.pass(10 * time.Minute)
		h.settle()
	}
	for _, id := range r.ids() {
		if id == "BAD/cancelled/1" {
			tries++
		}
	}
	if s := h.state("shop"); s.GivenUp != 1 || s.Outstanding != 0 || s.Delivered != 1 || tries != 10 {
		t.Errorf("%+v after %d tries", s, tries)
	}
	if !strings.Contains(h.log.String(), "alarm: the webhook does not take an event") {
		t.Error("no alarm")
	}
	list, err := h.store.Deliveries(t.Context(), "shop", 100)
	h.must(err)
	if len(list) != 11 || list[0].Outcome != "given_up" || list[0].Try != 10 || list[0].Status != 500 || list[0].EventID != "ecticket:2000132/BAD/cancelled/1" {
		t.Errorf("%+v", list)
	}
}

// What an endpoint asks for by Retry-After is kept, by all that is sent there.
func TestRetryAfterIsKept(t *testing.T) {
	r := receive(t, func(w http.ResponseWriter, _ thinevent.Event) {
		w.Header().Set("Retry-After", "600")
		w.WriteHeader(429)
	})
	h := open(t, entryFor("shop", r.URL))
	h.cancelled("A1")
	h.settle()
	h.cancelled("A2")
	h.pass(599 * time.Second)
	if h.settle(); len(r.all()) != 1 {
		t.Fatalf("%d requests before the time", len(r.all()))
	}
	r.answer(nil)
	h.pass(2 * time.Second)
	if h.settle(); len(r.all()) != 3 {
		t.Errorf("%d requests", len(r.all()))
	}
}

// 410 switches an endpoint off, with an alarm; nothing is sent until it is switched on again, and nothing is lost.
func TestGoneSwitchesOff(t *testing.T) {
	r := receive(t, status(http.StatusGone))
	h := open(t, entryFor("shop", r.URL))
	h.cancelled("A1")
	h.settle()
	h.cancelled("A2")
	h.pass(30 * 24 * time.Hour)
	h.settle()
	if s := h.state("shop"); len(r.all()) != 1 || s.Word() != "off" || s.Status != 410 {
		t.Fatalf("%d requests, %+v", len(r.all()), s)
	}
	if !strings.Contains(h.log.String(), "alarm: the webhook wants no more events") {
		t.Error("no alarm")
	}
	r.answer(nil)
	_, _, err := h.store.Enable(t.Context(), "shop")
	h.must(err)
	h.settle()
	if ids := r.ids(); !slices.Equal(ids, []string{"A1/cancelled/1", "A1/cancelled/1", "A2/cancelled/1"}) {
		t.Errorf("%v", ids)
	}
}

// A redirect is a failure, and is not followed.
func TestARedirectIsAFailure(t *testing.T) {
	target := receive(t, nil)
	r := receive(t, func(w http.ResponseWriter, _ thinevent.Event) {
		w.Header().Set("Location", target.URL)
		w.WriteHeader(http.StatusTemporaryRedirect)
	})
	h := open(t, entryFor("shop", r.URL))
	h.cancelled("A1")
	h.settle()
	if s := h.state("shop"); len(target.all()) != 0 || s.Fails != 1 || s.Status != 307 || s.Delivered != 0 {
		t.Errorf("%d requests at the target, %+v", len(target.all()), s)
	}
}

// An answer of any length is an answer.
func TestALongAnswerIsAnAnswer(t *testing.T) {
	r := receive(t, func(w http.ResponseWriter, _ thinevent.Event) { fmt.Fprint(w, strings.Repeat("x", 10*mostAnswer)) })
	h := open(t, entryFor("shop", r.URL))
	h.cancelled("A1")
	h.settle()
	if s := h.state("shop"); s.Delivered != 1 {
		t.Errorf("%+v", s)
	}
}

// An endpoint gets the events of its types and accounts, also when the file comes to say so after they were admitted.
func TestAnEndpointGetsWhatItWants(t *testing.T) {
	r, all := receive(t, nil), receive(t, nil)
	h := open(t, entryFor("refunds", r.URL, "events: [refund.*, order.issued]", "accounts: [ecticket]"), entryFor("all", all.URL))
	h.cancelled("A1")
	h.end(order.Ref{Account: shop, OrderID: "A1", RefundID: "R1"})
	h.end(order.Ref{Account: pass2u, OrderID: "P1", RefundID: "R1"})
	h.settle()
	if ids := r.ids(); !slices.Equal(ids, []string{"A1/R1/cancelled/1"}) || len(all.all()) != 3 {
		t.Errorf("%v, %v", ids, all.ids())
	}
	h.end(order.Ref{Account: shop, OrderID: "A2", RefundID: "R1"})
	h.step()
	h.write(entryFor("refunds", r.URL, "events: [order.*]"), entryFor("all", all.URL))
	h.pass(livefile.Reread)
	h.settle()
	if len(r.all()) != 1 || len(all.all()) != 4 || h.state("refunds").Outstanding != 0 {
		t.Errorf("%v, %v", r.ids(), all.ids())
	}
}

// An endpoint that has taken nothing for five days is an alarm, once a day.
func TestFiveDaysOfFailuresAreAnAlarm(t *testing.T) {
	r := receive(t, status(500))
	h := open(t, entryFor("shop", r.URL))
	h.cancelled("A1")
	alarms := func() int { return strings.Count(h.log.String(), "alarm: the webhook has taken nothing for days") }
	for hour := range 7*24 + 2 {
		h.settle()
		if n := alarms(); n > 0 && hour < 5*24 {
			t.Fatalf("an alarm after %d hours", hour)
		}
		h.pass(time.Hour)
	}
	before := alarms()
	if before < 2 || before > 3 {
		t.Errorf("%d alarms in a week", before)
	}
	r.answer(nil)
	h.settle()
	r.answer(status(500))
	h.cancelled("A2")
	for range 4 * 24 { // less than five days since it last took something
		h.settle()
		h.pass(time.Hour)
	}
	if n := alarms(); n != before || h.state("shop").Fails == 0 {
		t.Errorf("%d alarms after an endpoint that took something", n-before)
	}
}

// An endpoint that is switched on is tried at once with everything that waits there.
func TestEnableTriesAtOnce(t *testing.T) {
	r := receive(t, status(500))
	h := open(t, entryFor("shop", r.URL))
	h.cancelled("A1")
	h.cancelled("A2")
	h.settle()
	r.answer(nil)
	if h.settle(); len(r.all()) != 2 {
		t.Fatalf("%d requests before their time", len(r.all()))
	}
	n, _, err := h.store.Enable(t.Context(), "shop")
	h.must(err)
	if h.settle(); n != 2 || len(r.all()) != 4 || h.state("shop").Outstanding != 0 {
		t.Errorf("%d events, %d requests", n, len(r.all()))
	}
}
