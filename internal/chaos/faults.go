package chaos

import "math/rand/v2"

// Fault is one way in which a provider misbehaves towards one call.
type Fault string

// The faults. "After" means that the call has taken effect.
const (
	NoFault       Fault = ""
	CutBefore     Fault = "cut before"     // the connection breaks, no effect
	Before5xx     Fault = "5xx before"     // HTTP 5xx, no effect
	SlowBefore    Fault = "slow before"    // takes effect after the caller has given up
	Lost          Fault = "answer lost"    // takes effect, the connection breaks
	After5xx      Fault = "5xx after"      // takes effect, HTTP 5xx
	SlowAfter     Fault = "slow after"     // takes effect, answers after the caller has given up
	Garbage       Fault = "garbage"        // takes effect, the answer cannot be read
	WrongChecksum Fault = "wrong checksum" // takes effect; Pass2U has no checksums and says "Oops!"
	OopsBefore    Fault = "oops before"    // Pass2U's "Oops! Something Went Wrong.", no effect
	Banned        Fault = "403"            // no effect, and the account is to pause
	Overtaken     Fault = "overtaken"      // takes effect only just before the next such call, or lateArrival later
	RejectedAfter Fault = "rejected after" // takes effect, and the answer is an authentic rejection
	Throttled     Fault = "retry after"    // HTTP 503 or 429 with Retry-After, no effect
	Busy          Fault = "busy"           // ECTicket: an authentic answer that is about no order
	OldAnswer     Fault = "replayed"       // an older confirmation is sent again, no effect
	OldLook       Fault = "old look"       // a look-up is answered with what the same one was answered before
)

var allFaults = []Fault{CutBefore, Before5xx, SlowBefore, Overtaken, Lost, After5xx, SlowAfter, Garbage, WrongChecksum, OopsBefore, Banned, RejectedAfter,
	Throttled, Busy, OldAnswer, OldLook}

// Odds are how often calls are misbehaved at, in percent of all calls.
type Odds struct {
	Lost     float64 // answers lost after the effect, by a broken connection
	HTTP5xx  float64 // half of them before the effect, half after
	Garbage  float64
	Checksum float64
	Slow     float64 // half of them before the effect, half after
	Cut      float64 // connections broken before the effect
	// Overtaken are requests that arrive so late that a look-up has not found them, and the next
	// one for the same order is on its way. Only of calls that change something.
	Overtaken float64
	// Rejected are requests that take effect and are answered by a rejection, Busy look-ups that are answered by
	// one about no order, Replayed refunds that are answered by an older confirmation.
	Rejected, Busy, Replayed float64
	// OldLooks are look-ups that are answered with what the same question was answered before, the first time or the last.
	OldLooks float64
	// Throttled are calls answered by HTTP 503 or 429 with Retry-After.
	Throttled float64
}

// DefaultOdds are those the product has to stand.
func DefaultOdds() Odds {
	return Odds{Lost: 10, HTTP5xx: 10, Garbage: 2, Checksum: 2, Slow: 2, Cut: 2, Overtaken: 2, Rejected: 2, Busy: 3, Replayed: 2, OldLooks: 5, Throttled: 0.5}
}

func (o Odds) draw(r *rand.Rand) Fault {
	half := func(a, b Fault) Fault {
		if r.IntN(2) == 0 {
			return a
		}
		return b
	}
	x := r.Float64() * 100
	for _, row := range []struct {
		percent float64
		fault   Fault
	}{
		{o.Lost, Lost}, {o.HTTP5xx, half(Before5xx, After5xx)}, {o.Garbage, Garbage}, {o.Checksum, half(WrongChecksum, OopsBefore)},
		{o.Slow, half(SlowBefore, SlowAfter)}, {o.Cut, CutBefore}, {o.Overtaken, Overtaken}, {o.Rejected, RejectedAfter}, {o.Busy, Busy},
		{o.Replayed, OldAnswer}, {o.Throttled, Throttled}, {o.OldLooks, OldLook},
	} {
		if x -= row.percent; x < 0 {
			return row.fault
		}
	}
	return NoFault
}
