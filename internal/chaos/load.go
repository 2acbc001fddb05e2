package chaos

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"time"

	"issuance/providers"
	"issuance/tasks"
	"issuance/tasks/order"
)

// Fate is what a provider makes of an order.
type Fate string

// The fates.
const (
	Issues   Fate = "issues"
	Late     Fate = "late"     // ECTicket keeps it in process until the faults are over
	Refused  Fate = "refused"  // the provider rejects the order itself
	Fails    Fate = "fails"    // ECTicket takes it, and its job fails to issue it
	Taken    Fate = "taken"    // another system's order has its number already, with another content
	MaybeOne Fate = "too many" // Pass2U: one of these orders uses the campaign's stock up
)

// Issued reports whether such an order is issued; maybe means that it depends.
func (f Fate) Issued() (yes, maybe bool) { return f == Issues || f == Late, f == MaybeOne }

// Order is one order of a load.
type Order struct {
	Provider providers.Name
	ID       string
	Kind     string // for the tables: "electronic", "voucher", …
	Doc      []byte
	// Forged is another document under the same number, which must be refused; mostly nil.
	Forged  []byte
	Tickets int
	Fate    Fate
	Lanes   []tasks.Lane // one for each time it is enqueued
	Refunds []*Refund
	Cancel  *Cancellation // nil: nobody wants it cancelled
	// Personal are the customer's data in it, by field. Every order has its own.
	Personal map[string]string
	// Key is an Idempotency-Key: the document has no number, and ID is "" until the first receipt says it.
	Key string
	// Bulk orders are sent in a bulk.
	Bulk bool
	// Rival is another document under the number, which is sent at the same time: one of the two is the order, and the
	// other is refused. Others are the customer's data in it, as Personal.
	Rival  []byte
	Others map[string]string
	// Redeem and InOffice are the numbers of its tickets that are redeemed, and refunded in the
	// vendor's back office, before the refunds that wait for it to be issued.
	Redeem, InOffice int
}

// Ref is the order's name in the ledger.
func (o *Order) Ref() order.Ref { return order.Ref{Account: accountOf(o.Provider), OrderID: o.ID} }

// Cancellation is a producer's wish to cancel what may have been sent already.
type Cancellation struct {
	// After is how long after the document was enqueued first the wish comes.
	After time.Duration
	// Done and TooLate are the answers: it is cancelled, or may have been sent or has ended. Set by Producers.
	Done, TooLate bool
}

// wantsCancel decides whether somebody wants a document cancelled: while it is being enqueued, or soon after.
func wantsCancel(r *rand.Rand, percent int) *Cancellation {
	if r.IntN(100) >= percent {
		return nil
	}
	c := &Cancellation{}
	if r.IntN(2) == 0 {
		c.After = between(r, 0, 2*time.Second)
	}
	return c
}

// Wish is what a refund asks for.
type Wish string

// The wishes.
const (
	ByNumbers  Wish = "numbers"
	ByQuantity Wish = "quantity"
	All        Wish = "all"
)

// Refund is one refund of a load.
type Refund struct {
	Order    *Order
	ID       string
	Wish     Wish
	Quantity int
	// Numbers are chosen when the order's tickets are known, by their places among them.
	Numbers []string
	places  []int
	stray   bool // one of the numbers is of no ticket
	// Early refunds are enqueued around their order; others when the order is issued.
	Early bool
	Lanes []tasks.Lane
	// Cancel is nil when nobody wants the refund cancelled.
	Cancel *Cancellation
	// LeftOut is set when the refund waited for an order that was never issued.
	LeftOut bool
}

// Ref is the refund's name in the ledger.
func (f *Refund) Ref() order.Ref { return f.Order.Ref().Refund(f.ID) }

// Kind names the refund for the tables.
func (f *Refund) Kind() string { return fmt.Sprintf("%s %s", f.Order.Kind, f.Wish) }

// document is what a producer enqueues.
func (f *Refund) document() []byte {
	request := map[string]any{}
	switch f.Wish {
	case ByNumbers:
		request["TicketNo"] = f.Numbers
	case ByQuantity:
		request["quantity"] = f.Quantity
	case All:
		request["all"] = true
	}
	switch {
	case f.Order.Provider == providers.Pass2U:
		request["channelOrderId"] = f.Order.ID
	case f.Order.Kind == kindGift:
		request["FreeTradeNo"] = f.Order.ID
	default:
		request["MerchantTradeNo"] = f.Order.ID
	}
	return document(map[string]any{"provider": f.Order.Provider, "refund_id": f.ID, "request": request})
}

func document(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // what JSON can be made of only
	}
	return b
}

// Load is a mix of orders and refunds.
type Load struct {
	Orders  []*Order
	Refunds []*Refund
}

// Mix says what a load is made of.
type Mix struct {
	Orders, Refunds int
	// Only, when set, keeps the kinds of orders it names.
	Only []string
	// Plain leaves out everything that fails, is late, is cancelled, or is touched by others.
	Plain bool
}

// NewLoad makes a load; the same seed and mix make the same.
func NewLoad(seed uint64, m Mix) *Load {
	r := dice(seed, "load")
	l := &Load{}
	for i := range m.Orders {
		l.Orders = append(l.Orders, newOrder(r, seed, i, m))
	}
	l.addRefunds(r, m)
	return l
}

// lanes are those a document is enqueued in: now and then several times, in any of the two.
func lanes(r *rand.Rand) []tasks.Lane {
	n := 1
	if r.IntN(5) == 0 {
		n += 1 + r.IntN(3)
	}
	out := make([]tasks.Lane, n)
	for i := range out {
		out[i] = tasks.Checkout
		if r.IntN(3) == 0 {
			out[i] = tasks.Bulk
		}
	}
	return out
}

func (l *Load) addRefunds(r *rand.Rand, m Mix) {
	if len(l.Orders) == 0 {
		return
	}
	for i := range m.Refunds {
		o := l.Orders[r.IntN(len(l.Orders))]
		for try := 0; o.Fate == Taken && try < len(l.Orders); try++ { // what is in review is refunded by nobody
			o = l.Orders[r.IntN(len(l.Orders))]
		}
		if i > 0 && r.IntN(3) == 0 { // another refund of an order that has one
			if other := l.Refunds[r.IntN(len(l.Refunds))].Order; len(other.Refunds) < 5 {
				o = other
			}
		}
		f := &Refund{Order: o, ID: fmt.Sprintf("R%d", len(o.Refunds)+1), Early: r.IntN(2) == 0, Lanes: lanes(r)}
		switch x := r.IntN(10); {
		case x < 3 && o.Provider == providers.ECTicket:
			f.Wish, f.Early = ByNumbers, false
			f.places = r.Perm(o.Tickets)[:1+r.IntN(o.Tickets)]
			f.stray = !m.Plain && r.IntN(6) == 0
		case x < 7:
			f.Wish, f.Quantity = ByQuantity, 1+r.IntN(o.Tickets)
		default:
			f.Wish = All
		}
		if yes, maybe := o.Fate.Issued(); !yes && !maybe {
			f.Early = true // it will never be issued
			if f.Wish == ByNumbers {
				f.Numbers = []string{fmt.Sprintf("NOSUCH%06d", i)}
			}
		}
		if !m.Plain {
			f.Cancel = wantsCancel(r, 6)
		}
		o.Refunds = append(o.Refunds, f)
		l.Refunds = append(l.Refunds, f)
	}
}
