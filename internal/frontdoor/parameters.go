package frontdoor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/agnivade/levenshtein"
	"github.com/danielgtaylor/huma/v2"

	"issuance/internal/ledger"
	"issuance/providers"
	"issuance/tasks"
)

// Error makes a violation one of the errors that huma collects.
func (v ProblemViolation) Error() string { return v.Where + ": " + v.Rule }

// looksLikeName is what may be shown of a parameter that nobody knows; anything else may be a value.
var looksLikeName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,39}$`)

// request is what the problem that lists all that is wrong with a request needs.
type request struct {
	server  *Server
	stray   []ProblemViolation // parameters that the operation does not have
	nothing string             // what was not done, for the problem; "" where nothing would have been
	// value is a parameter's, by where it is (query, path, header) and its name; "" for one that is not there.
	value func(in, name string) string
	// check says what is wrong with its account or its body, as a Problem, or that nothing is known. It changes nothing.
	// nil where nothing but parameters can be wrong.
	check func(ctx context.Context, s *Server) error
}

// remember keeps how a request's account and body are read, for the problem of its parameters.
func remember[D any](c huma.Context, read func(context.Context, *Server) (D, error)) []error {
	seenOf(c.Context()).request.check = func(ctx context.Context, s *Server) error {
		_, err := read(ctx, s)
		return err
	}
	return nil
}

// refusal is the problem of wrong parameters, and of all else that is wrong with the request. Who may not make the request,
// or sends another kind of body, is answered that alone.
func (r request) refusal(ctx context.Context, wrong []ProblemViolation) *Problem {
	p := r.refused(ctx, wrong)
	r.shape(p)
	return p
}

func (r request) refused(ctx context.Context, wrong []ProblemViolation) *Problem {
	p := problem(http.StatusUnprocessableEntity, codeInvalid, "the request breaks the rules that are listed%s", r.nothing)
	p.Violations = wrong
	if p.ofAccount(); r.check == nil {
		return p
	}
	var more *Problem
	switch err := r.check(ctx, r.server); {
	case !errors.As(err, &more) || more.Status >= http.StatusInternalServerError:
		return p
	case more.Status != http.StatusUnprocessableEntity:
		return more
	}
	list := more.Violations
	more.Violations = wrong
	more.add(list)
	return more.ofAccount()
}

// noteStray keeps which parameters of a query an operation does not have or that stand in it more than once, and a key that
// it does not take, for the problem that lists all that is wrong.
func (s *Server) noteStray(c huma.Context, next func(huma.Context)) {
	if s.refuseLarge(c) {
		return
	}
	joinLists(c)
	var known []string
	schemas := map[string]*huma.Schema{}
	keyed := c.Method() == http.MethodGet || c.Method() == http.MethodHead // which do nothing that could be done twice
	for _, p := range c.Operation().Parameters {
		if p.In == "query" {
			known = append(known, p.Name)
			schemas[p.Name] = p.Schema
		}
		keyed = keyed || p.In == "header" && p.Name == idempotencyKey
	}
	u := c.URL()
	query, err := url.ParseQuery(u.RawQuery)
	var stray []ProblemViolation
	if err != nil {
		stray = append(stray, ProblemViolation{Where: "query", Rule: "must be NAME=VALUE, joined by & and percent-encoded", Shape: "a part that cannot be read"})
	}
	if !keyed && c.Header(idempotencyKey) != "" {
		stray = append(stray, strayKeyOf(c.Operation()))
	}
	stray = append(stray, s.strayBody(c)...)
	if n := len(headersOf(c, "Content-Type")); n > 1 && c.Operation().RequestBody != nil {
		stray = append(stray, sentOften("Content-Type", n))
	}
	for name, values := range query {
		switch {
		case !slices.Contains(known, name):
			stray = append(stray, strayParameter(name, known))
		case len(values) > 1:
			stray = append(stray, ProblemViolation{Where: "query " + name, Rule: "must stand once in the query", Shape: fmt.Sprintf("%d values", len(values))})
		case values[0] == "" && !slices.Contains(mayBeEmpty, name):
			stray = append(stray, ProblemViolation{Where: "query " + name, Rule: emptyRule(schemas[name]), Shape: "empty"})
		}
	}
	slices.SortFunc(stray, func(a, b ProblemViolation) int { return strings.Compare(a.Where, b.Where) })
	seenOf(c.Context()).request = request{server: s, stray: stray, nothing: nothingDone(c.Operation()), value: valueOf(c)}
	next(c)
}

// mayBeEmpty are parameters that are free text or a place in a list, which nothing is left out of when they are empty. Of any
// other, an empty value is a mistake: ?dry_run would enqueue.
var mayBeEmpty = []string{"after", "cursor", "q", "item", "sheet", "reason"}

// emptyRule says what a parameter must be that is there without a value.
func emptyRule(s *huma.Schema) string {
	const otherwise = "must have a value, or be left out"
	if s == nil || s.Type == huma.TypeString && len(s.Enum) == 0 {
		return otherwise
	}
	return plainRule(s, otherwise)
}

// strayBody refuses the body of a request that takes none and does something: what its caller writes there, such as a
// reason, would be lost without a word. An empty object is what some clients send for nothing.
func (s *Server) strayBody(c huma.Context) []ProblemViolation {
	if c.Method() != http.MethodPost || c.Operation().RequestBody != nil {
		return nil
	}
	head, _ := io.ReadAll(io.LimitReader(c.BodyReader(), 1<<10)) // of what breaks off, what came counts
	if text := string(bytes.TrimSpace(head)); text == "" || text == "{}" || text == "null" {
		return nil
	}
	return []ProblemViolation{{Where: inBody, Rule: "this request takes no body; its parameters are in the query"}}
}

func strayParameter(name string, known []string) ProblemViolation {
	v := ProblemViolation{Where: "query", Rule: "this request takes no parameters"}
	if len(known) > 0 {
		v.Rule = "must hold only " + strings.Join(known, ", ")
	}
	if !looksLikeName.MatchString(name) {
		v.Shape = fmt.Sprintf("a parameter with a name of %d characters", utf8.RuneCountInString(name))
		return v
	}
	v.Where = "query " + name
	v.Rule = "is not a parameter here; " + strings.Replace(v.Rule, "must hold only", "there are", 1)
	nearest := 3
	for _, k := range known {
		if n := levenshtein.ComputeDistance(strings.ToLower(name), k); n < nearest {
			nearest, v.Rule = n, "is not a parameter here; did you mean "+k+"?"
		}
	}
	return v
}

// complete makes huma's problem one in plain words, with all that is wrong with the request.
func (p *Problem) complete(c huma.Context) *Problem {
	if p.Status >= http.StatusInternalServerError {
		return p
	}
	for i, v := range p.Violations {
		in, name, _ := strings.Cut(v.Where, " ")
		for _, known := range c.Operation().Parameters {
			if v.huma && known.In == in && known.Name == name {
				p.Violations[i].Rule = plainRule(known.Schema, v.Rule)
			}
		}
	}
	at := seenOf(c.Context()).request
	p.add(at.stray)
	if p.Status == http.StatusUnprocessableEntity {
		return at.refusal(c.Context(), p.Violations)
	}
	return p
}

// plainRule says what a parameter of a schema must be; otherwise is the rule where the schema says nothing.
func plainRule(s *huma.Schema, otherwise string) string {
	switch {
	case s == nil:
		return otherwise
	case s.Type == huma.TypeInteger && s.Minimum != nil && s.Maximum != nil:
		return fmt.Sprintf("must be a whole number from %.0f to %.0f", *s.Minimum, *s.Maximum)
	case s.Type == huma.TypeInteger:
		return "must be a whole number, 0 or more"
	case s.Type == huma.TypeBoolean:
		return "must be true or false"
	case len(s.Enum) > 0:
		names := make([]string, len(s.Enum))
		for i, v := range s.Enum {
			names[i] = fmt.Sprint(v)
		}
		return "must be " + strings.Join(names, " or ")
	case s.MaxLength != nil:
		return fmt.Sprintf("must have at most %d characters", *s.MaxLength)
	}
	return otherwise
}

// mayAsk reports whether the caller has a scope. Without it, nothing else about its request is looked at.
func mayAsk(c huma.Context, scope Scope) bool {
	t := seenOf(c.Context()).token
	return t != nil && t.May(scope)
}

const lastEventID = "Last-Event-ID"

const positionRule = "must be the position of an event, or next of a page"

// Resolve implements huma.Resolver.
func (in *eventsIn) Resolve(c huma.Context) []error {
	if in.After == "" || isPosition(in.After) || !mayAsk(c, Events) {
		return nil
	}
	return []error{ProblemViolation{Where: "query after", Rule: positionRule}}
}

// Resolve implements huma.Resolver.
func (in *streamIn) Resolve(c huma.Context) (bad []error) {
	if !mayAsk(c, Events) {
		return nil
	}
	if n := len(headersOf(c, lastEventID)); n > 1 {
		bad = append(bad, sentOften(lastEventID, n))
	}
	if in.After != "" && !isPosition(in.After) {
		bad = append(bad, ProblemViolation{Where: "query after", Rule: positionRule})
	}
	if in.Last != "" && !isPosition(in.Last) {
		bad = append(bad, ProblemViolation{Where: "header " + lastEventID, Rule: positionRule})
	}
	return bad
}

// Resolve implements huma.Resolver. It reads what is searched.
func (in *searchIn) Resolve(c huma.Context) (bad []error) {
	if !mayAsk(c, Orders) {
		return nil
	}
	wrong := func(name, rule string) { bad = append(bad, ProblemViolation{Where: "query " + name, Rule: rule}) }
	in.query = ledger.Query{Item: in.Item}
	var err error
	if in.query.Since, err = since(in.Since, time.Now()); err != nil {
		wrong("since", err.Error())
	}
	if in.Account != "" {
		if in.query.Account, err = tasks.ParseAccount(in.Account); err != nil {
			wrong("account", accountRule())
		}
	}
	for name := range strings.SplitSeq(in.State, ",") {
		st := tasks.State(strings.TrimSpace(name))
		if st == "" {
			continue
		}
		if !slices.Contains(states(), st) {
			wrong("state", "must be of "+joined(states()))
			break
		}
		in.query.States = append(in.query.States, st)
	}
	if in.State != "" && strings.Trim(in.State, ", ") == "" {
		wrong("state", "must be of "+joined(states()))
	}
	if in.from, err = ledger.ParseCursor(in.Cursor); err != nil || in.Cursor != "" && in.Q != "" {
		wrong("cursor", cursorRule)
	}
	return bad
}

// accountRule is what an account must be.
func accountRule() string {
	return "must be PROVIDER or PROVIDER:MERCHANT, of " + joined(providers.All())
}

const cursorRule = "must be next of the page before"

// since reads a time, or how long ago it was, as the command line does. Times without a zone are UTC.
func since(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04:05", time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	unit, factor := text, time.Duration(1)
	if days, ok := strings.CutSuffix(text, "d"); ok {
		unit, factor = days+"h", 24
	}
	ago, err := time.ParseDuration(unit)
	if err != nil || ago < 0 || ago > 100*365*24*time.Hour/factor {
		return time.Time{}, errors.New("must be how long ago (24h, 7d), a date (2026-03-01, in UTC) or a time (2026-03-01T12:00:00+08:00)")
	}
	return now.Add(-ago * factor), nil
}
