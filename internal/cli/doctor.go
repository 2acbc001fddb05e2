package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"issuance/internal/budget"
	"issuance/internal/cli/table"
	"issuance/internal/config"
	"issuance/internal/doctor"
	"issuance/internal/httpcall"
	"issuance/internal/metrics"
	"issuance/internal/redisconn"
	"issuance/internal/seal"
)

func (a *app) doctorCommand() *cobra.Command {
	all := false
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Look at everything that issuing depends on, and say what to do",
		Long: `Look at everything that issuing depends on, and say what to do: Redis, this environment's settings
and seal keys, accounts, clocks, queues, running workers and webhooks. Nothing is changed.

Of each account whose credentials are set here, one order that does not exist is looked up at the
provider, within the call budget. The exit code is 1 when something is wrong.

Where many are well in the same way, one line says how many they are; --all and --json list each.`,
		Example: `  enqueue doctor
  enqueue doctor --all
  enqueue doctor --json`,
		Args:              takes(0, 0, "no arguments"),
		ValidArgsFunction: completeNothing,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(cmd.Context(), func(s *session) error { return a.doctor(cmd.Context(), s, all) })
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "list each account that is well, too")
	return cmd
}

func (a *app) doctor(ctx context.Context, s *session, all bool) error {
	c := doctor.Config{RDB: s.rdb, Redis: s.redis, Version: metrics.Version(), Now: a.now, Zone: a.zone}
	mode, err := redisconn.ReadMode(ctx, s.rdb)
	if err != nil {
		return err
	}
	c.Sandbox = mode == redisconn.Sandbox
	var mistakes *config.Error
	if c.Settings, err = config.Load(s.env); errors.As(err, &mistakes) {
		c.Mistakes = mistakes.Mistakes
	}
	if len(c.Mistakes) > 0 { // where Redis is, is known, as it answers
		connection, err := config.LoadParts(s.env, config.Connection)
		if err != nil {
			return err
		}
		c.Settings.Redis = connection.Redis
	}
	if err := doctorKeys(&c, s.env); err != nil {
		return err
	}
	clients, stop, err := s.clients(ctx, c.Settings)
	if err != nil {
		return err
	}
	defer stop()
	c.Clients = clients
	return a.printFindings(doctor.Examine(ctx, c), all || a.json)
}

// doctorKeys reads the seal keys by themselves: of settings with a mistake, wherever it is, nothing else is known.
func doctorKeys(c *doctor.Config, env map[string]string) error {
	cfg, err := config.LoadParts(env, config.Keys)
	if c.KeysUnread = errors.As(err, new(*config.Error)); c.KeysUnread {
		return nil
	}
	if err != nil || !cfg.Seal.Keys.Set() {
		return err
	}
	ring, err := seal.ParseRing(cfg.Seal.Keys.Reveal())
	if err != nil {
		return err
	}
	c.SealKeys = ring.IDs()
	return nil
}

// clients are those of the accounts that are configured, in the lane of the polls, which the workers' calls share.
func (s *session) clients(ctx context.Context, cfg config.Config) (list []doctor.Client, stop func(), err error) {
	var pool httpcall.Pool
	states, err := budget.States(ctx, s.rdb)
	if err != nil {
		return nil, pool.Close, err
	}
	for _, a := range cfg.Callable() {
		allowance, rate := allowanceAmong(states, a.Name, a.CallsPerSecond)
		b, err := budget.New(s.rdb, budget.Config{Account: a.Name, Allowance: allowance, PerSecond: rate, Ban: a.Ban})
		if err != nil {
			return nil, pool.Close, err
		}
		gate := doctor.NewGate(b)
		client, err := a.Client(config.ClientOptions{Gate: gate, Transport: pool.Transport})
		if err != nil {
			return nil, pool.Close, err
		}
		list = append(list, doctor.Client{Provider: client, Gate: gate})
	}
	return list, pool.Close, nil
}

// printFindings prints by area, in brief or all; it is an error when something is wrong.
func (a *app) printFindings(list []doctor.Finding, all bool) error {
	wrong, area := 0, ""
	for _, f := range list {
		if f.Level == doctor.Wrong {
			wrong++
		}
	}
	if !all {
		list = brief(list)
	}
	for _, f := range list {
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

// fewAlike is how many that are well in the same way are listed by name.
const fewAlike = 3

// brief is a list in which those that are well in the same way are one finding, where they are many.
func brief(list []doctor.Finding) (out []doctor.Finding) {
	type kind struct{ area, text string }
	alike := map[kind]int{}
	well := func(f doctor.Finding) bool { return f.Level == doctor.OK && f.About != "" }
	for _, f := range list {
		if well(f) {
			alike[kind{f.Area, f.Text}]++
		}
	}
	said := map[kind]bool{}
	for _, f := range list {
		k := kind{f.Area, f.Text}
		f.Text = cmp.Or(f.Brief, f.Text)
		switch n := alike[k]; {
		case !well(f) || n <= fewAlike:
			out = append(out, f)
		case !said[k]:
			said[k] = true
			f.About = count(n, thing(f.Area))
			out = append(out, f)
		}
	}
	return out
}

// thing is what findings of an area are about.
func thing(area string) string {
	switch area {
	case doctor.Accounts, doctor.Clocks:
		return "account"
	case doctor.Workers:
		return "worker"
	case doctor.Webhooks:
		return "webhook"
	}
	return "queue"
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
