package toyprovider

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"issuance/internal/baseurl"
	"issuance/internal/httpcall"
	"issuance/providers"
	"issuance/providers/vitals"
)

// Config of a client.
type Config struct {
	BaseURL  string         // required
	Key      string         // required
	Merchant string         // default "main"
	Timeout  time.Duration  // default 20 s
	Gate     providers.Gate // default: no limit
}

// Client is the toy's. Safe for concurrent use.
type Client struct {
	cfg  Config
	http *http.Client
}

// Format keeps the key out of every print.
func (c *Client) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "toyprovider.Client{%s}", c.Account()) }

var (
	_ providers.Provider       = (*Client)(nil)
	_ providers.TicketRefunder = (*Client)(nil)
)

// New makes a client. It makes no call.
func New(cfg Config) (*Client, error) {
	if err := baseurl.Check(cfg.BaseURL); err != nil {
		return nil, err
	}
	if cfg.Merchant == "" {
		cfg.Merchant = "main"
	}
	client, err := httpcall.New(httpcall.Options{Timeout: cfg.Timeout})
	return &Client{cfg, client}, err
}

// Close closes idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Account implements providers.Provider.
func (c *Client) Account() providers.Account {
	return providers.Account{Provider: Name, Merchant: c.cfg.Merchant}
}

// Host implements providers.Provider.
func (c *Client) Host() string { return baseurl.Host(c.cfg.BaseURL) }

// Traits implements providers.Provider.
func (c *Client) Traits() providers.Traits { return providers.Traits{SettleAfter: time.Minute} }

// NeedsTickets implements providers.Provider.
func (c *Client) NeedsTickets(o providers.Order) (bool, int) { return false, read(o.Request).Seats }

// Issue implements providers.Provider.
func (c *Client) Issue(ctx context.Context, o providers.Order) providers.Outcome {
	d := read(o.Request)
	a, out := c.call(ctx, "/issue", true, question{Number: o.ID, Seats: d.Seats, Buyer: d.Buyer})
	if out.Kind == providers.Done {
		out.Result = &providers.Result{Ref: a.ID}
		if a.State != stateIssued {
			out.Kind = providers.Accepted
		}
	}
	return out
}

// LookUp implements providers.Provider.
func (c *Client) LookUp(ctx context.Context, o providers.Order) providers.Finding {
	a, out := c.order(ctx, o)
	f := providers.Finding{State: providers.Unclear, Outcome: out}
	switch {
	case out.Kind == providers.Rejected:
		f.State = providers.Absent
	case out.Kind != providers.Done:
	case a.State == stateIssued:
		f.State, f.Result = providers.FoundIssued, &providers.Result{Ref: a.ID}
	case a.State == stateAccepted:
		f.State, f.Outcome.Kind, f.Result = providers.FoundPending, providers.Accepted, &providers.Result{Ref: a.ID}
	case a.State == stateFailed:
		f.State = providers.FoundFailed
		f.Outcome = outcome(providers.Rejected, stateFailed, providers.SafeText(a.Reason, read(o.Request).Buyer, c.cfg.Key))
	default:
		f.Outcome = outcome(providers.Unknown, "state", "the answer's state is none")
	}
	if f.Found() {
		f.Sight = sight(a, read(o.Request).Seats)
	}
	if f.Sight != nil && f.Sight.Differs != "" { // somebody else's order: nothing of it is ours
		return providers.Finding{State: providers.Unclear, Outcome: outcome(providers.Unknown, "other_order", "the order found is another one"), Sight: f.Sight}
	}
	return f
}

// sight is what an answer shows of an order of so many seats.
func sight(a answer, seats int) *providers.Sight {
	s := &providers.Sight{Precision: time.Second}
	s.CreatedAt, _ = time.Parse(time.RFC3339, a.Created) // zero without one
	if a.Seats != seats {
		s.Differs = "seats"
	}
	return s
}

// Tickets implements providers.Provider and providers.TicketRefunder.
func (c *Client) Tickets(ctx context.Context, o providers.Order) ([]providers.Ticket, providers.Outcome) {
	a, out := c.order(ctx, o)
	if out.Kind == providers.Done && a.State != stateIssued {
		return nil, outcome(providers.Unknown, "not_issued", "there are no tickets yet")
	}
	var list []providers.Ticket
	for _, t := range a.Tickets {
		list = append(list, providers.Ticket{TicketNo: t.No, UseStatus: providers.UseStatus(t.State)})
	}
	return list, out
}

func (c *Client) order(ctx context.Context, o providers.Order) (answer, providers.Outcome) {
	if d := read(o.Request); d.Number != o.ID {
		return answer{}, outcome(providers.Unknown, "invalid_document", "the document does not belong to this order")
	}
	return c.call(ctx, "/order", false, question{Number: o.ID})
}

