package ledger

import (
	"cmp"
	"context"
	"crypto/sha1"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/internal/keys"
	"issuance/internal/seal"
	"issuance/tasks/order"
)

// ErrNotFound says that the ledger has no such record.
var ErrNotFound = errors.New("ledger: no such record")

// Record is what the ledger holds of an order or a refund. Times are UTC, zero when the thing has not
// happened. Once the details of a settled record have expired, or were erased, Document, Result, Plan and
// what else they hold is empty.
type Record struct {
	order.Ref
	State       order.State
	Lane        order.Lane
	Fingerprint string
	Shape       json.RawMessage
	Document    seal.Sealed
	Stub        []byte // enough of an order's request to look it up; a refund has none
	Host        string // the site (providers.Site) that the last intent was for; gone with the details, but see SentElsewhere
	HostMark    string // what stays of Host when the details are gone
	Trace       string // W3C traceparent of the enqueueing

	Newer   bool   // a newer program wrote it, so this one must leave it alone
	Fence   string // goes with every transition of a claim
	Runner  string // empty when nobody holds a claim
	Until   time.Time
	Crashes int // runners in a row that died with the claim

	// Abandoned counts runners in a row that died with the claim while their worker did other things, too.
	Abandoned int
	// Bans counts the requests that drew a ban of the account, which may be the account's own doing but for those
	// that other orders passed before; BannedAt is when the first one did.
	Bans     int
	BannedAt time.Time

	Attempts int // intents written
	Unsent   int // those that certainly had no effect
	// DoubtAt is the last moment at which a request whose outcome is unknown can have left; zero when
	// nothing is in doubt. DoubtSince is when that began: sending again moves the one and leaves the other.
	DoubtAt, DoubtSince time.Time
	Doubts              int // requests of this doubt whose outcome is unknown
	// AbsentAt is when the provider first answered, since the last sending, that it does not know the order, and
	// AbsentLast when it last did.
	AbsentAt, AbsentLast time.Time
	// UnclearSince is since when the provider's answers are of no use: for a refund's plan, or as an answer to a
	// poll; zero when the last one was.
	UnclearSince time.Time
	// Unproven: an order was found at the provider under the number, and whether it is ours is still to be seen.
	Unproven bool
	// Rejection is a provider's rejection that a look-up still has to confirm.
	Rejection Reason
	// Confirmed: the provider has confirmed the last request, and a look-up still has to show its effect.
	Confirmed bool
	Reason    Reason

	CreatedAt, FirstSentAt, SentAt, AcceptedAt, FinalAt time.Time
	ReopenedAt                                          time.Time // when a person last had a review worked on again
	ErasedAt                                            time.Time
	Event                                               string // id of the stream entry of the last end
	ResolvedBy, Resolved                                string // who decided (a review, a cancellation), and why
	ReviewReason                                        Reason // of a review that was resolved: why it was one
	History                                             []Step

	// Orders.
	ProviderRef string
	Result      seal.Sealed
	Polls       int
	PolledAt    time.Time
	Unclear     int // polls in a row without a clear answer; see UnclearSince

	// Refunds.
	Plan       seal.Sealed
	Planned    bool
	Count      int
	Baseline   int       // negative when it cannot be proven
	BaselineAt time.Time // when the plan, and with it the baseline, was written
	Refunded   int
	Tickets    []Ticket
}

// Ticket is one ticket of a refund's plan, by its place in it.
type Ticket struct {
	State   order.TicketState
	Code    string
	SentAt  time.Time // first intent
	DoubtAt time.Time
	// DoubtSince is when its first request with an unknown outcome can have left, Doubts how many such
	// there were.
	DoubtSince time.Time
	Doubts     int
	Rejection  string // the code of a rejection that a later look has to confirm
	// ShownAt is when the provider has last shown the ticket as refunded while that was in doubt; Proven that it did so in an
	// answer which names the ticket.
	ShownAt time.Time
	Proven  bool
	// ConfirmedAt is when the provider has first confirmed its refund, in an answer that names no ticket.
	ConfirmedAt time.Time
}

// Confirmed reports whether the provider has ever confirmed the ticket's refund.
func (t Ticket) Confirmed() bool { return !t.ConfirmedAt.IsZero() }

// Step is one line of a record's history.
type Step struct {
	At     time.Time
	Event  string
	Detail string
}

