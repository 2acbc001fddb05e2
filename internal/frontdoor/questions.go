package frontdoor

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"issuance/internal/ledger"
	"issuance/internal/typed"
	"issuance/providers"
	"issuance/tasks"
	"issuance/tasks/order"
)

type getOrder struct {
	OrderPath
	Waiting
	Tickets bool   `query:"tickets" doc:"with the tickets and what opens them; needs the scope tickets. use_status is what the provider showed at tickets_at: a ticket with refund_id or refunded_elsewhere is refunded, whatever it says"`
	Match   string `header:"If-None-Match" doc:"304 if the status is still the one with this ETag"`
}

// foundOut is where an order stands.
type foundOut struct {
	Status  int
	ETag    string `header:"ETag" doc:"the same for the same status, for If-None-Match"`
	Applied string `header:"Preference-Applied" doc:"how long the request was ready to wait, where it had Prefer"`
	Body    *Status
}

// Step is one line of a history.
type Step struct {
	RefundID string     `json:"refund_id,omitempty" doc:"of which refund; absent for the order itself"`
	At       *time.Time `json:"at" doc:"null where the middle of a long history was dropped"`
	Event    string     `json:"event"`
	Detail   string     `json:"detail,omitempty"`
}

type historyOut struct {
	Body struct {
		Account tasks.Account `json:"account"`
		OrderID string        `json:"order_id"`
		Steps   []Step        `json:"steps" doc:"the order's, then each refund's, oldest first"`
	}
}

type searchIn struct {
	State   string `query:"state" example:"queued,review" doc:"one or more states, comma-separated"`
	Account string `query:"account" doc:"of this account, or of all accounts of a provider"`
	Since   string `query:"since" maxLength:"40" example:"24h" doc:"recorded since then: how long ago (24h, 7d), a date (2026-03-01, in UTC) or a time (RFC 3339)"`
	Item    string `query:"item" maxLength:"100" doc:"whose public description holds this value, such as an ItemNo"`
	Q       string `query:"q" maxLength:"100" doc:"an order's number, a refund's id, or the provider's id of an order"`
	Cursor  string `query:"cursor" maxLength:"4096" doc:"next of the page before"`
	Limit   int    `query:"limit" minimum:"1" maximum:"1000" default:"100" doc:"how many a page holds, unless it is the last, or has looked at 50,000 records (5,000 with item) or 250,000 events"`

	query ledger.Query // that Resolve makes of it
	from  ledger.Cursor
}

// Listed is a record that a search found.
type Listed struct {
	Provider  providers.Name `json:"provider"`
	Account   tasks.Account  `json:"account"`
	OrderID   string         `json:"order_id"`
	RefundID  string         `json:"refund_id,omitempty"`
	State     tasks.State    `json:"state"`
	Code      string         `json:"code,omitempty"`
	Lane      tasks.Lane     `json:"lane,omitempty"`
	CreatedAt *time.Time     `json:"created_at"`
	ReviewAt  *time.Time     `json:"review_at,omitempty"`
	FinalAt   *time.Time     `json:"final_at,omitempty"`
}

type searchOut struct {
	Body struct {
		Orders []Listed `json:"orders" doc:"orders and refunds: the unfinished ones in no order, then those in review by how long they have been, then those that have ended, the latest first"`
		Next   string   `json:"next,omitempty" doc:"cursor of the next page; absent after the last"`
	}
}

func (s *Server) questions() {
	get := func(path, id, summary, text string, errors ...int) huma.Operation {
		return operation(http.MethodGet, path, id, "orders", summary, text, http.StatusOK, errors...)
	}
	status := get("/v1/orders/{account}/{order_id}", "get-order", "Where an order and its refunds stand",
		"With wait, the answer comes when the order is final or the time is over, and at once where there is no such order. A refund is not waited for: putting it again with wait does that.", 304)
	register(s, status, s.getOrder)
	register(s, get("/v1/orders/{account}/{order_id}/history", "get-history", "Everything that happened to an order",
		"Each step with its time: when it was sent, what was unknown, what the provider answered, and what became of its tickets."), s.history)
	register(s, get("/v1/orders", "search-orders", "Search orders and refunds",
		"All conditions that are given must hold. With q, an index is asked, and all of it is one page. Without, follow next until it is absent. What has ended is listed as long as its event is kept (ISSUANCE_KEEP_EVENTS), and is found by q after that."), s.search)
}

func (s *Server) getOrder(ctx context.Context, in *getOrder) (*foundOut, error) {
	a, err := s.asked(ctx, in.Account)
	if err != nil {
		return nil, err
	}
	ref := tasks.Ref{Account: a, OrderID: in.OrderID}
	s.name(ctx, ref)
	var options []tasks.StatusOption
	if in.Tickets {
		if _, err := caller(ctx, Tickets, nil); err != nil {
			return nil, err
		}
		options = append(options, tasks.WithTickets())
	}
	st, err := s.await(ctx, ref, in.wait(), func(st *tasks.Status) bool { return st.State.Final() }, options...)
	if errors.Is(err, errParked) {
		return nil, err
	}
	if err != nil {
		return nil, noted(ctx, s.missing(ctx, err, ref))
	}
	s.recorded(ctx, ref)
	out := &foundOut{Status: http.StatusOK, ETag: etag(st), Applied: in.applied(), Body: &Status{Status: *st}}
	if slices.ContainsFunc(strings.Split(in.Match, ","), func(t string) bool {
		t = strings.TrimSpace(t)
		return t == "*" || strings.TrimPrefix(t, "W/") == out.ETag
	}) {
		out.Status, out.Body = http.StatusNotModified, nil
	}
	return out, nil
}

