package chaos

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"sync/atomic"

	"issuance/providers"
	"issuance/tasks"
	"issuance/tasks/order"
)

// callers are producers that reach the front doors by HTTP, each attempt at any of them and over a connection that
// may break.
type callers struct {
	front *FrontDoors
	seed  uint64
	count atomic.Uint64
}

// refusedError is an answer that repeating does not change.
type refusedError struct{ text string }

func (e *refusedError) Error() string { return e.text }

// way is how the document of a shot is enqueued.
func (c *callers) way(s shot) enqueueing {
	return func(ctx context.Context, doc []byte) (tasks.Receipt, error) {
		req, err := c.placing(ctx, s, doc)
		if err != nil {
			return tasks.Receipt{}, err
		}
		status, body, err := c.do(req)
		if err != nil {
			return tasks.Receipt{}, err
		}
		return receipt(s.ref.RefundID, status, body)
	}
}

// placing is the request that enqueues a document: a PUT of the provider's request, with or without the number in it,
// or a POST of the document.
func (c *callers) placing(ctx context.Context, s shot, doc []byte) (*http.Request, error) {
	n := c.count.Add(1)
	r := dice(c.seed, "caller", strconv.FormatUint(n, 10))
	at := c.front.doors[r.IntN(len(c.front.doors))].requests.url()
	query := "?lane=" + url.QueryEscape(string(s.lane))
	var parts struct{ Request map[string]json.RawMessage }
	if err := json.Unmarshal(doc, &parts); err != nil {
		return nil, err
	}
	method, path, body := http.MethodPut, orderPath(s.ref)+query, doc
	switch {
	case s.key != "", !s.refund && r.IntN(4) == 0:
		method, path = http.MethodPost, "/v1/orders"+query
	default:
		if r.IntN(2) == 0 {
			leaveOut(parts.Request, s.refund)
		}
		body = document(parts.Request)
	}
	req, err := c.front.request(ctx, method, at+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	if s.key != "" {
		req.Header.Set("Idempotency-Key", s.key)
	}
	if r.IntN(6) == 0 {
		req.Header.Set("Prefer", "wait=2")
	}
	return req, nil
}

// leaveOut takes the number out of a request. A refund may come before its order, so it says which field the number is in.
func leaveOut(request map[string]json.RawMessage, refund bool) {
	for _, field := range []string{"MerchantTradeNo", "FreeTradeNo", "channelOrderId"} {
		switch _, there := request[field]; {
		case there && refund:
			request[field] = json.RawMessage(`""`)
		case there:
			delete(request, field)
		}
	}
}

// do makes a request. The error says that nothing is known, so that it is repeated.
func (c *callers) do(req *http.Request) (status int, body []byte, err error) {
	res, err := c.front.client.Do(req)
	if err != nil {
		var broken *url.Error // whose text has the request's path
		if errors.As(err, &broken) {
			err = broken.Err
		}
		return 0, nil, fmt.Errorf("no answer: %w", err)
	}
	defer res.Body.Close()
	if body, err = io.ReadAll(res.Body); err != nil {
		return 0, nil, fmt.Errorf("no whole answer: %w", err)
	}
	if res.StatusCode == http.StatusServiceUnavailable {
		return 0, nil, fmt.Errorf("HTTP 503: %s", body)
	}
	return res.StatusCode, body, nil
}

// receipt reads the answer to a document.
func receipt(refundID string, status int, body []byte) (tasks.Receipt, error) {
	var a struct {
		Provider  providers.Name
		Account   tasks.Account
		OrderID   string `json:"order_id"`
		State     tasks.State
		Duplicate bool
		Code      string
	}
	if err := json.Unmarshal(body, &a); err != nil {
		return tasks.Receipt{}, &refusedError{fmt.Sprintf("HTTP %d: %s", status, body)}
	}
	r := tasks.Receipt{Provider: a.Provider, Account: a.Account, OrderID: a.OrderID, RefundID: refundID, Duplicate: status == http.StatusOK}
	if refundID == "" { // of a refund, it is the order's status
		r.State = a.State
	}
	switch {
	case (status == http.StatusCreated || status == http.StatusOK) && r.Duplicate == a.Duplicate:
		return r, nil
	case status == http.StatusConflict && a.Code == "conflict":
		return r, &tasks.ConflictError{Ref: r.Ref()}
	}
	return r, &refusedError{fmt.Sprintf("HTTP %d: %s", status, body)}
}

// cancel wants something cancelled, and answers as tasks.Client.Cancel does.
func (c *callers) cancel(ctx context.Context, ref order.Ref) error {
	n := c.count.Add(1)
	at := c.front.doors[n%uint64(len(c.front.doors))].requests.url()
	req, err := c.front.request(ctx, http.MethodPost, at+orderPath(ref)+"/cancel?reason=changed+their+mind", nil)
	if err != nil {
		return err
	}
	status, body, err := c.do(req)
	if err != nil {
		return err
	}
	var problem struct{ Code string }
	_ = json.Unmarshal(body, &problem) // what is no problem has no code
	switch {
	case status == http.StatusOK:
		return nil
	case status == http.StatusConflict && problem.Code == "not_cancellable":
		return &tasks.NotCancellableError{Ref: ref}
	}
	return fmt.Errorf("HTTP %d: %s", status, body) // not enqueued yet
}
