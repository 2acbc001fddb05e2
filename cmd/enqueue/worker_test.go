package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
	"github.com/rogpeppe/go-internal/testscript"

	"issuance/internal/ledger"
	"issuance/internal/seal"
	"issuance/providers"
	"issuance/tasks"
)

// worker takes orders and refunds through the ledger step by step, as a worker and a provider
// would, with a clock that moves one second a step from 2026-03-01 12:00:00 in Taiwan.
type worker struct {
	ledger    *ledger.Ledger
	inspector *asynq.Inspector
	ring      *seal.Ring
	now       time.Time
	fences    map[string]string
}

func newWorker(rdb *redis.Client) *worker {
	ring, err := seal.ParseRing(sealKey)
	if err != nil {
		panic(err)
	}
	w := &worker{inspector: asynq.NewInspectorFromRedisClient(rdb), ring: ring, fences: map[string]string{},
		now: time.Date(2026, 3, 1, 3, 59, 59, 0, time.UTC)}
	w.ledger = ledger.New(rdb, ledger.Options{Now: func() time.Time { return w.now }})
	return w
}

// work PROVIDER/ORDER[/REFUND] STEP… takes the steps begin, submit, unknown, accept, polled,
// issued, failed, review, plan, ticket and refunded. The order or refund is taken from the queue,
// where begin waits for it to appear; "new" makes one that was enqueued by somebody else, and
// "begin-again" takes that one up again.
func (w *world) work(ts *testscript.TestScript, _ bool, args []string) {
	parts := strings.Split(args[0], "/")
	k := ledger.RefundKey{Key: ledger.Key{Provider: providers.Name(parts[0]), OrderID: parts[1]}}
	if len(parts) == 3 {
		k.RefundID = parts[2]
	}
	for _, step := range args[1:] {
		w.worker.now = w.worker.now.Add(time.Second)
		if err := w.worker.step(context.Background(), k, step); err != nil {
			ts.Fatalf("work %s %s: %v", args[0], step, err)
		}
	}
}

var noAnswer = ledger.Reason{Code: "timeout", Message: "no complete answer within 20s"}

func (w *worker) step(ctx context.Context, k ledger.RefundKey, step string) error {
	name, fence := k.String(), w.fences[k.String()]
	if k.RefundID != "" {
		return w.refundStep(ctx, k, step)
	}
	switch step {
	case "new", "begin", "begin-again":
		in, err := w.intake(k, step)
		if err != nil {
			return err
		}
		c, err := w.ledger.Begin(ctx, k.Key, in)
		w.fences[name] = c.Fence
		return wanted(err, c.Verdict == ledger.MaySend || c.Verdict == ledger.MustLookUp)
	case "submit":
		a, _, err := w.ledger.Submit(ctx, k.Key, fence, time.Minute)
		return wanted(err, a.Applied)
	case "unknown":
		a, err := w.ledger.Unknown(ctx, k.Key, fence, noAnswer)
		return wanted(err, a.Applied)
	case "accept":
		a, err := w.ledger.Accept(ctx, k.Key, fence, "2026030112000001", "")
		w.fences[name] = ""
		return wanted(err, a.Applied)
	case "polled":
		a, _, err := w.ledger.Polled(ctx, k.Key, ledger.Reason{})
		return wanted(err, a.Applied)
	case "issued":
		result, err := tasks.SealResult(w.ring, k.Key, &providers.Result{Tickets: []providers.Ticket{
			{TicketNo: "CB2SY20260301001", WriteOffNo: "LEU4loiSZ9TDTWAtxL", ItemNo: "VQT04959", ItemName: "百貨公司商品券", UseStatus: providers.Unused}}})
		if err != nil {
			return err
		}
		a, err := w.ledger.Finish(ctx, k.Key, fence, ledger.Ending{State: ledger.Issued, Result: result, Polled: true})
		return wanted(err, a.Applied)
	case "failed":
		a, err := w.ledger.Finish(ctx, k.Key, fence, ledger.Ending{State: ledger.Failed, Reason: ledger.Reason{Code: "2", Message: "查無資料"}})
		return wanted(err, a.Applied)
	case "review":
		a, err := w.ledger.Finish(ctx, k.Key, fence, ledger.Ending{State: ledger.Review, Reason: ledger.Reason{Code: "in_doubt", Message: "no answer in a day"}})
		return wanted(err, a.Applied)
	}
	return fmt.Errorf("unknown step")
}

