package cli

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"issuance/internal/cli/table"
	"issuance/internal/config"
	"issuance/internal/webhooks"
	"issuance/tasks"
)

func (a *app) webhooksCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "webhooks",
		Short: "See, test and repeat the delivery of final statuses",
		Args:  takes(0, 0, "a command, such as list"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return usagef("which command? %s", commandNames(cmd))
		},
	}
	cmd.AddCommand(a.webhooksListCommand(), a.webhooksTestCommand(), a.webhooksDeliveriesCommand(), a.webhooksReplayCommand(), a.webhooksEnableCommand(), a.webhooksForgetCommand())
	return cmd
}

func (a *app) webhooksListCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the webhooks that front doors serve",
		Long: `List the webhooks that front doors serve, or have served: whether they take events (ok, failing, off,
new before the first event, or removed from all front doors' files), how many events wait, how old the oldest is that is not on its way
yet, and the last answer.`,
		Example: `  enqueue webhooks list
  enqueue webhooks list --json`,
		Args:              takes(0, 0, "no arguments"),
		ValidArgsFunction: completeNothing,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(cmd.Context(), func(s *session) error { return a.listWebhooks(cmd.Context(), s) })
		},
	}
}

const oneWebhook = "NAME of a webhook, as in enqueue webhooks list"

func (a *app) webhooksTestCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "test NAME",
		Short: "Send a webhook an event of the type webhook.test",
		Long: `Send a webhook an event of the type webhook.test from here, signed like any other, and print the
answer. GATEWAY_WEBHOOKS_FILE has to be set as for the front door. Nothing is recorded.`,
		Example:           `  GATEWAY_WEBHOOKS_FILE=webhooks.yaml enqueue webhooks test shop`,
		Args:              takes(1, 1, "NAME of a webhook in GATEWAY_WEBHOOKS_FILE"),
		ValidArgsFunction: completeNothing,
		RunE:              func(cmd *cobra.Command, args []string) error { return a.testWebhook(cmd.Context(), args[0]) },
	}
}

func (a *app) webhooksDeliveriesCommand() *cobra.Command {
	var limit int64
	cmd := &cobra.Command{
		Use:   "deliveries NAME",
		Short: "Show the last deliveries to a webhook and their answers",
		Long: `Show the last deliveries to a webhook, the newest first: which event, which try, how it ended, the
HTTP status and how long the answer took. About 1,000 are remembered, without what was answered.`,
		Example:           `  enqueue webhooks deliveries shop --limit 50`,
		Args:              takes(1, 1, oneWebhook),
		ValidArgsFunction: completeNothing,
		RunE: func(cmd *cobra.Command, args []string) error {
			if limit < 1 || limit > 1000 {
				return usagef("--limit must be from 1 to 1000")
			}
			return a.with(cmd.Context(), func(s *session) error {
				if _, err := s.webhook(cmd.Context(), args[0]); err != nil {
					return err
				}
				return a.deliveries(cmd.Context(), s, args[0], limit)
			})
		},
	}
	cmd.Flags().Int64Var(&limit, "limit", 20, "show so many")
	completeFlag(cmd, "limit")
	return cmd
}

func (a *app) webhooksReplayCommand() *cobra.Command {
	var since, order string
	cmd := &cobra.Command{
		Use:   "replay NAME --since TIME | --order ACCOUNT/ORDER",
		Short: "Send a webhook again what has ended",
		Long: `Send a webhook again what has ended since a time, or what one order and its refunds have come to. It
is made from the records, not from the stream of events, so it reaches back as far as records are
kept, and says what is true now. Events have the ids they had, by which a receiver knows what it has.

The front doors do it, at the pace at which the webhook takes events; enqueue webhooks list shows
that it is under way.`,
		Example: `  enqueue webhooks replay shop --since 24h
  enqueue webhooks replay shop --since 2026-03-01
  enqueue webhooks replay shop --order ecticket/CBX20220302153064851`,
		Args:              takes(1, 1, oneWebhook),
		ValidArgsFunction: completeNothing,
		RunE: func(cmd *cobra.Command, args []string) error {
			if (since == "") == (order == "") {
				return usagef("which events? --since TIME, or --order ACCOUNT/ORDER")
			}
			from, err := a.sinceTime(since)
			if err != nil {
				return err
			}
			var refs []tasks.Ref
			if order != "" {
				if refs, err = ordersOnly(parseRefs([]string{order}, "")); err != nil {
					return err
				}
			}
			return a.read(cmd.Context(), func(s *session, c *tasks.Client) error {
				return a.replayWebhook(cmd.Context(), s, c, args[0], from, refs)
			})
		},
	}
	cmd.Flags().StringVar(&since, "since", "", "what ended since this `TIME`: 24h, 7d, 2026-03-01 or 2026-03-01T12:00:00+08:00")
	cmd.Flags().StringVar(&order, "order", "", "what became of this `ORDER`, as ACCOUNT/ORDER, and of its refunds")
	completeFlag(cmd, "since")
	completeFlag(cmd, "order")
	return cmd
}

func (a *app) webhooksEnableCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "enable NAME",
		Short: "Switch a webhook on again, and try what waits at once",
		Long: `Switch a webhook on again that has answered 410 and was switched off for that. Whatever waits for
another try, there or at a webhook that fails, is tried at once. Nothing was lost meanwhile.`,
		Example:           `  enqueue webhooks enable shop`,
		Args:              takes(1, 1, oneWebhook),
		ValidArgsFunction: completeNothing,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd.Context(), func(s *session) error {
				if _, err := s.webhook(cmd.Context(), args[0]); err != nil {
					return err
				}
				n, changed, err := webhooks.NewStore(s.rdb).Enable(cmd.Context(), args[0])
				if err != nil {
					return err
				}
				if a.json {
					return a.printJSON(map[string]any{"name": args[0], "outstanding": n})
				}
				is := "is on"
				if !changed {
					is = "was on already"
				}
				return a.text("%s %s; %s to deliver", args[0], is, count(n, "event"))
			})
		},
	}
}

