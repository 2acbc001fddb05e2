package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"issuance/internal/budget"
	"issuance/internal/cli/table"
	"issuance/internal/config"
	"issuance/internal/doctor"
	"issuance/internal/metrics"
	"issuance/internal/redisconn"
	"issuance/internal/seal"
	"issuance/providers"
	"issuance/providers/ecticket"
	"issuance/providers/pass2u"
	"issuance/tasks/order"
)

func (a *app) doctorCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "doctor",
		Short: "Look at everything that issuing depends on, and say what to do",
		Long: `Look at everything that issuing depends on, and say what to do: Redis, this environment's settings
and seal keys, accounts, clocks, queues, running workers and webhooks. Nothing is changed.

Of each account whose credentials are set here, one order that does not exist is looked up at the
provider, within the call budget. The exit code is 1 when something is wrong.`,
		Example: `  enqueue doctor
  enqueue doctor --json`,
		Args:              takes(0, 0, "nothing more"),
		ValidArgsFunction: completeNothing,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(cmd.Context(), func(s *session) error { return a.doctor(cmd.Context(), s) })
		},
	}
}

func (a *app) doctor(ctx context.Context, s *session) error {
	c := doctor.Config{RDB: s.rdb, Redis: s.redis, Version: metrics.Version(), Now: a.now}
	mode, err := redisconn.ReadMode(ctx, s.rdb)
	if err != nil {
		return err
	}
	c.Sandbox = mode == redisconn.Sandbox
	var mistakes *config.Error
	if c.Settings, err = config.Load(s.env); errors.As(err, &mistakes) {
		c.Mistakes = mistakes.Mistakes
	}
	if keys := c.Settings.Seal.Keys; keys.Set() {
		ring, err := seal.ParseRing(keys.Reveal())
		if err != nil {
			return err
		}
		c.SealKeys = ring.IDs()
	}
	clients, stop, err := s.clients(ctx, c.Settings)
	if err != nil {
		return err
	}
	defer stop()
	c.Clients = clients
	return a.printFindings(doctor.Examine(ctx, c))
}

// clients are those of the accounts that are configured, in the lane of the polls, which the workers' calls share.
func (s *session) clients(ctx context.Context, cfg config.Config) (list []doctor.Client, stop func(), err error) {
	var closes []func()
	stop = func() {
		for _, c := range closes {
			c()
		}
	}
	gate := func(a providers.Account, perSecond float64, c config.Config) (*budget.Budget, error) {
		allowance, rate, err := s.allowance(ctx, a, perSecond)
		if err != nil {
			return nil, err
		}
		ban := c.ECTicket.Ban
		if a.Provider == providers.Pass2U {
			ban = c.Pass2U.Ban
		}
		return budget.New(s.rdb, budget.Config{Account: a, Allowance: allowance, PerSecond: rate, Ban: ban})
	}
	if cfg.ECTicket.Configured() {
		b, err := gate(providers.Account{Provider: providers.ECTicket, Merchant: cfg.ECTicket.MerchantID}, cfg.ECTicket.CallsPerSecond, cfg)
		if err != nil {
			return nil, stop, err
		}
		settings, err := cfg.ECTicket.Client()
		if err != nil {
			return nil, stop, err
		}
		settings.Gate = b.Lane(order.Poll)
		client, err := ecticket.New(settings)
		if err != nil {
			return nil, stop, err
		}
		list, closes = append(list, doctor.Client{Provider: client}), append(closes, client.Close)
	}
	if cfg.Pass2U.Configured() {
		codec, _ := providers.CodecOf(providers.Pass2U)
		b, err := gate(providers.Account{Provider: providers.Pass2U, Merchant: codec.DefaultMerchant}, cfg.Pass2U.CallsPerSecond, cfg)
		if err != nil {
			return nil, stop, err
		}
		settings := cfg.Pass2U.Client()
		settings.Merchant, settings.Gate = codec.DefaultMerchant, b.Lane(order.Poll)
		client, err := pass2u.New(settings)
		if err != nil {
			return nil, stop, err
		}
		list, closes = append(list, doctor.Client{Provider: client}), append(closes, client.Close)
	}
	return list, stop, nil
}

// printFindings prints by area; it is an error when something is wrong.
func (a *app) printFindings(list []doctor.Finding) error {
	wrong, area := 0, ""
	for _, f := range list {
		if f.Level == doctor.Wrong {
			wrong++
		}
		if err := a.printFinding(f, f.Area != area); err != nil {
			return err
		}
		area = f.Area
	}
	if wrong > 0 {
		return coded(codeFailed, "%s wrong", map[bool]string{true: "1 thing is", false: count(wrong, "thing") + " are"}[wrong == 1])
	}
	return nil
}

func (a *app) printFinding(f doctor.Finding, heading bool) error {
	if a.json {
		return a.printJSON(f)
	}
	if heading {
		if err := a.print("%s\n", f.Area); err != nil {
			return err
		}
	}
	text := f.Text
	if f.About != "" {
		text = f.About + ": " + text
	}
	t := table.Table{Indent: "  "}
	t.Row(fmt.Sprintf("%-5s", f.Level), text)
	if f.Do != "" && f.Level != doctor.OK {
		t.Row("", "do: "+f.Do)
	}
	return a.printTable(&t)
}