func (w *worker) refundStep(ctx context.Context, k ledger.RefundKey, step string) error {
	fence := w.fences[k.String()]
	finish := func(s ledger.State, why ledger.Reason, n int) error {
		a, err := w.ledger.FinishRefund(ctx, k, fence, ledger.RefundEnding{State: s, Reason: why, Refunded: n})
		return wanted(err, a.Applied)
	}
	switch step {
	case "new", "begin":
		in, err := w.intake(k, step)
		if err != nil {
			return err
		}
		c, err := w.ledger.BeginRefund(ctx, k, in)
		w.fences[k.String()] = c.Fence
		return wanted(err, c.Verdict == ledger.MaySend || c.Verdict == ledger.MustLookUp)
	case "plan": // two tickets, as at ECTicket
		sealed, err := tasks.SealPlan(w.ring, k, []string{"CB2SY20260301001", "CB2SY20260301002"})
		if err != nil {
			return err
		}
		planned := ledger.PlannedTicket{State: ledger.TicketPlanned}
		a, err := w.ledger.WritePlan(ctx, k, fence, ledger.Plan{Sealed: sealed, Count: 2, Baseline: -1, Tickets: []ledger.PlannedTicket{planned, planned}})
		return wanted(err, a.Applied)
	case "count": // two of an order of which one was refunded before, as at Pass2U
		a, err := w.ledger.WritePlan(ctx, k, fence, ledger.Plan{Count: 2, Baseline: 1})
		return wanted(err, a.Applied)
	case "submit":
		a, _, err := w.ledger.SubmitRefund(ctx, k, fence, time.Minute)
		return wanted(err, a.Applied)
	case "ticket": // the first ticket is refunded
		a, err := w.ledger.SubmitTicket(ctx, k, fence, time.Minute, 0)
		if err == nil && a.Applied {
			a, err = w.ledger.SettleTicket(ctx, k, fence, 0, ledger.TicketRefunded, "1", time.Time{})
		}
		return wanted(err, a.Applied)
	case "refunded":
		return finish(ledger.Refunded, ledger.Reason{}, 2)
	case "partially":
		return finish(ledger.PartiallyRefunded, ledger.Reason{Code: "3", Message: "已核銷"}, 1)
	case "review":
		return finish(ledger.Review, ledger.Reason{Code: "in_doubt", Message: "no answer in a day"}, 1)
	}
	return fmt.Errorf("unknown step")
}

func wanted(err error, applied bool) error {
	if err == nil && !applied {
		return errors.New("the ledger refuses the step")
	}
	return err
}

// intake is what a record is made of: the task in the queue, or a stranger's.
func (w *worker) intake(k ledger.RefundKey, step string) (ledger.Intake, error) {
	in := ledger.Intake{Runner: "worker-1", Lease: time.Minute, Fingerprint: "stranger", Lane: string(tasks.Checkout), Shape: `{"tickets":8}`}
	if step != "begin" {
		return in, nil
	}
	id := tasks.IssueID(k.Provider, k.OrderID)
	if k.RefundID != "" {
		id = tasks.RefundID(k.Provider, k.OrderID, k.RefundID)
	}
	p, err := w.await(k.Provider, id)
	if err != nil {
		return in, err
	}
	in.Fingerprint, in.Lane, in.Shape, in.Document = p.Fingerprint, string(p.Lane), string(p.Shape), p.Document
	return in, nil
}

// await waits until the task is in a queue: another process is putting it there.
func (w *worker) await(p providers.Name, id string) (tasks.Payload, error) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	late := time.After(20 * time.Second)
	for {
		for _, lane := range []tasks.Lane{tasks.Checkout, tasks.Bulk} {
			info, err := w.inspector.GetTaskInfo(tasks.Queue(p, lane), id)
			if err == nil {
				return tasks.DecodePayload(info.Payload)
			}
			if !errors.Is(err, asynq.ErrTaskNotFound) && !errors.Is(err, asynq.ErrQueueNotFound) {
				return tasks.Payload{}, err
			}
		}
		select {
		case <-tick.C:
		case <-late:
			return tasks.Payload{}, fmt.Errorf("%s never came into the queue", id)
		}
	}
}
