package providers

import (
	"context"
	"time"
)

// Sight is what a provider shows of an order found under a number, for telling ours from another's.
type Sight struct {
	// CreatedAt is when the order was made there, by the provider's clock; zero when it does not say.
	CreatedAt time.Time
	// Precision is how exact that is: a minute, a second.
	Precision time.Duration
	// Differs names the field by which what is shown differs from the request; "" when nothing does.
	Differs string
}

// Identifier is a Provider whose look-up does not show what an order is recognised by, but another call
// does (ECTicket).
type Identifier interface {
	// Identify asks for it. The outcome's kind is Done when the answer is authentic; an order that is not
	// issued yet may show nothing.
	Identify(ctx context.Context, o Order) (Sight, Outcome)
}

// ClockTeller is a Provider that knows how far the provider's clock is ahead of this machine's.
type ClockTeller interface {
	Skew() (ahead time.Duration, known bool)
}
