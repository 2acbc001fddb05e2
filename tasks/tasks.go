// Package tasks is the public contract between those who sell tickets and the workers that issue them:
// order and refund documents, the Client that enqueues them, asks for their status and waits for their
// end, and the reader of final statuses. A Go checkout imports this package, and package providers for
// the names it uses, and nothing else of this module.
//
// It imports no HTTP client and no simulator, and no type of an internal package stands in its exported
// API. Tests hold it to both.
package tasks

import (
	"issuance/providers"
	_ "issuance/providers/codecs" // the providers whose documents are understood
	"issuance/tasks/order"
)

// The vocabulary of package order, under the names by which a checkout knows it.
type (
	// Account is whose sale an order is: a merchant at a provider.
	Account = providers.Account
	// Ref names an order, or a refund of it.
	Ref = order.Ref
	// State is where an order or a refund stands.
	State = order.State
	// TicketState is where one ticket of a refund stands.
	TicketState = order.TicketState
	// Lane is the way an order takes through the queues.
	Lane = order.Lane
	// Code says in one word why a record is where it is.
	Code = order.Code
)

// The states; see package order for what each means.
const (
	Queued            = order.Queued
	Submitting        = order.Submitting
	Accepted          = order.Accepted
	Issued            = order.Issued
	Refunded          = order.Refunded
	PartiallyRefunded = order.PartiallyRefunded
	Failed            = order.Failed
	Cancelled         = order.Cancelled
	Review            = order.Review
	// Unrecorded stands for an order of which only refunds are recorded here: it was issued by another system,
	// is enqueued later than its refund, or its record is past its time. No record has this state.
	Unrecorded State = "unrecorded"
)

// The lanes that producers use.
const (
	Checkout = order.Checkout
	Bulk     = order.Bulk
)

// ParseAccount reads "PROVIDER" (its default account) or "PROVIDER:MERCHANT".
func ParseAccount(s string) (Account, error) { return providers.ParseAccount(s) }

// ParseLane reads a lane a producer may use; "" is Checkout.
func ParseLane(s string) (Lane, error) { return order.ParseLane(s) }
