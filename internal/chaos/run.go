package chaos

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/hibiken/asynq"

	"issuance/internal/queue"
	"issuance/providers"
	"issuance/providers/ecticket/ecticketsim"
	"issuance/providers/pass2u/pass2usim"
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
	// ProducersDie has producers die now and then while they enqueue a document.
	ProducersDie bool
	// Notices is how many tickets are used up elsewhere in the end, of which front doors are sent notices.
	Notices int
	// Meanwhile happens to Redis from the start until everything is final, when its context ends.
	Meanwhile func(context.Context) error
	// Endless faults do not stop before everything is final.
	Endless bool
}

// Run is what came of a plan.
type Run struct {
	Plan
	Rig       *Rig
	Producers *Producers
	Disasters *Disasters
	Replays   *Replays
	Notices   *Notices // nil without front doors
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
		if r.Front != nil {
			run.Load.route(p.Seed)
		}
	}
	run.prepare()
	if err := r.StartWorkers(ctx); err != nil {
		return nil, err
	}
	began := time.Now()
	run.Producers = &Producers{rig: r, load: run.Load, seed: p.Seed, mortal: p.ProducersDie, texts: map[string]bool{}, receipts: newReceipts()}
	if r.Front != nil {
		run.Producers.callers = &callers{front: r.Front, seed: p.Seed}
	}
	p.Disasters.Over = p.Spread
	endMeanwhile := run.meanwhile(ctx)
	defer func() { _ = endMeanwhile() }()
	rdb := r.Place.Connect()
	run.Disasters = &Disasters{rig: r, rdb: rdb, inspector: asynq.NewInspectorFromRedisClient(rdb),
		queue: queue.NewClient(rdb, queue.Options{}), removed: map[string]int{}, holds: map[providers.Account][]span{}, over: make(chan struct{}), seed: p.Seed, plan: p.Disasters}

	run.Producers.died = run.Disasters.watchAbandoned

	supervised, endSupervision := context.WithCancel(ctx)
	var supervisor sync.WaitGroup
	supervisor.Go(func() { run.Disasters.supervise(supervised) })
	supervisor.Go(func() { run.Disasters.watchHolds(supervised) })
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
		return nil, fmt.Errorf("chaos: producers still wait %s after the last fault (a ping of Redis: %v); %s", p.Patience, rdb.Ping(ctx).Err(), run.unfinished(ctx))
	}
	if err := run.settle(patient); err != nil {
		return nil, err
	}
	run.Settling = time.Since(calm)
	if err := endMeanwhile(); err != nil {
		return nil, err
	}
	run.Disasters.endWatching(patient)
	return run, run.judge(ctx)
}

// meanwhile begins what is to happen meanwhile, and returns what ends it.
func (run *Run) meanwhile(ctx context.Context) (end func() error) {
	if run.Plan.Meanwhile == nil {
		return func() error { return nil }
	}
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() {
		var err error
		defer func() { ended <- err }() // also when it fails the test
		if err = run.Plan.Meanwhile(ctx); err != nil {
			run.Rig.Log("what was to happen meanwhile has failed: %v", err)
		}
	}()
	return sync.OnceValue(func() error { cancel(); return <-ended })
}

// unfinished names some of what is not final, and what it is.
func (run *Run) unfinished(ctx context.Context) string {
	refs := run.Load.refs()
	states, err := run.Rig.Ledger.States(ctx, refs)
	if err != nil {
		return err.Error()
	}
	var list []string
	for i, s := range states {
		if !s.Final() && len(list) < 10 {
			list = append(list, fmt.Sprintf("%s is %q", refs[i], s))
		}
	}
	return strings.Join(list, ", ")
}

// judge replays tasks of deleted records and audits everything.
func (run *Run) judge(ctx context.Context) (err error) {
	if err := run.Rig.Front.ask(ctx, run.Producers.receipts); err != nil {
		return err
	}
	if run.Replays, err = run.Disasters.replay(ctx, run.Load, run.Plan.Disasters.Replays); err != nil {
		return err
	}
	if run.Report, err = Audit(ctx, run); err != nil {
		return err
	}
	run.Report.Differences = append(run.Report.Differences, run.Producers.split...)
	run.Report.Differences = append(run.Report.Differences, run.Replays.Differences...)
	run.Report.Differences = append(run.Report.Differences, run.Disasters.duringPauses()...)
	return run.notices(ctx, run.Plan.Notices)
}