// Live reports whether a runner holds a valid claim at now.
func (r *Record) Live(now time.Time) bool { return r.Runner != "" && r.Until.After(now) }

// SentElsewhere reports whether something of the record can have been sent to another site (providers.Site) than this one. It is
// known for as long as the record is.
func (r *Record) SentElsewhere(site string) bool {
	switch {
	case r.Attempts <= r.Unsent:
		return false
	case r.Host != "":
		return r.Host != site
	case r.HostMark != "":
		sum := sha1.Sum([]byte(site)) // as the script that lets a record age makes it; it guards nothing
		return r.HostMark != strconv.Itoa(int(sum[0])<<4|int(sum[1])>>4)
	}
	return false
}

// Load reads a record, details included, or ErrNotFound.
func (l *Ledger) Load(ctx context.Context, r order.Ref) (*Record, error) {
	list, _, err := l.LoadMany(ctx, []order.Ref{r})
	switch {
	case err != nil:
		return nil, err
	case list[0] == nil:
		return nil, ErrNotFound
	}
	return list[0], nil
}

// LoadMany reads many records, and the time, in one round trip. A record that does not exist is nil.
func (l *Ledger) LoadMany(ctx context.Context, refs []order.Ref) ([]*Record, time.Time, error) {
	pipe := l.rdb.Pipeline()
	now := l.timeIn(ctx, pipe)
	cmds := make([][2]*redis.MapStringStringCmd, len(refs))
	for i, r := range refs {
		cmds[i] = [2]*redis.MapStringStringCmd{pipe.HGetAll(ctx, keys.Record(r)), pipe.HGetAll(ctx, keys.Details(r))}
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, time.Time{}, fmt.Errorf("ledger: load: %w", err)
	}
	out := make([]*Record, len(refs))
	for i, c := range cmds {
		f := c[0].Val()
		if len(f) == 0 {
			continue
		}
		for name, value := range c[1].Val() {
			if _, both := f[name]; !both {
				f[name] = value
			}
		}
		out[i] = record(refs[i], f)
	}
	return out, now(), nil
}

// Refunds reads all refunds of r's order, the oldest first.
func (l *Ledger) Refunds(ctx context.Context, r order.Ref) ([]*Record, error) {
	ids, err := l.rdb.ZRange(ctx, keys.Refunds(r), 0, -1).Result()
	if err != nil {
		return nil, fmt.Errorf("ledger: refunds of %s: %w", r.Order(), err)
	}
	if len(ids) == 0 {
		return nil, nil
	}
	refs := make([]order.Ref, len(ids))
	for i, id := range ids {
		refs[i] = r.Refund(id)
	}
	list, _, err := l.LoadMany(ctx, refs)
	if err != nil {
		return nil, err
	}
	out := list[:0]
	for _, rec := range list {
		if rec != nil {
			out = append(out, rec)
		}
	}
	return out, nil
}

