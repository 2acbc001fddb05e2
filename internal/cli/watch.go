package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"issuance/internal/ledger"
	"issuance/providers"
	"issuance/tasks"
)

func (a *app) watchCommand() *cobra.Command {
	var timeout time.Duration
	var file, provider string
	cmd := &cobra.Command{
		Use:   "watch PROVIDER ORDER… | --file FILE",
		Short: "Print every change of orders until all of them are final",
		Long: `Print every change of orders, each as a line with its time, until all of them are final
(issued, failed or in review). The exit code is 0 then, whatever they ended in; it is 1 when an
order is unknown or --timeout has passed.

With --json, each line is the whole status (see "enqueue status") at a look that found a change.

With --file, the orders of a bulk's file (see "enqueue bulk") are counted by state, with the time
that the call budget implies, until all of them are final. The first few that are failed or in
review are listed, and the exit code is then 1, as it is when some of the file are unknown.`,
		Example: `  enqueue watch ecticket CBX20220302153064851
  enqueue watch pass2u P00001 P00002 --timeout 5m`,
		Args: func(cmd *cobra.Command, args []string) error {
			if file != "" {
				return takes(0, 0, "--file FILE alone")(cmd, args)
			}
			return takes(2, -1, "PROVIDER ORDER…, or --file FILE")(cmd, args)
		},
		ValidArgsFunction: completeProvider,
		RunE: func(cmd *cobra.Command, args []string) error {
			if timeout < 0 {
				return usagef("--timeout must not be negative")
			}
			if file != "" {
				return a.watchFile(cmd.Context(), file, provider, timeout)
			}
			p, err := parseProvider(args[0])
			if err != nil {
				return err
			}
			return a.watch(cmd.Context(), p, args[1:], timeout)
		},
	}
	cmd.Flags().DurationVar(&timeout, "timeout", 0, "longest watch, such as 30s or 10m (default: no limit)")
	cmd.Flags().StringVar(&file, "file", "", "watch the orders of this bulk `FILE` together")
	cmd.Flags().StringVar(&provider, "provider", "", "the file's NDJSON holds bare requests to this provider: ecticket or pass2u")
	completeFlag(cmd, "provider", providerNames()...)
	return cmd
}

func (a *app) watch(ctx context.Context, p providers.Name, orders []string, timeout time.Duration) error {
	s, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	client, err := s.reader()
	if err != nil {
		return err
	}
	w := watcher{app: a, session: s, client: client}
	for _, o := range orders {
		w.orders = append(w.orders, &watched{key: ledger.Key{Provider: p, OrderID: o}})
	}
	limited, cancel := ctx, context.CancelFunc(func() {})
	if timeout > 0 {
		limited, cancel = context.WithTimeout(ctx, timeout)
	}
	defer cancel()
	err = w.run(limited)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		a.tell("%s not final after %s; the workers go on", count(len(w.orders), "order"), timeout)
		return errTold
	}
	return err
}

// watcher follows orders until they are final.
type watcher struct {
	*app
	session *session
	client  *tasks.Client
	orders  []*watched // not final yet
}

// watched is what has been printed of one order.
type watched struct {
	key   ledger.Key
	state ledger.State
	last  ledger.Step
}

func (w *watcher) run(ctx context.Context) error {
	reached := time.Now()
	for first := true; ; first = false {
		began := time.Now()
		err := w.look(ctx)
		switch {
		case ctx.Err() != nil && len(w.orders) > 0:
			return ctx.Err()
		case err == nil && len(w.orders) == 0:
			return nil
		case err == nil:
			reached = time.Now()
		case first || errors.Is(err, errOutput) || errors.Is(err, tasks.ErrUnknownOrder) || time.Since(reached) > patience:
			return err
		}
		pause := time.NewTimer(max(lookEvery, 4*time.Since(began)))
		select {
		case <-ctx.Done():
			pause.Stop()
			return ctx.Err()
		case <-pause.C:
		}
	}
}

// look prints what is new of every order and drops those that are final.
func (w *watcher) look(ctx context.Context) error {
	var left []*watched
	for i, o := range w.orders {
		s, err := w.client.Status(ctx, o.key.Provider, o.key.OrderID)
		if err == nil {
			err = w.print(ctx, o, s)
		} else if errors.Is(err, tasks.ErrUnknownOrder) {
			err = fmt.Errorf("%w: check the number and that REDIS_URL is your workers' Redis", err)
		}
		if err != nil {
			w.orders = append(left, w.orders[i:]...)
			return err
		}
		if !over(s) {
			left = append(left, o)
		}
	}
	w.orders = left
	return nil
}

// over reports whether nothing more will happen to an order by itself. One that was issued
// elsewhere has only refunds here.
func over(s *tasks.Status) bool {
	if s.State != tasks.StateElsewhere {
		return s.State.Final()
	}
	for _, r := range s.Refunds {
		if !r.State.Final() {
			return false
		}
	}
	return true
}

func (w *watcher) print(ctx context.Context, o *watched, s *tasks.Status) error {
	if w.json {
		if s.State == o.state {
			return nil
		}
		o.state = s.State
		return w.printJSON(s)
	}
	rec, err := w.session.ledger.Load(ctx, o.key)
	if errors.Is(err, ledger.ErrNotFound) { // it is in the queue, or has refunds only
		if s.State == o.state {
			return nil
		}
		o.state = s.State
		at := w.now()
		if s.CreatedAt != nil {
			at = *s.CreatedAt
		}
		return w.printStep(at, o.key.String(), string(s.State), s.Lane)
	}
	if err != nil {
		return err
	}
	for _, step := range newSteps(rec.History, o.last) {
		// Taking the task from the queue writes "queued" again into the record.
		if !(step.Event == string(ledger.Queued) && o.state == ledger.Queued && o.last.At.IsZero()) {
			if err := w.printStep(step.At, o.key.String(), step.Event, step.Detail); err != nil {
				return err
			}
		}
		o.last = step
	}
	o.state = rec.State
	return nil
}

// newSteps are those behind the last one printed. The middle of a very long history is dropped
// by the ledger, so the last one printed may be gone: then they are told by their time.
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
