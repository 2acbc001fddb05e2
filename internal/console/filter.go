package console

import (
	"net/url"
	"slices"
	"time"

	"issuance/internal/ledger"
	"issuance/internal/operate"
	"issuance/providers"
	"issuance/tasks/order"
)

// filter is which records a list shows. It stands in the page's address.
type filter struct {
	State   string            // a state, or openStates or endedStates; "" is openStates
	Account providers.Account // zero: all
	Lane    order.Lane
	Age     string
	Item    string
}

// Groups of states.
const (
	openStates  = operate.Open
	endedStates = operate.Ended
)

// ages are how old a record may be, or has to be: since it was recorded, or since its end where it has ended.
var ages = []struct {
	name           string
	within, beyond time.Duration
}{
	{"w1h", time.Hour, 0}, {"w24h", 24 * time.Hour, 0}, {"w7d", 7 * 24 * time.Hour, 0}, {"w30d", 30 * 24 * time.Hour, 0},
	{"o5m", 0, 5 * time.Minute}, {"o1h", 0, time.Hour}, {"o24h", 0, 24 * time.Hour},
}

// states lists what can be chosen: the groups and every state.
func states() []string {
	out := []string{openStates, endedStates}
	for _, s := range append(order.OrderStates(), order.RefundStates()...) {
		if !slices.Contains(out, string(s)) {
			out = append(out, string(s))
		}
	}
	return out
}

// mostItem is the longest item that is looked for.
const mostItem = 100

func parseFilter(q url.Values) (filter, error) {
	f := filter{State: q.Get("state"), Lane: order.Lane(q.Get("lane")), Age: q.Get("age"), Item: q.Get("item")}
	if f.State == "" {
		f.State = openStates
	}
	if text := q.Get("account"); text != "" {
		a, err := providers.ParseAccount(text)
		if f.Account = a; err != nil {
			return f, badFilter
		}
	}
	known := slices.Contains(states(), f.State) && (f.Lane == "" || slices.Contains(order.Lanes(), f.Lane)) && len(f.Item) <= mostItem
	if f.Age != "" && f.bounds() == (ageBounds{}) || !known {
		return f, badFilter
	}
	return f, nil
}

// values is what parseFilter reads.
func (f filter) values() url.Values {
	q := url.Values{}
	for name, value := range map[string]string{"state": f.State, "lane": string(f.Lane), "age": f.Age, "item": f.Item, "account": f.Account.String()} {
		if value != "" {
			q.Set(name, value)
		}
	}
	return q
}

// ageBounds are how old something may be at most, and has to be at least; 0 for no bound.
type ageBounds struct{ within, beyond time.Duration }

func (f filter) bounds() ageBounds {
	for _, a := range ages {
		if a.name == f.Age {
			return ageBounds{a.within, a.beyond}
		}
	}
	return ageBounds{}
}

// old reports whether something of that time is of the filter's age.
func (f filter) old(at, now time.Time) bool {
	b := f.bounds()
	age := now.Sub(at)
	return (b.within == 0 || age <= b.within) && (b.beyond == 0 || age >= b.beyond)
}

// query is the part of the filter that the ledger looks at.
func (f filter) query() ledger.Query {
	q := ledger.Query{Account: f.Account, Item: f.Item}
	if q.States = operate.Group(f.State); q.States == nil {
		q.States = []order.State{order.State(f.State)}
	}
	return q
}

// ended reports whether the filter is about what has been settled.
func (f filter) ended() bool { return f.State == endedStates || order.State(f.State).Settled() }

// chosen are the accounts that the filter is about, of those that a visitor may see.
func (f filter) chosen(seen []providers.Account) (out []providers.Account) {
	for _, a := range seen {
		if f.Account.IsZero() || f.Account.Covers(a) {
			out = append(out, a)
		}
	}
	return out
}
