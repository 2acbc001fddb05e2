package chaos

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"issuance/providers"
	"issuance/providers/ecticket/ecticketsim"
	"issuance/providers/pass2u/pass2usim"
)

// Call is one call that arrived at a simulator.
type Call struct {
	Provider providers.Name
	Op       string
	OrderID  string
	TicketNo string // ECTicket: the ticket a call names
	N        int    // counts the calls of this operation about this order and ticket, from 1
}

// Changes reports whether the call may change something at the provider.
func (c Call) Changes() bool { return c.Issues() || c.Refunds() }

// Issues reports whether the call issues.
func (c Call) Issues() bool {
	return c.Op == ecticketsim.OpIssue || c.Op == string(pass2usim.Generate)
}

// Refunds reports whether the call refunds.
func (c Call) Refunds() bool {
	return c.Op == ecticketsim.OpRefund || c.Op == string(pass2usim.Refund)
}

// Weather decides how each call is misbehaved at. The decision depends on the seed, the operation,
// the order and how often that was called before, not on the moment. Safe for concurrent use.
type Weather struct {
	seed uint64
	odds Odds
	// script, when set, decides first; ok false leaves the call to the odds.
	script func(Call) (f Fault, ok bool)
	// witness, when set, is shown every call that may change something, before it does.
	witness func(Call)
	slow    time.Duration // longer than the callers wait
	// dark are orders of which no look-up shows how many tickets are refunded. Set before the first call.
	dark map[string]bool
	near atomic.Bool // calls take no time any more
	calm atomic.Bool // no faults any more

	mu     sync.Mutex
	seen   map[Call]int
	tally  map[string]map[Fault]int // "provider operation" → fault → calls
	banned map[providers.Name]int   // calls to answer 403
	// arrivals are when calls arrived, by provider.
	arrivals map[providers.Name][]time.Time
	late     map[Call]chan struct{} // overtaken calls, by their name without N; closed when the next arrives
}

func newWeather(seed uint64, odds Odds, slow time.Duration) *Weather {
	return &Weather{seed: seed, odds: odds, slow: slow, seen: map[Call]int{}, tally: map[string]map[Fault]int{}, banned: map[providers.Name]int{}, arrivals: map[providers.Name][]time.Time{}, late: map[Call]chan struct{}{}}
}

// times is how often a fault has happened.
func (w *Weather) times(f Fault) (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, row := range w.tally {
		n += row[f]
	}
	return n
}

// Ban has the next call of the provider answered 403.
func (w *Weather) Ban(p providers.Name) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.banned[p]++
}

// Clear ends all misbehaviour.
func (w *Weather) Clear() { w.calm.Store(true) }

// decide counts a call, and decides how it is misbehaved at.
func (w *Weather) decide(c Call) (Fault, Call) {
	w.mu.Lock()
	w.seen[c]++
	c.N = w.seen[c]
	w.arrivals[c.Provider] = append(w.arrivals[c.Provider], time.Now())
	w.mu.Unlock()
	if w.witness != nil && c.Changes() {
		w.witness(c)
	}
	f := w.judge(c)
	if !w.fits(f, c) {
		f = NoFault
	}
	w.overtake(c, f)
	w.mu.Lock()
	defer w.mu.Unlock()
	row := string(c.Provider) + " " + c.Op
	if w.tally[row] == nil {
		w.tally[row] = map[Fault]int{}
	}
	w.tally[row][f]++
	return f, c
}

// fits reports whether a call can be misbehaved at in this way.
func (w *Weather) fits(f Fault, c Call) bool {
	switch f {
	case Overtaken:
		return c.Changes()
	case RejectedAfter: // a rejected refund of an order page could not be told from one that took effect
		return c.Changes() && !(c.Refunds() && w.dark[c.OrderID])
	case Busy:
		return c.Provider == providers.ECTicket && !c.Changes()
	case OldAnswer: // an answer to Issue and generate names its order, and no refund of an order page can be seen
		return c.Refunds() && !w.dark[c.OrderID]
	case OldLook: // the first one has no older answer
		return !c.Changes() && c.N > 1
	}
	return true
}

// which is the earlier answer of the same question that an OldLook is: the first or the last.
func (w *Weather) which(c Call) int {
	return -dice(w.seed, "old look", string(c.Provider), c.Op, c.OrderID, c.TicketNo, fmt.Sprint(c.N)).IntN(2)
}

// lateArrival is the longest that a request is under way. ECTicket still takes it then.
const lateArrival = window - time.Second

// overtake holds an overtaken call up until the next of its kind arrives, and that one until the
// former has taken effect.
func (w *Weather) overtake(c Call, f Fault) {
	c.N = 0
	w.mu.Lock()
	before := w.late[c]
	delete(w.late, c)
	var arrived chan struct{}
	if f == Overtaken {
		arrived = make(chan struct{})
		w.late[c] = arrived
	}
	w.mu.Unlock()
	if before != nil {
		close(before)
		pause(context.Background(), 150*time.Millisecond)
	}
	if arrived == nil {
		return
	}
	patient, cancel := context.WithTimeout(context.Background(), lateArrival)
	defer cancel()
	select {
	case <-arrived:
	case <-patient.Done():
	}
}

