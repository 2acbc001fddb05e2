// Package looks asks a provider what has become of the tickets of issued orders, because a notice or a person named
// them, and records what it answers. Its calls are the least urgent of the call budget, and each order is asked for
// once however many notices name it; a look that is not answered is repeated until it is, and one that shows nothing new a
// few times, as the list may be older than the notice.
//
// It may import internal/budget, internal/ledger, internal/notices, internal/seal, internal/vault, providers and
// tasks/order.
package looks

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"issuance/internal/budget"
	"issuance/internal/ledger"
	"issuance/internal/notices"
	"issuance/internal/seal"
	"issuance/providers"
	"issuance/tasks/order"
)

// Provider is what is asked: a provider whose tickets have numbers, and a status each.
type Provider interface {
	Account() providers.Account
	Host() string
	Tickets(ctx context.Context, o providers.Order) ([]providers.Ticket, providers.Outcome)
	TicketStatus(ctx context.Context, ticketNo string) (providers.TicketStatus, providers.Outcome)
}

// ByCode is a Provider that finds a ticket by its redemption code, too.
type ByCode interface {
	StatusByWriteOffNo(ctx context.Context, code string) (providers.TicketStatus, providers.Outcome)
}

// Config of a Looker. Everything is required unless a default is given.
type Config struct {
	Provider Provider
	Ledger   *ledger.Ledger
	Ring     *seal.Ring
	Notices  *notices.Store
	Log      *slog.Logger
}

// Looker makes the looks of one account. Several may run at the same time.
type Looker struct {
	Config
	codec   providers.Codec
	tries   map[string]int // looks without an answer in a row, by member; lost with the process, which only asks earlier
	retired atomic.Bool
}

// New makes a looker.
func New(c Config) *Looker {
	codec, _ := providers.CodecOf(c.Provider.Account().Provider)
	return &Looker{Config: c, codec: codec, tries: map[string]int{}}
}

// Retire has the looker begin no further look: its account is not served any more, or by another looker.
func (l *Looker) Retire() { l.retired.Store(true) }

func (l *Looker) account() string { return l.Provider.Account().String() }

// Due makes every look that is due, one after the other. It stops when the call budget has nothing to spare, and says
// for how long.
func (l *Looker) Due(ctx context.Context) (pause time.Duration, err error) {
	ctx = budget.WithLane(ctx, order.Bulk)
	for ctx.Err() == nil && !l.retired.Load() {
		look, ok, err := l.Notices.Take(ctx)
		if err != nil || !ok {
			return 0, err
		}
		end := l.look(ctx, look)
		if end.err != nil {
			l.Log.Warn("a look at tickets failed and is repeated", "account", l.account(), "look", look.String(), "error", end.err)
		}
		if err := l.settle(ctx, look, end); err != nil {
			return 0, err
		}
		if end.held > 0 {
			return end.held, nil
		}
	}
	return 0, ctx.Err()
}

// ending is how a look ended: with an answer, or put off.
type ending struct {
	again time.Duration  // when it is due again; 0 when it is done
	tried bool           // there is nothing to see yet: the pause doubles with every time in a row
	most  time.Duration  // up to this; 0 is mostPause
	held  time.Duration  // for how long no call can leave
	why   notices.Reason // it is put off without an answer
	stale bool           // the list was complete and shows nothing new, so that it may be older than what the look is for
	err   error          // something unexpected, for the log
}

// Pauses before a look is repeated.
const (
	soon      = 5 * time.Second  // it waits for another look, or for its order to be issued, at first
	unclear   = time.Minute      // it was not answered, at first
	mostPause = time.Hour        // and at most
	unissued  = 10 * time.Minute // its order is not issued yet, at most; or it belongs to another worker
	reviewed  = time.Hour        // its order needs review, so it is not known whose it is
)

// mostRefused is how often a provider may refuse to show an issued order before that is taken for its answer.
const mostRefused = 6

func done() ending                     { return ending{} }
func later(after time.Duration) ending { return ending{again: after} }

// failed is the ending by something unexpected, as unshown is that by an answer which does not show the tickets.
func failed(err error) ending {
	return ending{again: unclear, tried: true, why: notices.Failed, err: err}
}
func unshown(why notices.Reason) ending { return ending{again: unclear, tried: true, why: why} }

// unanswered is the ending by an outcome other than Done.
func unanswered(out providers.Outcome) ending {
	e := ending{again: max(out.RetryAfter, unclear), tried: true, why: notices.Unclear}
	if out.Kind == providers.Held {
		e = ending{again: max(out.RetryAfter, time.Second), held: max(out.RetryAfter, time.Second), why: notices.Held}
	}
	return e
}

func (l *Looker) look(ctx context.Context, look notices.Look) ending {
	switch look.Kind {
	case notices.OfOrder, notices.OfAgain:
		number, times := look.Order()
		return l.again(ctx, order.Ref{Account: l.Provider.Account(), OrderID: number}, l.tries[look.String()], times)
	case notices.OfNotice, notices.OfTickets:
		return l.notice(ctx, look)
	}
	return done() // of a newer program
}

// mostStale is how often a list may show nothing new until that is taken for the truth: with pauses of a minute, doubled
// every time, for longer than a provider was ever seen to be behind itself (handler.LongestLag).
const mostStale = 4

// again looks at an order, and once more later where its list may be older than what the look is for. times looks before
// it have shown nothing new. The next one is another look, so that its pauses outlive the process and hold for all workers.
func (l *Looker) again(ctx context.Context, ref order.Ref, tries, times int) ending {
	e := l.order(ctx, ref, tries)
	if !e.stale || times >= mostStale {
		return e
	}
	if err := l.Notices.WantAgain(ctx, ref, times+1, unclear<<times); err != nil {
		return failed(err)
	}
	return e
}

func (l *Looker) settle(ctx context.Context, look notices.Look, e ending) error {
	key := look.String()
	if !e.tried {
		delete(l.tries, key)
	}
	if e.again == 0 {
		return l.Notices.Done(ctx, look)
	}
	if e.tried {
		most := mostPause
		if e.most > 0 {
			most = e.most
		}
		e.again = min(e.again<<min(l.tries[key], 10), max(most, e.again))
		l.tries[key]++
	}
	return l.Notices.PutOff(ctx, look, e.again, e.why)
}
