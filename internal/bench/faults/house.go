package faults

import (
	"net/http"
	"sync"
	"time"

	"issuance/providers"
)

// house is a provider's simulator, with what a fault needs of it.
type house interface {
	http.Handler
	account() providers.Account
	// client is the product's client of it.
	client(h *http.Client, gate providers.Gate) (providers.Provider, error)
	order(id string, n int) string
	// refund is the document of a refund of n tickets, or of all of them for 0.
	refund(id, refundID string, n int) string
	// misbehave makes the nth call of a kind for an order misbehave; every one for 0. Without an order it is about all.
	misbehave(call call, id string, n int, how how)
	behave()
	// outage makes every call misbehave until it is ended, and returns how many it met.
	outage(how how, retryAfter string)
	endOutage() int
	// hide keeps questions so far behind about orders, about the tickets that a list shows (but for shows of them),
	// and about refunds.
	hide(orders, list time.Duration, shows int, refunds time.Duration)
	clockOff(ahead time.Duration)
	// clocks has every call answered by a machine whose clock is so far ahead.
	clocks(off func(call) time.Duration)
	// stranger places another system's order.
	stranger(id string)
	// forbid makes an order draw HTTP 403.
	forbid(id string)
	// cannotIssue makes an order fail at the provider.
	cannotIssue(id string)
	refunded(id string) int
	// audit lists what must never be.
	audit() []string
	close()
}

// call is a kind of call.
type call string

const (
	toIssue  call = "issue"
	toLook   call = "look"
	toRefund call = "refund"
)

// how is a misbehaviour.
type how int

const (
	behaves      how = iota
	losesAnswer      // takes effect, and is not answered
	losesRequest     // does not take effect, and is not answered
	rejects          // takes effect, and is answered by a rejection
	replays          // does not take effect, and is answered by an earlier confirmation
	busy             // is answered authentically, about no order
	unavailable      // HTTP 503
	garbage          // HTTP 200 with a page
	refuses          // a TransCode other than 1
	hangs            // no answer until the caller goes
)

// rules are the misbehaviours of a house, by kind of call and order. Safe for concurrent use.
type rules struct {
	mu   sync.Mutex
	list []rule
	seen map[string]int
}

type rule struct {
	call call
	id   string
	n    int
	how  how
}

func (r *rules) misbehave(c call, id string, n int, h how) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.list = append(r.list, rule{c, id, n, h})
}

func (r *rules) behave() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.list = nil
}

// of counts a call and returns how it misbehaves.
func (r *rules) of(c call, id string) how {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.seen == nil {
		r.seen = map[string]int{}
	}
	r.seen[string(c)+" "+id]++
	n := r.seen[string(c)+" "+id]
	for _, rule := range r.list {
		if rule.call == c && (rule.id == "" || rule.id == id) && (rule.n == 0 || rule.n == n) {
			return rule.how
		}
	}
	return behaves
}
