package cli

import (
	"context"
	"sync/atomic"
)

// outage notices that Redis has gone, or the command is interrupted, while many things are done.
type outage struct {
	ctx     context.Context
	session *session
	gone    atomic.Bool
	skipped int // things that were not tried
}

func newOutage(ctx context.Context, s *session) *outage { return &outage{ctx: ctx, session: s} }

func (o *outage) is() bool { return o.gone.Load() }

// look finds out whether an error is the outage's. Those that say something about a single order are not.
func (o *outage) look(err error) {
	if err == nil {
		return
	}
	code := explain(err).Code
	if (code == "failed" || code == "unreachable") && !o.session.answers(o.ctx) {
		o.gone.Store(true)
	}
}

// report says that the rest was not tried, and returns the exit code.
func (o *outage) report(a *app, rest string, all int) int {
	p := problem{Code: "unreachable", Message: "Redis does not answer", exit: Unreachable}
	if o.ctx.Err() != nil {
		p = explain(coded("interrupted", "interrupted"))
	}
	p.Message = "stopped: " + p.Message + "; " + rest + " of " + thousands(int64(all)) +
		" not tried. Run the same command again: what is done already stays as it is"
	a.fail(p)
	return p.exit
}
