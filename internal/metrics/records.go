package metrics

import (
	"context"
	"errors"
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"issuance/internal/budget"
	"issuance/internal/ledger"
	"issuance/internal/notices"
	"issuance/pollers"
	"issuance/providers"
	"issuance/tasks/order"
)

var (
	openDesc    = prometheus.NewDesc("issuance_ledger_open", "Orders and refunds without a final status.", []string{"account"}, nil)
	pendingDesc = prometheus.NewDesc("issuance_ledger_pending", "Orders that the provider has accepted and not issued yet.", []string{"account"}, nil)
	reviewDesc  = prometheus.NewDesc("issuance_ledger_review", "Orders and refunds that need review.", []string{"account"}, nil)
	codesDesc   = prometheus.NewDesc("issuance_ledger_review_codes", "Of those that need review, the latest 1000 by code; other for codes that are not the product's.", []string{"account", "code"}, nil)
	waitingDesc = prometheus.NewDesc("issuance_oldest_waiting_seconds", "How long the oldest order or refund has waited: checkout and bulk since it was enqueued, poll since the provider accepted it. 0 when none waits.", []string{"account", "lane"}, nil)

	looksDesc = prometheus.NewDesc("issuance_looks_due", "Looks at tickets, for notices and operators, that are due and wait for the call budget.", []string{"account"}, nil)

	recordDescs = []*prometheus.Desc{openDesc, pendingDesc, reviewDesc, codesDesc, waitingDesc, looksDesc}
)

// mostReviews is how many reviews a scrape looks at, at most.
const mostReviews = 1000

// records counts the records of the announced accounts, each account for itself.
func (s *Shared) records(ctx context.Context, send func(prometheus.Metric)) error {
	accounts, err := budget.Announced(ctx, s.rdb)
	if err != nil {
		return err
	}
	var errs []error
	for _, a := range accounts {
		errs = append(errs, s.recordsOf(ctx, a.Account, send))
	}
	return errors.Join(errs...)
}

func (s *Shared) recordsOf(ctx context.Context, a providers.Account, send func(prometheus.Metric)) error {
	gauge, records, name := sender(send), ledger.New(s.rdb, ledger.Options{}), a.String()
	open, err := records.OpenCount(ctx, a)
	if err != nil {
		return err
	}
	gauge(openDesc, float64(open), name)
	pending, err := pollers.NewSentinel(s.rdb, a, pollers.SentinelConfig{}).Pending(ctx)
	if err != nil {
		return err
	}
	gauge(pendingDesc, float64(pending), name)
	codes, total, err := records.ReviewCodes(ctx, a, mostReviews)
	if err != nil {
		return err
	}
	gauge(reviewDesc, float64(total), name)
	for code, n := range byCode(codes) {
		gauge(codesDesc, float64(n), name, code)
	}
	looks, err := notices.New(s.rdb, a).Due(ctx)
	if err != nil {
		return err
	}
	gauge(looksDesc, float64(looks), name)
	ages, err := s.oldest.look(ctx, s.rdb, a)
	if err != nil {
		return err
	}
	for lane, age := range ages {
		gauge(waitingDesc, age.Seconds(), name, string(lane))
	}
	return nil
}

// byCode puts codes that are not the product's together: a provider may make up any.
func byCode(codes map[string]int) map[string]int {
	out := map[string]int{}
	for code, n := range codes {
		known := slices.ContainsFunc(order.Codes(), func(c struct {
			Code    order.Code
			Meaning string
		}) bool {
			return string(c.Code) == code
		})
		if !known {
			code = "other"
		}
		out[code] += n
	}
	return out
}
