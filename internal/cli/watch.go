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
(issued, failed, cancelled or in review). What one is put off for is a line, too. The exit code is 0 then, whatever they ended in; it is 4
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
		w.orders = append(w.orders, &watched{ref: r})
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
	state tasks.State
	last  ledger.Step
	waits string // what it was put off for
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
		if !over(s) {
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

// over reports whether nothing more will happen to an order by itself. One that is not recorded here has only
// refunds.
func over(s *tasks.Status) bool { return s.State.Final() || s.State == tasks.Unrecorded && s.Ended() }

// ownWaits are what keeps an order from being over: what it waits for, or of one that is not recorded here, what
// its refunds wait for.
func ownWaits(s *tasks.Status) []*tasks.Waiting {
	list := []*tasks.Waiting{s.Waits}
	if s.State == tasks.Unrecorded {
		for _, r := range s.Refunds {
			list = append(list, r.Waits)
		}
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
	if s.State == tasks.Unrecorded {
		for _, r := range s.Refunds {
			add(r.Waits, r.Lane)
		}
	}
	return out
}

func (w *watcher) print(ctx context.Context, o *watched, s *tasks.Status) error {
	if w.json || s.State == tasks.Unrecorded {
		if s.State == o.state {
			return nil
		}
		o.state = s.State
		if w.json {
			return w.printJSON(s)
		}
		return w.printStep(w.now(), o.ref.String(), string(s.State), "")
	}
	rec, err := w.session.ledger.Load(ctx, o.ref)
	if err != nil {
		return err
	}
	for _, step := range newSteps(rec.History, o.last) {
		if err := w.printStep(step.At, o.ref.String(), step.Event, step.Detail); err != nil {
			return err
		}
		o.last = step
	}
	text := w.waitLine(s.Waits)
	if text == "" || text == o.waits {
		return nil
	}
	o.waits = text
	return w.printStep(w.now(), o.ref.String(), "waits", "for "+text)
}

// waitLine says in one line what a record waits for that is put off; "" for one that runs or is about to.
func (a *app) waitLine(w *tasks.Waiting) string {
	if w == nil || w.NextAt == nil && w.Held == "" {
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
