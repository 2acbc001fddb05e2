package chaos

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"time"

	"issuance/providers"
	"issuance/providers/ecticket/ecticketsim"
	"issuance/tasks"
	"issuance/tasks/order"
)

// Producers enqueue a load as checkout systems do: several at a time, the same document now and
// then more than once and in both lanes, and again after every error until it is acknowledged. Now and
// then one dies in the middle and repeats the document when it is back, or somebody wants it cancelled.
type Producers struct {
	rig  *Rig
	load *Load
	seed uint64
	// mortal: producers die now and then; died is called with what they may have left without a task.
	mortal bool
	died   func(context.Context, order.Ref)
	// callers are those who come by HTTP; nil without front doors.
	callers  *callers
	receipts *Receipts

	mu       sync.Mutex
	acked    int // documents acknowledged, repetitions included
	repeated int // of these, answered to be duplicates
	errors   int // attempts that had to be repeated
	forged   int // documents refused because of another under the same number
	deaths   int
	done     int // wishes to cancel that came in time
	tooLate  int // and those that did not
	wrong    []string
	split    []Difference    // keys that were answered by two numbers
	texts    map[string]bool // of all errors
	rivals   int             // documents refused because another was faster
	byHTTP   int             // documents acknowledged by a front door
	// brokenBulks are bulks that had to be sent again.
	brokenBulks int

	aside sync.WaitGroup // what waits for its time beside the queue of documents
}

const producerCount = 8

// shot is one document to enqueue at one moment.
type shot struct {
	at     time.Duration
	what   string
	refund bool
	forged []byte // another document of this name, to be tried when this one is acknowledged
	doc    []byte
	lane   tasks.Lane
	death  *death // nil: the producer lives
	// inSteps: by a producer who takes Redis for a cluster.
	inSteps bool
	cancel  *Cancellation // what is wanted once it is enqueued; mostly nil
	ref     order.Ref
	http    bool // by HTTP
	key     string
	order   *Order // that has the key
	rival   bool   // another document may be faster
}

// Run enqueues everything that does not wait for an order to be issued, over the given time, and
// what waits as soon as it can. planned is closed when the former is on its way; Run returns when
// everything is acknowledged.
func (p *Producers) Run(ctx context.Context, over time.Duration, planned chan<- struct{}) {
	queue := make(chan shot)
	var feeders, takers sync.WaitGroup
	for range producerCount {
		takers.Go(func() {
			for s := range queue {
				p.enqueue(ctx, s)
			}
		})
	}
	feeders.Go(func() { p.later(ctx, queue) })
	for _, f := range p.files(over) {
		p.aside.Go(func() {
			if pause(ctx, f.at) {
				p.bulk(ctx, f)
			}
		})
	}
	feeders.Go(func() {
		defer close(planned)
		began := time.Now()
		for _, s := range p.plan(over) {
			if !pause(ctx, time.Until(began.Add(s.at))) {
				return
			}
			queue <- s
		}
	})
	feeders.Wait()
	close(queue)
	takers.Wait()
	p.aside.Wait()
}

func (p *Producers) plan(over time.Duration) []shot {
	r := dice(p.seed, "producers")
	var shots []shot
	for _, o := range p.load.Orders {
		at := between(r, 0, over)
		for i, lane := range o.Lanes {
			s := shot{at: at + soon(r), what: o.Ref().String(), doc: o.Doc, lane: lane, forged: o.Forged, ref: o.Ref(), death: dies(r), inSteps: r.IntN(4) == 0, rival: o.Rival != nil}
			if o.Bulk && i == 0 {
				continue // some are enqueued otherwise, too
			}
			if o.Key != "" {
				s.key, s.order, s.what, s.death = o.Key, o, o.Key, nil
			}
			if i == 0 {
				s.cancel = o.Cancel
			}
			shots = append(shots, s)
		}
		shots = append(shots, o.competition(at)...)
		for _, f := range o.Refunds {
			if f.Early { // some of them before their order
				shots = append(shots, f.shots(r, func() time.Duration { return max(0, at+between(r, -time.Second, 3*time.Second)) })...)
			}
		}
	}
	p.takeRoutes(shots)
	slices.SortStableFunc(shots, func(a, b shot) int { return int(a.at - b.at) })
	return shots
}

