package pass2usim

import (
	"context"
	"time"
)

// Op is an operation of the service.
type Op string

// The operations.
const (
	Generate Op = "generate"
	Query    Op = "query"
	Refund   Op = "refund"
)

// Call is what a fault may depend on.
type Call struct {
	Op Op
	// OrderID is the channelOrderId; for a query by pass2uOrderId that of the order found.
	OrderID string
	// N counts the calls of this Op for this order, from 1.
	N int
}

// Fault is one misbehaviour; the zero value is none. "Before" means that the call has no
// effect, or not yet; "after" that it has taken effect.
type Fault struct {
	kind  faultKind
	delay time.Duration
	hold  <-chan struct{}
	retry string // header Retry-After
	which int    // of ReplayOwn
	text  string // of Says
}

type faultKind int

const (
	none faultKind = iota
	loseAnswer
	http5xxBefore
	http5xxAfter
	slowBefore
	slowAfter
	garbage
	oopsBefore
	oopsAfter
	ban
	hang
	refuseAfter
	hangBefore
	cutBefore
	garbageBefore
	emptyBefore
	emptyAfter
	tooMany
	unavailable
	rejectAfter
	replay
	replayOwn
	saysBefore
	saysAfter
)

// The faults without a parameter.
var (
	None = Fault{}
	// LoseAnswer: the call takes effect, then the connection is cut without an answer.
	LoseAnswer = Fault{kind: loseAnswer}
	// Error5xxBefore and Error5xxAfter answer HTTP 502 with an HTML page.
	Error5xxBefore = Fault{kind: http5xxBefore}
	Error5xxAfter  = Fault{kind: http5xxAfter}
	// Garbage: the call takes effect, the answer is HTTP 200 with half a JSON object.
	Garbage = Fault{kind: garbage}
	// OopsBefore and OopsAfter answer "Oops! Something Went Wrong.".
	OopsBefore = Fault{kind: oopsBefore}
	OopsAfter  = Fault{kind: oopsAfter}
	// Ban403: no effect, HTTP 403, and every call for Config.BanFor is answered so too.
	Ban403 = Fault{kind: ban}
	// HangUntilClose: the call takes effect, and no answer comes until the caller gives up
	// or the simulator is closed.
	HangUntilClose = Fault{kind: hang}
	// RefuseAfter: the call takes effect and is answered as one with a wrong key.
	RefuseAfter = Fault{kind: refuseAfter}
	// HangBefore: no effect, and no answer comes until the caller gives up or the simulator is closed.
	HangBefore = Fault{kind: hangBefore}
	// CutBefore: no effect, the connection is cut without an answer.
	CutBefore = Fault{kind: cutBefore}
	// GarbageBefore: no effect, the answer is HTTP 200 with an HTML page.
	GarbageBefore = Fault{kind: garbageBefore}
	// EmptyBefore and EmptyAfter answer HTTP 200 with an empty body.
	EmptyBefore = Fault{kind: emptyBefore}
	EmptyAfter  = Fault{kind: emptyAfter}
	// RejectAfter: the call takes effect and is answered by an authentic rejection, as when a balancer
	// has sent it twice and passes on the second answer: "channelOrderId Repeated.", or "Refundable
	// Quantity Is Not Enough." A query is answered "channelOrderId Does Not Exist".
	RejectAfter = Fault{kind: rejectAfter}
	// Replay: no effect; the last confirmation of this operation for this order is sent again, or for
	// any order when there is none. Without either the call is served.
	Replay = Fault{kind: replay}
)

// ReplayOwn has no effect, and sends an answer again with its header Date that the same call (operation and order) was given
// before: 0 is the first, 1 the second, -1 the last. Without one the call is served. Config.KeepAnswers has to be set.
func ReplayOwn(which int) Fault { return Fault{kind: replayOwn, which: which} }

// SaysBefore and SaysAfter answer an error of this message, one of Messages or any other.
func SaysBefore(message string) Fault { return Fault{kind: saysBefore, text: message} }

// SaysAfter is SaysBefore for a call that takes effect.
func SaysAfter(message string) Fault { return Fault{kind: saysAfter, text: message} }

// TooMany429 answers HTTP 429 without effect; retryAfter, seconds or a date, is the header of that
// name, none when it is empty.
func TooMany429(retryAfter string) Fault { return Fault{kind: tooMany, retry: retryAfter} }

// Unavailable503 is TooMany429 with HTTP 503.
func Unavailable503(retryAfter string) Fault { return Fault{kind: unavailable, retry: retryAfter} }

// SlowBefore takes effect only after d, even when the caller has given up by then.
func SlowBefore(d time.Duration) Fault { return Fault{kind: slowBefore, delay: d} }

// SlowAfter takes effect at once and answers after d.
func SlowAfter(d time.Duration) Fault { return Fault{kind: slowAfter, delay: d} }

// HoldBefore is SlowBefore until release is closed, for tests without a clock.
func HoldBefore(release <-chan struct{}) Fault { return Fault{kind: slowBefore, hold: release} }

// HoldAfter is SlowAfter until release is closed.
func HoldAfter(release <-chan struct{}) Fault { return Fault{kind: slowAfter, hold: release} }

// wait blocks for the fault's delay or hold, or until the simulator is closed. The caller's
// leaving does not end it: a request under way at a provider takes effect all the same.
func (s *Sim) wait(f Fault) {
	if f.hold != nil {
		select {
		case <-f.hold:
		case <-s.done:
		}
		return
	}
	t := time.NewTimer(f.delay)
	defer t.Stop()
	select {
	case <-t.C:
	case <-s.done:
	}
}

// hangOn blocks until the caller has left or the simulator is closed.
func (s *Sim) hangOn(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-s.done:
	}
}

// limiter is a token bucket with a ban; guarded by Sim.mu.
type limiter struct {
	tokens      float64
	last        time.Time
	bannedUntil time.Time
}

// admit reports whether a call may be served now. The first call too many starts the ban.
func (s *Sim) admit() bool {
	now, l := s.now(), &s.limit
	if now.Before(l.bannedUntil) {
		s.tally.whileBanned++
		return false
	}
	if s.cfg.CallsPerSecond <= 0 {
		return true
	}
	burst := float64(s.cfg.Burst)
	if l.last.IsZero() {
		l.tokens = burst
	} else {
		l.tokens = min(burst, l.tokens+now.Sub(l.last).Seconds()*s.cfg.CallsPerSecond)
	}
	l.last = now
	// The small allowance keeps sums of floating-point fractions from missing a whole token.
	if l.tokens < 1-1e-6 {
		s.startBan(now)
		return false
	}
	l.tokens--
	return true
}

func (s *Sim) startBan(now time.Time) {
	s.limit = limiter{bannedUntil: now.Add(s.cfg.BanFor)}
	s.tally.bans++
}
