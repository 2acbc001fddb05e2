package cli

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"issuance/internal/cli/table"
	"issuance/internal/notices"
	"issuance/providers"
	"issuance/tasks"
)

func (a *app) ticketsCommand() *cobra.Command {
	var refresh bool
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "tickets " + oneOrder,
		Short: "Show an order's tickets, and have ECTicket asked what became of them",
		Long: `Show an order's tickets with all that is known of them: numbers, redemption codes, links, and whether
they are redeemed or refunded. Whoever sees them holds the tickets. It needs ISSUANCE_SEAL_KEYS.

With --refresh a worker asks ECTicket first, behind every call that orders need; this is how to see
what became of tickets without notices (docs/notices.md). What has changed is an event, too. When that
takes longer than --timeout, the exit code is 1, and the worker asks all the same.`,
		Example: `  enqueue tickets ecticket CBX20220302153064851 --refresh
  enqueue tickets ecticket CBX20220302153064851 --json`,
		Args:              takesOrders(oneOrder),
		ValidArgsFunction: a.completeAccount,
		RunE: func(cmd *cobra.Command, args []string) error {
			refs, err := ordersOnly(parseRefs(args, ""))
			switch {
			case err != nil:
				return err
			case timeout <= 0:
				return usagef("--timeout must be above 0")
			case refresh && refs[0].Account.Provider != providers.ECTicket:
				return usagef("--refresh is for ECTicket, whose tickets have a status each")
			}
			return a.with(cmd.Context(), func(s *session) error { return a.tickets(cmd.Context(), s, refs[0], refresh, timeout) })
		},
	}
	cmd.Flags().BoolVar(&refresh, "refresh", false, "have ECTicket asked first")
	cmd.Flags().DurationVar(&timeout, "timeout", time.Minute, "longest wait for the answer")
	return cmd
}

func (a *app) tickets(ctx context.Context, s *session, r tasks.Ref, refresh bool, timeout time.Duration) error {
	documents, _ := rules(s.env, nil) // whose account is meant; as in reader
	client, err := s.tasks(documents)
	if err != nil {
		return err
	}
	if r.Account, err = client.Account(ctx, r.Account); err != nil {
		return concerning(r, err)
	}
	if refresh {
		if err := a.refresh(ctx, s, client, r, timeout); err != nil {
			return concerning(r, err)
		}
	}
	st, err := client.Status(ctx, r.Account, r.OrderID, tasks.WithTickets())
	switch {
	case err != nil:
		return concerning(r, err)
	case a.json:
		return a.printJSON(st)
	}
	if err := a.text("%s %s", table.Clean(st.Ref().String()), st.State); err != nil {
		return err
	}
	return a.printTickets(st)
}

// refresh has a worker look at an order's tickets, and waits for it.
func (a *app) refresh(ctx context.Context, s *session, c *tasks.Client, r tasks.Ref, timeout time.Duration) error {
	st, err := c.Status(ctx, r.Account, r.OrderID)
	switch {
	case err != nil:
		return err
	case st.ErasedAt != nil:
		return coded(codeFailed, "its customer's data was erased, so its tickets are not asked for")
	case st.State != tasks.Issued:
		return coded(codeFailed, "it has no tickets to ask for (it is %s)", st.State.Words())
	}
	began, err := s.ledger.Time(ctx)
	if err != nil {
		return err
	}
	store := notices.New(s.rdb, r.Account)
	if err := store.Want(ctx, r); err != nil {
		return err
	}
	limited, cancel := limit(ctx, timeout)
	defer cancel()
	err = again(limited, func() (bool, error) {
		wanted, err := store.Wanted(limited, r) // first: a look is recorded before it is done
		if err != nil {
			return true, err
		}
		list, err := s.ledger.TicketList(limited, r)
		if err != nil || !list.At.Before(began.Truncate(time.Millisecond)) {
			return true, err
		}
		if !wanted {
			err = coded(codeNoAnswer, "ECTicket does not show its tickets")
		}
		return err != nil, err
	})
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		switch why, tried, err := store.Tried(ctx, r); {
		case err != nil:
			return err
		case tried:
			return unanswered(why, timeout)
		}
		return coded(codeTimeout, "no worker has asked ECTicket within %s; it is asked all the same", timeout)
	}
	return err
}

// unanswered is the error of a look that a worker has taken, and that has not shown the tickets in time.
func unanswered(why notices.Reason, timeout time.Duration) error {
	switch why {
	case notices.Unfound:
		return coded(codeRejected, "ECTicket does not show its tickets to the worker that asked: it does not know the order, or rejects the question; it is asked again")
	case notices.Unclear:
		return coded(codeNoAnswer, "ECTicket gave the worker that asked no answer, or one that was not clear; it is asked again")
	case notices.Incomplete:
		return coded(codeNoAnswer, "ECTicket shows fewer tickets than there are, so its list is behind; it is asked again")
	case notices.Held:
		return coded(codeHeld, "no call to ECTicket could leave when a worker was to ask (enqueue budget says why); it is asked as soon as one may")
	case notices.OtherHost:
		return coded(codeRejected, "it was sent to another host of ECTicket than the one that the worker calls (ECTICKET_BASE_URL)")
	case notices.Failed:
		return coded(codeFailed, "the worker could not ask, and its log says why; it tries again")
	}
	return coded(codeTimeout, "a worker is working on it, and has had no answer from ECTicket within %s; it is asked all the same", timeout)
}
