package cli

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"issuance/internal/ledger"
	"issuance/tasks"
	"issuance/tasks/order"
)

func (a *app) watchCommand() *cobra.Command {
	var timeout time.Duration
	var file fileFlags
	cmd := &cobra.Command{
		Use:   "watch " + manyOrders + " | --file FILE",
		Short: "Print every change of orders until all of them are final",
		Long: `Print every change of orders, each as a line with its time, until all of them are final
(issued, failed, cancelled or in review), and their refunds, too. What one is put off for is a line, too. The exit code is 0 then, whatever they ended in; it is 4
when an order is unknown, and 1 when --timeout has passed. When no worker serves them, that is said
on standard error.

With --json, each line is the whole status (see "enqueue status") at a look that found a change.

With --file, the orders of a bulk's file (see "enqueue bulk") are counted by state, with the time
that the call budget implies, until all of them are final. The first few that are failed, cancelled
or in review are listed, and the exit code is then 1, as it is when some of the file are unknown.`,
		Example: `  enqueue watch ecticket CBX20220302153064851
  enqueue watch pass2u P00001 P00002 --timeout 5m
  enqueue watch --file orders.csv`,
		Args:              file.orOrders,
		ValidArgsFunction: a.completeAccount,
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			if timeout < 0 {
				return usagef("--timeout must not be negative")
			}
			if file.name != "" {
				return a.watchFile(ctx, file, timeout)
			}
			refs, err := ordersOnly(parseRefs(args, ""))
			if err != nil {
				return err
			}
			return a.read(ctx, func(s *session, c *tasks.Client) error { return a.watch(ctx, s, c, refs, timeout) })
		},
	}
	cmd.Flags().DurationVar(&timeout, "timeout", 0, "longest watch, such as 30s or 10m (default: no limit)")
	a.addFileFlags(cmd, &file, "watch the orders of this bulk `FILE` together")
	return cmd
}

func (a *app) watch(ctx context.Context, s *session, c *tasks.Client, refs []tasks.Ref, timeout time.Duration) error {
	if err := complete(ctx, c, refs); err != nil {
		return err
	}
	w := watcher{app: a, session: s, client: c, there: attendance{app: a, session: s, client: c}}
	for _, r := range refs {
		w.orders = append(w.orders, &watched{ref: r, last: map[string]ledger.Step{}, waits: map[string]string{}})
	}
	limited, cancel := limit(ctx, timeout)
	defer cancel()
	err := again(limited, func() (bool, error) {
		err := w.look(limited)
		return len(w.orders) == 0 || errors.Is(err, tasks.ErrUnknownOrder), err
	})
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		late := coded(codeTimeout, "%s not final after %s; the workers go on%s", count(len(w.orders), "order"), timeout, w.there.note())
		return concerningOnly(w.left(), late)
	}
	return err
}

// watcher follows orders until they are final.
type watcher struct {
	*app
	session *session
	client  *tasks.Client
	there   attendance
	orders  []*watched // not final yet
}

// watched is what has been printed of one order.
type watched struct {
	ref   tasks.Ref
	shown string                 // with --json, and of one that is not recorded here: the states that were printed
	last  map[string]ledger.Step // by refund; "" is the order itself
	waits map[string]string      // what each was put off for
}

// look prints what is new of every order and drops those that are final.
func (w *watcher) look(ctx context.Context) error {
	var left []*watched
	var absent []string
	halted := map[tasks.Account]string{}
	for i, o := range w.orders {
		s, err := w.client.Status(ctx, o.ref.Account, o.ref.OrderID)
		if err == nil {
			err = w.print(ctx, o, s)
		}
		if err != nil {
			w.orders = append(left, w.orders[i:]...)
			return concerning(o.ref, err)
		}
		if !s.Ended() {
			left = append(left, o)
			absent = append(absent, unserved(s)...)
			if why := halted[o.ref.Account]; why == "" {
				halted[o.ref.Account] = w.halted(s)
			}
		}
	}
	w.orders = left
	if len(left) > 0 {
		slices.Sort(absent)
		w.there.is(ctx, strings.Join(slices.Compact(absent), ", "))
		w.there.holds(halted)
	}
	return nil
}

