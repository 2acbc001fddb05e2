package issuing_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"issuance/internal/handlertest"
	"issuance/internal/ledger"
	"issuance/providers"
	"issuance/providers/pass2u"
	"issuance/providers/pass2u/pass2usim"
	"issuance/tasks/order"
)

const path = "/api/v1/public/product"

// timeDecides is the adversary that only the time of what is shown gives away.
const timeDecides = "the number is an older order's of the same content"

// mailedOrder is an order of two vouchers, with an address to mail them to.
var (
	mailedRequest = fmt.Sprintf(`{"productSaleId":%q,"channelOrderId":"ORDER1","quantity":2,"pickupType":"voucher","mailTo":%q}`,
		pass2usim.DefaultCampaign, handlertest.CustomerEmail)
	mailedOrder = `{"provider":"pass2u","request":` + mailedRequest + `}`
	mailedRef   = order.Ref{Account: handlertest.Pass2U, OrderID: "ORDER1"}
)

// pass2uWorld is a simulated Pass2U with the bench's clock.
type pass2uWorld struct {
	*handlertest.Bench
	sim *pass2usim.Sim
	p   *pass2u.Client // of what travels
	// ahead is how far its clock is, unless that jumps.
	ahead time.Duration
	// generates and queries count the calls.
	generates, queries int
}

// newPass2U is a world whose client knows the provider's clock.
func newPass2U(t *testing.T) *pass2uWorld {
	w := &pass2uWorld{Bench: handlertest.Mini(t)}
	w.sim = pass2usim.New(pass2usim.Config{Now: w.Clock.Now})
	t.Cleanup(w.sim.Close)
	w.p = w.client()
	w.measured(w.p)
	return w
}

// travels lets the order travel through a Pass2U with faults.
func (w *pass2uWorld) travels(f func(pass2usim.Call) pass2usim.Fault) *ledger.Record {
	w.T.Helper()
	w.sim.SetFault(f)
	return travels(w.Bench, w.p, mailedOrder, mailedRef)
}

// arrives has a copy of our request arrive that was under way.
func (w *pass2uWorld) arrives() {
	r := httptest.NewRequest(http.MethodPost, path+"/generate", strings.NewReader(mailedRequest))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", pass2usim.DefaultAPIKey)
	w.sim.ServeHTTP(httptest.NewRecorder(), r)
}

// takes has another system take the number, now, unless it is taken.
func (w *pass2uWorld) takes(x pass2usim.Stranger) {
	if _, taken := w.sim.Order("ORDER1"); !taken {
		x.ChannelOrderID, x.CreatedAt = "ORDER1", w.Clock.Now().Add(w.ahead)
		w.sim.AddStranger(x)
	}
}