// prepare makes the simulators know which orders are to fail, to be late, or to be there before; whose look-ups
// lag; and that their clocks are not ours.
func (run *Run) prepare() {
	e, p := run.Rig.ECTicket, run.Rig.Pass2U
	run.Rig.Weather.dark = map[string]bool{}
	for _, o := range run.Load.Orders {
		if o.Key != "" {
			continue // it has no number yet, and nothing special becomes of it
		}
		ecticket := o.Provider == providers.ECTicket
		run.Rig.Weather.dark[o.ID] = o.Kind == kindPage
		switch {
		case o.Fate == Fails:
			e.FailOrder(o.ID, "庫存不足")
		case o.Fate == Late:
			e.StickOrder(o.ID)
		case o.Fate == Taken && ecticket:
			e.AddStranger(ecticketsim.Stranger{MerchantID: merchantID, ID: o.ID, Gift: o.Kind == kindGift})
		case o.Fate == Taken:
			p.AddStranger(pass2usim.Stranger{ChannelOrderID: o.ID, Quantity: o.Tickets + 1})
		}
		if r := dice(run.Seed, "lag", o.ID); r.IntN(8) == 0 && !run.Mix.Plain {
			lag := between(r, lagFrom, lagTo)
			e.SetLagOf(o.ID, ecticketsim.Lag{IssueResult: lag, OrderInfo: lag, TicketStatus: lag, List: lag, ListShows: r.IntN(o.Tickets + 1)})
			p.SetLagOf(o.ID, pass2usim.Lag{Generate: lag, Refund: lag})
		}
	}
	e.SetClockOff(ecticketClock)
	p.SetClockOff(pass2uClock)
	e.SetClocks(func(c ecticketsim.Call) time.Duration { return run.clock(c.Op, c.OrderID, c.N) })
	p.SetClocks(func(c pass2usim.Call) time.Duration { return run.clock(string(c.Op), c.OrderID, c.N) })
}

// clock is how far the clock of the machine that answers a call is off: it jumps with every answer.
func (run *Run) clock(op, id string, n int) time.Duration {
	return between(dice(run.Seed, "clock", op, id, fmt.Sprint(n)), -clockJumps, clockJumps)
}

// How far look-ups of some orders lag, and how far the providers' clocks are ahead of ours. ECTicket's is bounded by
// its window, which is short here; what its machines write is off by up to clockJumps.
const (
	lagFrom, lagTo = 500 * time.Millisecond, 4 * time.Second
	ecticketClock  = -2 * time.Second
	pass2uClock    = 4 * time.Minute
	clockJumps     = 5 * time.Minute
)

func (run *Run) calm() {
	run.Rig.Weather.Clear()
	run.Rig.Front.clear()
	for _, o := range run.Load.Orders {
		if o.Fate == Late {
			run.Rig.ECTicket.Unstick(o.ID)
		}
	}
}

// settle waits until every order and refund is final, nothing is left in the open set, and every event has reached
// every receiver and reader. When the
// context ends first, the audit reports what is missing.
func (run *Run) settle(ctx context.Context) error {
	for last := -1; ; {
		open, err := run.open(ctx)
		switch {
		case err == nil && open == 0:
			return nil
		case err == nil && open != last:
			run.Rig.Log("%d are not final", open)
			last = open
		}
		if !pause(ctx, 300*time.Millisecond) {
			if ctx.Err() == nil || errors.Is(err, ctx.Err()) {
				return nil
			}
			return err
		}
	}
}

// open counts what is not final, and what the sweeper still has on its list.
func (run *Run) open(ctx context.Context) (int, error) {
	states, err := run.Rig.Ledger.States(ctx, run.Load.refs())
	if err != nil {
		return 0, err
	}
	n := 0
	for _, s := range states {
		if !s.Final() {
			n++
		}
	}
	if n > 0 {
		return n, nil
	}
	for _, a := range accounts() {
		left, err := run.Rig.Ledger.OpenCount(ctx, a)
		if err != nil {
			return 0, err
		}
		n += int(left)
	}
	if n > 0 {
		return n, nil
	}
	return run.Rig.Front.outstanding(ctx)
}
