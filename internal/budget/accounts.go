package budget

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"issuance/providers"
)

// accountsKey is a hash, account → calls per second, of the accounts that workers have announced,
// so that an operator sees them without their credentials.
const accountsKey = "issuance:accounts"

// AccountOf names a provider's account; id tells several accounts of the provider apart, "" where there
// is only one.
func AccountOf(p providers.Name, id string) string {
	if id == "" {
		return string(p)
	}
	return string(p) + ":" + id
}

// Provider is the provider of an account that AccountOf has named.
func (s State) Provider() providers.Name {
	p, _, _ := strings.Cut(s.Account, ":")
	return providers.Name(p)
}

// Announce tells others which allowance this account has.
func (b *Budget) Announce(ctx context.Context) error {
	err := b.rdb.HSet(ctx, accountsKey, b.cfg.Account, strconv.FormatFloat(b.cfg.PerSecond, 'g', -1, 64)).Err()
	if err != nil {
		return b.unreachable(err)
	}
	return nil
}

// States are all announced accounts as they stand, by name.
func States(ctx context.Context, rdb redis.UniversalClient) ([]State, error) {
	accounts, err := rdb.HGetAll(ctx, accountsKey).Result()
	if err != nil {
		return nil, fmt.Errorf("budget: accounts: %w", err)
	}
	var states []State
	for _, name := range slices.Sorted(maps.Keys(accounts)) {
		perSecond, err := strconv.ParseFloat(accounts[name], 64)
		if err != nil {
			return nil, fmt.Errorf("budget: account %s: its allowance is no number", name)
		}
		b, err := New(rdb, Config{Account: name, PerSecond: perSecond})
		if err != nil {
			return nil, err
		}
		s, err := b.State(ctx)
		if err != nil {
			return nil, err
		}
		states = append(states, s)
	}
	return states, nil
}