// shots are all times that a refund's document is enqueued.
func (f *Refund) shots(r *rand.Rand, at func() time.Duration) (shots []shot) {
	for i, lane := range f.Lanes {
		s := shot{at: at(), what: f.Ref().String(), doc: f.document(), refund: true, lane: lane, ref: f.Ref(), death: dies(r), inSteps: r.IntN(4) == 0}
		if i == 0 {
			s.cancel = f.Cancel
		}
		shots = append(shots, s)
	}
	return shots
}

// soon is when a document is repeated: often at the same moment.
func soon(r *rand.Rand) time.Duration {
	if r.IntN(2) == 0 {
		return 0
	}
	return between(r, 0, 4*time.Second)
}

// enqueue insists until the document is acknowledged, and then tries the forged one, if there is one. Should
// the producer die, that is done when it is back.
func (p *Producers) enqueue(ctx context.Context, s shot) {
	enqueue := p.way(s)
	if wish := s.cancel; wish != nil {
		p.aside.Go(func() { p.cancel(ctx, s, wish) })
		s.cancel = nil
	}
	if s.death != nil && p.mortal {
		p.die(ctx, s, enqueue)
		return
	}
	receipt, err := p.insist(ctx, s, s.doc, enqueue)
	p.mu.Lock()
	switch {
	case ctx.Err() != nil && err != nil:
	case s.rival && errors.As(err, new(*tasks.ConflictError)):
		p.rivals++
	case err != nil:
		p.wrong = append(p.wrong, fmt.Sprintf("%s: enqueueing was refused: %v", s.what, err))
	default:
		p.acknowledged(s, receipt)
	}
	p.mu.Unlock()
	if err != nil || s.forged == nil {
		return
	}
	_, err = p.insist(ctx, s, s.forged, enqueue)
	var conflict *tasks.ConflictError
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case errors.As(err, &conflict):
		p.forged++
	case ctx.Err() == nil:
		p.wrong = append(p.wrong, fmt.Sprintf("%s: another document under its number was not refused: %v", s.what, err))
	}
}

// acknowledged counts a receipt, and learns the number that was made of a key; p.mu is held.
func (p *Producers) acknowledged(s shot, r tasks.Receipt) {
	p.acked++
	if r.Duplicate {
		p.repeated++
	}
	if s.http {
		p.byHTTP++
	}
	if s.key == "" {
		return
	}
	if s.order.ID == "" {
		s.order.ID = r.OrderID
	}
	if s.order.ID != r.OrderID {
		p.split = append(p.split, Difference{KeySplit, s.key, fmt.Sprintf("the key was answered by %s and by %s", s.order.ID, r.OrderID)})
	}
}

// die has the producer die while it enqueues, and enqueue the document again when it is back.
func (p *Producers) die(ctx context.Context, s shot, enqueue enqueueing) {
	dying, buried := withCrash(ctx, s.death.commands)
	_, err := enqueue(dying, s.doc)
	buried()
	p.mu.Lock()
	p.deaths++
	if err != nil {
		p.texts[err.Error()] = true
	}
	p.mu.Unlock()
	p.died(ctx, s.ref)
	down := s.death.down
	s.death = nil
	p.aside.Go(func() {
		if pause(ctx, down) {
			p.enqueue(ctx, s)
		}
	})
}

// cancel insists until there is an answer.
func (p *Producers) cancel(ctx context.Context, s shot, c *Cancellation) {
	wait := c.After
	want := func(ctx context.Context) error {
		return p.rig.Client.Cancel(ctx, s.ref, "chaos", "the customer has changed their mind")
	}
	if s.http {
		want = func(ctx context.Context) error { return p.callers.cancel(ctx, s.ref) }
	}
	for pause(ctx, wait) {
		wait = 100 * time.Millisecond
		once, cancel := context.WithTimeout(ctx, 5*time.Second)
		err := want(once)
		cancel()
		var tooLate *tasks.NotCancellableError
		p.mu.Lock()
		switch {
		case err == nil:
			c.Done, p.done = true, p.done+1
		case errors.As(err, &tooLate):
			c.TooLate, p.tooLate = true, p.tooLate+1
		default: // not enqueued yet, or Redis is away
			p.texts[err.Error()] = true
		}
		answered := c.Done || c.TooLate
		p.mu.Unlock()
		if answered {
			return
		}
	}
}

