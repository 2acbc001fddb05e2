package tasks

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"issuance/internal/announce"
	"issuance/internal/budget"
	"issuance/internal/plain"
	"issuance/internal/redisconn"
	"issuance/providers"
)

// UnknownAccountError says that a document or a question does not say which account it means, or that no
// worker has it.
type UnknownAccountError struct {
	Account Account   // as far as it is known
	Served  []Account // those of the provider that workers have announced; all, where none is of it
	// Own says that the client has settings of its own for the provider's accounts (Rules.Accounts), which Served then lists.
	Own bool
}

func (e *UnknownAccountError) Error() string {
	names := make([]string, len(e.Served))
	for i, a := range e.Served {
		names[i] = a.String()
	}
	list := plain.Choices(names, e.Account.String())
	switch {
	case e.Own && e.Account.Merchant != "":
		return fmt.Sprintf("account %s is not among the accounts that are configured here: %s", e.Account, list)
	case e.Own && len(e.Served) > 0:
		return fmt.Sprintf("%s: which account? none of those that are configured here is the default: %s", e.Account, list)
	case e.Own:
		return fmt.Sprintf("%s: which account? no default is configured here", e.Account)
	case e.Account.Merchant != "" && list == "":
		return fmt.Sprintf("no worker serves account %s, nor any other", e.Account)
	case e.Account.Merchant != "":
		return fmt.Sprintf("no worker serves account %s; there are: %s", e.Account, list)
	case len(e.Served) == 0:
		return fmt.Sprintf("%s: which account? none is configured, and no worker has announced one", e.Account)
	default:
		return fmt.Sprintf("%s: which account? there are: %s", e.Account, list)
	}
}

// neighbourhood is what the client knows of the workers behind its Redis, read again when it is old: which
// accounts they have, which seal keys they hold, and whether the Redis is of the kind the keys are for.
type neighbourhood struct {
	turn     chan struct{} // holds one token, which whoever reads or changes the rest has taken
	readAt   time.Time
	accounts []budget.Announcement
	wrong    error // why nothing may be enqueued with this client's keys; nil when it may
}

func newNeighbourhood() neighbourhood {
	n := neighbourhood{turn: make(chan struct{}, 1)}
	n.turn <- struct{}{}
	return n
}

// fresh is how long what was read of the neighbourhood is believed.
const fresh = 10 * time.Second

// announced are the accounts that workers have announced. It reads them, and checks keys and mode, when what
// is known is older than age; wrong says why nothing may be enqueued, which keeps nobody from asking. Only one
// caller reads at a time; the others wait for it, or for the end of their context.
func (c *Client) announced(ctx context.Context, age time.Duration) (accounts []budget.Announcement, wrong, err error) {
	err = redisconn.Patiently(ctx, func(ctx context.Context) (err error) { // callers take turns, and each may wait for Redis
		accounts, wrong, err = c.announcedInTurn(ctx, age)
		return err
	})
	return accounts, wrong, err
}

func (c *Client) announcedInTurn(ctx context.Context, age time.Duration) (accounts []budget.Announcement, wrong, err error) {
	n := &c.near
	select {
	case <-n.turn:
		defer func() { n.turn <- struct{}{} }()
	case <-ctx.Done():
		return nil, nil, fmt.Errorf("tasks: accounts: %w", ctx.Err())
	}
	if n.wrong == nil && !n.readAt.IsZero() && time.Since(n.readAt) < age {
		return n.accounts, nil, nil
	}
	if accounts, err = budget.Announced(ctx, c.rdb); err == nil {
		wrong = c.check(ctx)
	}
	if wrong != nil && !errors.Is(wrong, ErrWrongKeys) {
		err = wrong
	}
	if err != nil {
		return nil, nil, fmt.Errorf("tasks: %w", err)
	}
	if wrong != nil {
		wrong = fmt.Errorf("tasks: %w", wrong)
	}
	n.accounts, n.wrong, n.readAt = accounts, wrong, time.Now()
	return accounts, wrong, nil
}

// forEnqueueing is announced where something is going to be enqueued: wrong keys are an error.
func (c *Client) forEnqueueing(ctx context.Context, age time.Duration) ([]budget.Announcement, error) {
	accounts, wrong, err := c.announced(ctx, age)
	return accounts, errors.Join(wrong, err)
}

// Ready reports whether Redis answers and this client's keys are for it, which every enqueueing
// checks. A bulk asks once, instead of being refused order by order.
func (c *Client) Ready(ctx context.Context) error {
	_, err := c.forEnqueueing(ctx, 0)
	return err
}

// ErrWrongKeys says that the client's seal keys are not the ones its Redis's workers have.
var ErrWrongKeys = errors.New("the seal keys are not the workers' (ISSUANCE_SEAL_KEYS)")

