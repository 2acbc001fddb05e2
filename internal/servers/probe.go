package servers

import (
	"context"
	"fmt"
	"log/slog"

	"issuance/internal/budget"
	"issuance/providers"
)

// Prober is an Account that can ask whether its provider answers again.
type Prober interface {
	Account
	// Probe makes one call, unless another worker makes it. It ends with the context.
	Probe(ctx context.Context)
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
func (s *Served) Probe(ctx context.Context) {
	ctx, mine, err := s.ClaimProbe(ctx)
	if err != nil || !mine { // what is wrong with Redis, the QueueHolder logs
		return
	}
	f := s.provider.LookUp(ctx, s.order)
	s.log.DebugContext(ctx, "probed", "account", s.provider.Account().String(), "finding", string(f.State), "code", f.Outcome.Code)
}

// probe asks, beside everything else, whether those accounts are answered again for which that is due: a
// probe may hang for as long as a call may take, and the next one leaves on time.
func (h *QueueHolder) probe(ctx context.Context, a Account, s budget.State) {
	if p, ok := a.(Prober); ok && s.ProbeDue() {
		h.probes.Go(func() { p.Probe(ctx) })
	}
}
