package frontdoor

import (
	"context"

	"github.com/danielgtaylor/huma/v2"

	"issuance/tasks"
)

type cancelledOut struct{ Body *Status }

type cancelIn struct {
	OrderPath
	Reason string `query:"reason" maxLength:"200" doc:"why; recorded and shown, so no customer's data"`
}

// Resolve implements huma.Resolver.
func (in *cancelIn) Resolve(c huma.Context) []error { return remember(c, in.read) }

// read is the account whose order it is.
func (in *cancelIn) read(ctx context.Context, s *Server) (tasks.Account, error) {
	return s.resolve(ctx, Orders, in.Account, accountInPath)
}

func (s *Server) cancelOrder(ctx context.Context, in *cancelIn) (*cancelledOut, error) {
	a, err := in.read(ctx, s)
	if err != nil {
		return nil, err
	}
	return s.cancel(ctx, tasks.Ref{Account: a, OrderID: in.OrderID}, in.Reason)
}

func (s *Server) cancel(ctx context.Context, r tasks.Ref, reason string) (*cancelledOut, error) {
	s.name(ctx, r)
	if err := s.Client.Cancel(ctx, r, "token "+seenOf(ctx).token.Name, reason); err != nil {
		p := s.about(s.missing(ctx, err, r), r)
		if p.Code == codeUnknown && r.RefundID != "" {
			p.Detail = "no such refund of this order, or its record was removed some time after its end"
		}
		return nil, noted(ctx, p)
	}
	s.recorded(ctx, r)
	st, err := s.Client.Status(ctx, r.Account, r.OrderID)
	if err != nil {
		return nil, noted(ctx, explain(err, accountInPath))
	}
	return &cancelledOut{&Status{Status: *st}}, nil
}
