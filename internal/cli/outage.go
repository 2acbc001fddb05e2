package cli

import (
	"context"
	"sync/atomic"

	"issuance/internal/redisconn"
)

// outage notices that Redis has gone, takes no writes any more or refuses its user, or that the command is
// interrupted, while many things are done.
type outage struct {
	ctx     context.Context
	session *session
	why     atomic.Pointer[problem]
	skipped int // things that were not tried
}

func newOutage(ctx context.Context, s *session) *outage { return &outage{ctx: ctx, session: s} }

func (o *outage) is() bool { return o.why.Load() != nil }

// look finds out whether an error is the outage's. Those that say something about a single order are not.
func (o *outage) look(err error) {
	if err == nil {
		return
	}
	p := explain(err)
	switch {
	case p.Code == codeNoWrites:
	case redisconn.RefusalOf(err) != redisconn.NotRefused:
		p.Message = "Redis refuses the user of REDIS_URL"
	case (p.Code == codeFailed || p.Code == codeAway) && !o.session.answers(o.ctx):
		p = problem{Code: codeAway, Message: "Redis does not answer"}
	default:
		return
	}
	o.why.CompareAndSwap(nil, &p)
}

// report says that the rest was not tried, if there is one, and returns the exit code.
func (o *outage) report(a *app, rest int, noun string, all int) int {
	p := *o.why.Load()
	if o.ctx.Err() != nil {
		p = explain(coded(codeInterrupt, "interrupted"))
	}
	if rest == 0 {
		return p.exit()
	}
	p.Message = "stopped: " + p.Message + "; " + count(rest, noun) + " of " + thousands(int64(all)) +
		" not tried. Run the same command again: what is done already stays as it is"
	a.fail(p)
	return p.exit()
}
