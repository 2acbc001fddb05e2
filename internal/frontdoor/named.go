package frontdoor

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"issuance/providers"
	"issuance/tasks"
)

// name has the access log and the trace say which order or refund a request's path names.
func (s *Server) name(ctx context.Context, r tasks.Ref) {
	if known := s.known(r); known.OrderID != "" {
		seenOf(ctx).ref = known.String()
	}
}

// about has a problem say which order or refund a request's path names.
func (s *Server) about(p *Problem, r tasks.Ref) *Problem {
	if known := s.known(r); known.OrderID != "" {
		return p.about(known)
	}
	return p
}

// known is as much of what a path names as keeps the provider's rules for numbers and ids. Anything else is no order's, may be
// a customer's data, and is as long as its caller likes, so that it must stand in no log.
func (s *Server) known(r tasks.Ref) tasks.Ref {
	codec, ok := providers.CodecOf(r.Account.Provider)
	if !ok {
		return tasks.Ref{}
	}
	number, id := false, r.RefundID == ""
	for _, field := range codec.Columns.IDs {
		request, _ := json.Marshal(map[string]string{field: r.OrderID}) // strings cannot fail
		if !number {
			_, err := tasks.ParseRequest(r.Account, request, s.Rules, false)
			number = !breaks(err, "request", "request."+field)
		}
		if !id {
			_, err := tasks.ParseRefundRequest(r.Account, r.RefundID, request, s.Rules)
			id = !breaks(err, "refund_id")
		}
	}
	switch {
	case !number:
		return tasks.Ref{}
	case !id:
		return r.Order()
	}
	return r
}

// breaks reports whether a document's error has a violation at one of some paths.
func breaks(err error, paths ...string) bool {
	var invalid *providers.InvalidError
	return errors.As(err, &invalid) && slices.ContainsFunc(invalid.Violations, func(v providers.Violation) bool { return slices.Contains(paths, v.Path) })
}

// hidden is an error for the log, without what must not stand there of what a path names.
func (s *Server) hidden(err error, r tasks.Ref) error {
	if err == nil {
		return nil
	}
	text, known := err.Error(), s.known(r)
	for _, name := range [][2]string{{r.OrderID, known.OrderID}, {r.RefundID, known.RefundID}} {
		if name[0] != name[1] {
			text = strings.ReplaceAll(text, name[0], "…")
		}
	}
	if text == err.Error() {
		return err
	}
	return errors.New(text)
}