// pass2uAdversaries are worlds around an order. Before its first call, at each query.
var pass2uAdversaries = map[string]struct {
	begin func(w *pass2uWorld)
	query func(w *pass2uWorld) pass2usim.Fault
}{
	"nothing else": {},
	timeDecides: {begin: func(w *pass2uWorld) {
		w.sim.AddStranger(pass2usim.Stranger{ChannelOrderID: "ORDER1", Quantity: 2, CreatedAt: w.Clock.Now().Add(-time.Hour)})
	}},
	"the number is an older order's with fewer tickets": {begin: func(w *pass2uWorld) {
		w.sim.AddStranger(pass2usim.Stranger{ChannelOrderID: "ORDER1", Quantity: 1, CreatedAt: w.Clock.Now().Add(-time.Hour)})
	}},
	"the number is an older order's of another campaign": {begin: func(w *pass2uWorld) {
		w.sim.AddStranger(pass2usim.Stranger{ChannelOrderID: "ORDER1", Quantity: 2, ProductSaleID: pass2usim.TinyCampaign, CreatedAt: w.Clock.Now().Add(-time.Hour)})
	}},
	"the number is an older order page's": {begin: func(w *pass2uWorld) {
		w.sim.AddStranger(pass2usim.Stranger{ChannelOrderID: "ORDER1", Quantity: 2, PickupType: "order", CreatedAt: w.Clock.Now().Add(-time.Hour)})
	}},
	"another system takes the number meanwhile, for more tickets": {query: func(w *pass2uWorld) pass2usim.Fault {
		w.takes(pass2usim.Stranger{Quantity: 3})
		return pass2usim.None
	}},
	"another system takes the number meanwhile, for fewer tickets": {query: func(w *pass2uWorld) pass2usim.Fault {
		w.takes(pass2usim.Stranger{Quantity: 1})
		return pass2usim.None
	}},
	"another system takes the number meanwhile, of another campaign": {query: func(w *pass2uWorld) pass2usim.Fault {
		w.takes(pass2usim.Stranger{Quantity: 2, ProductSaleID: pass2usim.TinyCampaign})
		return pass2usim.None
	}},
	"another system takes the number meanwhile, for another address": {query: func(w *pass2uWorld) pass2usim.Fault {
		w.takes(pass2usim.Stranger{Quantity: 2, MailTo: "somebody@else.example"})
		return pass2usim.None
	}},
	"a request under way arrives after the first query": {query: func(w *pass2uWorld) pass2usim.Fault {
		if w.queries == 2 {
			w.arrives()
		}
		return pass2usim.None
	}},
	"queries are 8 s behind":   {begin: func(w *pass2uWorld) { w.sim.SetLag(pass2usim.Lag{Generate: 8 * time.Second}) }},
	"queries are 2 min behind": {begin: func(w *pass2uWorld) { w.sim.SetLag(pass2usim.Lag{Generate: 2 * time.Minute}) }},
	"the first answers to queries come again": {begin: func(w *pass2uWorld) { w.sim.SetLag(pass2usim.Lag{Generate: 2 * time.Second}) },
		query: func(w *pass2uWorld) pass2usim.Fault {
			if w.queries <= 4 {
				return pass2usim.ReplayOwn(0)
			}
			return pass2usim.None
		}},
	"every second answer to a query is the first one": {query: func(w *pass2uWorld) pass2usim.Fault {
		if w.queries%2 == 0 {
			return pass2usim.ReplayOwn(0)
		}
		return pass2usim.None
	}},
	"each voucher is listed twice": {begin: func(w *pass2uWorld) {
		w.sim.SetTwist(func(_ pass2usim.Call, a answer) {
			if list, ok := a["vouchers"].([]any); ok {
				a["vouchers"] = append(list, list...)
			}
		})
	}},
	"vouchers appear one by one": {begin: func(w *pass2uWorld) {
		shown := 0
		w.sim.SetTwist(func(c pass2usim.Call, a answer) {
			if list, _ := a["vouchers"].([]any); shown < len(list) {
				a["vouchers"] = list[:shown]
				shown++
			}
		})
	}},
}

// generateTroubles are what becomes of the requests to generate, by their number.
var generateTroubles = map[string]map[int]pass2usim.Fault{
	"all goes well":                                           {},
	"the answer is lost":                                      {1: pass2usim.LoseAnswer},
	"the answer is lost twice":                                {1: pass2usim.LoseAnswer, 2: pass2usim.LoseAnswer},
	"the request is lost":                                     {1: pass2usim.CutBefore},
	"rejected although it took effect":                        {1: pass2usim.RejectAfter},
	"an error that says nothing, it took effect":              {1: pass2usim.OopsAfter},
	"the request is lost, and a copy of the next is rejected": {1: pass2usim.CutBefore, 2: pass2usim.RejectAfter},
	"answered by another order's confirmation":                {1: pass2usim.Replay},
}

// pass2uClocks are what the provider's clock shows.
var pass2uClocks = map[string]func(sim *pass2usim.Sim) (ahead time.Duration){
	"a right clock":      off(0),
	"a clock 5 min slow": off(-5 * time.Minute),
	"a clock 3 min fast": off(3 * time.Minute),
	"a clock that jumps": func(sim *pass2usim.Sim) time.Duration {
		r := rand.New(rand.NewPCG(4, 0))
		sim.SetClocks(func(pass2usim.Call) time.Duration { return time.Duration(r.IntN(301)-150) * time.Second })
		return 0
	},
}