func (w *Weather) judge(c Call) Fault {
	if w.calm.Load() {
		return NoFault
	}
	w.mu.Lock()
	if w.banned[c.Provider] > 0 {
		w.banned[c.Provider]--
		w.mu.Unlock()
		return Banned
	}
	w.mu.Unlock()
	if w.script != nil {
		if f, ok := w.script(c); ok {
			return f
		}
	}
	f := w.odds.draw(dice(w.seed, "weather", string(c.Provider), c.Op, c.OrderID, c.TicketNo, fmt.Sprint(c.N)))
	if f == OopsBefore && c.Provider == providers.ECTicket {
		return WrongChecksum
	}
	return f
}

// Every call takes a while on its way and back, so that workers die in the middle of some.
const (
	nearest  = 5 * time.Millisecond
	farthest = 400 * time.Millisecond
)

// distance puts a simulator far away: the request needs time to arrive, and its answer to return.
func (w *Weather) distance(sim http.Handler) http.Handler {
	var calls atomic.Uint64
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if w.near.Load() {
			sim.ServeHTTP(rw, r)
			return
		}
		d := dice(w.seed, "distance", fmt.Sprint(calls.Add(1)))
		pause(context.Background(), between(d, nearest, farthest)) // a request under way arrives even when its caller has gone
		sim.ServeHTTP(rw, r)
		pause(r.Context(), between(d, nearest, farthest)) // answers this small leave when the handler is done
	})
}

// ecticket is the hook of ECTicket's simulator.
func (w *Weather) ecticket(c ecticketsim.Call) ecticketsim.Fault {
	fault, call := w.decide(Call{Provider: providers.ECTicket, Op: c.Op, OrderID: c.OrderID, TicketNo: c.TicketNo})
	switch fault {
	case CutBefore:
		return ecticketsim.Fault{Kind: ecticketsim.CutBefore}
	case Before5xx, OopsBefore:
		return ecticketsim.Fault{Kind: ecticketsim.Error5xxBefore}
	case SlowBefore:
		return ecticketsim.SlowBefore(w.slow)
	case Lost:
		return ecticketsim.Fault{Kind: ecticketsim.LoseAnswer}
	case After5xx:
		return ecticketsim.Fault{Kind: ecticketsim.Error5xxAfter}
	case SlowAfter:
		return ecticketsim.SlowAfter(w.slow)
	case Garbage:
		return ecticketsim.Fault{Kind: ecticketsim.Garbage}
	case WrongChecksum:
		return ecticketsim.Fault{Kind: ecticketsim.WrongChecksum}
	case Banned:
		return ecticketsim.Fault{Kind: ecticketsim.Ban403}
	case RejectedAfter:
		return ecticketsim.Fault{Kind: ecticketsim.RejectAfter}
	case Throttled:
		return ecticketsim.Fault{Kind: ecticketsim.TooMany429, RetryAfter: "1"}
	case Busy:
		return ecticketsim.Fault{Kind: ecticketsim.Busy}
	case OldAnswer:
		return ecticketsim.Fault{Kind: ecticketsim.Replay}
	case OldLook:
		return ecticketsim.Fault{Kind: ecticketsim.ReplayOwn, Answer: w.which(call)}
	}
	return ecticketsim.Fault{}
}

// pass2u is the hook of Pass2U's simulator.
func (w *Weather) pass2u(c pass2usim.Call) pass2usim.Fault {
	fault, call := w.decide(Call{Provider: providers.Pass2U, Op: string(c.Op), OrderID: c.OrderID})
	switch fault {
	case CutBefore:
		panic(http.ErrAbortHandler) // net/http's way to cut a connection without an answer
	case Before5xx:
		return pass2usim.Error5xxBefore
	case SlowBefore:
		return pass2usim.SlowBefore(w.slow)
	case Lost:
		return pass2usim.LoseAnswer
	case After5xx:
		return pass2usim.Error5xxAfter
	case SlowAfter:
		return pass2usim.SlowAfter(w.slow)
	case Garbage:
		return pass2usim.Garbage
	case WrongChecksum:
		return pass2usim.OopsAfter
	case OopsBefore:
		return pass2usim.OopsBefore
	case Banned:
		return pass2usim.Ban403
	case RejectedAfter:
		return pass2usim.RejectAfter
	case Throttled:
		return pass2usim.Unavailable503("1")
	case OldAnswer:
		return pass2usim.Replay
	case OldLook:
		return pass2usim.ReplayOwn(w.which(call))
	}
	return pass2usim.None
}
