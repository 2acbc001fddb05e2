package servers

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"issuance/internal/budget"
	"issuance/providers"
)

// Prober is an Account that can ask whether its provider answers again.
type Prober interface {
	Account
	// Probe makes one call, unless another worker makes it. It ends with the context. idle says that nothing is known to be wrong.
	Probe(ctx context.Context, idle bool)
}

// Served is an account that this process serves. It is probed by looking up an order that does not exist:
// whatever an authentic answer says of it, it is one, and no order's own trouble can make it fail.
type Served struct {
	*budget.Budget
	provider providers.Provider
	order    providers.Order
	log      *slog.Logger
	// Access is the keyed digest of the credentials and addresses that the client calls with (budget.WithAccess). Default "".
	Access string
}

// Serve makes one of an account's budget and client.
func Serve(b *budget.Budget, p providers.Provider, log *slog.Logger) *Served {
	codec, ok := providers.CodecOf(p.Account().Provider)
	if !ok {
		panic(fmt.Sprintf("servers: no codec for %s", p.Account()))
	}
	return &Served{Budget: b, provider: p, order: codec.Probe(), log: log}
}

// Probe implements Prober.
func (s *Served) Probe(ctx context.Context, idle bool) {
	claim := s.ClaimProbe
	if idle {
		claim = s.ClaimIdleProbe
	}
	ctx, mine, err := claim(budget.WithAccess(ctx, s.Access))
	if err != nil || !mine { // what is wrong with Redis, the QueueHolder logs
		return
	}
	f := s.provider.LookUp(ctx, s.order)
	if err := s.EndProbe(ctx); err != nil {
		s.log.DebugContext(ctx, "a probe that could not leave could not be taken back", "error", err)
	}
	s.log.DebugContext(ctx, "probed", "account", s.provider.Account().String(), "finding", string(f.State), "code", f.Outcome.Code)
}

// probes are the accounts of one look that are to be asked, beside everything else: a probe may hang for as long as a call
// may take, and the next one leaves on time.
type probes struct {
	after time.Duration // see QueueHolder.Idle
	down  []Prober
	idle  Prober // the one that has gone longest without a call, those whose last call has failed first; nil for none
	state budget.State
}

func (p *probes) consider(a Account, s budget.State) {
	access := ""
	if served, ok := a.(*Served); ok {
		access = served.Access
	}
	switch prober, ok := a.(Prober); {
	case !ok:
	case s.ProbeDueWith(access):
		p.down = append(p.down, prober)
	case s.IdleProbeDue(p.after) && (p.idle == nil || sooner(s, p.state)):
		p.idle, p.state = prober, s
	}
}

// sooner reports whether an idle account is to be asked before another one. Calls are known to seconds, so of two that have gone
// equally long without one either goes first.
func sooner(s, than budget.State) bool {
	failed, other := s.Trouble != nil, than.Trouble != nil
	switch {
	case failed != other:
		return failed
	case !s.LastCall.Equal(than.LastCall):
		return s.LastCall.Before(than.LastCall)
	}
	return rand.IntN(2) == 0
}

// probe asks whether those accounts are answered again for which that is due, and one of those that nobody calls.
func (h *QueueHolder) probe(ctx context.Context, p probes) {
	for _, a := range p.down {
		h.probes.Go(func() { a.Probe(ctx, false) })
	}
	if p.idle != nil {
		h.probes.Go(func() { p.idle.Probe(ctx, true) })
	}
}