// insist repeats an attempt until the document is acknowledged or refused for good.
func (p *Producers) insist(ctx context.Context, s shot, doc []byte, enqueue enqueueing) (tasks.Receipt, error) {
	for {
		once, cancel := context.WithTimeout(ctx, 5*time.Second)
		receipt, err := enqueue(once, doc)
		cancel()
		if err == nil {
			p.receipts.note(receipt, doc)
		} else {
			p.mu.Lock()
			p.texts[err.Error()] = true
			p.mu.Unlock()
		}
		var conflict *tasks.ConflictError
		var invalid *providers.InvalidError
		if err == nil || errors.As(err, &conflict) || errors.As(err, &invalid) || errors.As(err, new(*refusedError)) {
			return receipt, err
		}
		p.mu.Lock()
		p.errors++
		p.mu.Unlock()
		if !pause(ctx, 250*time.Millisecond) {
			return receipt, err
		}
	}
}

// later enqueues the refunds that wait for their order to be issued. Before them, tickets are
// redeemed, and refunded by others.
func (p *Producers) later(ctx context.Context, queue chan<- shot) {
	r := dice(p.seed, "later")
	var waiting []*Order
	for _, o := range p.load.Orders {
		if slices.ContainsFunc(o.Refunds, func(f *Refund) bool { return !f.Early }) {
			waiting = append(waiting, o)
		}
	}
	for len(waiting) > 0 && pause(ctx, 400*time.Millisecond) {
		books := TakeBooks(p.rig)
		waiting = slices.DeleteFunc(waiting, func(o *Order) bool {
			if !books.issued(o) {
				return p.neverIssued(ctx, o)
			}
			p.interfere(o, books)
			for _, f := range o.Refunds {
				if !f.Early {
					p.choose(f, books)
					shots := f.shots(r, func() time.Duration { return 0 })
					p.takeRoutes(shots)
					for _, s := range shots {
						queue <- s
					}
				}
			}
			return true
		})
	}
}

// neverIssued reports whether the ledger says that the order failed or is cancelled. Its late refunds are left
// out.
func (p *Producers) neverIssued(ctx context.Context, o *Order) bool {
	once, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	states, err := p.rig.Ledger.States(once, []order.Ref{o.Ref()})
	if err != nil || states[0] != order.Failed && states[0] != order.Cancelled {
		return false
	}
	for _, f := range o.Refunds {
		f.LeftOut = f.LeftOut || !f.Early
	}
	return true
}

// interfere lets others touch the order's tickets.
func (p *Producers) interfere(o *Order, b Books) {
	if o.Provider == providers.Pass2U {
		if o.Redeem > 0 {
			_ = p.rig.Pass2U.Redeem(o.ID, min(o.Redeem, o.Tickets)) // all may be refunded already
		}
		return
	}
	for i, t := range b.ecticket[o.ID].Tickets {
		switch {
		case t.UseStatus != ecticketsim.Unused:
		case i < o.Redeem:
			_ = p.rig.ECTicket.Redeem(t.TicketNo, "") // a refund may be faster
		case i < o.Redeem+o.InOffice:
			_ = p.rig.ECTicket.RefundInOffice(t.TicketNo)
		}
	}
}

// choose fills in the numbers of the tickets to refund.
func (p *Producers) choose(f *Refund, b Books) {
	if f.Wish != ByNumbers {
		return
	}
	tickets := b.ecticket[f.Order.ID].Tickets
	for _, place := range f.places {
		f.Numbers = append(f.Numbers, tickets[place].TicketNo)
	}
	if f.stray {
		f.Numbers = append(f.Numbers, "NOSUCH"+strconv.Itoa(len(f.Numbers)))
	}
}
