package ledger

import (
	"context"
	"fmt"
	"os"
	"os/user"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/internal/keys"
	"issuance/providers"
	"issuance/tasks/order"
)

// Decision is something that a person did to a record or an account.
type Decision struct {
	What string // "erase", "pause", "resume", …
	order.Ref
	Who, Reason string
	// From and At are where and when it was made, as the program knows it and not as the person says. Decided
	// fills them in.
	From Origin
	At   time.Time
}

// Origin is the process that made a decision, or for which one was made.
type Origin struct {
	UID   string // the user's numeric id; "" where the system has none
	Login string // the user's name, "" when it is not known
	Host  string
}

// String is "login (uid 1000) on host".
func (o Origin) String() string {
	who := o.Login
	switch {
	case o.UID != "" && who != "":
		who += " (uid " + o.UID + ")"
	case o.UID != "":
		who = "uid " + o.UID
	}
	if who == "" {
		return o.Host
	}
	return who + " on " + o.Host
}

// origin is this process's.
var origin = sync.OnceValue(func() Origin {
	var o Origin
	if uid := os.Getuid(); uid >= 0 {
		o.UID = strconv.Itoa(uid)
	}
	if u, err := user.Current(); err == nil {
		o.Login = u.Username
	}
	o.Host, _ = os.Hostname()
	return o
})

type originKey struct{}

// WithOrigin has decisions that are made under a context come from another place than this process: a browser, say.
func WithOrigin(ctx context.Context, o Origin) context.Context {
	return context.WithValue(ctx, originKey{}, o)
}

// Decided appends a decision to the stream keys.Decisions, which is never trimmed: it is short, and it is
// the only place that outlives the records.
func (l *Ledger) Decided(ctx context.Context, d Decision) error {
	from, elsewhere := ctx.Value(originKey{}).(Origin)
	if !elsewhere {
		from = origin()
	}
	err := l.rdb.XAdd(ctx, &redis.XAddArgs{Stream: keys.Decisions, Values: []any{"what", d.What, "account", d.Account.String(),
		"order_id", d.OrderID, "refund_id", d.RefundID, "who", d.Who, "reason", d.Reason, "uid", from.UID, "login", from.Login, "host", from.Host}}).Err()
	if err != nil {
		return fmt.Errorf("ledger: decision: %w", err)
	}
	return nil
}

// decisionsPage is how many decisions are read at once.
const decisionsPage = 1000

// Decisions are those about an order and its refunds that were made at a time or later, the oldest first.
func (l *Ledger) Decisions(ctx context.Context, r order.Ref, since time.Time) ([]Decision, error) {
	var out []Decision
	start := "-"
	if !since.IsZero() {
		start = strconv.FormatInt(since.UnixMilli(), 10)
	}
	for {
		page, err := l.rdb.XRangeN(ctx, keys.Decisions, start, "+", decisionsPage).Result()
		if err != nil {
			return nil, fmt.Errorf("ledger: decisions: %w", err)
		}
		for _, m := range page {
			if d := readDecision(m); d.Order() == r.Order() {
				out = append(out, d)
			}
			start = "(" + m.ID
		}
		if len(page) < decisionsPage {
			return out, nil
		}
	}
}

func readDecision(m redis.XMessage) Decision {
	text := func(name string) string { s, _ := m.Values[name].(string); return s }
	provider, merchant, _ := strings.Cut(text("account"), ":")
	account := providers.Account{Provider: providers.Name(provider), Merchant: merchant}
	var ms int64
	_, _ = fmt.Sscanf(m.ID, "%d-", &ms)
	return Decision{What: text("what"), Ref: order.Ref{Account: account, OrderID: text("order_id"), RefundID: text("refund_id")},
		Who: text("who"), Reason: text("reason"), From: Origin{text("uid"), text("login"), text("host")}, At: time.UnixMilli(ms)}
}
