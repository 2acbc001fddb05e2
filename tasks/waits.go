package tasks

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"issuance/internal/budget"
	"issuance/internal/ledger"
	"issuance/internal/plain"
	"issuance/internal/queue"
	"issuance/internal/redisconn"
	"issuance/tasks/order"
)

// unfinished is a record of a status that is not finished.
type unfinished struct {
	*Standing
	ref      Ref
	order    State // of a refund: the order's
	sent     bool  // of a refund of tickets: a request for one of them may have taken effect
	byTicket bool  // of a refund: it has a plan ticket by ticket
}

// unfinished are the records of a status that are not finished.
func (s *Status) unfinished() (list []unfinished) {
	if !s.State.Final() && s.State != Unrecorded {
		list = append(list, unfinished{Standing: &s.Standing, ref: s.Ref()})
	}
	for i := range s.Refunds {
		r := &s.Refunds[i]
		if r.State.Final() {
			continue
		}
		u := unfinished{Standing: &r.Standing, ref: s.Ref().Refund(r.RefundID), order: s.State, byTicket: len(r.Tickets) > 0}
		for _, t := range r.Tickets {
			u.sent = u.sent || t.State == order.TicketSending || t.State == order.TicketDoubt
		}
		list = append(list, u)
	}
	return list
}

// addWaits says of everything unfinished in a status what it waits for.
func (c *Client) addWaits(ctx context.Context, s *Status) error {
	list := s.unfinished()
	if len(list) == 0 {
		return nil
	}
	refs := make([]Ref, len(list))
	for i, u := range list {
		refs[i] = u.ref
	}
	views, err := c.ledger.Views(ctx, refs)
	if err != nil {
		return fmt.Errorf("tasks: status: %w", err)
	}
	for i, v := range views {
		if v == nil || v.State.Final() { // since a moment ago
			continue
		}
		if list[i].Waits, err = c.waits(ctx, list[i], v); err != nil {
			return fmt.Errorf("tasks: status: %w", err)
		}
		list[i].forget()
	}
	return nil
}

// waits looks at a record's task. A task that is gone is the sweeper's to bring back.
func (c *Client) waits(ctx context.Context, u unfinished, v *ledger.View) (*Waiting, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	t, err := c.queue.LookFor(ctx, u.ref, v)
	if err != nil {
		return nil, err
	}
	name := queue.HomeOf(u.ref, v.State, v.Lane).Queue
	served, unknown := c.serves(ctx, u.ref.Account, name)
	w := &Waiting{}
	if !served {
		w.NoWrites = redisconn.NoWrites(cmp.Or(unknown, redisconn.TakesWrites(ctx, c.rdb)))
		w.NoWorker = unknown == nil && w.NoWrites == ""
	}
	halt, held, err := budget.HeldNow(ctx, c.rdb, u.ref.Account, laneOf(v))
	if err != nil {
		return nil, err
	}
	if held {
		w.Held, w.HeldSince, w.HeldUntil = halt.Reason, stamp(halt.Since), stamp(halt.Until)
	}
	switch {
	case v.Live() || t.Active() && t.Runs(v):
		w.For = "the worker that is working on it"
	case !t.Runs(v):
		w.For = "the sweeper, which brings its task back within " + sweepWithin.String()
	case t.Pending():
		w.For = freeWorker
		err = c.addHold(ctx, w, name)
	default:
		w.putOff(u, t)
	}
	if err == nil && w.NoWorker && w.Held != "" && (w.For == heldText || w.For == nextTry) {
		err = c.unserved(ctx, u.ref.Account, w)
	}
	return w, err
}

// unserved has a record whose account is held, and was removed or is announced by nobody any more, wait for a worker: the end of what
// it is held by would change nothing.
func (c *Client) unserved(ctx context.Context, a Account, w *Waiting) error {
	served, err := budget.ServedLately(ctx, c.rdb, a, c.wall())
	if err == nil && !served {
		w.For, w.Until = accountsWorker, nil
	}
	if errors.Is(err, budget.ErrNotAnnounced) {
		return nil
	}
	return err
}

// putOff says what a record waits for whose task waits for its time.
func (w *Waiting) putOff(u unfinished, t queue.Task) {
	if t.InLine {
		w.inLine(u, t)
		return
	}
	w.NextAt = stamp(t.Next)
	text, until, known := queue.ParseWait(t.Why)
	w.For = u.waitsFor()
	switch {
	case !known && t.Why != "":
		w.LastRun = "an error: " + plain.Text(t.Why)
		return
	case u.early(): // its order's end wakes it
		w.OrderState = u.order
		return
	}
	w.Until = stamp(until)
	if what, waits := strings.CutPrefix(text, queue.WaitsFor); waits {
		w.For, w.LastRun, _ = strings.Cut(what, "; ")
	} else if w.adds(u, text) {
		w.LastRun = text
	}
	if budget.IsHold(text) || budget.IsBan(text) { // whether calls are held now is said apart
		w.Until = nil
	}
}

