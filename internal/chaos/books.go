package chaos

import (
	"issuance/providers"
	"issuance/providers/ecticket/ecticketsim"
	"issuance/providers/pass2u/pass2usim"
)

// Books are both simulators' books, by order.
type Books struct {
	ecticket map[string]ecticketsim.OrderBook
	pass2u   map[string]pass2usim.OrderBook
	Calls    map[string]int // "provider operation" → calls
	// LinksOpened counts fetches of links that only a ticket's holder may open.
	LinksOpened int
}

// TakeBooks takes a snapshot.
func TakeBooks(r *Rig) Books {
	e, p := r.ECTicket.Books(), r.Pass2U.Books()
	b := Books{ecticket: map[string]ecticketsim.OrderBook{}, pass2u: p.Orders, Calls: map[string]int{}, LinksOpened: p.LinksOpened}
	for _, o := range e.Orders {
		b.ecticket[o.ID] = o
	}
	for op, n := range e.Calls {
		b.Calls[string(providers.ECTicket)+" "+op] = n
	}
	for op, n := range p.Calls {
		b.Calls[string(providers.Pass2U)+" "+string(op)] = n
	}
	return b
}

// known reports whether the provider has the order.
func (b Books) known(o *Order) bool {
	if o.Provider == providers.Pass2U {
		_, ok := b.pass2u[o.ID]
		return ok
	}
	_, ok := b.ecticket[o.ID]
	return ok
}

// issued reports whether the provider has issued the order.
func (b Books) issued(o *Order) bool {
	if o.Provider == providers.Pass2U {
		return b.known(o)
	}
	return b.ecticket[o.ID].Status == ecticketsim.Issued
}

// timesIssued is how often tickets were made for the order.
func (b Books) timesIssued(o *Order) int {
	if o.Provider == providers.Pass2U {
		return b.pass2u[o.ID].Generated
	}
	return b.ecticket[o.ID].TimesIssued
}

// tickets is how many tickets the provider made for the order.
func (b Books) tickets(o *Order) int {
	if o.Provider == providers.Pass2U {
		return b.pass2u[o.ID].Quantity
	}
	return len(b.ecticket[o.ID].Tickets)
}

// refunded is how many tickets were refunded by calls of the API.
func (b Books) refunded(o *Order) (n int) {
	if o.Provider == providers.Pass2U {
		return b.pass2u[o.ID].Refunded()
	}
	for _, t := range b.ecticket[o.ID].Tickets {
		n += t.Refunds
	}
	return n
}

// refundable is how many tickets could still be refunded.
func (b Books) refundable(o *Order) (n int) {
	if o.Provider == providers.Pass2U {
		s := b.pass2u[o.ID].Statuses
		return s["notPickedup"] + s["pickedup"]
	}
	for _, t := range b.ecticket[o.ID].Tickets {
		if t.UseStatus == ecticketsim.Unused {
			n++
		}
	}
	return n
}
