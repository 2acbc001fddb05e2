package ledger

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/internal/seal"
)

// ErrNotFound says that the ledger has no such record.
var ErrNotFound = errors.New("ledger: no such record")

// Base is what orders' and refunds' records have in common. Times are UTC, zero when the thing
// has not happened.
type Base struct {
	State       State
	Lane        string
	Fingerprint string
	Shape       json.RawMessage
	Document    seal.Sealed
	Runner      string
	Until       time.Time
	Phase       string
	Attempts    int
	Crashes     int
	Reason      Reason
	CreatedAt   time.Time
	UpdatedAt   time.Time
	SentAt      time.Time
	DoubtAt     time.Time
	DoubtSince  time.Time // when the doubt began, however often the record was sent since
	ReopenedAt  time.Time // when a person last had a review worked on again
	FinalAt     time.Time
	Event       string // id of the stream entry of the final status
	ResolvedBy  string
	Resolved    string // the reason a person gave
	History     []Step
}

// Record is an order's record.
type Record struct {
	Key
	Base
	Ref        string
	Result     seal.Sealed
	Polls      int
	PolledAt   time.Time
	AcceptedAt time.Time
}

// RefundRecord is a refund's record.
type RefundRecord struct {
	RefundKey
	Base
	Plan     seal.Sealed
	Planned  bool
	Count    int
	Baseline int // negative when it cannot be proven
	// BaselineAt is when the plan, and with it the baseline, was written.
	BaselineAt time.Time
	// UnclearSince is since when the provider's answers are of no use for a plan; zero when there is one.
	UnclearSince time.Time
	Refunded     int
	Tickets      []RefundTicket
}

// RefundTicket is one ticket of a refund's plan, by its place in it.
type RefundTicket struct {
	State   TicketState
	Code    string
	SentAt  time.Time // first intent
	DoubtAt time.Time
	// DoubtSince is when its first request with an unknown outcome can have left, Doubts how many such
	// there were.
	DoubtSince time.Time
	Doubts     int
}

// Step is one line of a record's history.
type Step struct {
	At     time.Time
	Event  string
	Detail string
}

// Load reads an order's record, or ErrNotFound.
func (l *Ledger) Load(ctx context.Context, k Key) (*Record, error) {
	return loaded(k, l.rdb.HGetAll(ctx, k.order()))
}

// LoadNow is Load with the ledger's time, in the same round trip.
func (l *Ledger) LoadNow(ctx context.Context, k Key) (*Record, time.Time, error) {
	pipe := l.rdb.Pipeline()
	f, now := pipe.HGetAll(ctx, k.order()), l.timeIn(ctx, pipe)
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, time.Time{}, fmt.Errorf("ledger: load %s: %w", k, err)
	}
	rec, err := loaded(k, f)
	return rec, now(), err
}

func loaded(k Key, cmd *redis.MapStringStringCmd) (*Record, error) {
	f, err := cmd.Result()
	if err != nil {
		return nil, fmt.Errorf("ledger: load %s: %w", k, err)
	}
	if len(f) == 0 {
		return nil, ErrNotFound
	}
	return record(k, f), nil
}

func record(k Key, f map[string]string) *Record {
	return &Record{Key: k, Base: base(f), Ref: f["ref"], Result: seal.Sealed(f["result"]),
		Polls: number(f["polls"]), PolledAt: millis(f["polled_at"]), AcceptedAt: millis(f["accepted_at"])}
}

// LoadRefund reads a refund's record, or ErrNotFound.
func (l *Ledger) LoadRefund(ctx context.Context, k RefundKey) (*RefundRecord, error) {
	f, err := l.rdb.HGetAll(ctx, k.refund()).Result()
	if err != nil {
		return nil, fmt.Errorf("ledger: load %s: %w", k, err)
	}
	if len(f) == 0 {
		return nil, ErrNotFound
	}
	return refundRecord(k, f), nil
}

func refundRecord(k RefundKey, f map[string]string) *RefundRecord {
	r := &RefundRecord{RefundKey: k, Base: base(f), Plan: seal.Sealed(f["plan"]), Planned: f["count"] != "",
		Count: number(f["count"]), Baseline: -1, BaselineAt: millis(f["baseline_at"]), UnclearSince: millis(f["unclear_since"]), Refunded: number(f["refunded"])}
	if f["baseline"] != "" {
		r.Baseline = number(f["baseline"])
	}
	for i := 0; ; i++ {
		state, ok := f[fmt.Sprintf("t:%d", i)]
		if !ok {
			return r
		}
		r.Tickets = append(r.Tickets, RefundTicket{State: TicketState(state), Code: f[fmt.Sprintf("c:%d", i)],
			SentAt: millis(f[fmt.Sprintf("s:%d", i)]), DoubtAt: millis(f[fmt.Sprintf("d:%d", i)]),
			DoubtSince: millis(f[fmt.Sprintf("b:%d", i)]), Doubts: number(f[fmt.Sprintf("n:%d", i)])})
	}
}