func (a *app) webhooksForgetCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "forget NAME",
		Short: "Forget a webhook that was taken out of GATEWAY_WEBHOOKS_FILE",
		Long: `Forget a webhook that was taken out of GATEWAY_WEBHOOKS_FILE: its events that wait, its counts and its last
deliveries. One that a front door has served within the last two minutes is not forgotten.`,
		Example:           `  enqueue webhooks forget shop`,
		Args:              takes(1, 1, oneWebhook),
		ValidArgsFunction: completeNothing,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd.Context(), func(s *session) error { return a.forgetWebhook(cmd.Context(), s, args[0]) })
		},
	}
}

// servedWithin is how long ago a front door has announced an endpoint that it may still serve.
const servedWithin = 2 * time.Minute

func (a *app) forgetWebhook(ctx context.Context, s *session, name string) error {
	w, err := s.webhook(ctx, name)
	if err != nil {
		return err
	}
	now, err := s.rdb.Time(ctx).Result()
	if err != nil {
		return err
	}
	if now.Sub(w.Seen) < servedWithin {
		return fmt.Errorf("a front door served webhook %s at %s; take it out of GATEWAY_WEBHOOKS_FILE, and repeat this two minutes later", name, a.time(w.Seen))
	}
	store := webhooks.NewStore(s.rdb)
	st, err := store.State(ctx, name)
	if err == nil {
		err = store.Forget(ctx, name)
	}
	if err != nil {
		return err
	}
	if a.json {
		return a.printJSON(map[string]any{"name": name, "outstanding": st.Outstanding})
	}
	return a.text("%s is forgotten, and with it %s not delivered", name, count(st.Outstanding, "event"))
}

// webhook is what front doors announce of a webhook.
func (s *session) webhook(ctx context.Context, name string) (webhooks.Announced, error) {
	all, err := webhooks.NewStore(s.rdb).Announced(ctx)
	if err != nil {
		return webhooks.Announced{}, err
	}
	var others []string
	for _, w := range all {
		if w.Name == name {
			return w, nil
		}
		others = append(others, w.Name)
	}
	if len(others) == 0 {
		return webhooks.Announced{}, usagef("no front door has served a webhook yet; see GATEWAY_WEBHOOKS_FILE")
	}
	return webhooks.Announced{}, usagef("no front door serves a webhook %q; there are %s", name, strings.Join(others, ", "))
}

func (a *app) replayWebhook(ctx context.Context, s *session, c *tasks.Client, name string, since time.Time, refs []tasks.Ref) error {
	w, err := s.webhook(ctx, name)
	if err != nil {
		return err
	}
	store := webhooks.NewStore(s.rdb)
	if len(refs) == 0 {
		if err := store.Replay(ctx, name, since); err != nil {
			return err
		}
		if a.json {
			return a.printJSON(map[string]any{"name": name, "replay_since": stamp(since)})
		}
		return a.text("%s gets what has ended since %s", name, a.time(since))
	}
	if err := complete(ctx, c, refs); err != nil {
		return err
	}
	known, err := s.ledger.Story(ctx, refs[0])
	if err != nil {
		return err
	}
	if len(known) == 0 {
		return fmt.Errorf("%s: %w", table.Clean(refs[0].String()), tasks.ErrUnknownOrder)
	}
	n, err := store.ReplayOrder(ctx, s.ledger, w, refs[0])
	if err != nil {
		return err
	}
	if a.json {
		return a.printJSON(map[string]any{"name": name, "events": n})
	}
	return a.text("%s gets %s of %s", name, count(n, "event"), table.Clean(refs[0].String()))
}

// testLine is a test with --json.
type testLine struct {
	Name    string  `json:"name"`
	Host    string  `json:"host"`
	OK      bool    `json:"ok"`
	Status  int     `json:"status,omitempty"`
	Seconds float64 `json:"seconds"`
	Error   string  `json:"error,omitempty"`
}

func (a *app) testWebhook(ctx context.Context, name string) error {
	cfg, err := config.LoadParts(a.env, config.FrontDoor)
	if err != nil {
		return err
	}
	file, err := webhooksFile(cfg.Gateway, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	if file == nil {
		return coded(codeSettings, "GATEWAY_WEBHOOKS_FILE is not set")
	}
	e := file.Find(name)
	if e == nil {
		return usagef("there is no webhook %q in GATEWAY_WEBHOOKS_FILE", name)
	}
	r, err := webhooks.Test(ctx, e, cfg.Gateway.WebhooksProxyURL.Reveal(), version().String())
	if err != nil {
		return err
	}
	l := testLine{name, e.Host(), r.OK, r.Status, r.Took.Seconds(), r.Text}
	if a.json {
		err = a.printJSON(l)
	} else {
		word := "ok"
		if !l.OK {
			word = "failed"
		}
		err = a.line(name, word, answered(l.Status, l.Seconds, l.Error))
	}
	if err == nil && !r.OK {
		return &reportedError{exit: CouldNot}
	}
	return err
}

// webhooksFile is the file of the settings, nil when there is none.
func webhooksFile(g config.Gateway, log *slog.Logger) (*webhooks.File, error) {
	if g.WebhooksFile == "" {
		return nil, nil
	}
	file, err := webhooks.ReadFile(g.WebhooksFile, log)
	if err != nil {
		return nil, coded(codeSettings, "GATEWAY_WEBHOOKS_FILE: %w", err)
	}
	return file, nil
}
