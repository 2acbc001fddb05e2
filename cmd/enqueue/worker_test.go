package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
	"github.com/rogpeppe/go-internal/testscript"

	"issuance/internal/keys"
	"issuance/internal/ledger"
	"issuance/internal/queue"
	"issuance/internal/seal"
	"issuance/internal/vault"
	"issuance/providers"
	"issuance/tasks/order"
)

// worker takes orders and refunds through the ledger step by step, as a worker and a provider
// would, with a clock that moves one second a step from 2026-03-01 12:00:00 in Taiwan.
type worker struct {
	rdb    *redis.Client
	ledger *ledger.Ledger
	ring   *seal.Ring
	now    time.Time
	fences map[order.Ref]string
}

func newWorker(rdb *redis.Client) *worker {
	ring, err := seal.ParseRing(sealKey)
	if err != nil {
		panic(err)
	}
	w := &worker{rdb: rdb, ring: ring, fences: map[order.Ref]string{}, now: time.Date(2026, 3, 1, 3, 59, 59, 0, time.UTC)}
	w.ledger = ledger.New(rdb, ledger.Options{Now: func() time.Time { return w.now }})
	return w
}

// work ACCOUNT/ORDER[/REFUND] STEP… takes the steps begin, submit, held, unknown, accept, polled,
// issued, issued-bare, failed, review, plan, ticket and refunded. begin waits for the record to appear; "new" makes one
// that was enqueued by another program, and "begin-again" claims it again.
func (w *world) work(ts *testscript.TestScript, _ bool, args []string) {
	r, ok := order.ParseRef(args[0])
	if !ok || r.Account.Merchant == "" {
		ts.Fatalf("work: %s is no ACCOUNT/ORDER[/REFUND]", args[0])
	}
	for _, step := range args[1:] {
		w.worker.now = w.worker.now.Add(time.Second)
		if err := w.worker.step(context.Background(), r, step); err != nil {
			ts.Fatalf("work %s %s: %v", args[0], step, err)
		}
	}
}

var (
	noAnswer = ledger.Reason{Code: "timeout", Message: "no complete answer within 20s"}
	refused  = ledger.Reason{Code: "not_sent", Message: "connection refused"}
	inDoubt  = ledger.Reason{Code: "in_doubt", Message: "no answer in a day"}
)

// intent is how the worker writes intents.
func intent(ticket int) ledger.Intent {
	return ledger.Intent{Host: "ticket.example", Lease: time.Minute, Ticket: ticket}
}

func (w *worker) step(ctx context.Context, r order.Ref, step string) error {
	fence := w.fences[r]
	var a ledger.Answer
	var err error
	switch step {
	case "new", "begin", "begin-again":
		return w.begin(ctx, r, step)
	case "submit":
		a, _, err = w.ledger.Submit(ctx, r, fence, intent(-1))
	case "held": // a try that certainly had no effect
		a, err = w.ledger.GiveBack(ctx, r, fence, ledger.NotSent, refused)
	case "unknown":
		a, err = w.ledger.GiveBack(ctx, r, fence, ledger.Unknown, noAnswer)
	case "accept":
		a, err = w.ledger.Accept(ctx, r, fence, ledger.Acceptance{ProviderRef: "2026030112000001"})
		w.fences[r] = ""
	case "polled":
		a, err = w.ledger.Polled(ctx, r, "", ledger.Reason{}, ledger.Idle)
	case "plan": // two tickets, as at ECTicket
		sealed, sealErr := vault.SealPlan(w.ring, r, []string{"CB2SY20260301001", "CB2SY20260301002"})
		if sealErr != nil {
			return sealErr
		}
		planned := ledger.PlannedTicket{State: order.TicketPlanned}
		a, err = w.ledger.WritePlan(ctx, r, fence, ledger.Plan{Sealed: sealed, Count: 2, Baseline: -1, Tickets: []ledger.PlannedTicket{planned, planned}})
	case "count": // two of an order of which one was refunded before, as at Pass2U
		a, err = w.ledger.WritePlan(ctx, r, fence, ledger.Plan{Count: 2, Baseline: 1})
	case "ticket": // the first ticket is refunded
		if a, _, err = w.ledger.Submit(ctx, r, fence, intent(0)); err == nil && a.Applied {
			a, err = w.ledger.SettleTicket(ctx, r, fence, 0, ledger.Settlement{State: order.TicketRefunded, Code: "1"})
		}
	default:
		return w.finish(ctx, r, step)
	}
	return wanted(err, a.Applied)
}

