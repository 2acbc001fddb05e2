// Package vitals turns how one HTTP call of a provider's client ended into what that says of the
// account, and reports it to the gate. It imports package providers and internal/httpcall.
package vitals

import (
	"context"
	"errors"
	"net/http"
	"time"

	"issuance/internal/httpcall"
	"issuance/providers"
)

// Report reports to a gate that wants to know of calls, and of what they say of its account. call is the provider's name
// of it. judged is what the client has read in the answer: HealthOK for an authentic one, whatever it says,
// HealthRefused for one that turns the account away; empty leaves it to the HTTP status and the connection.
func Report(ctx context.Context, gate providers.Gate, call string, r httpcall.Response, judged providers.Health, out providers.Outcome, took time.Duration) {
	if o, ok := gate.(providers.CallObserver); ok {
		o.Called(ctx, providers.Call{Name: call, Kind: out.Kind, Took: took})
	}
	reporter, ok := gate.(providers.HealthReporter)
	if !ok {
		return
	}
	if c, says := Of(r, judged); says {
		c.Code, c.Took = out.Code, took
		reporter.Answered(ctx, c)
	}
}

// Of is what a call says of its account, without its code. says is false when that is nothing: the caller
// gave up, the call could not be made, or the answer is a ban.
func Of(r httpcall.Response, judged providers.Health) (c providers.Condition, says bool) {
	overloaded := r.Status == http.StatusTooManyRequests || r.Status == http.StatusServiceUnavailable
	var failed *httpcall.Error
	switch {
	case overloaded && r.RetryAfter > 0:
		return providers.Condition{State: providers.HealthUnreachable, RetryAfter: r.RetryAfter}, true
	case judged != "":
		return providers.Condition{State: judged}, true
	case r.Status == http.StatusForbidden:
		return c, false
	case errors.As(r.Err, &failed):
		c.State = ofFailure(failed.Code)
	default:
		c.State = ofStatus(r.Status)
	}
	return c, c.State != ""
}

func ofFailure(code string) providers.Health {
	switch code {
	case httpcall.CodeCanceled, httpcall.CodeBadURL:
		return ""
	case httpcall.CodeTooLarge:
		return providers.HealthGarbage
	}
	return providers.HealthUnreachable
}

// ofStatus judges an answer whose body is not the provider's.
func ofStatus(status int) providers.Health {
	switch {
	case status == http.StatusUnauthorized:
		return providers.HealthRefused
	case status >= 500, status == http.StatusTooManyRequests, status == http.StatusRequestTimeout:
		return providers.HealthUnreachable
	}
	return providers.HealthGarbage
}
