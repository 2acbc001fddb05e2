package pass2u

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"issuance/internal/httpcall"
	"issuance/internal/tracing"
	"issuance/providers"
	"issuance/providers/vitals"
)

const (
	// maxAnswer bounds an answer: 10,000 vouchers take about 4 MB.
	maxAnswer = 8 << 20
	// refusedFor is the wait after refused credentials. A person has to act first; until then, after two more such answers, the account
	// is held and probed, and what waits goes on with the first proper answer.
	refusedFor = 5 * time.Second
)

// verdict is what one call came to: an authentic success, or an outcome that explains.
type verdict struct {
	answer *answer // nil unless Pass2U confirmed
	out    providers.Outcome
	// missing: nothing that looks like Pass2U answered at this path.
	missing bool
	// broken: the connection failed; a read may be tried once more.
	broken bool
	// health is what Pass2U's own answer says of the account; empty where there is none.
	health providers.Health
}

// pass waits for the Gate. ok is false when the call must not leave.
func (c *Client) pass(ctx context.Context) (out providers.Outcome, ok bool) {
	if err := ctx.Err(); err != nil {
		return providers.Outcome{Kind: providers.NotSent, Code: httpcall.CodeCanceled, Message: "given up before the call was made"}, false
	}
	if c.cfg.Gate == nil {
		return out, true
	}
	waiting, span := tracing.Child(ctx, tracing.Internal, "budget", "wait")
	err := c.cfg.Gate.Pass(waiting)
	span.End(err)
	var held *providers.HeldError
	switch {
	case err == nil:
		return out, true
	case errors.As(err, &held):
		return providers.Outcome{Kind: providers.Held, Code: CodeHeld, Message: providers.SafeText(held.Reason), RetryAfter: held.RetryAfter}, false
	case ctx.Err() != nil:
		return providers.Outcome{Kind: providers.NotSent, Code: httpcall.CodeCanceled, Message: "given up while waiting for the call budget"}, false
	default:
		return providers.Outcome{Kind: providers.NotSent, Code: CodeGate,
			Message: providers.SafeText("the call budget cannot be asked: "+err.Error(), c.secrets()...)}, false
	}
}

// send makes one HTTP call about an order, which must have passed the Gate, and judges its
// answer. hide lists the values of the order that no text may hold.
func (c *Client) send(ctx context.Context, o op, id identity, path string, body any, hide []string) verdict {
	raw, err := json.Marshal(body)
	if err != nil {
		return verdict{out: providers.Outcome{Kind: providers.NotSent, Code: CodeInvalid, Message: "the request cannot be written as JSON"}}
	}
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	start := c.cfg.Now()
	ctx, span := tracing.Child(ctx, tracing.Internal, "pass2u", string(o), tracing.Account(c.Account()))
	r := httpcall.Post(ctx, c.http, c.cfg.BaseURL+path, http.Header{
		"Accept":        {"application/json"},
		"Content-Type":  {"application/json; charset=utf-8"},
		"Authorization": {c.cfg.APIKey},
	}, raw, maxAnswer)
	took := c.cfg.Now().Sub(start)
	v := judge(o, r, c.secrets(hide...))
	if a, ok := decode(r.Body); ok && a != nil && !r.Date.IsZero() { // a proxy's own page has another clock
		if _, old := c.clock.Measure(r.Date, start, c.cfg.Now()); old && r.Status != http.StatusForbidden {
			v = verdict{out: oldAnswer}
		}
	}
	if v.answer != nil && !v.answer.about(id) {
		v.health = "" // it answers another call
	}
	vitals.Report(ctx, c.cfg.Gate, string(o), r, v.health, v.out, took)
	if v.answer == nil {
		v.out.RetryAfter = max(v.out.RetryAfter, r.RetryAfter)
	}
	if v.answer == nil && r.Status == http.StatusForbidden && v.out.Code == "http_403" {
		c.banned(ctx, o, &v.out)
	}
	if v.answer != nil {
		tracing.Called(span, providers.Outcome{Kind: providers.Done})
	} else {
		tracing.Called(span, v.out)
	}
	log := c.cfg.Log.With("op", string(o), "order", id.name(), "status", r.Status, "took", took)
	if v.answer != nil {
		log.Debug("pass2u call: answered")
	} else {
		log.Debug("pass2u call: not confirmed", "kind", string(v.out.Kind), "code", v.out.Code)
	}
	return v
}

// banned reports to the Gate, whose next Pass then holds everybody back; the outcome says how long to wait as well.
func (c *Client) banned(ctx context.Context, o op, out *providers.Outcome) {
	out.Banned = true
	if b, ok := c.cfg.Gate.(providers.BanReporter); ok {
		b.Banned(context.WithoutCancel(ctx), "Pass2U answered HTTP 403 to "+string(o))
	}
	out.RetryAfter = c.cfg.Ban
}

