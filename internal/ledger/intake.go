package ledger

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/internal/keys"
	"issuance/internal/seal"
	"issuance/tasks/order"
)

// Intake is what a record is made of.
type Intake struct {
	order.Ref
	Lane        order.Lane
	Fingerprint string
	Shape       []byte      // public description of the document, JSON
	Stub        []byte      // enough of an order's document to look it up and refund it, JSON; nil for a refund
	Document    seal.Sealed // never twice the same, so it identifies this very intake
	Trace       string      // W3C traceparent of the enqueueing, or ""
}

// Known is what the ledger holds under a document's number.
type Known struct {
	// New: the record was made by this intake (or by an earlier try of it whose answer was lost).
	New         bool
	State       order.State
	Fingerprint string
	CreatedAt   time.Time
	// Woken: the script of a Wake has made the record's task in the same step.
	Woken bool
}

// Wake is a script of the queue that makes a record's task and answers 1 when it has. It runs in the same
// step as the intake, and only where that has made the record: there is neither a task without a record,
// nor one for a document that was refused.
type Wake struct {
	Script string
	Keys   []string
	Args   []any
}

// wakers are the scripts of intakes with a Wake, by the Wake's script.
var wakers sync.Map // string → *redis.Script

func waker(script string) *redis.Script {
	if s, ok := wakers.Load(script); ok {
		return s.(*redis.Script)
	}
	s, _ := wakers.LoadOrStore(script, redis.NewScript(complete("wake = function(KEYS, ARGV)\n"+script+"\nend\n"+source("intake"))))
	return s.(*redis.Script)
}

// firstLook is how long after its intake a record is inspected for the first time: by then its task
// has been enqueued, or its producer has died.
const firstLook = 20 * time.Second

// Intakes is a batch of intakes on their way to Redis. It is not safe for concurrent use.
type Intakes struct {
	l    *Ledger
	pipe redis.Pipeliner
	cmds []*redis.Cmd
}

// Intakes begins a batch in a pipeline, which the caller may put more into, and executes.
func (l *Ledger) Intakes(pipe redis.Pipeliner) *Intakes { return &Intakes{l: l, pipe: pipe} }

// Sharded reports whether records, open set and queues may be on different nodes. Then a batch is
// announced before it is recorded, and recorded before its tasks are enqueued, in pipelines of their own.
func (l *Ledger) Sharded() bool { return l.sharded }

// Announce enters records into the open set before they are made, which is necessary in a cluster only.
func (l *Ledger) Announce(ctx context.Context, refs []order.Ref) error {
	now, err := l.Time(ctx)
	if err != nil {
		return fmt.Errorf("ledger: intake: %w", err)
	}
	pipe := l.rdb.Pipeline()
	for _, r := range refs {
		// A record that is there already has its own time, which stays.
		pipe.ZAddNX(ctx, keys.Open(r.Account), redis.Z{Score: float64(now.Add(firstLook).UnixMilli()), Member: keys.Member(r)})
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return fmt.Errorf("ledger: intake: %w", err)
	}
	return nil
}

// Add puts one intake into the pipeline.
func (b *Intakes) Add(ctx context.Context, in Intake) {
	k, args := b.of(ctx, in)
	b.cmds = append(b.cmds, scripts["intake"].EvalSha(ctx, b.pipe, k, append(args, len(k))...))
}

// AddWith is Add with the record's task. It needs record, open set and queue on one node; see Sharded.
func (b *Intakes) AddWith(ctx context.Context, in Intake, w Wake) {
	k, args := b.of(ctx, in)
	args = append(append(args, len(k)), w.Args...)
	b.cmds = append(b.cmds, waker(w.Script).EvalSha(ctx, b.pipe, append(k, w.Keys...), args...))
}

// of are the keys and arguments of an intake's record. A refund is found by its id from now on.
func (b *Intakes) of(ctx context.Context, in Intake) (k []string, args []any) {
	k = append(make([]string, 0, 5), keys.Record(in.Ref))
	if in.IsRefund() {
		b.l.point(ctx, b.pipe, b.l.pointer(in.Ref, in.RefundID))
		k = append(k, keys.Refunds(in.Ref))
	}
	if !b.l.sharded {
		k = append(k, keys.Open(in.Account))
	}
	shape := in.Shape
	if bytes.Equal(shape, shown(in.Account.Provider, in.Stub)) {
		shape = nil
	}
	return k, append(make([]any, 0, 14), b.l.now(), keys.Member(in.Ref), firstLook.Milliseconds(), string(in.Lane), packFingerprint(in.Fingerprint),
		pack(in.Document), in.RefundID, in.Trace, packText(in.Account.Provider, in.Stub), packText(in.Account.Provider, shape))
}

// Result says, once the pipeline was executed, what became of intake i.
func (b *Intakes) Result(i int) (Known, error) {
	list, err := b.cmds[i].StringSlice()
	r, err := newReply("intake", list, err)
	if err != nil {
		return Known{}, err
	}
	return Known{New: r["verdict"] == "new", State: order.State(r["state"]), Fingerprint: unpackFingerprint(r["fp"]), CreatedAt: millis(r["created"]),
		Woken: r["woken"] == "1"}, nil
}

// LoadIntake makes Redis know the scripts of intakes, which a pipeline cannot do by itself: after an error
// for which NoScript is true.
func (l *Ledger) LoadIntake(ctx context.Context) error {
	load := []*redis.Script{scripts["intake"]}
	wakers.Range(func(_, s any) bool {
		load = append(load, s.(*redis.Script))
		return true
	})
	for _, s := range load {
		if err := s.Load(ctx, l.rdb).Err(); err != nil {
			return fmt.Errorf("ledger: intake: %w", err)
		}
	}
	return nil
}

// NoScript reports whether an error says that Redis does not know a script.
func NoScript(err error) bool { return err != nil && redis.HasErrorPrefix(err, "NOSCRIPT") }

// Record makes one record, unless there is one. In a cluster a program that dies between the record and its
// open set loses nothing, because the set comes first.
func (l *Ledger) Record(ctx context.Context, in Intake) (Known, error) {
	if l.sharded {
		if err := l.Announce(ctx, []order.Ref{in.Ref}); err != nil {
			return Known{}, err
		}
	}
	for try := 0; ; try++ {
		pipe := l.rdb.Pipeline()
		b := l.Intakes(pipe)
		b.Add(ctx, in)
		_, _ = pipe.Exec(ctx) // the result has its error
		k, err := b.Result(0)
		if try > 0 || !NoScript(err) {
			return k, err
		}
		if err := l.LoadIntake(ctx); err != nil {
			return Known{}, err
		}
	}
}
