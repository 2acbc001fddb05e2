package frontdoor

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"

	"issuance/providers"
	"issuance/tasks"
)

// document reads the body of a request whose path says which order it is about. Its problem lists all that is wrong with
// both.
func document[D interface{ Ref() tasks.Ref }](ctx context.Context, s *Server, scope Scope, at OrderPath, refundID string, how Placing, raw []byte,
	parse func(a tasks.Account, request []byte) (D, error)) (d D, err error) {
	a, err := s.resolve(ctx, scope, at.Account, accountInPath)
	var unknown *Problem
	if err != nil && (!errors.As(err, &unknown) || unknown.Code != codeAccount) {
		return d, err
	}
	defer func() {
		switch {
		case err == nil:
			seenOf(ctx).ref = s.shown(ctx, d.Ref()).String() // the document has proven the number
		case unknown == nil:
			s.name(ctx, tasks.Ref{Account: a, OrderID: at.OrderID, RefundID: refundID})
		}
	}()
	if p := how.plainJSON(); p != nil {
		return d, noted(ctx, p)
	}
	body := numbered(a.Provider, raw, at.OrderID)
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

// numberedBody is a body with the number of its order.
type numberedBody struct {
	request []byte
	wrong   []ProblemViolation
	filled  string // pointer to the number, where it is the path's; "" where the body has its own
}

// numbered puts the order's number into a request that has none: no field for it, or an empty one.
func numbered(p providers.Name, request []byte, number string) numberedBody {
	request, marked := unmarked(request)
	out := numberedBody{request: request, wrong: marked}
	codec, known := providers.CodecOf(p)
	var fields map[string]json.RawMessage
	if !known || json.Unmarshal(request, &fields) != nil || fields == nil {
		return out // the parser says what is wrong with it
	}
	for _, id := range codec.Columns.IDs {
		raw, there := fields[id]
		if !there || isEmpty(raw) {
			continue
		}
		var text string
		if number != "" && json.Unmarshal(raw, &text) == nil && text != number {
			out.wrong = append(out.wrong, ProblemViolation{Where: inBody, Pointer: "/" + id, Rule: "must be the number in the path, or be left out", Shape: "another number"})
		}
		return out
	}
	first := codec.Columns.IDs[0]
	switch from, to, times := placeOf(request, first); times {
	case 0:
		out.request = inserted(request, first, number)
	case 1:
		text, _ := json.Marshal(number) // strings cannot fail
		out.request = slices.Concat(request[:from], text, request[to:])
	default:
		return out // the parser says that it is there twice
	}
	out.filled = "/" + first
	return out
}

// isEmpty reports whether a field's value counts as absent.
func isEmpty(value json.RawMessage) bool { return string(value) == `""` || string(value) == "null" }

// violations are those of the number and of the document. A number that the body does not have is the path's.
func (b numberedBody) violations(err error) []ProblemViolation {
	list := b.wrong
	if err == nil {
		return list
	}
	for _, v := range explain(err, accountInPath).Violations {
		if v.Pointer == b.filled && b.filled != "" {
			v.Where, v.Pointer = "path order_id", ""
		}
		list = append(list, v)
	}
	return list
}

// placeOf is where the value of a JSON object's field stands, and how often the field is there.
func placeOf(object []byte, name string) (from, to, times int) {
	d := json.NewDecoder(bytes.NewReader(object))
	_, _ = d.Token() // the caller has read the object, so that nothing of it can fail
	for d.More() {
		key, _ := d.Token()
		var old json.RawMessage
		_ = d.Decode(&old)
		if key == name {
			to, times = int(d.InputOffset()), times+1
			from = to - len(old)
		}
	}
	return from, to, times
}

// inserted adds a field at the beginning of a JSON object.
func inserted(object []byte, name, value string) []byte {
	field, _ := json.Marshal(map[string]string{name: value}) // strings cannot fail
	rest := bytes.TrimSpace(object)[1:]
	out := slices.Concat(field[:len(field)-1], []byte(","), rest)
	if bytes.HasPrefix(bytes.TrimSpace(rest), []byte("}")) {
		out = slices.Concat(field[:len(field)-1], rest)
	}
	return out
}