// asked is resolve for a question: an account that is unknown has no orders.
func (s *Server) asked(ctx context.Context, text string) (tasks.Account, error) {
	if _, err := tasks.ParseAccount(text); err != nil {
		if _, err := caller(ctx, Orders, nil); err != nil {
			return tasks.Account{}, err
		}
		p := problem(http.StatusNotFound, codeAccount, "no such order, as there is no such account; one is PROVIDER or PROVIDER:MERCHANT, and the providers are %s", joined(providers.All()))
		p.Violations = []ProblemViolation{{Where: accountInPath, Rule: accountRule()}}
		return tasks.Account{}, noted(ctx, p)
	}
	return s.resolve(ctx, Orders, text, accountInPath)
}

// await is the order's status, once over says so or the time has passed; errParked when the request waits elsewhere.
func (s *Server) await(ctx context.Context, r tasks.Ref, wait time.Duration, over func(*tasks.Status) bool, options ...tasks.StatusOption) (*tasks.Status, error) {
	at := seenOf(ctx)
	if at.before != nil {
		wait = min(wait, time.Until(at.before.until))
	}
	if wait <= 0 {
		return s.Client.Status(ctx, r.Account, r.OrderID, options...)
	}
	until := time.Now().Add(wait)
	w, leave := s.hub.watch(r)
	defer func() { leave() }()
	late := time.NewTimer(wait)
	defer late.Stop()
	for {
		st, err := s.Client.Status(ctx, r.Account, r.OrderID, options...)
		if err != nil || over(st) {
			return st, err
		}
		s.recorded(ctx, r)
		if at.space != nil && at.space.lot.reserve() {
			at.parked, leave = &parked{w, leave, until}, func() {}
			return nil, errParked
		}
		select {
		case <-w.woken:
			continue
		case <-late.C:
		case <-s.drained:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		return s.Client.Status(ctx, r.Account, r.OrderID, options...)
	}
}

func (s *Server) history(ctx context.Context, in *struct{ OrderPath }) (*historyOut, error) {
	a, err := s.asked(ctx, in.Account)
	if err != nil {
		return nil, err
	}
	ref := tasks.Ref{Account: a, OrderID: in.OrderID}
	s.name(ctx, ref)
	records, err := s.Ledger.Story(ctx, ref)
	if err != nil {
		return nil, noted(ctx, s.missing(ctx, err, ref))
	}
	if len(records) == 0 {
		return nil, noted(ctx, s.missing(ctx, tasks.ErrUnknownOrder, ref))
	}
	s.recorded(ctx, ref)
	out := &historyOut{}
	out.Body.Account, out.Body.OrderID, out.Body.Steps = a, in.OrderID, []Step{}
	for _, r := range records {
		for _, step := range r.History {
			out.Body.Steps = append(out.Body.Steps, Step{RefundID: r.RefundID, At: moment(step.At), Event: step.Event, Detail: step.Detail})
		}
	}
	return out, nil
}

// moment is nil for no time.
func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

func (s *Server) search(ctx context.Context, in *searchIn) (*searchOut, error) {
	t, err := caller(ctx, Orders, nil)
	if err != nil {
		return nil, err
	}
	if a := in.query.Account; !a.IsZero() && !t.seesSome(a) {
		return nil, noted(ctx, problem(http.StatusForbidden, codeForbidden, "the token is not for this account"))
	}
	found, next, err := s.searchPage(ctx, t, in)
	if err != nil {
		return nil, noted(ctx, explain(err, accountInQuery))
	}
	if a := in.query.Account; len(found) == 0 && in.Cursor == "" && a.Merchant != "" {
		if p := s.unserved(ctx, a, accountInQuery); p != nil {
			return nil, noted(ctx, p)
		}
	}
	out := &searchOut{}
	out.Body.Orders, out.Body.Next = []Listed{}, next
	for _, f := range found {
		l := Listed{Provider: f.Account.Provider, Account: f.Account, OrderID: f.OrderID, RefundID: f.RefundID, State: f.State, Code: f.Code,
			Lane: f.Lane, CreatedAt: moment(f.CreatedAt), FinalAt: moment(f.FinalAt)}
		if f.State == tasks.Review {
			l.ReviewAt, l.FinalAt = l.FinalAt, nil
		}
		out.Body.Orders = append(out.Body.Orders, l)
	}
	return out, nil
}

// searchPage is a page of what is searched, among what a token sees. What has a number is located by it, all in one page.
func (s *Server) searchPage(ctx context.Context, t *Token, in *searchIn) (found []ledger.Found, next string, err error) {
	if in.Q != "" {
		refs, err := typed.First(in.Q, func(number string) ([]order.Ref, error) { return s.Client.Locate(ctx, in.query.Account, number) })
		if err == nil {
			refs = slices.DeleteFunc(refs, func(r order.Ref) bool { return !t.Sees(r.Account) })
			found, err = s.Ledger.Find(ctx, in.query, refs)
		}
		return found, "", err
	}
	accounts, err := s.Client.Accounts(ctx, in.query.Account)
	if err != nil {
		return nil, "", err
	}
	accounts = slices.DeleteFunc(accounts, func(a providers.Account) bool { return !t.Sees(a) })
	found, after, err := s.Ledger.List(ctx, in.query, accounts, in.from, in.Limit)
	return found, after.String(), err
}

func joined[T ~string](list []T) string {
	var out []string
	for _, v := range list {
		out = append(out, string(v))
	}
	return strings.Join(out, ", ")
}

// states are those of orders and refunds.
func states() []tasks.State {
	all := order.OrderStates()
	for _, s := range order.RefundStates() {
		if !slices.Contains(all, s) {
			all = append(all, s)
		}
	}
	return all
}
