package frontdoor

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"issuance/providers"
	"issuance/tasks"
)

// OrderPath names an order.
type OrderPath struct {
	Account string `path:"account" example:"ecticket:2000132" doc:"whose sale it is: PROVIDER:MERCHANT, or PROVIDER where it has one account"`
	OrderID string `path:"order_id" maxLength:"64" doc:"the order's number: MerchantTradeNo, FreeTradeNo or channelOrderId"`
}

// Waiting is how long a request may wait.
type Waiting struct {
	Wait   int    `query:"wait" minimum:"0" doc:"wait up to so many seconds for the final status of what the request is about, and answer what is known then. More than 60 is the same as 60"`
	Prefer string `header:"Prefer" example:"wait=30" doc:"wait=N: the same as ?wait=N; of both, the longer one holds. Preference-Applied says how long it is, at most 60; what is no wait in whole seconds is left out of account (RFC 7240)"`
}

func (w Waiting) wait() time.Duration {
	return max(min(time.Duration(w.Wait), mostWait/time.Second)*time.Second, preferredWait(w.Prefer))
}

// applied is the Preference-Applied header of a request that prefers to wait.
func (w Waiting) applied() string {
	if preferredWait(w.Prefer) == 0 {
		return ""
	}
	return fmt.Sprintf("wait=%d", w.wait()/time.Second)
}

// Placing is what requests that enqueue have in common.
type Placing struct {
	ContentType string `header:"Content-Type" doc:"application/json"`
	Coding      string `header:"Content-Encoding" doc:"none is taken"`
	Waiting
	Traceparent string `header:"traceparent" doc:"W3C trace context, kept with the order"`
	Lane        string `query:"lane" enum:"checkout,bulk" default:"checkout" doc:"bulk waits behind checkouts"`
}

type putOrder struct {
	OrderPath
	Placing
	RawBody []byte `contentType:"application/json"`
}

// Resolve implements huma.Resolver.
func (in *putOrder) Resolve(c huma.Context) []error { return remember(c, in.read) }

type postOrder struct {
	Placing
	KeyHeader
	RawBody []byte `contentType:"application/json"`
}

// Resolve implements huma.Resolver.
func (in *postOrder) Resolve(c huma.Context) []error {
	return append(in.KeyHeader.Resolve(c), remember(c, in.read)...)
}

// Status is where an order and its refunds stand.
type Status struct {
	tasks.Status
	// Duplicate is set in the answer to a document that was there already.
	Duplicate bool `json:"duplicate,omitempty" doc:"this document was there already"`
}

// placedOut answers for a document that is recorded.
type placedOut struct {
	Status   int
	Location string `header:"Location" doc:"the order's own path"`
	Applied  string `header:"Preference-Applied" doc:"how long the request was ready to wait, where it had Prefer"`
	Body     *Status
}

func (s *Server) orders() {
	register(s, s.placing(operation(http.MethodPut, "/v1/orders/{account}/{order_id}", "put-order", "orders", "Enqueue an order",
		"The body is the provider's own request. The number may be left out of it. "+aboutNumber+" 201: recorded, it comes to a final status whatever happens; 200: the same document was there, and this is where it stands.",
		http.StatusCreated, 409, 413, 415), aboutRequest, exampleRequests), s.putOrder)
	register(s, s.placing(operation(http.MethodPost, "/v1/orders", "post-order", "orders", "Enqueue an order document",
		`The body is {"provider":…,"request":{…}}, optionally with "account". With Idempotency-Key the number is left out: it is made from the key, so a request that is repeated is one order. A key beside a number is refused (422). `+aboutNumber,
		http.StatusCreated, 409, 413, 415), aboutDocument, exampleDocuments), s.postOrder)
	register(s, operation(http.MethodPost, "/v1/orders/{account}/{order_id}/cancel", "cancel-order", "orders", "Cancel an order of which nothing was sent",
		"The order becomes cancelled, which is final. An order that may have been sent is not cancelled (409).", http.StatusOK, 409), s.cancelOrder)
}

// caller is who makes a request, if it may: a scope, and an account when one is named.
func caller(ctx context.Context, scope Scope, account *tasks.Account) (*Token, error) {
	t := seenOf(ctx).token
	switch {
	case t == nil:
		return nil, noted(ctx, problem(http.StatusUnauthorized, codeUnauthorized, "no token"))
	case !t.May(scope):
		return nil, noted(ctx, problem(http.StatusForbidden, codeForbidden, "the token lacks the scope %q", scope))
	case account != nil && !t.Sees(*account):
		return nil, noted(ctx, problem(http.StatusForbidden, codeForbidden, "the token is not for this account"))
	}
	return t, nil
}

// resolve reads an account, which stands at where, and finds the default one, if the caller may use it. The account is
// known as far as it can be where the error is a Problem of codeAccount.
func (s *Server) resolve(ctx context.Context, scope Scope, text, where string) (tasks.Account, error) {
	if _, err := caller(ctx, scope, nil); err != nil {
		return tasks.Account{}, err
	}
	a, err := tasks.ParseAccount(text)
	if err != nil {
		p := problem(http.StatusUnprocessableEntity, codeAccount, "there is no such account; one is PROVIDER or PROVIDER:MERCHANT, and the providers are %s", joined(providers.All()))
		p.Violations = []ProblemViolation{{Where: where, Rule: accountRule()}}
		name, _, _ := strings.Cut(text, ":")
		return tasks.Account{Provider: providers.Name(name)}, noted(ctx, p)
	}
	named := a
	if a, err = s.Client.Account(ctx, a); err != nil {
		return named, noted(ctx, explain(err, where))
	}
	_, err = caller(ctx, scope, &a)
	return a, err
}

