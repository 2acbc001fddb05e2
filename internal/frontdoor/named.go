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
		seenOf(ctx).ref = s.shown(ctx, known).String()
	}
}

// recorded has the access log name an order or refund that is recorded, which shows that its account is one.
func (s *Server) recorded(ctx context.Context, r tasks.Ref) {
	if _, before := s.accounts.LoadOrStore(r.Account, true); !before {
		s.name(ctx, r)
	}
}

// shown is a reference as a log may hold it: of an account that nobody knows, the provider alone.
func (s *Server) shown(ctx context.Context, r tasks.Ref) tasks.Ref {
	if !s.knows(ctx, r.Account) {
		r.Account.Merchant = ""
	}
	return r
}

// knows reports whether an account is one: the provider's default, the caller's by its token, a configured one, one that workers have
// ever announced, or one that has an order. What else stands in its place in a path may be anything.
func (s *Server) knows(ctx context.Context, a tasks.Account) bool {
	if _, known := s.accounts.Load(a); known || a.Merchant == "" {
		return true
	}
	if t := seenOf(ctx).token; t != nil && slices.Contains(t.Accounts, a) {
		return true
	}
	if merchants := s.Rules.Merchants; merchants != nil && a.Provider == providers.ECTicket {
		if _, configured := merchants(a.Merchant); configured {
			return true
		}
	}
	list := make([]tasks.Account, 0, 1)
	if own, err := s.Client.Account(ctx, tasks.Account{Provider: a.Provider}); err == nil {
		list = append(list, own)
	}
	if !slices.Contains(list, a) {
		announced, _ := s.Client.Accounts(ctx, tasks.Account{Provider: a.Provider}) // what cannot be asked is not known
		list = append(list, announced...)
	}
	for _, known := range list {
		s.accounts.Store(known, true)
	}
	return slices.Contains(list, a)
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
func (s *Server) hidden(ctx context.Context, err error, r tasks.Ref) error {
	if err == nil {
		return nil
	}
	text, known, account := err.Error(), s.known(r), s.shown(ctx, r).Account
	for _, name := range [][2]string{{r.OrderID, known.OrderID}, {r.RefundID, known.RefundID}, {r.Account.Merchant, account.Merchant}} {
		if name[0] != name[1] {
			text = strings.ReplaceAll(text, name[0], "…")
		}
	}
	if text == err.Error() {
		return err
	}
	return errors.New(text)
}

// explained is explain for a request about an order, whose path may be wrong.
func (s *Server) explained(ctx context.Context, err error, account string, r tasks.Ref) *Problem {
	p := explain(err, account)
	p.cause = s.hidden(ctx, p.cause, r)
	return p
}
