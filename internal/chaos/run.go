package chaos

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/hibiken/asynq"

	"issuance/internal/ledger"
	"issuance/providers"
)

// Plan is one chaos run.
type Plan struct {
	Seed      uint64
	Mix       Mix
	Load      *Load // default: one of Mix
	Disasters DisasterPlan
	// Spread is the time over which the load is enqueued.
	Spread time.Duration
	// Patience is how long everything may take to become final when all faults have stopped.
	Patience time.Duration
	// Endless faults do not stop before everything is final.
	Endless bool
}

// Run is what came of a plan.
type Run struct {
	Plan
	Rig       *Rig
	Producers *Producers
	Disasters *Disasters
	Report    *Report
	Stormy    time.Duration // from the start until all faults stopped
	Settling  time.Duration // from then until everything was final
}

// Execute carries a plan out on a rig: load and faults, then fair weather until everything is
// final, then the audit.
func Execute(ctx context.Context, r *Rig, p Plan) (*Run, error) {
	run := &Run{Plan: p, Rig: r}
	if run.Load == nil {
		run.Load = NewLoad(p.Seed, p.Mix)
	}
	run.prepare()
	if err := r.StartWorkers(ctx); err != nil {
		return nil, err
	}
	began := time.Now()
	run.Producers = &Producers{rig: r, load: run.Load, seed: p.Seed, texts: map[string]bool{}}
	p.Disasters.Over = p.Spread
	rdb := r.Redis.Client()
	run.Disasters = &Disasters{rig: r, rdb: rdb, inspector: asynq.NewInspectorFromRedisClient(rdb), seed: p.Seed, plan: p.Disasters}

	supervised, endSupervision := context.WithCancel(ctx)
	var supervisor sync.WaitGroup
	supervisor.Go(func() { run.Disasters.supervise(supervised) })
	defer func() { endSupervision(); supervisor.Wait() }()

	planned := make(chan struct{})
	var producing sync.WaitGroup
	producing.Go(func() { run.Producers.Run(ctx, p.Spread, planned) })
	run.Disasters.Run(ctx, planned)
	<-planned
	if !p.Endless {
		run.calm()
	}
	run.Stormy = time.Since(began)
	r.Log("all faults stop after %s", run.Stormy.Round(time.Second))

	calm := time.Now()
	patient, cancel := context.WithTimeout(ctx, p.Patience)
	defer cancel()
	acknowledged := make(chan struct{})
	go func() { producing.Wait(); close(acknowledged) }()
	select {
	case <-acknowledged:
	case <-patient.Done():
		return nil, fmt.Errorf("chaos: producers still wait %s after the last fault", p.Patience)
	}
	if err := run.settle(patient); err != nil {
		return nil, err
	}
	run.Settling = time.Since(calm)
	run.Disasters.watchers.Wait()
	var err error
	run.Report, err = Audit(ctx, r, run.Load)
	return run, err
}

// prepare tells the simulators which orders are to fail or to be late.
func (run *Run) prepare() {
	for _, o := range run.Load.Orders {
		switch {
		case o.Provider != providers.ECTicket:
		case o.Fate == Fails:
			run.Rig.ECTicket.FailOrder(o.ID, "庫存不足")
		case o.Fate == Late:
			run.Rig.ECTicket.StickOrder(o.ID)
		}
	}
}

func (run *Run) calm() {
	run.Rig.Weather.Clear()
	for _, o := range run.Load.Orders {
		if o.Fate == Late {
			run.Rig.ECTicket.Unstick(o.ID)
		}
	}
}

// settle waits until every order and refund is final and nothing is left in the open set. When the
// context ends first, the audit tells what is missing.
func (run *Run) settle(ctx context.Context) error {
	for last := -1; ; {
		open, err := run.open(ctx)
		switch {
		case err != nil && ctx.Err() == nil:
			return err
		case err == nil && open == 0:
			return nil
		case err == nil && open != last:
			run.Rig.Log("%d are not final", open)
			last = open
		}
		if !pause(ctx, 300*time.Millisecond) {
			return nil
		}
	}
}

// open counts what is not final, and what the sweeper still has on its list.
func (run *Run) open(ctx context.Context) (int, error) {
	var orders []ledger.Key
	var refunds []ledger.RefundKey
	for _, o := range run.Load.Orders {
		orders = append(orders, o.Key())
		for _, f := range o.Refunds {
			if !f.LeftOut {
				refunds = append(refunds, f.Key())
			}
		}
	}
	peeks, err := run.Rig.Ledger.PeekOrders(ctx, orders)
	if err != nil {
		return 0, err
	}
	n := 0
	if len(refunds) > 0 {
		more, err := run.Rig.Ledger.PeekRefunds(ctx, refunds)
		if err != nil {
			return 0, err
		}
		peeks = append(peeks, more...)
	}
	for _, p := range peeks {
		if !p.Found || !p.State.Final() {
			n++
		}
	}
	if n > 0 {
		return n, nil
	}
	for _, p := range providers.All() {
		left, err := run.Rig.Ledger.OpenCount(ctx, p)
		if err != nil {
			return 0, err
		}
		n += int(left)
	}
	return n, nil
}
