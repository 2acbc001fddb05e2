package order

import "fmt"

// Lane is the way an order takes through the queues. Lanes share the account's call budget:
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
