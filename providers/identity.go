package providers

import (
	"context"
	"time"
)

// Sight is what a provider shows of an order found under our number, beyond that there is one. Two
// systems may use the same numbers, so an order is ours only if it can be the one that was sent.
type Sight struct {
	// CreatedAt is when the order was created at the provider, by the provider's clock; zero when it
	// does not say. It may be later than that (ECTicket says when it issued), never earlier.
	CreatedAt time.Time
	// Precision is the unit of CreatedAt: the order was created within Precision after it.
	Precision time.Duration
	// Differs names the provider's field by which the order contradicts the request that was sent:
	// "ItemNo", "productSaleId", "pickupType", …; empty when nothing that is shown does. Spelling is
	// no difference, and neither is what is not shown.
	Differs string
	// Documented is set where Differs names a field that identifies what was ordered (an item's number, the number of tickets):
	// an order that the provider has accepted from us is not issued as ordered then either.
	Documented bool
	// Shown is how many tickets a count or a list says that there are, 0 where none does; Ordered is how many were ordered.
	Shown, Ordered int
	// Partial is set when fewer tickets are shown than were ordered. That may be a list that lags, or
	// another order: ask again before concluding.
	Partial bool
	// Unzoned is set while nothing shows in which time zone CreatedAt is written; it was read as one of Taiwan. AskedAt is
	// when it was asked for, by this machine's clock.
	Unzoned bool
	AskedAt time.Time
	// Unissued is set when the order is shown as not issued yet. Where the look-up found it issued, this answer is behind.
	Unissued bool
}

// Identifier is a Provider whose look-up does not show what an order holds, and that has another
// question that does (ECTicket, QueryOrderInfo).
type Identifier interface {
	// Identify asks what the provider shows of the order. It changes nothing. The outcome's kind is
	// Done when the answer is authentic; an order that is not issued yet may show nothing.
	Identify(ctx context.Context, o Order) (Sight, Outcome)
}

// ClockTeller is a Provider whose answers say what time it is there. Times that the provider shows
// are compared with ours only after this difference has been taken off.
type ClockTeller interface {
	// Skew is how far the provider's clock is ahead of this machine's, and how far its answers are apart in
	// that: it may have several machines with a clock each.
	Skew() Skew
}

// ZoneTeller is a Provider whose documents do not say in which time zone it writes its dates, and whose answers may show it.
type ZoneTeller interface {
	// Zone is what has to be added to a date that was read as one of Taiwan; ok is false while no answer has shown it.
	Zone(ctx context.Context) (shift time.Duration, ok bool)
}

// Skew is what a provider's answers say of its clock. The zero value says nothing.
type Skew struct {
	// Ahead is how far the clock is ahead of ours, to a second or so: the median of the last five answers.
	Ahead time.Duration
	// Spread is how far the last twenty are apart, but for the lowest and the highest of five or more, which
	// one old answer may have made.
	Spread time.Duration
	// Within is how exact each is: half the time that the longest call took, because the answer was dated somewhere in it.
	Within time.Duration
	// Answers is how many there were, at most skew.Enough.
	Answers int
}
