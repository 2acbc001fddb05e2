package operate

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"issuance/internal/keys"
	"issuance/internal/ledger"
	"issuance/providers"
	"issuance/tasks/order"
)

// latestOf is how many of the last decisions Latest looks at.
const latestOf = 200

// Latest is the last decision that is wanted, of those that were made lately; nil where none is.
func (d *Desk) Latest(ctx context.Context, wanted func(ledger.Decision) bool) (*ledger.Decision, error) {
	list, err := d.rdb.XRevRangeN(ctx, keys.Decisions, "+", "-", latestOf).Result()
	if err != nil {
		return nil, fmt.Errorf("decisions: %w", err)
	}
	for _, entry := range list {
		text := func(name string) string { s, _ := entry.Values[name].(string); return s }
		ms, _, _ := strings.Cut(entry.ID, "-")
		at, _ := strconv.ParseInt(ms, 10, 64) // Redis wrote it
		a, _ := providers.ParseAccount(text("account"))
		found := ledger.Decision{What: text("what"), Ref: order.Ref{Account: a, OrderID: text("order_id"), RefundID: text("refund_id")},
			Who: text("who"), Reason: text("reason"), At: time.UnixMilli(at).UTC()}
		if wanted(found) {
			return &found, nil
		}
	}
	return nil, nil
}
