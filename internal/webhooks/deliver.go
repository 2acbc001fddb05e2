package webhooks

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"github.com/hibiken/asynq"

	"issuance/internal/tracing"
	"issuance/tasks/order"
)

// recordWithin bounds how long it may take to record how a delivery ended.
const recordWithin = 4 * time.Second

// handBack is how soon a front door that serves an endpoint may take what one that does not has given back. Each of them may
// get the task again, so it is short.
const handBack = time.Second

// ProcessTask implements asynq.Handler: it delivers one event once.
func (d *Dispatcher) ProcessTask(ctx context.Context, t *asynq.Task) error {
	p, ok := d.read(t)
	if !ok {
		return nil
	}
	_, err := d.process(ctx, p)
	d.rouse(p.Webhook)
	return err
}

// relay is the handler of the queue. A task that has delivered its event goes on with the next ones of its endpoint, as
// the queue is looked at only from time to time when it is empty, which would set the pace of whoever catches up.
type relay struct{ *Dispatcher }

const (
	// relayFor is for how long a task goes on.
	relayFor = 2 * time.Second
	// relayRoom is after how many deliveries room is reported, so that more events are admitted.
	relayRoom = 25
)

// ProcessTask implements asynq.Handler.
func (r relay) ProcessTask(ctx context.Context, t *asynq.Task) error {
	p, ok := r.read(t)
	if !ok {
		return nil
	}
	defer r.rouse(p.Webhook)
	began := time.Now()
	for n := 1; ; n++ {
		taken, err := r.process(ctx, p)
		if err != nil || !taken || time.Since(began) > relayFor {
			return err
		}
		if n%relayRoom == 0 {
			r.rouse(p.Webhook)
		}
		list, err := r.store.take(ctx, p.Webhook)
		if err != nil || len(list) == 0 {
			return err
		}
		p.Event = list[0].id
		for _, next := range list[1:] {
			if err := enqueue(ctx, r.queue, p.Webhook, next); err != nil {
				return err // their leases run out
			}
		}
	}
}

func (d *Dispatcher) read(t *asynq.Task) (p payload, ok bool) {
	p, err := decode(t.Payload())
	if err != nil {
		d.Log.Error("alarm: a task of the webhooks cannot be read and is dropped", "error", err)
	}
	return p, err == nil
}

// process delivers an event once. taken reports that the endpoint has taken it.
func (d *Dispatcher) process(ctx context.Context, p payload) (taken bool, err error) {
	b, err := d.store.begin(ctx, p.Webhook, p.Event)
	if err != nil || b == nil {
		return false, err
	}
	ctx, span := d.trace(ctx, p)
	defer span.End(nil)
	end := ending{outcome: elsewhere, next: handBack}
	if e := d.File.Find(p.Webhook); e != nil {
		end = d.deliver(ctx, e, p.Event, b)
		d.deliveries.measure(p.Webhook, b.body, end, d.Now())
	}
	span.Set(tracing.Outcome(string(end.outcome)), tracing.Status(end.answer.status))
	// What was sent is recorded even when this process is stopping.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordWithin)
	defer cancel()
	c, err := d.store.settle(ctx, p.Webhook, p.Event, end)
	if err != nil {
		return false, err
	}
	d.report(tracing.Log(ctx, d.Log), p, end, c)
	return c.outcome == delivered, nil
}

func (d *Dispatcher) deliver(ctx context.Context, e *Endpoint, id string, b *begun) ending {
	if !e.wantsBody(b.body) { // the file has changed since it was admitted
		return ending{outcome: unwanted}
	}
	end := ending{answer: d.send.send(ctx, e, id, []byte(b.body))}
	end.outcome = end.answer.kind
	if !e.AllowPrivate {
		d.noteProxy(end.answer)
	}
	switch {
	case end.answer.ours:
		end.next, end.hold = ownFault, ownFault
	case end.outcome == postponed: // this process is stopping
		end.next = time.Second
	case end.outcome == failedTry:
		end.next, end.last = retryAfter(b.tries)
		if after := end.answer.retryAfter; after > 0 {
			end.next, end.hold = max(end.next, after), after
		}
	}
	return end
}

// trace begins the trace of a delivery, which links to the order's.
func (d *Dispatcher) trace(ctx context.Context, p payload) (context.Context, *tracing.Span) {
	if !tracing.On() {
		return ctx, nil
	}
	parts := strings.Split(p.Event, "/") // ACCOUNT/ORDER[/REFUND]/STATE/N
	ref, ok := order.ParseRef(strings.Join(parts[:max(len(parts)-2, 0)], "/"))
	if !ok { // a test's
		return tracing.Linked(ctx, tracing.Consumer, "webhook", "", tracing.Webhook(p.Webhook))
	}
	link, err := d.Ledger.Trace(ctx, ref)
	if err != nil {
		link = "" // the delivery matters more
	}
	return tracing.Linked(ctx, tracing.Consumer, "webhook", link, tracing.Webhook(p.Webhook), tracing.Account(ref.Account), tracing.Order(ref), tracing.Refund(ref))
}

// noteProxy reports when our proxy begins to fail, and when it works again.
func (d *Dispatcher) noteProxy(a answer) {
	if !d.send.proxied || a.status == 0 && !a.ours {
		return
	}
	d.mu.Lock()
	was := d.proxy
	d.proxy = a.ours
	d.mu.Unlock()
	switch {
	case a.ours && !was:
		d.Log.Error("alarm: the webhooks' proxy fails; deliveries wait", "error", a.text)
	case !a.ours && was:
		d.Log.Info("webhooks: the proxy works again")
	}
}

// report logs what somebody has to know: not each failure, but each change.
func (d *Dispatcher) report(log *slog.Logger, p payload, e ending, c consequence) {
	log = log.With("webhook", p.Webhook, "event", p.Event, "status", e.answer.status, "took", e.answer.took.Round(time.Millisecond).String())
	switch {
	case c.outcome == elsewhere:
		if _, known := d.unserved.LoadOrStore(p.Webhook, true); !known {
			log.Warn("another front door serves this webhook, and its deliveries wait whenever this one gets them; give all the same GATEWAY_WEBHOOKS_FILE")
		}
	case c.outcome == gone:
		log.Error("alarm: the webhook wants no more events (410) and is switched off; enqueue webhooks enable switches it on")
	case c.outcome == givenUp:
		log.Error("alarm: the webhook does not take an event, which is given up; enqueue webhooks replay sends it again", "error", e.answer.text)
	case !c.alarm.IsZero():
		log.Error("alarm: the webhook has taken nothing for days", "since", c.alarm, "error", e.answer.text)
	case c.outcome == failedTry && c.before == 0:
		log.Warn("the webhook fails", "error", e.answer.text, "next", e.next.String())
	case c.outcome == delivered && c.before > 0:
		log.Info("the webhook takes events again", "failures", c.before)
	}
}