func record(r order.Ref, f map[string]string) *Record {
	rec := &Record{Ref: r, State: order.State(f["state"]), Lane: order.Lane(f["lane"]), Fingerprint: unpackFingerprint(f["fp"]),
		Shape: json.RawMessage(shapeOf(r.Account.Provider, f["shape"], f["stub"])), Document: unpack(f["doc"]), Stub: unpackText(r.Account.Provider, f["stub"]), Host: f["host"], HostMark: f["h"], Trace: f["trace"],
		Newer: number(f["v"]) > 2, Fence: f["fence"], Runner: f["runner"], Until: millis(f["until"]), Crashes: number(f["crashes"]),
		Abandoned: number(f["abandoned"]), Bans: number(f["bans"]), BannedAt: millis(f["banned_at"]), AbsentAt: millis(f["absent"]), AbsentLast: millis(f["absent_last"]), Unproven: f["unproven"] == "1", FirstSentAt: millis(cmp.Or(f["first"], f["sent_at"])),
		Attempts: number(f["attempts"]), Unsent: number(f["unsent"]),
		DoubtAt: millis(f["doubt_at"]), DoubtSince: millis(f["doubt_since"]), Doubts: number(f["doubts"]),
		Rejection: Reason{Code: f["rejected_code"], Message: f["rejected_message"]}, Confirmed: f["confirmed"] == "1", Reason: Reason{Code: f["code"], Message: f["message"]},
		CreatedAt: millis(f["created"]), SentAt: millis(f["sent_at"]),
		AcceptedAt: millis(f["accepted"]), FinalAt: millis(f["final"]), ReopenedAt: millis(f["reopened_at"]),
		ErasedAt: millis(f["erased_at"]), Event: f["event"], ResolvedBy: f["resolved_by"], Resolved: f["resolved_reason"], ReviewReason: Reason{Code: f["review_code"], Message: f["review_message"]},
		ProviderRef: f["ref"], Result: unpack(f["result"]), Polls: number(f["polls"]), PolledAt: millis(f["polled_at"]),
		Plan: unpack(f["plan"]), Planned: f["count"] != "", Count: number(f["count"]), Baseline: -1,
		BaselineAt: millis(f["baseline_at"]), UnclearSince: millis(f["unclear_since"]), Unclear: number(f["unclear"]), Refunded: number(f["refunded"])}
	if n, err := strconv.Atoi(f["baseline"]); err == nil {
		rec.Baseline = n
	}
	for i := 0; f[fmt.Sprintf("t:%d", i)] != ""; i++ {
		of := func(field string) string { return f[fmt.Sprintf("%s:%d", field, i)] }
		rec.Tickets = append(rec.Tickets, Ticket{State: order.TicketState(of("t")), Code: of("c"), SentAt: millis(of("s")),
			DoubtAt: millis(of("d")), DoubtSince: millis(of("b")), Doubts: number(of("n")), Rejection: of("r"), ShownAt: millis(of("v")), Proven: of("p") == "1", ConfirmedAt: millis(of("y"))})
	}
	if rec.State == order.Issued && rec.AcceptedAt.IsZero() && f["ends"] == "" {
		rec.AcceptedAt = rec.FinalAt // issued at once, not by a person
	}
	rec.History = append([]Step{{At: rec.CreatedAt, Event: string(order.Queued), Detail: string(rec.Lane)}}, history(f["history"])...)
	if rec.State.Final() && rec.ResolvedBy == "" {
		rec.History = withEnd(rec.History, Step{At: rec.FinalAt, Event: string(rec.State), Detail: rec.Reason.Code})
	}
	return rec
}

// withEnd is a history with the record's end, which has no line of its own unless a person was its cause.
func withEnd(steps []Step, end Step) []Step {
	n := len(steps)
	for n > 1 && steps[n-1].At.After(end.At) { // what came after it, such as an erasure
		n--
	}
	return slices.Insert(steps, n, end)
}

func history(text string) []Step {
	var steps []Step
	for line := range strings.Lines(text) {
		parts := strings.SplitN(strings.TrimSuffix(line, "\n"), " ", 3)
		if len(parts) < 2 {
			continue
		}
		s := Step{At: millis(parts[0]), Event: parts[1]}
		if len(parts) == 3 {
			s.Detail = strings.TrimSpace(parts[2])
		}
		steps = append(steps, s)
	}
	return steps
}

// States reads the states of many records in one round trip; "" for those that do not exist.
func (l *Ledger) States(ctx context.Context, refs []order.Ref) ([]order.State, error) {
	if len(refs) == 0 {
		return nil, nil
	}
	pipe := l.rdb.Pipeline()
	cmds := make([]*redis.StringCmd, len(refs))
	for i, r := range refs {
		cmds[i] = pipe.HGet(ctx, keys.Record(r), "state")
	}
	if _, err := pipe.Exec(ctx); err != nil && !errors.Is(err, redis.Nil) {
		return nil, fmt.Errorf("ledger: states: %w", err)
	}
	out := make([]order.State, len(refs))
	for i, c := range cmds {
		if err := c.Err(); err != nil && !errors.Is(err, redis.Nil) {
			return nil, fmt.Errorf("ledger: states: %w", err)
		}
		out[i] = order.State(c.Val())
	}
	return out, nil
}

// Trace is the W3C traceparent of a record's enqueueing, "" where none is kept (any more).
func (l *Ledger) Trace(ctx context.Context, r order.Ref) (string, error) {
	for _, key := range []string{keys.Record(r), keys.Details(r)} {
		t, err := l.rdb.HGet(ctx, key, "trace").Result()
		if err == nil || err != redis.Nil {
			return t, err
		}
	}
	return "", nil
}