// judge decides what an answer means. The body comes first, whatever the HTTP status, because
// the document names no statuses; the status decides only where the body says nothing.
func judge(o op, r httpcall.Response, hide []string) verdict {
	if !r.Sent {
		return verdict{out: transport(r.Err, providers.NotSent), broken: transient(r)}
	}
	a, readable := decode(r.Body)
	ok := r.Status >= 200 && r.Status < 300
	said := ""
	switch {
	case !readable:
	case a.failed():
		if m := byText[normal(string(a.Message))]; m != nil {
			out := providers.Outcome{Kind: m.kind(o), Code: m.code, Message: m.text, MayHide: m.mayHide(o)}
			out.Exists = m.exists && o == opGenerate
			out.Refusal = o == opGenerate && out.Kind == providers.Unknown && !out.Exists
			return verdict{out: out, health: m.health()}
		}
		said = providers.SafeText(string(a.Message), hide...)
	case ok && polite.MatchString(strings.TrimSpace(string(a.Message))):
		return verdict{answer: a, health: providers.HealthOK}
	case ok:
		// No success is documented with a message. A confirmation with a complaint confirms nothing.
		return verdict{out: providers.Outcome{Kind: providers.Unknown, Code: CodeContradictory,
			Message: "the answer names an order, and has an error message" + quoted(providers.SafeText(string(a.Message), hide...))}}
	}
	switch {
	case refused(o, r.Status, said):
		kind := providers.Held
		if o == opRefund { // nothing keeps Pass2U from doing it twice, and an answer that it may not have written proves nothing
			kind = providers.Unknown
		}
		return verdict{health: providers.HealthRefused, out: providers.Outcome{Kind: kind, Code: CodeCredentials, Alarm: true, RetryAfter: refusedFor,
			Message: fmt.Sprintf("Pass2U refused the API key or this machine's IP address (HTTP %d%s); check both in the Pass2U account", r.Status, quoted(said))}}
	case r.Status == http.StatusForbidden, r.Status == http.StatusTooManyRequests:
		out := plain(r, said)
		out.RetryAfter = r.RetryAfter
		if o == opQuery {
			out.Kind = providers.Held
		}
		return verdict{out: out}
	case r.Err != nil:
		return verdict{out: transport(r.Err, providers.Unknown), broken: transient(r)}
	case r.Status == http.StatusNotFound, r.Status == http.StatusMethodNotAllowed:
		out := plain(r, said)
		out.Alarm = true
		out.Message += "; is the base URL right?"
		return verdict{out: out, missing: true}
	default:
		out := plain(r, said)
		out.Refusal = o == opGenerate && (said != "" || r.Status >= 400 && r.Status < 500 && r.Status != http.StatusRequestTimeout)
		return verdict{out: out}
	}
}

// refused reports whether the key or this machine's address was refused, and so nothing was done.
// Pass2U documents no words for that, and words alone prove nothing: "SMTP authentication failed."
// may be about an order that was made. So a mutating call believes a matching text only under a
// status that says the same. A query has no effect either way, and its text holds the calls back
// and raises an alarm.
func refused(o op, status int, said string) bool {
	switch {
	case status == http.StatusUnauthorized:
		return true
	case said == "" || !refusal.MatchString(said):
		return false
	case o == opQuery:
		return status < http.StatusInternalServerError
	}
	return status == http.StatusForbidden
}

// plain is an answer that neither its body nor its status explains.
func plain(r httpcall.Response, said string) providers.Outcome {
	out := providers.Outcome{Kind: providers.Unknown, RetryAfter: r.RetryAfter}
	switch {
	case r.Status < 200 || r.Status > 299:
		out.Code = fmt.Sprintf("http_%d", r.Status)
		out.Message = fmt.Sprintf("HTTP %d%s", r.Status, quoted(said))
	case said != "":
		out.Code, out.Message = CodeUnknownText, said
	default:
		out.Code, out.Message = CodeUnreadable, "the answer is not one that Pass2U documents"
	}
	return out
}

func quoted(said string) string {
	if said == "" {
		return ""
	}
	return ": " + said
}

// transport is the outcome of a call without a whole answer.
func transport(err error, kind providers.Kind) providers.Outcome {
	var e *httpcall.Error
	if !errors.As(err, &e) {
		return providers.Outcome{Kind: kind, Code: httpcall.CodeBroken, Message: "the call failed"}
	}
	return providers.Outcome{Kind: kind, Code: e.Code, Message: providers.SafeText(e.Error())}
}

// transient reports whether a second attempt may help and is quick: the connection failed,
// rather than the patience.
func transient(r httpcall.Response) bool {
	var e *httpcall.Error
	if r.Status != 0 || !errors.As(r.Err, &e) {
		return false
	}
	return e.Code == httpcall.CodeConnect || e.Code == httpcall.CodeDNS || e.Code == httpcall.CodeBroken
}
