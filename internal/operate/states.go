package operate

import (
	"issuance/tasks/order"
)

// Groups of states that a list can be asked for by one name.
const (
	Open  = "open"  // unfinished: work goes on
	Ended = "ended" // what has an end that stays
)

// Group are the states of a group, nil for any other name.
func Group(name string) (states []order.State) {
	switch name {
	case Open:
		return []order.State{order.Queued, order.Submitting, order.Accepted}
	case Ended:
		seen := map[order.State]bool{}
		for _, s := range append(order.OrderStates(), order.RefundStates()...) {
			if s.Settled() && !seen[s] {
				seen[s] = true
				states = append(states, s)
			}
		}
	}
	return states
}