// inLine says what a record waits for whose task its account's line lets go on. Why it was put aside may be over since, and
// when the queue would run it by itself says nothing of that.
func (w *Waiting) inLine(u unfinished, t queue.Task) {
	reason, _, _ := queue.ParseWait(t.Why)
	switch {
	case u.early(): // its order's end wakes it
		w.For, w.OrderState = u.waitsFor(), u.order
	case w.NoWorker && queue.IsUnserved(reason): // as it still is
		w.For = accountsWorker
	case w.Held != "":
		w.For, w.Until = heldText, w.HeldUntil
	default:
		w.For = turn
	}
}

// early reports whether a refund waits for the end of an order that is recorded here.
func (u unfinished) early() bool {
	return u.ref.IsRefund() && u.State == Queued && u.order != Unrecorded && !u.order.Settled()
}

// forget drops a refund's last result that says what its order was in: the order's own state says more, and the
// truth.
func (u unfinished) forget() {
	if e := u.Error; e != nil && u.ref.IsRefund() && u.order != Unrecorded {
		switch Code(e.Code) {
		case order.CodeOrderUnknown, order.CodeOrderPending, order.CodeOrderInReview:
			u.Error = nil
		}
	}
}

// waitsFor says in a few words what has to happen for a record to go on.
func (u unfinished) waitsFor() string {
	code := Code("")
	if u.Error != nil {
		code = Code(u.Error.Code)
	}
	switch {
	case u.State == Accepted:
		return "the provider to issue it"
	case u.early():
		return "its order (" + string(u.order) + ")"
	case u.State == Queued && u.order == Unrecorded && code == order.CodeOrderUnknown:
		return "its order, which nobody knows yet"
	case u.State == Queued && u.order == Unrecorded && code == order.CodeOrderPending:
		return "the provider to issue its order"
	case u.State == Submitting && (!u.byTicket || u.sent):
		return "proof of what its last request did"
	}
	return nextTry
}

// adds reports whether the last run's answer says more than the rest of a status does.
func (w *Waiting) adds(u unfinished, text string) bool {
	if cause := strings.TrimPrefix(text, "held: "); cause == "" || budget.IsHold(cause) || budget.IsBan(cause) || queue.IsUnserved(text) { // as it was then
		return false
	}
	if w.Held != "" && strings.Contains(text, w.Held) {
		return false
	}
	e := u.Error
	return e == nil || (e.Code == "" || !strings.Contains(text, e.Code)) && (e.Message == "" || !strings.Contains(text, e.Message))
}

// freeWorker is what a record waits for whose task may run at once.
const freeWorker = "a free worker"

// nextTry is what a record waits for that can go on by itself.
const nextTry = "its next try"

const heldText = "its account's calls, which are held"

// accountsWorker is what a record waits for whose account no worker serves, and turn what others in their account's line do.
const accountsWorker = "a worker that serves its account"

var turn = strings.TrimPrefix(queue.TurnText, queue.WaitsFor)

// addHold says why no worker takes a task although it could run: its account or its queue is held.
func (c *Client) addHold(ctx context.Context, w *Waiting, name string) error {
	if w.Held != "" {
		w.For, w.Until = heldText, w.HeldUntil
		return nil
	}
	paused, err := c.queue.Paused(ctx, name)
	if err == nil && paused {
		w.For = "its queue, which is paused"
	}
	return err
}

// laneOf is the lane of a record's next calls.
func laneOf(v *ledger.View) Lane {
	switch {
	case v.State == Accepted:
		return "poll"
	case v.Lane == Bulk:
		return Bulk
	}
	return Checkout
}

// sweepWithin is how soon a worker's sweeper brings back a task that is gone.
const sweepWithin = 30 * time.Second

// WorkerServes reports whether any worker serves an account in a lane, as far as the workers' heartbeats and
// announcements say.
func (c *Client) WorkerServes(ctx context.Context, a Account, lane Lane) (bool, error) {
	served, err := c.serves(ctx, a, queue.Name(a.Provider, lane))
	if errors.Is(err, errStalled) {
		served, err = c.serves(ctx, a, queue.Name(a.Provider, lane))
	}
	if err != nil {
		return false, fmt.Errorf("tasks: %w", err)
	}
	return served, nil
}

// stalled is how long the question for workers takes at the most whose answer counts: a process, or a machine, that stood
// still meanwhile knows what was so before, and heartbeats that are missing may have stood still as well.
const stalled = 5 * time.Second

var errStalled = errors.New("this process stood still while it asked for workers")

// serves reports whether any worker serves a queue for an account. Looking for workers also tidies their list,
// which a replica refuses: then it is not known, as it is not after a standstill.
func (c *Client) serves(ctx context.Context, a Account, name string) (bool, error) {
	asked := c.wall().Round(0) // a machine that was suspended notices it by its wall clock alone
	served, err := c.servesNow(ctx, a, name, asked)
	if err == nil && !served && c.wall().Round(0).Sub(asked) > stalled {
		err = errStalled
	}
	return served, err
}

func (c *Client) servesNow(ctx context.Context, a Account, name string, now time.Time) (bool, error) {
	served, err := c.queue.Served(ctx, name)
	if err != nil || !served {
		return false, err
	}
	served, err = budget.ServedLately(ctx, c.rdb, a, now)
	if errors.Is(err, budget.ErrNotAnnounced) { // by nobody yet: the queue is all that is known
		return true, nil
	}
	return served, err
}
