package frontdoor

import (
	"context"
	"encoding/json"
	"net/http"

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

type cancelRefundIn struct {
	RefundPath
	Reason string `query:"reason" maxLength:"200" doc:"why; recorded and shown, so no customer's data"`
}

func (s *Server) refunds() {
	const at = "/v1/orders/{account}/{order_id}/refunds/{refund_id}"
	register(s, s.placing(operation(http.MethodPut, at, "put-refund", "refunds", "Enqueue a refund",
		`The body is the refund document's request, without the order's number: {"TicketNo":["…"]}, {"quantity":2} or {"all":true}. The answer is the order's status with its refunds.`,
		http.StatusCreated, 409, 413, 415), aboutRefund, exampleRefunds), s.putRefund)
	register(s, operation(http.MethodPost, at+"/cancel", "cancel-refund", "refunds", "Cancel a refund of which nothing was sent",
		"The refund becomes cancelled, which is final.", http.StatusOK, 409), func(ctx context.Context, in *cancelRefundIn) (*statusOut, error) {
		a, err := s.resolve(ctx, Refunds, in.Account)
		if err != nil {
			return nil, err
		}
		return s.cancel(ctx, tasks.Ref{Account: a, OrderID: in.OrderID, RefundID: in.RefundID}, in.Reason)
	})
}

func (s *Server) putRefund(ctx context.Context, in *putRefund) (*statusOut, error) {
	a, err := s.resolve(ctx, Refunds, in.Account)
	if err != nil {
		return nil, err
	}
	ref := tasks.Ref{Account: a, OrderID: in.OrderID, RefundID: in.RefundID}
	seenOf(ctx).ref = ref.String()
	if p := jsonOnly(in.ContentType); p != nil {
		return nil, noted(ctx, p)
	}
	request, p := numbered(a.Provider, in.RawBody, in.OrderID, "")
	if p != nil {
		return nil, noted(ctx, p)
	}
	if !json.Valid(request) {
		bad := problem(http.StatusUnprocessableEntity, codeInvalid, "the body is not JSON; nothing was enqueued")
		bad.Violations = []ProblemViolation{{Where: inBody, Rule: "must be a JSON object", Shape: "not JSON"}}
		return nil, noted(ctx, bad)
	}
	document, err := json.Marshal(struct {
		Provider string          `json:"provider"`
		Account  string          `json:"account"`
		RefundID string          `json:"refund_id"`
		Request  json.RawMessage `json:"request"`
	}{string(a.Provider), a.String(), in.RefundID, request})
	if err != nil {
		return nil, noted(ctx, explain(err, ""))
	}
	parsed, err := tasks.ParseRefund(document, s.Rules)
	if err != nil {
		return nil, noted(ctx, explain(err, "request"))
	}
	r, err := s.Client.EnqueueParsedRefund(ctx, parsed, in.options()...)
	if err != nil {
		return nil, noted(ctx, explain(err, "request"))
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
