package budget

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/redis/go-redis/v9"
)

// accountsKey is a hash, account → calls per second, of the accounts that workers have announced,
// so that an operator sees them without their credentials.
const accountsKey = "issuance:accounts"

// Announce tells others which allowance this account has.
func (b *Budget) Announce(ctx context.Context) error {
	err := b.rdb.HSet(ctx, accountsKey, b.cfg.Account, strconv.FormatFloat(b.cfg.PerSecond, 'g', -1, 64)).Err()
	if err != nil {
		return b.unreachable(err)
	}
	return nil
}

// Announced makes a Budget for every announced account, by name, to look at their State.
func Announced(ctx context.Context, rdb redis.UniversalClient) ([]*Budget, error) {
	accounts, err := rdb.HGetAll(ctx, accountsKey).Result()
	if err != nil {
		return nil, fmt.Errorf("budget: accounts: %w", err)
	}
	names := make([]string, 0, len(accounts))
	for name := range accounts {
		names = append(names, name)
	}
	slices.Sort(names)
	var out []*Budget
	for _, name := range names {
		perSecond, err := strconv.ParseFloat(accounts[name], 64)
		if err != nil {
			return nil, fmt.Errorf("budget: account %s: its allowance is no number", name)
		}
		b, err := New(rdb, Config{Account: name, PerSecond: perSecond})
		if err != nil {
			return nil, err
		}
		out = append(out, b)
	}
	return out, nil
}
