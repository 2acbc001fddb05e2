package fair

import (
	"math"

	"issuance/tasks/order"
)

const (
	// slowest is how long a task takes, in seconds, for which an account still has tasks enough at once to use all of its calls.
	slowest = 2
	// mostSlots bounds what one account of a provider that has stopped answering takes up.
	mostSlots = 200
)

// Slots is how many tasks of one account a process runs at once in a lane so that they use all of its calls per second although
// each takes two seconds: at least 8 checkouts, and 4 of the other lanes, at most 200.
func Slots(l order.Lane, perSecond float64) int {
	least := 4
	if l == order.Checkout {
		least = 8
	}
	return max(least, int(math.Ceil(min(slowest*perSecond, mostSlots))))
}

// slots is how many tasks of one account run at once.
func (l *Lane) slots(t Terms) int {
	if l.Config.Slots > 0 {
		return l.Config.Slots
	}
	return Slots(l.Config.Lane, t.PerSecond)
}
