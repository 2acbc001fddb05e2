package ledger

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/internal/seal"
)

// Verdict says what the caller of Begin may do.
type Verdict string

const (
	// MaySend: claimed, and nothing of an earlier attempt is in doubt.
	MaySend Verdict = "send"
	// MustLookUp: claimed, but an earlier request may have taken effect: ask the provider first.
	MustLookUp Verdict = "look_up"
	// Busy: another runner's claim is valid until Claim.Until.
	Busy Verdict = "busy"
	// IsAccepted: the provider has the order; only polling is left.
	IsAccepted Verdict = "accepted"
	// IsFinal: nothing is left to do, but for an event that is due (Claim.EventDue).
	IsFinal Verdict = "final"
	// Conflict: the record belongs to another document under the same number.
	Conflict Verdict = "conflict"
	// WaitTurn: another refund of the same order (Claim.Turn) is under way.
	WaitTurn Verdict = "wait_turn"
)

// Claim is the answer of Begin and BeginRefund.
type Claim struct {
	Verdict  Verdict
	State    State
	Fence    string // goes with every transition of this claim
	Attempts int    // intents written so far
	// DoubtAt is the last moment at which a request whose outcome is unknown can have left;
	// zero when nothing is in doubt. DoubtSince is when that began; sending again moves the one and
	// leaves the other.
	DoubtAt, DoubtSince time.Time
	Doubts              int       // requests of this doubt whose outcome is unknown
	Until               time.Time // Busy: when the other claim ends unless it is extended
	// RejectedCode and RejectedMessage are a provider's no that still has to be confirmed by a
	// look-up, because an earlier request is in doubt.
	RejectedCode, RejectedMessage string
	EventDue                      bool
	Fingerprint                   string
	Crashes                       int // runners that died with the claim
	Ref                           string
	Turn                          string // WaitTurn: the refund under way
}

// Intake is what a record is made of when it is begun for the first time.
type Intake struct {
	Runner      string        // unique for each run of a task
	Lease       time.Duration // how long the claim is valid without Extend
	Fingerprint string
	Lane        string
	Shape       string // public description of the document, JSON
	Document    seal.Sealed
}

// Begin claims an order, making its record when there is none. A record that is not finished is in
// the open set from then on, so that it cannot be overlooked.
func (l *Ledger) Begin(ctx context.Context, k Key, in Intake) (Claim, error) {
	reply, err := l.begin(ctx, "begin", Ref{Key: k}, []string{k.order()}, in)
	if err != nil {
		return Claim{}, err
	}
	c := claim(reply)
	c.Ref, c.DoubtSince, c.Doubts = reply[11], millis(reply[12]), number(reply[13])
	return c, l.notOpen(ctx, c, Ref{Key: k})
}

// BeginRefund claims a refund and the order's turn, making the refund's record when there is none.
// The verdict speaks of requests for the whole refund; of a refund ticket by ticket, the state of
// each ticket says what is in doubt.
func (l *Ledger) BeginRefund(ctx context.Context, k RefundKey, in Intake) (Claim, error) {
	reply, err := l.begin(ctx, "begin_refund", Ref(k), []string{k.refund(), k.turn(), k.refunds()}, in, k.RefundID)
	if err != nil {
		return Claim{}, err
	}
	c := claim(reply)
	c.Turn, c.DoubtSince, c.Doubts = reply[11], millis(reply[12]), number(reply[13])
	return c, l.notOpen(ctx, c, Ref(k))
}

// begin runs a script that claims a record. In a cluster the open set comes first.
func (l *Ledger) begin(ctx context.Context, name string, r Ref, keys []string, in Intake, more ...any) ([]string, error) {
	if l.apart {
		now := time.Now()
		if l.opt.Now != nil {
			now = l.opt.Now()
		}
		due := redis.Z{Score: float64(now.Add(in.Lease).UnixMilli()), Member: r.openMember()}
		if err := l.rdb.ZAdd(ctx, openKey(r.Provider), due).Err(); err != nil {
			return nil, fmt.Errorf("ledger: %s: %w", name, err)
		}
	} else {
		keys = append(keys, openKey(r.Provider))
	}
	args := []any{in.Runner, in.Lease.Milliseconds(), in.Fingerprint, string(r.Provider), r.OrderID, r.openMember(),
		in.Lane, in.Shape, string(in.Document)}
	return l.run(ctx, name, keys, append(args, more...)...)
}

// notOpen takes a record out of the open set again that turned out to be finished, event and all.
// A review is left to the sweeper, because a person may be resolving it at this moment. (A script
// that has the open set at hand leaves a finished record out of it.)
func (l *Ledger) notOpen(ctx context.Context, c Claim, r Ref) error {
	if !l.apart || !c.State.Final() || c.State == Review || c.EventDue {
		return nil
	}
	if err := l.Close(ctx, r); err != nil {
		return fmt.Errorf("ledger: begin %s: %w", r, err)
	}
	return nil
}

func claim(r []string) Claim {
	return Claim{
		Verdict: Verdict(r[0]), State: State(r[1]), Fence: r[2], Attempts: number(r[3]),
		DoubtAt: millis(r[4]), Until: millis(r[5]), RejectedCode: r[6], RejectedMessage: r[7],
		EventDue: r[8] == "", Fingerprint: r[9], Crashes: number(r[10]),
	}
}

// ErrFenced says that another runner has taken the record over: the caller must stop.
var ErrFenced = errors.New("ledger: the claim has been taken over by another runner")

// ExtendOrder and ExtendRefund keep a claim; ErrFenced says that it is lost.
func (l *Ledger) ExtendOrder(ctx context.Context, k Key, fence string, lease time.Duration) error {
	return l.extend(ctx, k.order(), fence, lease)
}

// ExtendRefund keeps a refund's claim; see ExtendOrder.
func (l *Ledger) ExtendRefund(ctx context.Context, k RefundKey, fence string, lease time.Duration) error {
	return l.extend(ctx, k.refund(), fence, lease)
}

func (l *Ledger) extend(ctx context.Context, key, fence string, lease time.Duration) error {
	reply, err := l.run(ctx, "extend", []string{key}, fence, lease.Milliseconds())
	if err != nil {
		return err
	}
	if !answer(reply).Applied {
		return ErrFenced
	}
	return nil
}