func off(ahead time.Duration) func(sim *pass2usim.Sim) time.Duration {
	return func(sim *pass2usim.Sim) time.Duration {
		sim.SetClockOff(ahead)
		return ahead
	}
}

// Whatever Pass2U shows: our order is issued once, and of another's nothing is stored. Where the time of what is shown
// decides, that holds by every clock; elsewhere the clocks take turns.
func TestNoAnswerOfPass2UMakesAnOrdersStatusUntrue(t *testing.T) {
	turn := 0
	for _, name := range slices.Sorted(maps.Keys(pass2uAdversaries)) {
		turn++
		for _, trouble := range slices.Sorted(maps.Keys(generateTroubles)) {
			turn++
			for i, clock := range slices.Sorted(maps.Keys(pass2uClocks)) {
				if name != timeDecides && i != turn%len(pass2uClocks) {
					continue
				}
				t.Run(name+", "+trouble+", "+clock, func(t *testing.T) { meets(t, name, trouble, clock) })
			}
		}
	}
}

// meets lets an order meet an adversary, a trouble and a clock.
func meets(t *testing.T, name, trouble, clock string) {
	handlertest.Sampled(t)
	a, faults := pass2uAdversaries[name], generateTroubles[trouble]
	w := &pass2uWorld{Bench: handlertest.Mini(t)}
	w.sim = pass2usim.New(pass2usim.Config{Now: w.Clock.Now, KeepAnswers: true})
	t.Cleanup(w.sim.Close)
	w.ahead = pass2uClocks[clock](w.sim)
	p := w.client()
	w.measured(p)
	if a.begin != nil {
		a.begin(w)
	}
	w.sim.SetFault(func(c pass2usim.Call) pass2usim.Fault {
		switch {
		case c.OrderID != "ORDER1":
		case c.Op == pass2usim.Generate:
			w.generates++
			return faults[w.generates]
		case a.query != nil:
			w.queries++
			return a.query(w)
		}
		return pass2usim.None
	})
	w.judge(travels(w.Bench, p, mailedOrder, mailedRef))
}

func (w *pass2uWorld) client() *pass2u.Client {
	w.T.Helper()
	c, err := pass2u.New(pass2u.Config{BaseURL: serve(w.Bench, w.sim) + path, APIKey: pass2usim.DefaultAPIKey, Now: w.Clock.Now})
	if err != nil {
		w.T.Fatal(err)
	}
	w.T.Cleanup(c.Close)
	return c
}

// measured has the client measure the provider's clock, as one that has worked for a while has.
func (w *pass2uWorld) measured(p providers.Provider) {
	for range 6 {
		p.LookUp(w.T.Context(), providers.Order{ID: "ANOTHER", Request: []byte(mailedRequest[:len(mailedRequest)-1] + `,"channelOrderId":"ANOTHER"}`)})
		w.Clock.Advance(time.Second)
	}
}

// judge expects what is recorded to be true.
func (w *pass2uWorld) judge(rec *ledger.Record) {
	w.T.Helper()
	o, exists := w.sim.Order("ORDER1")
	stored := rec.Result != "" || rec.ProviderRef != ""
	switch {
	case exists && o.Generated != 1:
		w.T.Errorf("generated %d times", o.Generated)
	case exists && !o.Stranger && rec.State != order.Issued:
		w.T.Errorf("%s (%s: %s), and it is issued", rec.State, rec.Reason.Code, rec.Reason.Message)
	case exists && !o.Stranger && rec.ProviderRef != o.Pass2uOrderID:
		w.T.Errorf("issued as %q, and is %q", rec.ProviderRef, o.Pass2uOrderID)
	case exists && o.Stranger && (rec.State != order.Review || stored):
		w.T.Errorf("%s (%s: %s), stored: %t, and it is another system's", rec.State, rec.Reason.Code, rec.Reason.Message, stored)
	case !exists:
		w.T.Errorf("%s (%s), and nobody has generated it", rec.State, rec.Reason.Code)
	}
}
