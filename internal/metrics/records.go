package metrics

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"issuance/internal/budget"
	"issuance/internal/keys"
	"issuance/internal/ledger"
	"issuance/internal/notices"
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

// records counts the records of the announced accounts, each account for itself. What is zero for most accounts is read
// for all of them in a few round trips, and the rest for those that have something.
func (s *Shared) records(ctx context.Context, send func(prometheus.Metric)) error {
	announced, err := budget.Announced(ctx, s.rdb)
	if err != nil {
		return err
	}
	var errs []error
	for some := range slices.Chunk(announced, 200) {
		counts, err := s.count(ctx, some, len(announced) > fewAccounts)
		if err != nil {
			return err
		}
		for i, a := range some {
			errs = append(errs, s.recordsOf(ctx, a.Account, counts[i], send))
		}
	}
	return errors.Join(errs...)
}

// counted is how many records of an account are open, pending and in review, and how many looks there are.
type counted struct {
	open, pending, behind, reviews, looks int64
	many                                  bool // so many accounts are there that queues are looked into only for those with open records
}

// fewAccounts are looked at in full.
const fewAccounts = 50

func (s *Shared) count(ctx context.Context, accounts []budget.Announcement, many bool) ([]counted, error) {
	pipe := s.rdb.Pipeline()
	asked := make([][5]*redis.IntCmd, len(accounts))
	for i, a := range accounts {
		poller := keys.Pending(a.Account)
		for n, key := range []string{keys.Open(a.Account), poller + "waiting", poller + "behind", keys.Reviews(a.Account), keys.Looks(a.Account)} {
			asked[i][n] = pipe.ZCard(ctx, key)
		}
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, err
	}
	out := make([]counted, len(accounts))
	for i, c := range asked {
		out[i] = counted{c[0].Val(), c[1].Val(), c[2].Val(), c[3].Val(), c[4].Val(), many}
	}
	return out, nil
}

func (s *Shared) recordsOf(ctx context.Context, a providers.Account, n counted, send func(prometheus.Metric)) (err error) {
	gauge, name := sender(send), a.String()
	gauge(openDesc, float64(n.open), name)
	gauge(pendingDesc, float64(n.pending+n.behind), name)
	var codes map[string]int
	total, looks, ages := n.reviews, int64(0), map[order.Lane]time.Duration{}
	if n.reviews > 0 {
		if codes, total, err = ledger.New(s.rdb, ledger.Options{}).ReviewCodes(ctx, a, mostReviews); err != nil {
			return err
		}
	}
	gauge(reviewDesc, float64(total), name)
	for code, n := range byCode(codes) {
		gauge(codesDesc, float64(n), name, code)
	}
	if n.looks > 0 {
		if looks, err = notices.New(s.rdb, a).Due(ctx); err != nil {
			return err
		}
	}
	gauge(looksDesc, float64(looks), name)
	if n.open > 0 || !n.many {
		if ages, err = s.oldest.look(ctx, s.rdb, a); err != nil {
			return err
		}
	}
	for _, lane := range order.Lanes() {
		gauge(waitingDesc, ages[lane].Seconds(), name, string(lane))
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
