package sandbox

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"issuance/internal/ledger"
	"issuance/providers"
	"issuance/providers/ecticket/ecticketsim"
	"issuance/tasks"
	"issuance/tasks/order"
)

// Demo is a load of mixed orders that shows what the worker does.
type Demo struct {
	orders   []demoOrder
	byRef    map[order.Ref]demoOrder
	sandbox  *Sandbox
	ledger   *ledger.Ledger
	client   *tasks.Client
	finished map[order.Ref]bool
}

// NewDemo makes a demo of n orders of the accounts, one per provider, for the lanes that the worker serves.
func (s *Sandbox) NewDemo(n int, now time.Time, accounts map[providers.Name]providers.Account, served func(providers.Name, tasks.Lane) bool, l *ledger.Ledger, c *tasks.Client) *Demo {
	d := &Demo{orders: demoOrders(n, now, accounts, served), sandbox: s, ledger: l, client: c,
		byRef: map[order.Ref]demoOrder{}, finished: map[order.Ref]bool{}}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.demo = map[string]bool{}
	for _, o := range d.orders {
		d.byRef[o.ref] = o
		s.demo[o.ref.OrderID] = true
	}
	return d
}

// Describe says what the demo consists of.
func (d *Demo) Describe() string {
	fail, review, refund := 0, 0, 0
	for _, o := range d.orders {
		switch o.want {
		case order.Failed:
			fail++
		case order.Review:
			review++
		}
		if o.refund != nil {
			refund++
		}
	}
	text := []string{count(len(d.orders), "order")}
	if fail > 0 {
		text = append(text, fmt.Sprintf("%d of them made to fail", fail))
	}
	if review > 0 {
		text = append(text, fmt.Sprintf("%d whose number is taken, for you to review", review))
	}
	if refund > 0 {
		text = append(text, count(refund, "refund"))
	}
	return strings.Join(text, ", ")
}

// Empty reports whether there is nothing to do.
func (d *Demo) Empty() bool { return len(d.orders) == 0 }

// Patience is how long the demo may take before something must be wrong: two minutes, some runs of
// the simulator's job, and the time the call budgets need.
func (d *Demo) Patience() time.Duration {
	return 2*time.Minute + 3*d.sandbox.jobEvery + time.Duration(len(d.orders))*2*time.Second
}

// Run enqueues the demo's orders, the refunds as soon as their orders are issued, and returns when
// everything is final, or with the context's error.
func (d *Demo) Run(ctx context.Context) error {
	for _, o := range d.orders {
		if o.remark != "" {
			d.sandbox.ecticket.FailOrder(o.ref.OrderID, o.remark)
		}
		if o.taken {
			d.sandbox.ecticket.AddStranger(ecticketsim.Stranger{MerchantID: o.ref.Account.Merchant, ID: o.ref.OrderID})
		}
		if _, err := d.client.Enqueue(ctx, o.raw, tasks.InLane(o.lane)); err != nil {
			return fmt.Errorf("demo: %w", err)
		}
	}
	// Everything of this demo is young, so the whole stream is read only once.
	after := "0"
	looked := time.Now()
	for {
		events, err := d.ledger.Events(ctx, after, 500, 500*time.Millisecond)
		if err != nil && ctx.Err() == nil {
			return err
		}
		for _, e := range events {
			after = e.StreamID
			if err := d.ended(ctx, e.Ref, e.State); err != nil {
				return err
			}
		}
		if d.over() {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if time.Since(looked) > 5*time.Second { // an event may have been lost; the records are the truth
			if err := d.look(ctx); err != nil {
				return err
			}
			looked = time.Now()
		}
	}
}

// ended notes that something of the demo is final.
func (d *Demo) ended(ctx context.Context, r order.Ref, s order.State) error {
	o, ours := d.byRef[r.Order()]
	if !ours || d.finished[r] {
		return nil
	}
	d.finished[r] = true
	if r.RefundID == "" && o.refund != nil {
		if s != order.Issued {
			d.finished[o.refund.ref] = true // nothing to refund, and the verdict says so
			return nil
		}
		if _, err := d.client.EnqueueRefund(ctx, o.refund.raw); err != nil {
			return fmt.Errorf("demo: %w", err)
		}
	}
	return nil
}

// look reads the records of all that is not known to be final.
func (d *Demo) look(ctx context.Context) error {
	for _, o := range d.orders {
		for _, r := range o.refs() {
			if d.finished[r] {
				continue
			}
			rec, err := d.ledger.Load(ctx, r)
			if errors.Is(err, ledger.ErrNotFound) {
				continue
			}
			if err != nil {
				return err
			}
			if rec.State.Final() {
				if err := d.ended(ctx, r, rec.State); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// over reports whether all is final.
func (d *Demo) over() bool {
	for _, o := range d.orders {
		for _, r := range o.refs() {
			if !d.finished[r] {
				return false
			}
		}
	}
	return true
}

// refs are the order and, if it is to get one, its refund.
func (o demoOrder) refs() []order.Ref {
	refs := []order.Ref{o.ref}
	if o.refund != nil {
		refs = append(refs, o.refund.ref)
	}
	return refs
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
