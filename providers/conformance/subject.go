// Package conformance is the suite that every provider passes, its codec, client and simulator
// together: what the handlers rely on, whatever the provider calls it. It speaks to the client alone
// and makes the misbehaviour itself, between client and simulator, so that a simulator has to know
// nothing but its provider's rules.
//
// It is imported by tests only, and imports package providers and package internal/baseurl.
package conformance

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"issuance/providers"
)

// Sim is what a simulator offers the suite. Safe for concurrent use.
type Sim interface {
	http.Handler
	// Settle issues everything that was accepted and is still to be issued.
	Settle()
	// Fail makes the provider refuse to issue the order id, whether when it is asked or later; text is
	// what the provider says about it. "" stands for a definite reason of the simulator's choice.
	Fail(id, text string)
	// Issued is how often the order id took effect: 0 or 1, or something is wrong.
	Issued(id string) int
	// Refunded is how many of the order's tickets are refunded.
	Refunded(id string) int
}

// Options of a client.
type Options struct {
	BaseURL          string
	Gate             providers.Gate // nil: no limit
	Timeout          time.Duration  // of one call
	WrongCredentials bool           // others than the simulator's
}

// Subject is one provider.
type Subject struct {
	Codec providers.Codec
	// Sim makes a simulator. What it needs to be closed is its own business (t.Cleanup).
	Sim func(t testing.TB) Sim
	// Client makes a client of the simulator. One with a method Close is closed at the end.
	Client func(t testing.TB, o Options) providers.Provider
	// Order is a valid request for n tickets under a number, for n from 1 to 3. It holds Customer.
	Order func(id string, n int) json.RawMessage
	// Refund is a valid request to refund n tickets of an order, or all of them with n 0.
	Refund func(orderID string, n int) json.RawMessage
	// Customer is the customer's data in Order: what no outcome, no shape and no violation may hold.
	Customer []string
	// Credentials are the client's: what no print of it may hold.
	Credentials []string
	// Examples are requests for orders as the provider's documents print them, by name. Now is a
	// moment at which they are valid; default: the present.
	Examples map[string]string
	Now      time.Time
	// Times are times in the provider's own text that Codec.Time reads.
	Times []string
}

// Run runs the suite.
func Run(t *testing.T, s Subject) {
	t.Run("documents", func(t *testing.T) { documents(t, s) })
	t.Run("bulk", func(t *testing.T) { bulkFiles(t, s) })
	t.Run("orders", func(t *testing.T) { orders(t, s) })
	t.Run("trouble", func(t *testing.T) { trouble(t, s) })
	t.Run("budget", func(t *testing.T) { budget(t, s) })
	t.Run("health", func(t *testing.T) { health(t, s) })
	t.Run("refunds", func(t *testing.T) { refunds(t, s) })
}

// order is what handlers give to the client.
func (s Subject) order(id string, n int) providers.Order {
	return providers.Order{ID: id, Request: s.Order(id, n)}
}

// rules are those that an order's document is checked against.
func (s Subject) rules() providers.Rules { return providers.Rules{Now: s.Now} }