// check refuses to put real orders into a sandbox, the sandbox's key into production, and documents into the
// hands of workers that cannot open them.
func (c *Client) check(ctx context.Context) error {
	mode, err := redisconn.ReadMode(ctx, c.rdb)
	if err != nil {
		return err
	}
	switch simulated := c.ring.HoldsSandboxKey(); {
	case mode == redisconn.Sandbox && !simulated:
		return fmt.Errorf("%w: this Redis belongs to a sandbox, which issues simulated tickets only", ErrWrongKeys)
	case mode == redisconn.Production && simulated:
		return fmt.Errorf("%w: this Redis belongs to production, and the sandbox's key is public", ErrWrongKeys)
	}
	held, anybody, err := announce.SealKeyAnnounced(ctx, c.rdb, c.ring.IDs()[0])
	if err != nil {
		return err
	}
	if anybody && !held {
		return fmt.Errorf("%w: no worker holds the first of this client's", ErrWrongKeys)
	}
	return nil
}

// Account resolves a question's account: one without a merchant is the provider's default, by the rules or
// by the provider. Where the rules have accounts of their own, nothing else is; otherwise it is the default one
// that workers have announced, or the only one.
func (c *Client) Account(ctx context.Context, a Account) (Account, error) {
	codec, known := providers.CodecOf(a.Provider)
	switch {
	case !known:
		return a, fmt.Errorf("tasks: unknown provider %q", a.Provider)
	case a.Merchant != "" && !providers.ValidMerchant(a.Merchant):
		return a, fmt.Errorf("tasks: account of %s: %q names no merchant", a.Provider, a.Merchant)
	case a.Merchant != "":
		return a, nil
	}
	if a.Merchant = c.opt.Rules.forProvider(a.Provider).Merchant; a.Merchant != "" {
		return a, nil
	}
	if a.Merchant = codec.DefaultMerchant; a.Merchant != "" {
		return a, nil
	}
	if c.opt.Rules.alone(codec) {
		return a, &UnknownAccountError{Account: a, Served: c.opt.Rules.own(a.Provider), Own: true}
	}
	announced, _, err := c.announced(ctx, fresh)
	if err != nil {
		return a, err
	}
	if only, ok := defaultOf(announced, a.Provider); ok {
		return only, nil
	}
	return a, &UnknownAccountError{Account: a, Served: accountsOf(announced, a.Provider)}
}

// stale is how much older than a provider's newest announcement another one is when nobody serves that
// account any more: workers announce every few seconds.
const stale = time.Hour

// defaultOf is the one account that "ecticket" alone means: the only default among those that are still
// served, or the only one.
func defaultOf(announced []budget.Announcement, p providers.Name) (Account, bool) {
	var newest time.Time
	for _, n := range announced {
		if n.Account.Provider == p && n.At.After(newest) {
			newest = n.At
		}
	}
	var all, defaults []Account
	for _, n := range announced {
		if n.Account.Provider != p || newest.Sub(n.At) > stale {
			continue
		}
		all = append(all, n.Account)
		if n.Default {
			defaults = append(defaults, n.Account)
		}
	}
	switch {
	case len(defaults) == 1:
		return defaults[0], true
	case len(all) == 1:
		return all[0], true
	}
	return Account{}, false
}

// served is Served where something is going to be enqueued.
func (c *Client) served(ctx context.Context, a Account) (Account, error) {
	if _, err := c.forEnqueueing(ctx, fresh); err != nil {
		return a, err
	}
	return c.Served(ctx, a)
}

// Served is Account for a document, whose account has to be one of the rules' own, where they have any of the provider, and
// one that workers have announced, if any have; else the error is an *UnknownAccountError. It asks for no seal keys.
func (c *Client) Served(ctx context.Context, a Account) (Account, error) {
	for _, age := range []time.Duration{fresh, justNow} {
		announced, _, err := c.announced(ctx, age)
		if err != nil {
			return a, err
		}
		if a, err = c.Account(ctx, a); err != nil {
			return a, err
		}
		if own := c.opt.Rules.own(a.Provider); len(own) > 0 && !slices.Contains(own, a) {
			return a, &UnknownAccountError{Account: a, Served: own, Own: true}
		}
		served := accountsOf(announced, a.Provider)
		if len(announced) == 0 || slices.Contains(served, a) {
			return a, nil
		}
		if age == justNow {
			if len(served) == 0 { // nobody serves the provider
				served = accountsOf(announced, "")
			}
			return a, &UnknownAccountError{Account: a, Served: served}
		}
	}
	return a, nil
}

// justNow is how old what is known may be when an account is refused: it may just have been added.
const justNow = time.Second

// accountsOf are a provider's accounts; of "" all.
func accountsOf(announced []budget.Announcement, p providers.Name) []Account {
	var out []Account
	for _, n := range announced {
		if p == "" || n.Account.Provider == p {
			out = append(out, n.Account)
		}
	}
	return out
}