// LoadRefunds reads all refunds of an order, oldest first.
func (l *Ledger) LoadRefunds(ctx context.Context, k Key) ([]*RefundRecord, error) {
	ids, err := l.rdb.ZRange(ctx, k.refunds(), 0, -1).Result()
	if err != nil {
		return nil, fmt.Errorf("ledger: refunds of %s: %w", k, err)
	}
	if len(ids) == 0 {
		return nil, nil
	}
	pipe := l.rdb.Pipeline()
	cmds := make([]*redis.MapStringStringCmd, len(ids))
	for i, id := range ids {
		cmds[i] = pipe.HGetAll(ctx, RefundKey{Key: k, RefundID: id}.refund())
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, fmt.Errorf("ledger: refunds of %s: %w", k, err)
	}
	var out []*RefundRecord
	for i, id := range ids {
		if f := cmds[i].Val(); len(f) > 0 {
			out = append(out, refundRecord(RefundKey{Key: k, RefundID: id}, f))
		}
	}
	return out, nil
}

func base(f map[string]string) Base {
	return Base{
		State: State(f["state"]), Lane: f["lane"], Fingerprint: f["fp"], Shape: json.RawMessage(f["shape"]),
		Document: seal.Sealed(f["doc"]), Runner: f["runner"], Until: millis(f["until"]), Phase: f["phase"],
		Attempts: number(f["attempts"]), Crashes: number(f["crashes"]),
		Reason:    Reason{Code: f["code"], Message: f["message"]},
		CreatedAt: millis(f["created_at"]), UpdatedAt: millis(f["updated_at"]), SentAt: millis(f["sent_at"]),
		DoubtAt: millis(f["doubt_at"]), DoubtSince: millis(f["doubt_since"]), ReopenedAt: millis(f["reopened_at"]), FinalAt: millis(f["final_at"]), Event: f["event"],
		ResolvedBy: f["resolved_by"], Resolved: f["resolved_reason"], History: history(f["history"]),
	}
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

// Peek is the little that tells whether a document is known already.
type Peek struct {
	Found       bool
	State       State
	Fingerprint string
}

// PeekIn adds a look at one record to a pipeline, so that a producer sees many in one round trip.
// The function it returns is good once the pipeline was executed.
func PeekIn(ctx context.Context, pipe redis.Pipeliner, r Ref) func() Peek {
	cmd := pipe.HMGet(ctx, r.record(), "state", "fp")
	return func() Peek {
		if len(cmd.Val()) != 2 {
			return Peek{}
		}
		state, found := cmd.Val()[0].(string)
		fp, _ := cmd.Val()[1].(string)
		return Peek{Found: found, State: State(state), Fingerprint: fp}
	}
}

// CountIn adds to a pipeline one command that counts which of many records there are. The records
// are in many slots, so it is not for a cluster.
func CountIn(ctx context.Context, pipe redis.Pipeliner, refs []Ref) *redis.IntCmd {
	keys := make([]string, len(refs))
	for i, r := range refs {
		keys[i] = r.record()
	}
	return pipe.Exists(ctx, keys...)
}

// PeekOrders looks at many orders in one round trip.
func (l *Ledger) PeekOrders(ctx context.Context, keys []Key) ([]Peek, error) {
	refs := make([]Ref, len(keys))
	for i, k := range keys {
		refs[i] = Ref{Key: k}
	}
	return l.peek(ctx, refs)
}

// PeekRefunds looks at many refunds in one round trip.
func (l *Ledger) PeekRefunds(ctx context.Context, keys []RefundKey) ([]Peek, error) {
	refs := make([]Ref, len(keys))
	for i, k := range keys {
		refs[i] = Ref(k)
	}
	return l.peek(ctx, refs)
}

func (l *Ledger) peek(ctx context.Context, refs []Ref) ([]Peek, error) {
	if len(refs) == 0 {
		return nil, nil
	}
	pipe := l.rdb.Pipeline()
	looks := make([]func() Peek, len(refs))
	for i, r := range refs {
		looks[i] = PeekIn(ctx, pipe, r)
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, fmt.Errorf("ledger: peek: %w", err)
	}
	out := make([]Peek, len(refs))
	for i, look := range looks {
		out[i] = look()
	}
	return out, nil
}