// read is the order that a request puts, or the problem of all that is wrong with it.
func (in *putOrder) read(ctx context.Context, s *Server) (*tasks.Order, error) {
	return document(ctx, s, Orders, in.OrderPath, "", in.Placing, in.RawBody,
		func(tasks.Account) numberField { return shownField },
		func(a tasks.Account, request []byte) (*tasks.Order, error) {
			return tasks.ParseRequest(a, request, s.Rules, false)
		})
}

func (s *Server) putOrder(ctx context.Context, in *putOrder) (*placedOut, error) {
	o, err := in.read(ctx, s)
	if err != nil {
		return nil, err
	}
	return s.enqueueOrder(ctx, o, in.Placing, accountInPath)
}

// read is the order of a document, or the problem of all that is wrong with it.
func (in *postOrder) read(ctx context.Context, s *Server) (*tasks.Order, error) {
	t, err := caller(ctx, Orders, nil)
	if err != nil {
		return nil, err
	}
	if p := in.plainJSON(); p != nil {
		return nil, noted(ctx, p)
	}
	k := in.key(in.RawBody, t.Name)
	o, err := tasks.ParseOrder(k.document, s.Rules)
	if list := whole(k.document, k.violations(err)); len(list) > 0 {
		return nil, noted(ctx, s.broken(ctx, accountOf(k.document), accountInBody, list, k.detail))
	}
	if o.Account, err = s.Client.Account(ctx, o.Account); err != nil {
		return nil, noted(ctx, explain(err, accountInBody))
	}
	_, err = caller(ctx, Orders, &o.Account)
	return o, err
}

func (s *Server) postOrder(ctx context.Context, in *postOrder) (*placedOut, error) {
	o, err := in.read(ctx, s)
	if err != nil {
		return nil, err
	}
	return s.enqueueOrder(ctx, o, in.Placing, accountInBody)
}

// enqueueOrder enqueues an order whose account stands at where.
func (s *Server) enqueueOrder(ctx context.Context, o *tasks.Order, how Placing, where string) (*placedOut, error) {
	ref := o.Ref()
	seenOf(ctx).ref = s.shown(ctx, ref).String()
	r, err := s.Client.EnqueueOrder(ctx, o, how.options()...)
	if err != nil {
		return nil, noted(ctx, s.explained(ctx, err, where, ref))
	}
	return s.placed(ctx, r, how, func(st *tasks.Status) bool { return st.State.Final() })
}

func (p Placing) options() []tasks.EnqueueOption {
	options := []tasks.EnqueueOption{tasks.InLane(tasks.Lane(p.Lane))}
	if p.Traceparent != "" && len(p.Traceparent) <= 64 {
		options = append(options, tasks.WithTrace(p.Traceparent))
	}
	return options
}

// placed answers for a document that is recorded. over says whether there is nothing more to wait for.
func (s *Server) placed(ctx context.Context, r tasks.Receipt, how Placing, over func(*tasks.Status) bool) (*placedOut, error) {
	out := &placedOut{Status: http.StatusCreated, Location: location(r.Ref())}
	s.recorded(ctx, r.Ref())
	seenOf(ctx).outcome = "recorded"
	if r.Duplicate {
		out.Status, seenOf(ctx).outcome = http.StatusOK, "duplicate"
	}
	out.Applied = how.applied()
	st, wait := r.Fresh(), how.wait()
	if st == nil || wait > 0 {
		var err error
		if st, err = s.await(ctx, r.Ref().Order(), wait, over); err != nil {
			return nil, noted(ctx, explain(err, accountInPath))
		}
	}
	out.Body = &Status{Status: *st, Duplicate: r.Duplicate}
	return out, nil
}

// location is an order's own address; the path of a refund is its order's.
func location(r tasks.Ref) string { return "/v1/orders/" + r.Account.String() + "/" + r.OrderID }

// plainJSON is nil for a body that is JSON as it is, which is taken for granted where nothing is said.
func (p Placing) plainJSON() *Problem {
	if encoded(p.Coding) {
		return problem(http.StatusUnsupportedMediaType, codeMediaType, "send the body uncompressed")
	}
	if p.ContentType == "" {
		return nil
	}
	kind, params, err := mime.ParseMediaType(p.ContentType)
	if err == nil && (kind == "application/json" || strings.HasSuffix(kind, "+json")) && (params["charset"] == "" || strings.EqualFold(params["charset"], "utf-8")) {
		return nil
	}
	return problem(http.StatusUnsupportedMediaType, codeMediaType, "the body must be application/json, in UTF-8")
}

// encoded reports whether a body is another one than is meant, by its Content-Encoding.
func encoded(coding string) bool { return coding != "" && !strings.EqualFold(coding, "identity") }

// mostWait bounds how long a request may wait.
const mostWait = 60 * time.Second

// preferredWait reads wait=N of a Prefer header (RFC 7240).
func preferredWait(header string) time.Duration {
	for part := range strings.FieldsFuncSeq(header, func(r rune) bool { return r == ',' || r == ';' }) {
		if name, value, ok := strings.Cut(part, "="); ok && strings.EqualFold(strings.TrimSpace(name), "wait") {
			if n, err := strconv.Atoi(strings.Trim(strings.TrimSpace(value), `"`)); err == nil && n > 0 {
				return min(time.Duration(n)*time.Second, mostWait)
			}
		}
	}
	return 0
}

// etag is the same for the same body.
func etag(body any) string {
	b, err := json.Marshal(body)
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(b)
	return `"` + hex.EncodeToString(sum[:16]) + `"`
}
