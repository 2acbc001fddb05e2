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
	ctx, mine, err := claim(ctx)
	if err != nil || !mine { // what is wrong with Redis, the QueueHolder logs
		return
	}
	f := s.provider.LookUp(ctx, s.order)
	s.log.DebugContext(ctx, "probed", "account", s.provider.Account().String(), "finding", string(f.State), "code", f.Outcome.Code)
}

// probes are the accounts of one look that are to be asked, beside everything else: a probe may hang for as long as a call
// may take, and the next one leaves on time.
type probes struct {
	idle    time.Duration // see QueueHolder.Idle
	due     []Prober
	failed  []Prober // idle ones whose last call has failed
	nothing []Prober // the other idle ones
}

func (p *probes) consider(a Account, s budget.State) {
	switch prober, ok := a.(Prober); {
	case !ok:
	case s.ProbeDue():
		p.due = append(p.due, prober)
	case !s.IdleProbeDue(p.idle):
	case s.Trouble != nil:
		p.failed = append(p.failed, prober)
	default:
		p.nothing = append(p.nothing, prober)
	}
}

// probe asks whether those accounts are answered again for which that is due, and one of those that nobody calls: another
// one every time.
func (h *QueueHolder) probe(ctx context.Context, p probes) {
	for _, a := range p.due {
		h.probes.Go(func() { a.Probe(ctx, false) })
	}
	idle := p.failed
	if len(idle) == 0 {
		idle = p.nothing
	}
	if len(idle) > 0 {
		h.probes.Go(func() { idle[rand.IntN(len(idle))].Probe(ctx, true) })
	}
}
