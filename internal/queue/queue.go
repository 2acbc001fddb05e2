// Package queue is the product's use of asynq: queues, task types and ids, what a task carries, what a
// handler answers, and how a record's task is made and found. A task is a wake-up: it names a record of
// the ledger and holds nothing else but a version and a trace context.
//
// It may import internal/keys, internal/ledger, internal/redisconn, providers and tasks/order; it calls no provider.
package queue

import (
	"regexp"
	"strings"
	"time"

	"issuance/providers"
	"issuance/tasks/order"
)

// Name is the queue of a provider in a lane, such as "ecticket-checkout".
func Name(p providers.Name, l order.Lane) string { return string(p) + "-" + string(l) }

// IssueType is the task type of a provider's orders, RefundType of its refunds, PollType of the
// follow-up poller.
func IssueType(p providers.Name) string { return "issue:" + string(p) }

// RefundType is the task type of refunds.
func RefundType(p providers.Name) string { return "refund:" + string(p) }

// PollType is the task type of the follow-up poller.
func PollType(p providers.Name) string { return "poll:" + string(p) }

// How tasks are enqueued. Business limits live in the ledger, never in the queue.
const (
	// MaxRetry is practically endless: nothing may exist only in the queue's archive, which is
	// trimmed silently.
	MaxRetry = 1_000_000
	// DefaultRetention is how long a finished task stays visible in the web UI.
	DefaultRetention = 24 * time.Hour
	// DefaultTimeout bounds one run of a task. It is longer than a provider call and shorter
	// than a worker's shutdown.
	DefaultTimeout = 60 * time.Second
)

// Home is where a record's task lives: which queue, of which type, under which id. The same record has
// one home at a time, so that enqueueing it twice is one task.
type Home struct{ Queue, Type, ID string }

// HomeOf is the home of a record in a state. The lane is the record's; an unknown one counts as checkout.
func HomeOf(r order.Ref, s order.State, lane order.Lane) Home {
	p := r.Account.Provider
	if s == order.Accepted {
		return PollHome(r)
	}
	if lane != order.Bulk {
		lane = order.Checkout
	}
	h := Home{Queue: Name(p, lane), Type: IssueType(p)}
	if r.IsRefund() {
		h.Type = RefundType(p)
	}
	h.ID = h.Type + ":" + identity(r)
	return h
}

// PollHome is the home of an order's poll task.
func PollHome(r order.Ref) Home {
	p := r.Account.Provider
	return Home{Queue: Name(p, order.Poll), Type: PollType(p), ID: PollType(p) + ":" + identity(r)}
}

// identity names a record within its provider, such as "2000132:A1" or "2000132:A1:R1".
func identity(r order.Ref) string {
	s := r.Account.Merchant + ":" + r.OrderID
	if r.IsRefund() {
		s += ":" + r.RefundID
	}
	return s
}

// detoured is the end of an id that detour makes.
var detoured = regexp.MustCompile(`~[0-9]+(\.[0-9]+)?$`)

// RefOf is the record that a task's id names, of any home and beside its own (see detour); ok is false where it is no task id of
// ours.
func RefOf(id string) (r order.Ref, ok bool) {
	if strings.Contains(id, "~") {
		id = detoured.ReplaceAllLiteralString(id, "")
	}
	parts := strings.Split(id, ":")
	if len(parts) < 4 || len(parts) > 5 {
		return r, false
	}
	r = order.Ref{Account: providers.Account{Provider: providers.Name(parts[1]), Merchant: parts[2]}, OrderID: parts[3]}
	if len(parts) == 5 {
		r.RefundID = parts[4]
	}
	for _, kind := range []string{IssueType(r.Account.Provider), RefundType(r.Account.Provider), PollType(r.Account.Provider)} {
		if strings.HasPrefix(id, kind+":") {
			return r, (kind == RefundType(r.Account.Provider)) == r.IsRefund()
		}
	}
	return r, false
}
