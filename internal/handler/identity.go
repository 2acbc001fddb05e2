package handler

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"issuance/internal/ledger"
	"issuance/providers"
	"issuance/providers/skew"
	"issuance/tasks/order"
)

// Identity says whether an order found at the provider under our number is the one that we sent.
type Identity int

const (
	// Unproven: nothing that is shown decides it.
	Unproven Identity = iota
	// Ours: it was made after our first sending and holds what we ordered, as far as that is shown.
	Ours
	// Taken: it is somebody else's.
	Taken
)

// Clock differences that are allowed for: what one that a few answers have measured may be off beyond what these show, what
// it may be off after one answer, and one that was not measured. A provider that takes no requests which are older than
// that has no clock that is off by more.
const (
	knownSkew   = 3 * time.Second
	skewSlack   = 30 * time.Second
	unknownSkew = 10 * time.Minute
)

// fewAnswers measure a clock well enough, where they agree.
const fewAnswers = 5

// Identify decides whose an order found under our number is, by what f shows, or else by another question, whose answer is then
// part of f. An outcome other than Done says that it could
// not be asked, or has to be again; why explains Taken.
func Identify(ctx context.Context, p providers.Provider, o providers.Order, f *providers.Finding, firstSent time.Time) (id Identity, why string, out providers.Outcome) {
	done := providers.Outcome{Kind: providers.Done}
	sight := f.Sight
	if sight == nil {
		asker, ok := p.(providers.Identifier)
		if !ok {
			return Unproven, "", done
		}
		s, out := asker.Identify(ctx, o)
		switch {
		case out.Kind == providers.Done:
		case f.State != providers.FoundIssued:
			return Unproven, "", done // what is not issued may show nothing; it is asked for again once it is
		case out.Kind == providers.Rejected:
			// One answer knows the order and the other one does not yet.
			out.Kind = providers.Unknown
			fallthrough
		default:
			return Unproven, "", out
		}
		sight, f.Sight = &s, &s
	}
	if sight.Differs != "" {
		return Taken, "its " + sight.Differs + " is not that of our document", done
	}
	if sight.CreatedAt.IsZero() && (sight.Partial || sight.Unissued && f.State == providers.FoundIssued) {
		return Unproven, "", notShown
	}
	if sight.CreatedAt.IsZero() || firstSent.IsZero() {
		return Unproven, "", done
	}
	switch when, again := Compare(p, sight.CreatedAt, sight.Precision, firstSent); {
	case when == Since:
		return Ours, "", done
	case when == Undecided && again:
		return Unproven, "", undecided
	case sight.Unzoned && InAnotherZone(p, sight.CreatedAt, sight.Precision, firstSent, sight.AskedAt):
		// An older order of the same customer's, or of one who is not shown, looks as one of another zone does. What shows the zone is
		// an order that was accepted.
		if sight.AskedAt.Sub(firstSent) < skew.ZoneStep { // after that, any time fits in some zone
			return Unproven, "", unzoned
		}
		return Taken, fmt.Sprintf("it was made at %s, which is before our first request unless the provider writes times of another zone, "+
			"and no order of the account has shown that it does", Moment(sight.CreatedAt)), done
	}
	return Taken, fmt.Sprintf("it was made at %s, before our first request", Moment(sight.CreatedAt)), done
}

// notShown is the outcome of an answer that shows too little of the order so far.
var notShown = providers.Outcome{Kind: providers.Unknown, Code: string(order.CodeListLags),
	Message: "the provider shows neither the order's time nor all of its tickets yet"}

// undecided is the outcome of an answer whose time does not decide yet whose the order is.
var undecided = providers.Outcome{Kind: providers.Unknown, Code: string(order.CodeInDoubt),
	Message: "the order's time is a little before our first request, and the provider's clock is not measured well enough to rely on that"}

// unzoned is the outcome of an answer whose time would be ours in another zone.
var unzoned = providers.Outcome{Kind: providers.Unknown, Code: string(order.CodeInDoubt),
	Message: "the order's time is before our first request, unless the provider writes times of another zone, which no order has shown yet"}

// Contradicts reports whether a look-up found an order under our number that cannot be ours.
func Contradicts(f providers.Finding) bool { return f.Sight != nil && f.Sight.Differs != "" }

// When is what a time that the provider shows says about a moment of ours.
type When int

const (
	// Undecided: by the clock as it was measured it is before the moment, and by another machine's of the provider
	// it may not be.
	Undecided When = iota
	// Since: it is not before the moment.
	Since
	// Before: it is, by whatever clock.
	Before
)

// Compare compares a time that the provider shows, of this precision, with a moment of ours. Its clock is taken
// to be off by what its answers say, and that to be as uncertain as they are apart. again says that more answers would
// say more of the clock.
func Compare(p providers.Provider, shown time.Time, precision time.Duration, moment time.Time) (when When, again bool) {
	m := clockOf(p)
	slack, few := clockSlack(m)
	switch end := shown.Add(max(precision, 1)); { // it happened before its end
	case end.After(moment.Add(m.Ahead - slack)):
		return Since, false
	case end.After(moment.Add(m.Ahead - few)):
		return Undecided, true
	case m.Answers == 0, !end.After(moment.Add(m.Ahead - slack - unknownSkew)):
		return Before, false
	}
	return Undecided, m.Answers < skew.Enough
}

// After reports whether a time that the provider shows, to the second, is later than a moment of ours by whatever its clock may
// be off.
func After(p providers.Provider, shown, moment time.Time) bool {
	m := clockOf(p)
	slack, _ := clockSlack(m)
	return shown.After(moment.Add(m.Ahead + slack))
}

