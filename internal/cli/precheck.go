package cli

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/spf13/cobra"

	"issuance/internal/config"
	"issuance/internal/itemcheck"
	"issuance/providers"
	"issuance/tasks"
)

// precheckFlag is --precheck, where given.
type precheckFlag struct{ given, on bool }

func (a *app) addPrecheckFlag(cmd *cobra.Command, f *precheckFlag) {
	cmd.Flags().BoolVar(&f.on, "precheck", false, "check ECTicket orders against the catalogue, too (default: ECTICKET_PRECHECK)")
}

// precheck checks orders against the catalogue at ECTicket, when that is wanted.
type precheck struct {
	// check is nil when nothing is to be checked.
	check func(context.Context, []*tasks.Order) ([][]providers.Violation, error)
	close func()
	// skipped is why some orders were not checked although that was not switched off.
	skipped atomic.Pointer[error]
}

// precheckFor makes the check. When it was asked for, by flag or by ECTICKET_PRECHECK, an account and an
// answer are needed; a dry run that was not asked to check does what it can.
func (a *app) precheckFor(ctx context.Context, s *session, flag precheckFlag, dryRun bool) (*precheck, error) {
	p := &precheck{close: func() {}}
	cfg, err := config.LoadParts(s.env, config.Prechecks)
	if err != nil {
		return nil, err
	}
	when := cfg.Producer.Precheck
	if flag.given {
		when = config.Off
		if flag.on {
			when = config.On
		}
	}
	asked := when == config.On
	if when == config.Off || when == config.Auto && !dryRun {
		return p, nil
	}
	if s.rdb == nil { // without Redis there is no call budget
		if asked {
			return nil, errors.New("the catalogue can only be asked within the call budget, which needs Redis")
		}
		return p, nil
	}
	accounts, err := s.ecticketAccounts()
	if err == nil && len(accounts) == 0 && asked {
		_, err = s.ecticketAccount("") // says what is missing
	}
	if err != nil || len(accounts) == 0 {
		return p, err
	}
	c := &catalogues{app: a, session: s, accounts: accounts, known: map[providers.Account]*catalogue{}}
	p.close = c.close
	p.check = func(ctx context.Context, orders []*tasks.Order) ([][]providers.Violation, error) {
		if !asked && p.skipped.Load() != nil {
			return nil, nil
		}
		found, err := c.check(ctx, orders)
		if err != nil && !asked && ctx.Err() == nil {
			p.skipped.CompareAndSwap(nil, &err)
			return nil, nil
		}
		return found, err
	}
	return p, nil
}

// precheckJobs finds the violations that only the catalogue shows.
func (a *app) precheckJobs(ctx context.Context, s *session, flag precheckFlag, r reading, jobs []job) ([]violation, error) {
	p, err := a.precheckFor(ctx, s, flag, false)
	if err != nil {
		return nil, err
	}
	defer p.close()
	if p.check == nil || len(jobs) == 0 {
		return nil, nil
	}
	orders := make([]*tasks.Order, len(jobs))
	for i, j := range jobs {
		orders[i] = j.order
	}
	found, err := p.check(ctx, orders)
	if err != nil {
		return nil, errors.New(p.explain(err, err.Error()))
	}
	var wrong []violation
	for i, violations := range found {
		wrong = append(wrong, violationsAt(jobs[i].n, jobs[i].at, !r.account.IsZero(), violations)...)
	}
	return wrong, nil
}

// report says that some orders were not checked, and why.
func (p *precheck) report(a *app) {
	if why := p.skipped.Load(); why != nil {
		a.report("lines were not all checked against the catalogue: %s", p.explain(*why, (*why).Error()))
	}
}

// explain says why ECTicket gave no answer, if that is the reason, and otherwise returns the text.
func (p *precheck) explain(err error, text string) string {
	var noAnswer *itemcheck.NoAnswerError
	if errors.As(err, &noAnswer) {
		return notDone(noAnswer.Outcome).Error()
	}
	return text
}
