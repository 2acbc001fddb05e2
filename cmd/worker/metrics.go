package main

import (
	"context"
	"net/http"
	"time"

	"issuance/internal/budget"
	"issuance/internal/metrics"
	"issuance/providers"
	"issuance/tasks/order"
)

// metrics serves what this worker counts, and what Redis knows of its queues and of all accounts.
func (w *worker) metrics() http.Handler {
	return metrics.Handler(metrics.Registry("worker", w.counts, w.alarms, metrics.NewShared(w.pages, w.servers.Queues)), w.log)
}

// modeGate is an account's call budget while Redis is of the right mode. It counts the calls.
type modeGate struct {
	*budget.Budget
	account providers.Account
	watch   *modeWatch
	counts  *metrics.Process
}

// Pass implements providers.Gate.
func (g modeGate) Pass(ctx context.Context) (err error) {
	began := time.Now()
	defer func() { g.counts.Passed(g.account, budget.LaneOf(ctx, order.Bulk), time.Since(began), err) }()
	if g.watch.wrong.Load() != nil {
		return &providers.HeldError{RetryAfter: modeEvery, Reason: "Redis is not this worker's"}
	}
	return g.Budget.Pass(ctx)
}

// Called implements providers.CallObserver.
func (g modeGate) Called(_ context.Context, c providers.Call) { g.counts.Called(g.account, c) }

// Banned implements providers.BanReporter.
func (g modeGate) Banned(ctx context.Context, reason string) {
	g.counts.Banned(g.account)
	g.Budget.Banned(ctx, reason)
}