// left names the orders that are not final.
func (w *watcher) left() []tasks.Ref {
	refs := make([]tasks.Ref, len(w.orders))
	for i, o := range w.orders {
		refs[i] = o.ref
	}
	return refs
}

// ownWaits are what keeps an order and its refunds from being over.
func ownWaits(s *tasks.Status) []*tasks.Waiting {
	list := []*tasks.Waiting{s.Waits}
	for _, r := range s.Refunds {
		list = append(list, r.Waits)
	}
	return slices.DeleteFunc(list, func(w *tasks.Waiting) bool { return w == nil })
}

// halted is why an order's calls are held; "" where they leave.
func (a *app) halted(s *tasks.Status) string {
	for _, w := range ownWaits(s) {
		if why := a.haltText(w.Held, w.HeldSince, w.HeldUntil); why != "" {
			return why
		}
	}
	return ""
}

// unserved are the places where an order waits and no worker serves it.
func unserved(s *tasks.Status) []string {
	var out []string
	add := func(w *tasks.Waiting, lane tasks.Lane) {
		if w != nil && (w.NoWorker || w.NoWrites != "") {
			out = append(out, place{s.Account, lane}.String())
		}
	}
	lane := s.Lane
	if s.State == tasks.Accepted {
		lane = order.Poll
	}
	add(s.Waits, lane)
	for _, r := range s.Refunds {
		add(r.Waits, r.Lane)
	}
	return out
}

func (w *watcher) print(ctx context.Context, o *watched, s *tasks.Status) error {
	if w.json {
		if states := statesOf(s); states != o.shown {
			o.shown = states
			return w.printJSON(s)
		}
		return nil
	}
	if s.State != tasks.Unrecorded {
		if err := w.printNew(ctx, o, o.ref, s.Waits); err != nil {
			return err
		}
	} else if o.shown == "" {
		o.shown = string(s.State)
		if err := w.printStep(w.now(), o.ref.String(), o.shown, ""); err != nil {
			return err
		}
	}
	for _, r := range s.Refunds {
		if err := w.printNew(ctx, o, o.ref.Refund(r.RefundID), r.Waits); err != nil {
			return err
		}
	}
	return nil
}

// statesOf are the states of an order and its refunds.
func statesOf(s *tasks.Status) string {
	text := string(s.State)
	for _, r := range s.Refunds {
		text += " " + r.RefundID + " " + string(r.State)
	}
	return text
}

// printNew prints what has happened to an order or a refund since the last look, and what it is put off for.
func (w *watcher) printNew(ctx context.Context, o *watched, ref tasks.Ref, waits *tasks.Waiting) error {
	rec, err := w.session.ledger.Load(ctx, ref)
	if err != nil {
		return err
	}
	for _, step := range newSteps(rec.History, o.last[ref.RefundID]) {
		if err := w.printStep(step.At, ref.String(), step.Event, step.Detail); err != nil {
			return err
		}
		o.last[ref.RefundID] = step
	}
	text := w.waitLine(waits)
	if text == "" || text == o.waits[ref.RefundID] {
		return nil
	}
	o.waits[ref.RefundID] = text
	return w.printStep(w.now(), ref.String(), "waits", "for "+text)
}

// waitLine says in one line what a record waits for that is put off; "" for one that runs or is about to.
func (a *app) waitLine(w *tasks.Waiting) string {
	if w == nil || w.NextAt == nil && w.Held == "" && w.OrderState == "" {
		return ""
	}
	if w.Held != "" {
		return "its account's calls: " + a.haltText(w.Held, w.HeldSince, w.HeldUntil)
	}
	text := w.For
	if w.Until != nil {
		text += ", until " + a.time(*w.Until)
	}
	return text
}

// newSteps are those behind the last one printed. The middle of a very long history is dropped
// by the ledger, so the last one printed may be gone: then its time decides.
func newSteps(history []ledger.Step, last ledger.Step) []ledger.Step {
	for i := len(history) - 1; i >= 0; i-- {
		if history[i] == last {
			return history[i+1:]
		}
	}
	for i, step := range history {
		if step.At.After(last.At) {
			return history[i:]
		}
	}
	return nil
}
