package ledger

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/user"
	"strconv"
	"strings"
	"sync"
	"time"

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

// mostDecisions is how many decisions an order's list keeps: the latest.
const mostDecisions = 500

// listed is an entry of an order's list, behind its time.
type listed struct {
	What   string `json:"what"`
	Refund string `json:"refund_id,omitempty"`
	Who    string `json:"who"`
	Reason string `json:"reason"`
	UID    string `json:"uid,omitempty"`
	Login  string `json:"login,omitempty"`
	Host   string `json:"host,omitempty"`
}

// Decided appends a decision to the stream keys.Decisions, which is never trimmed: it is short, and it is
// the only place that outlives the records. One about an order is kept with the order, too, by the same script.
func (l *Ledger) Decided(ctx context.Context, d Decision) error {
	from, elsewhere := ctx.Value(originKey{}).(Origin)
	if !elsewhere {
		from = origin()
	}
	fields := []any{"what", d.What, "account", d.Account.String(), "order_id", d.OrderID, "refund_id", d.RefundID, "who", d.Who, "reason", d.Reason,
		"uid", from.UID, "login", from.Login, "host", from.Host}
	stream, err := []string{keys.Decisions}, error(nil)
	switch entry := (listed{d.What, d.RefundID, d.Who, d.Reason, from.UID, from.Login, from.Host}); {
	case d.OrderID == "":
		err = l.decide(ctx, stream, "", fields)
	case l.sharded:
		if err = l.decide(ctx, stream, "", fields); err == nil {
			err = l.decide(ctx, []string{keys.DecisionsOf(d.Ref)}, entry.String(), fields)
		}
	default:
		err = l.decide(ctx, append([]string{keys.DecisionsOf(d.Ref)}, stream...), entry.String(), fields)
	}
	if err != nil {
		return fmt.Errorf("ledger: decision: %w", err)
	}
	return nil
}

// lately is how many of all decisions Latest looks at.
const lately = 200

// Latest is the last decision that is wanted, of those that were made lately; nil where none is. It has no Origin.
func (l *Ledger) Latest(ctx context.Context, wanted func(Decision) bool) (*Decision, error) {
	list, err := l.rdb.XRevRangeN(ctx, keys.Decisions, "+", "-", lately).Result()
	if err != nil {
		return nil, fmt.Errorf("ledger: decisions: %w", err)
	}
	for _, entry := range list {
		text := func(name string) string { s, _ := entry.Values[name].(string); return s }
		a, _ := providers.ParseAccount(text("account"))
		d := Decision{What: text("what"), Ref: order.Ref{Account: a, OrderID: text("order_id"), RefundID: text("refund_id")},
			Who: text("who"), Reason: text("reason"), At: EventTime(entry.ID)}
		if wanted(d) {
			return &d, nil
		}
	}
	return nil, nil
}

// String is the entry as it is kept.
func (e listed) String() string {
	raw, _ := json.Marshal(e) // strings alone
	return string(raw)
}

func (l *Ledger) decide(ctx context.Context, keys []string, entry string, fields []any) error {
	return scripts["decide"].Run(ctx, l.rdb, keys, l.args(append([]any{entry, mostDecisions, l.opt.KeepRecords.Milliseconds()}, fields...))...).Err()
}

// Decisions are the latest ones about an order and its refunds, the oldest first. They are kept for as long as a record
// is, from the last of them on.
func (l *Ledger) Decisions(ctx context.Context, r order.Ref) ([]Decision, error) {
	list, err := l.rdb.LRange(ctx, keys.DecisionsOf(r), 0, -1).Result()
	if err != nil {
		return nil, fmt.Errorf("ledger: decisions: %w", err)
	}
	var out []Decision
	for _, line := range list {
		ms, raw, _ := strings.Cut(line, " ")
		var e listed
		if json.Unmarshal([]byte(raw), &e) != nil {
			continue // not this program's
		}
		about := r.Order()
		about.RefundID = e.Refund
		out = append(out, Decision{What: e.What, Ref: about, Who: e.Who, Reason: e.Reason, From: Origin{e.UID, e.Login, e.Host}, At: millis(ms)})
	}
	return out, nil
}
