// Package tasks is the contract between those who sell tickets and the workers that issue them:
// order and refund documents, queues, task types and ids, and the Client that a Go checkout
// imports to enqueue an order, to ask for its status, and to wait for its end.
//
// It is light on purpose: it may import package providers, the providers' document packages and
// internal/ledger, internal/seal and internal/doccheck, but no HTTP client and no simulator. A
// test holds it to that.
package tasks

import (
	"fmt"
	"time"

	"issuance/providers"
)

// Lane is the way an order takes through the queues. Lanes share the provider's call budget:
// checkout goes first, then polls, then bulk.
type Lane string

const (
	// Checkout is for orders a person is waiting for. Default.
	Checkout Lane = "checkout"
	// Bulk is for loads of orders that nobody is waiting for one by one.
	Bulk Lane = "bulk"
	// Poll is the follow-up poller's own lane; producers do not enqueue there.
	Poll Lane = "poll"
)

// Lanes lists every lane, the most urgent first.
func Lanes() []Lane { return []Lane{Checkout, Poll, Bulk} }

// ParseLane reads a lane a producer may use.
func ParseLane(s string) (Lane, error) {
	switch l := Lane(s); l {
	case Checkout, Bulk:
		return l, nil
	case "":
		return Checkout, nil
	}
	return "", fmt.Errorf("unknown lane %q; use checkout or bulk", s)
}

// Queue is the name of a provider's queue in a lane, such as "ecticket-checkout".
func Queue(p providers.Name, l Lane) string { return string(p) + "-" + string(l) }

// Task types, such as "issue:ecticket".
func IssueType(p providers.Name) string { return "issue:" + string(p) }

// RefundType is the task type of refunds.
func RefundType(p providers.Name) string { return "refund:" + string(p) }

// PollType is the task type of the follow-up poller.
func PollType(p providers.Name) string { return "poll:" + string(p) }

// IssueID is the id of an order's task. Enqueueing the same order twice is one task.
func IssueID(p providers.Name, orderID string) string { return IssueType(p) + ":" + orderID }

// RefundID is the id of a refund's task.
func RefundID(p providers.Name, orderID, refundID string) string {
	return RefundType(p) + ":" + orderID + ":" + refundID
}

// PollID is the id of an order's poll task.
func PollID(p providers.Name, orderID string) string { return PollType(p) + ":" + orderID }

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
