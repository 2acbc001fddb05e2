package frontdoor

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"issuance/tasks"
)

type RefundPath struct {
	OrderPath
	RefundID string `path:"refund_id" maxLength:"64" doc:"the caller's own id of this refund; repeating a refund with the same id refunds once"`
}

type putRefund struct {
	RefundPath
	Placing
	RawBody []byte `contentType:"application/json"`
}

// Resolve implements huma.Resolver.
func (in *putRefund) Resolve(c huma.Context) []error { return remember(c, in.read) }

type cancelRefundIn struct {
	RefundPath
	Reason string `query:"reason" maxLength:"200" doc:"why; recorded and shown, so no customer's data"`
}

// Resolve implements huma.Resolver.
func (in *cancelRefundIn) Resolve(c huma.Context) []error { return remember(c, in.read) }

// read is the account whose order it is.
func (in *cancelRefundIn) read(ctx context.Context, s *Server) (tasks.Account, error) {
	return s.resolve(ctx, Refunds, in.Account, accountInPath)
}

func (s *Server) refunds() {
	const at = "/v1/orders/{account}/{order_id}/refunds/{refund_id}"
	register(s, s.placing(operation(http.MethodPut, at, "put-refund", "refunds", "Enqueue a refund",
		`The body is the refund document's request, without the order's number: {"TicketNo":["…"]}, {"quantity":2} or {"all":true}. The number goes where the recorded order has it; of an order that is not recorded here, it is ECTicket's MerchantTradeNo unless FreeTradeNo is named, in full or as an empty text ("FreeTradeNo":""). The answer is the order's status with its refunds; with wait, it comes when this refund is final or the time is over.`,
		http.StatusCreated, 409, 413, 415), aboutRefund, exampleRefunds), s.putRefund)
	register(s, operation(http.MethodPost, at+"/cancel", "cancel-refund", "refunds", "Cancel a refund of which nothing was sent",
		"The refund becomes cancelled, which is final.", http.StatusOK, 409), func(ctx context.Context, in *cancelRefundIn) (*cancelledOut, error) {
		a, err := in.read(ctx, s)
		if err != nil {
			return nil, err
		}
		return s.cancel(ctx, tasks.Ref{Account: a, OrderID: in.OrderID, RefundID: in.RefundID}, in.Reason)
	})
}

// read is the refund that a request puts, or the problem of all that is wrong with it.
func (in *putRefund) read(ctx context.Context, s *Server) (*tasks.Refund, error) {
	return document(ctx, s, Refunds, in.OrderPath, in.RefundID, in.Placing, in.RawBody,
		func(a tasks.Account) numberField { return s.recordedField(ctx, a, in.OrderID) },
		func(a tasks.Account, request []byte) (*tasks.Refund, error) {
			return tasks.ParseRefundRequest(a, in.RefundID, request, s.Rules)
		})
}

func (s *Server) putRefund(ctx context.Context, in *putRefund) (*placedOut, error) {
	refund, err := in.read(ctx, s)
	if err != nil {
		return nil, err
	}
	r, err := s.Client.EnqueueParsedRefund(ctx, refund, in.options()...)
	if err != nil {
		return nil, noted(ctx, s.explained(ctx, err, accountInPath, refund.Ref()))
	}
	return s.placed(ctx, r, in.Placing, func(st *tasks.Status) bool {
		for _, k := range st.Refunds {
			if k.RefundID == r.RefundID {
				return k.State.Final()
			}
		}
		return false
	})
}
