package frontdoor

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"

	"issuance/tasks"
)

// document reads the body of a request whose path says which order it is about. Its problem lists all that is wrong with
// both. field finds where the number belongs that the body does not have.
func document[D interface{ Ref() tasks.Ref }](ctx context.Context, s *Server, scope Scope, at OrderPath, refundID string, how Placing, raw []byte,
	field func(a tasks.Account) numberField, parse func(a tasks.Account, request []byte) (D, error)) (d D, err error) {
	a, err := s.resolve(ctx, scope, at.Account, accountInPath)
	var unknown *Problem
	if err != nil && (!errors.As(err, &unknown) || unknown.Code != codeAccount) {
		return d, err
	}
	named := tasks.Ref{Account: a, OrderID: at.OrderID, RefundID: refundID}
	defer func() {
		switch {
		case err == nil:
			seenOf(ctx).ref = s.shown(ctx, d.Ref()).String() // the document has proven the number
		case unknown == nil:
			s.name(ctx, named)
		}
	}()
	if p := how.plainJSON(); p != nil {
		return d, noted(ctx, p)
	}
	find := numberField(shownField)
	if unknown == nil {
		find = field(a)
	}
	body, err := numbered(a.Provider, raw, at.OrderID, find)
	if err != nil {
		return d, noted(ctx, s.explained(ctx, err, accountInPath, named))
	}
	d, err = parse(a, body.request)
	list := whole(body.request, body.violations(err))
	if err == nil && len(list) == 0 && d.Ref().OrderID != at.OrderID {
		list = []ProblemViolation{{Where: inBody, Rule: "must name the order in the path"}}
	}
	switch {
	case unknown != nil:
		unknown.add(list)
		return d, noted(ctx, unknown)
	case len(list) > 0:
		return d, noted(ctx, s.broken(ctx, a, accountInPath, list, ""))
	}
	return d, nil
}

// broken is the problem of a document that breaks rules. An account that nobody serves is one more of them.
func (s *Server) broken(ctx context.Context, a tasks.Account, account string, list []ProblemViolation, detail string) *Problem {
	p := problem(http.StatusUnprocessableEntity, codeInvalid, "the request breaks the rules that are listed; nothing was enqueued")
	if detail != "" {
		p.Detail = detail
	}
	p.Violations = list
	if unserved := s.unserved(ctx, a, account); unserved != nil {
		unserved.add(list)
		return unserved
	}
	return p.ofAccount()
}

// unserved is the problem of an account that no worker serves; nil where one does, or where that cannot be known now.
// account is where the request says whose order it is about.
func (s *Server) unserved(ctx context.Context, a tasks.Account, account string) *Problem {
	if !a.Provider.Known() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	var unserved *tasks.UnknownAccountError
	if _, err := s.Client.Served(ctx, a); !errors.As(err, &unserved) {
		return nil
	}
	return explain(unserved, account)
}

// missing is the problem of a question that was not answered. Where it is about an account that nobody serves, the account
// is what is unknown first. It names the order as far as a log may.
func (s *Server) missing(ctx context.Context, err error, ref tasks.Ref) *Problem {
	p := explain(err, accountInPath)
	if p.Code != codeUnknown {
		p.cause = s.hidden(ctx, p.cause, ref)
		return p
	}
	if unserved := s.unserved(ctx, ref.Account, accountInPath); unserved != nil {
		p = problem(http.StatusNotFound, codeAccount, "no such order: %s", unserved.Detail)
		p.Violations = unserved.Violations
	}
	return s.about(p, ref)
}

// add takes over violations, but those of a place of which one is known already.
func (p *Problem) add(list []ProblemViolation) {
	known := p.Violations
	for _, v := range list {
		if !slices.ContainsFunc(known, func(k ProblemViolation) bool { return k.Where == v.Where && k.Pointer == v.Pointer }) {
			p.Violations = append(p.Violations, v)
		}
	}
}

// accountOf is the account that a document names, as far as it does.
func accountOf(document []byte) tasks.Account {
	var named struct{ Provider, Account string }
	_ = json.Unmarshal(document, &named) // the parser says what is wrong with it
	for _, text := range []string{named.Account, named.Provider + ":" + named.Account, named.Provider} {
		if a, err := tasks.ParseAccount(text); err == nil {
			return a
		}
	}
	return tasks.Account{}
}

// unmarked is a body without a byte order mark, which some programs write and JSON (RFC 8259) must not have. wrong says that
// there was one.
func unmarked(body []byte) (rest []byte, wrong []ProblemViolation) {
	rest, marked := bytes.CutPrefix(body, []byte("\ufeff"))
	if marked {
		wrong = []ProblemViolation{{Where: inBody, Rule: "must begin with the JSON itself", Shape: "a byte order mark before it"}}
	}
	return rest, wrong
}
