package ledger

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"issuance/internal/keys"
	"issuance/providers"
)

// keepSites is longer than any record is kept by default.
const keepSites = 400 * 24 * time.Hour

// SameSites are the sites (providers.Site) that were shown to be the same account's as this one.
func (l *Ledger) SameSites(ctx context.Context, a providers.Account, site string) (others []string, err error) {
	pairs, err := l.rdb.SMembers(ctx, keys.Sites(a)).Result()
	if err != nil {
		return nil, fmt.Errorf("ledger: sites of %s: %w", a, err)
	}
	for _, pair := range pairs {
		if both := strings.Fields(pair); slices.Contains(both, site) {
			others = append(others, both...)
		}
	}
	return others, nil
}

// AreSameSites remembers that two sites are the same account's, for longer than its records.
func (l *Ledger) AreSameSites(ctx context.Context, a providers.Account, one, other string) error {
	both := []string{one, other}
	slices.Sort(both)
	pipe := l.rdb.Pipeline()
	pipe.SAdd(ctx, keys.Sites(a), strings.Join(both, " "))
	pipe.Expire(ctx, keys.Sites(a), keepSites)
	if _, err := pipe.Exec(ctx); err != nil {
		return fmt.Errorf("ledger: sites of %s: %w", a, err)
	}
	return nil
}