// clockOf is what is known of a provider's clock.
func clockOf(p providers.Provider) (m providers.Skew) {
	if c, ok := p.(providers.ClockTeller); ok {
		m = c.Skew()
	}
	return m
}

// clockSlack is how far the clock may be off beyond what its answers say. few is what it may be off where these are too few to
// rely on, although they agree: a time that is off by less decides nothing before there are more.
func clockSlack(m providers.Skew) (slack, few time.Duration) {
	slack = skewSlack + m.Spread
	few = slack
	if m.Answers > 0 && m.Spread <= knownSkew {
		slack = min(slack, knownSkew+m.Spread+m.Within)
	}
	if m.Answers == 0 || m.Spread > skewSlack { // machines that disagree say little of one that has not answered
		slack = max(slack, unknownSkew)
	}
	if m.Answers >= fewAnswers {
		few = slack
	}
	return slack, few
}

// InAnotherZone reports whether a time that the provider shows, and that is not known to be of the zone it was read in, may be
// one between two moments of ours: it is off by whole half hours.
func InAnotherZone(p providers.Provider, shown time.Time, precision time.Duration, from, to time.Time) bool {
	m := clockOf(p)
	slack, few := clockSlack(m)
	slack = max(slack, few)
	_, ok := skew.Zone(shown, precision, from.Add(m.Ahead-slack), to.Add(m.Ahead+slack))
	return ok
}

// How long a provider may be behind itself: until it was seen to be longer, and at the most. What is seen later
// than that may be a request that arrived late.
const (
	firstLag   = 30 * time.Second
	LongestLag = ledger.LongestLag
)

// Lag is how long the provider may not show yet what it has done.
func (r *Run) Lag(ctx context.Context) (time.Duration, error) {
	return Lag(ctx, r.Ledger, r.Ref.Account)
}

// Lag is how long an account's provider may not show yet what it has done: half as long again as was ever seen of it, or is
// at this moment.
func Lag(ctx context.Context, l *ledger.Ledger, a providers.Account) (time.Duration, error) {
	seen, err := l.Lag(ctx, a)
	return min(max(firstLag, seen*3/2), LongestLag), err
}

// SawLag remembers that the provider did not show at a moment what it had been asked to do since another one, and
// has done it.
func (r *Run) SawLag(ctx context.Context, since, absent time.Time) {
	if since.IsZero() || !absent.After(since) {
		return
	}
	_ = r.Ledger.SawLag(ctx, r.Ref.Account, min(absent.Sub(since), LongestLag)) // the next one is seen as well
}

// ShownLate remembers the lag of an order that the provider had accepted, did not know when it was asked, and shows now. code is
// that of the answer then, if it is known: one that a number which does not exist is not answered with ("busy") was no absence.
func ShownLate(ctx context.Context, p providers.Provider, l *ledger.Ledger, rec *ledger.Record, code string) error {
	if err := l.Shown(ctx, rec.Ref); err != nil {
		return err
	}
	lag := min(rec.AbsentLast.Sub(rec.SentAt), LongestLag)
	seen, err := l.LagSeen(ctx, rec.Account)
	if err != nil || lag <= seen {
		return err
	}
	if codec, ok := providers.CodecOf(rec.Account.Provider); ok && code != "" && lag*3/2 > firstLag { // less than that changes nothing
		if f := p.LookUp(ctx, codec.Probe()); f.State == providers.Absent && f.Outcome.Code != code {
			return nil
		}
	}
	return l.SawLag(ctx, rec.Account, lag)
}

// SurelyAbsent reports whether an answer that is taken for "unknown number" means that. Where the provider's codes are
// not public, it does when a number that certainly does not exist is answered in the same way: "busy" about one order
// alone says nothing of it.
func SurelyAbsent(ctx context.Context, log *slog.Logger, p providers.Provider, f providers.Finding) bool {
	var c Control
	if f.Assumed {
		c.Unknown = probe(ctx, log, p)
	}
	return c.Means(f)
}

// probe looks up a number that cannot exist.
func probe(ctx context.Context, log *slog.Logger, p providers.Provider) (f providers.Finding) {
	codec, ok := providers.CodecOf(p.Account().Provider)
	if !ok {
		return f
	}
	f = p.LookUp(ctx, codec.Probe())
	log.Info("looked up a number that does not exist", "finding", string(f.State), "code", f.Outcome.Code)
	return f
}

// Known reports whether the provider finds an order that it certainly has: the account's latest issued one.
// ok is false when there is none to ask for, or no clear answer. A provider that does not even find that one is
// not answering about ours either.
func Known(ctx context.Context, log *slog.Logger, p providers.Provider, l *ledger.Ledger) (found, ok bool, err error) {
	control, err := l.LatestIssued(ctx, p.Account(), providers.Site(p))
	if err != nil || control == nil {
		return false, false, err
	}
	f := p.LookUp(ctx, providers.Order{ID: control.OrderID, Request: control.Stub, Ref: control.ProviderRef})
	log.Info("looked up an order that the provider has", "control", control.OrderID, "finding", string(f.State), "code", f.Outcome.Code)
	return f.Found() || Contradicts(f), f.State != providers.Unclear || Contradicts(f), nil
}

// TakenBecause is the message of a review of a number that another order has.
func TakenBecause(why string) string {
	return "the provider has an order under this number that this record cannot have made: " + why +
		"; find out whose it is: another system's, or ours from a record that Redis has lost"
}
