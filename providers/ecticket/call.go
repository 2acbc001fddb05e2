package ecticket

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/sethvargo/go-retry"

	"issuance/internal/httpcall"
	"issuance/internal/tracing"
	"issuance/providers"
	"issuance/providers/ecticket/wire"
	"issuance/providers/vitals"
)

const maxBody = 8 << 20 // the longest answer that is read, in bytes

// header is the documented one; the answers are JSON whatever they are labelled.
var header = http.Header{"Content-Type": {"application/json"}, "Accept": {"text/html"}}

// query is one call to make.
type query struct {
	op      Op
	mutates bool // an unanswered call may have had an effect
	data    any  // what becomes Data
	// secrets are the caller's values that must not come back in a message.
	secrets []string
	// echo are the ids asked for: an answer that names others is not an answer to this call.
	echo echo
}

// call makes the call and fills answer from an authentic RtnCode 1; the outcome is then Done.
// Kind Rejected always stands for an authentic answer. Queries are tried once more when the
// connection failed; a mutating call is sent at most once.
func (c *Client) call(ctx context.Context, q query, answer any) providers.Outcome {
	started := c.cfg.Now()
	ctx, span := tracing.Child(ctx, tracing.Internal, "ecticket", string(q.op), tracing.Account(c.Account()))
	out := outcome(providers.NotSent, httpcall.CodeCanceled, "the call was given up before it was sent")
	backoff := retry.WithMaxRetries(1, retry.BackoffFunc(func() (time.Duration, bool) { return c.retryWait, false }))
	_ = retry.Do(ctx, backoff, func(ctx context.Context) error {
		var again bool
		out, again = c.once(ctx, q, answer)
		if again && !q.mutates {
			return retry.RetryableError(errConnection)
		}
		return nil
	})
	tracing.Called(span, out)
	c.cfg.Log.DebugContext(ctx, "ecticket call", "op", string(q.op), "order", q.echo.order(),
		"kind", string(out.Kind), "code", out.Code, "took", c.cfg.Now().Sub(started))
	return out
}

var errConnection = errors.New("connection failed")

// once makes one attempt. again is true when it failed for want of a working connection.
func (c *Client) once(ctx context.Context, q query, answer any) (out providers.Outcome, again bool) {
	if out, ok := c.pass(ctx); !ok {
		return out, false
	}
	body, err := c.envelope(q)
	if err != nil {
		return outcome(providers.NotSent, "not_encodable", "the request cannot be written as JSON"), false
	}
	sent := c.cfg.Now()
	r := httpcall.Post(ctx, c.http, c.cfg.BaseURL+c.paths[q.op], header, body, maxBody)
	received := c.cfg.Now()
	var judged providers.Health
	if r.Err != nil && r.Status != http.StatusForbidden { // a ban is one even when its page is cut off
		out, again = noAnswer(r)
	} else {
		out, judged = c.read(ctx, q, reply{status: r.Status, retryAfter: r.RetryAfter, body: r.Body, sent: sent, received: received}, answer)
	}
	vitals.Report(ctx, c.cfg.Gate, string(q.op), r, judged, out, received.Sub(sent))
	return out, again
}

// pass waits for the call budget. ok is false when no call may leave.
func (c *Client) pass(ctx context.Context) (out providers.Outcome, ok bool) {
	if c.cfg.Gate != nil {
		waiting, span := tracing.Child(ctx, tracing.Internal, "budget", "wait")
		err := c.cfg.Gate.Pass(waiting)
		span.End(err)
		if err != nil {
			var held *providers.HeldError
			if errors.As(err, &held) {
				out = outcome(providers.Held, "held", c.safe(held.Reason, nil))
				out.RetryAfter = held.RetryAfter
				return out, false
			}
			if ctx.Err() == nil {
				return outcome(providers.NotSent, "no_budget", "the call budget cannot be asked: "+c.safe(err.Error(), nil)), false
			}
		}
	}
	return out, true // a caller that gave up meanwhile learns it from the call itself
}

// envelope writes the request's body with a Timestamp of this moment, since ECTicket refuses one
// that is older than 10 minutes.
func (c *Client) envelope(q query) ([]byte, error) {
	plain, err := wire.Marshal(q.data)
	if err != nil {
		return nil, err
	}
	data, mac := wire.Seal(c.cfg.Keys, plain)
	return wire.Marshal(wire.Request{
		PlatformID:    c.cfg.PlatformID,
		MerchantID:    c.cfg.MerchantID,
		RqHeader:      wire.Header{Timestamp: wire.Int64(c.cfg.Now().Unix())},
		Data:          data,
		CheckMacValue: mac,
	})
}

// noAnswer says how a call without an answer ended. again is true when another connection may
// help at once.
func noAnswer(r httpcall.Response) (out providers.Outcome, again bool) {
	out = outcome(providers.Unknown, httpcall.CodeBroken, r.Err.Error())
	out.RetryAfter = r.RetryAfter // of an answer that broke off
	if !r.Sent {
		out.Kind = providers.NotSent
	}
	var e *httpcall.Error
	if errors.As(r.Err, &e) {
		out.Code = e.Code
	}
	switch out.Code {
	case httpcall.CodeTLS, httpcall.CodeBadURL:
		out.Alarm = true // no retry mends a certificate
	case httpcall.CodeConnect, httpcall.CodeDNS, httpcall.CodeBroken:
		again = true
	}
	return out, again
}

func outcome(kind providers.Kind, code, message string) providers.Outcome {
	return providers.Outcome{Kind: kind, Code: code, Message: message}
}

// safe cleans ECTicket's text of the caller's values and of our keys.
func (c *Client) safe(text string, secrets []string) string {
	hidden := append([]string{c.cfg.Keys.HashKey, c.cfg.Keys.HashIV}, secrets...)
	return providers.SafeText(text, hidden...)
}