// TicketStatus implements providers.TicketRefunder.
func (c *Client) TicketStatus(ctx context.Context, no string) (providers.TicketStatus, providers.Outcome) {
	a, out := c.call(ctx, "/ticket", false, question{Ticket: no})
	if out.Kind != providers.Done || len(a.Tickets) != 1 {
		return providers.TicketStatus{}, out
	}
	t := a.Tickets[0]
	return providers.TicketStatus{Ticket: providers.Ticket{TicketNo: no, UseStatus: providers.UseStatus(t.State)},
		OrderID: a.Number, RefundedAt: t.RefundedAt, RefundedBy: t.RefundedBy}, out
}

// RefundTicket implements providers.TicketRefunder.
func (c *Client) RefundTicket(ctx context.Context, r providers.TicketRefund) providers.Outcome {
	_, out := c.call(ctx, "/refund", true, question{Ticket: r.TicketNo, By: r.Operator})
	return out
}

// call makes one call. Only an answer that names what was asked for is believed.
func (c *Client) call(ctx context.Context, path string, mutates bool, q question) (a answer, out providers.Outcome) {
	if out, ok := c.pass(ctx); !ok {
		return a, out
	}
	sent := time.Now()
	r := httpcall.Post(ctx, c.http, c.cfg.BaseURL+path, http.Header{"X-Key": {c.cfg.Key}}, encode(q), 1<<20)
	took := time.Since(sent)
	a, out, judged := c.judge(ctx, path, mutates, q, r)
	vitals.Report(ctx, c.cfg.Gate, path, r, judged, out, took)
	return a, out
}

// judge is what an answer means. judged is what it says of the account where it is the toy's own.
func (c *Client) judge(ctx context.Context, path string, mutates bool, q question, r httpcall.Response) (a answer, out providers.Outcome, judged providers.Health) {
	var failed *httpcall.Error
	switch {
	case errors.As(r.Err, &failed) && !r.Sent:
		return a, outcome(providers.NotSent, failed.Code, failed.Error()), ""
	case r.Status == http.StatusForbidden:
		return a, c.banned(ctx, path, mutates), ""
	case failed != nil:
		return a, outcome(providers.Unknown, failed.Code, failed.Error()), ""
	case r.Status == http.StatusUnauthorized:
		out = outcome(providers.Held, "credentials", "the key was refused")
		out.Alarm = true
		return a, out, providers.HealthRefused
	case r.Status != http.StatusOK:
		out = outcome(providers.Unknown, "http_"+strconv.Itoa(r.Status), "no answer of the toy")
		out.RetryAfter = r.RetryAfter
		return a, out, ""
	case json.Unmarshal(r.Body, &a) != nil || q.Number != "" && q.Number != a.Number || q.Ticket != a.Ticket:
		return answer{}, outcome(providers.Unknown, "unreadable", "not the answer to this call"), ""
	case a.Error == errorTaken:
		out = outcome(providers.Unknown, "taken", a.Error)
		out.Exists = true
	case a.Error != "":
		out = outcome(providers.Rejected, "rejected", providers.SafeText(a.Error, q.Buyer, c.cfg.Key))
	default:
		out = outcome(providers.Done, "ok", "")
	}
	return a, out, providers.HealthOK
}

// pass waits for the gate; ok is false when no call may leave.
func (c *Client) pass(ctx context.Context) (out providers.Outcome, ok bool) {
	if ctx.Err() != nil {
		return outcome(providers.NotSent, httpcall.CodeCanceled, "given up before the call"), false
	}
	if c.cfg.Gate == nil {
		return out, true
	}
	err := c.cfg.Gate.Pass(ctx)
	var held *providers.HeldError
	if errors.As(err, &held) {
		out = outcome(providers.Held, "held", held.Reason)
		out.RetryAfter = held.RetryAfter
		return out, false
	}
	if err != nil {
		return outcome(providers.NotSent, "no_budget", "the call budget cannot be asked"), false
	}
	return out, true
}

// banFor is the wait after HTTP 403.
const banFor = time.Minute

func (c *Client) banned(ctx context.Context, path string, mutates bool) providers.Outcome {
	if b, ok := c.cfg.Gate.(providers.BanReporter); ok {
		b.Banned(context.WithoutCancel(ctx), "HTTP 403 to "+path)
	}
	out := outcome(providers.Held, "http_403", "called too fast")
	if mutates {
		out.Kind = providers.Unknown
	}
	out.RetryAfter = banFor
	return out
}

func outcome(kind providers.Kind, code, message string) providers.Outcome {
	return providers.Outcome{Kind: kind, Code: code, Message: message}
}