// finish ends a record.
func (w *worker) finish(ctx context.Context, r order.Ref, step string) error {
	endings := map[string]ledger.Ending{
		"failed":    {State: order.Failed, Reason: ledger.Reason{Code: "2", Message: "查無資料"}},
		"review":    {State: order.Review, Reason: inDoubt},
		"refunded":  {State: order.Refunded, Refunded: 2},
		"partially": {State: order.PartiallyRefunded, Reason: ledger.Reason{Code: "3", Message: "已核銷"}, Refunded: 1},
		"issued":    {State: order.Issued, Polled: true},
		// without tickets, as where the provider delivers them
		"issued-bare": {State: order.Issued, Polled: true},
	}
	e, known := endings[step]
	if !known {
		return fmt.Errorf("unknown step")
	}
	if r.IsRefund() && step == "review" {
		e.Refunded = 1
	}
	if step == "issued" {
		var err error
		e.Result, err = vault.SealResult(w.ring, r, &providers.Result{Tickets: []providers.Ticket{
			{TicketNo: "CB2SY20260301001", WriteOffNo: "LEU4loiSZ9TDTWAtxL", ItemNo: "VQT04959", ItemName: "百貨公司商品券", UseStatus: providers.Unused}}})
		if err != nil {
			return err
		}
	}
	a, err := w.ledger.Finish(ctx, r, w.fences[r], e)
	return wanted(err, a.Applied)
}

func wanted(err error, applied bool) error {
	if err == nil && !applied {
		return errors.New("the ledger refuses the step")
	}
	return err
}

// begin claims a record.
func (w *worker) begin(ctx context.Context, r order.Ref, step string) error {
	if step == "new" {
		document, err := vault.SealDocument(w.ring, r, json.RawMessage("{}"))
		if err != nil {
			return err
		}
		in := ledger.Intake{Ref: r, Lane: order.Checkout, Fingerprint: "another program's", Shape: []byte(`{"tickets":8}`), Stub: fmt.Appendf(nil, `{"MerchantTradeNo":%q}`, r.OrderID), Document: document}
		if _, err := w.ledger.Record(ctx, in); err != nil {
			return err
		}
	}
	if err := w.await(ctx, r); err != nil {
		return err
	}
	// It was enqueued by Redis's clock; the script's makes its times known.
	if step == "begin" {
		if err := w.rdb.HSet(ctx, keys.Record(r), "created", w.now.UnixMilli()).Err(); err != nil {
			return err
		}
	}
	c, err := w.ledger.Claim(ctx, r, "worker-1", time.Minute)
	w.fences[r] = fenceOf(c)
	return wanted(err, c.Verdict == ledger.MaySend || c.Verdict == ledger.MustLookUp)
}

// await waits until the record is there: another process is making it.
func (w *worker) await(ctx context.Context, r order.Ref) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	late := time.After(20 * time.Second)
	for {
		if _, err := w.ledger.Load(ctx, r); !errors.Is(err, ledger.ErrNotFound) {
			return err
		}
		select {
		case <-tick.C:
		case <-late:
			return fmt.Errorf("%s was never enqueued", r)
		}
	}
}

// serve begins to serve the queues of the providers as workers do, without doing anything; "serve stop" ends
// it.
func (w *world) serve(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) == 1 && args[0] == "stop" {
		w.server.Shutdown()
		return
	}
	queues := map[string]int{}
	for _, p := range providers.All() {
		for _, l := range order.Lanes() {
			queues[queue.Name(p, l)] = 1
		}
	}
	w.server = asynq.NewServerFromRedisClient(w.rdb, asynq.Config{Queues: queues, LogLevel: asynq.FatalLevel, Logger: silent{},
		RetryDelayFunc: queue.RetryDelay, IsFailure: queue.IsFailure, ShutdownTimeout: time.Second})
	// Every task waits for what a worker would wait for.
	ts.Check(w.server.Start(asynq.HandlerFunc(func(context.Context, *asynq.Task) error {
		return queue.WaitUntil(time.Hour, "waiting for the provider's answer to an earlier request; it did not answer", time.Now().Add(2*time.Hour))
	})))
}

func fenceOf(c ledger.Claim) string {
	if c.Record == nil {
		return ""
	}
	return c.Record.Fence
}

// silent keeps the server's log out of the test's.
type silent struct{}

func (silent) Debug(...any) {}
func (silent) Info(...any)  {}
func (silent) Warn(...any)  {}
func (silent) Error(...any) {}
func (silent) Fatal(...any) {}
