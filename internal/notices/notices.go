// Package notices keeps what a provider sends unasked, sealed, and what is to be looked at because of it. A notice is
// never believed: it says only what to ask the provider about, which package looks does. Front doors put notices in,
// workers take looks out.
//
// It may import internal/keys, internal/seal, providers and tasks/order.
package notices

import (
	"context"
	"embed"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/internal/keys"
	"issuance/internal/seal"
	"issuance/providers"
	"issuance/tasks/order"
)

//go:embed scripts/*.lua
var scriptFiles embed.FS

func script(name string) *redis.Script {
	b, err := scriptFiles.ReadFile("scripts/" + name + ".lua")
	if err != nil {
		panic(err) // embedded at build time
	}
	return redis.NewScript(string(b))
}

var putScript, takeScript, settleScript = script("put"), script("take"), script("settle")

const (
	// Keep is how long notices are kept.
	Keep = 30 * 24 * time.Hour
	// Repeats is how long a notice that comes again is recognised: for its day's repetitions, and not until the next
	// daily batch, which may say the same of something new.
	Repeats = 20 * time.Hour
)

// Store is an account's notices and looks. Safe for concurrent use.
type Store struct {
	rdb     redis.UniversalClient
	account providers.Account
	// Now replaces Redis' clock, for tests. Default: Redis' own.
	Now func() time.Time
}

// New makes a store over rdb, which stays the caller's to close.
func New(rdb redis.UniversalClient, a providers.Account) *Store { return &Store{rdb: rdb, account: a} }

// Account is whose notices they are.
func (s *Store) Account() providers.Account { return s.account }

func (s *Store) now() string {
	if s.Now == nil {
		return ""
	}
	return strconv.FormatInt(s.Now().UnixMilli(), 10)
}

// clock is the store's time.
func (s *Store) clock(ctx context.Context) (time.Time, error) {
	if s.Now != nil {
		return s.Now(), nil
	}
	return s.rdb.Time(ctx).Result()
}

func (s *Store) failed(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("notices of %s: %s: %w", s.account, what, err)
}

// binding is what a sealed notice belongs to.
func (s *Store) binding() string { return "notices/" + s.account.String() }

// Put stores the text of an authentic notice, sealed, and the look at what it names. fresh is false for a
// repetition, of which nothing is stored. After an error the notice has to be put again.
func (s *Store) Put(ctx context.Context, ring *seal.Ring, text []byte) (fresh bool, err error) {
	sealed, err := ring.Seal(text, s.binding())
	if err != nil {
		return false, s.failed("put", err)
	}
	k := []string{keys.Notices(s.account), keys.Looks(s.account), keys.Notice(s.account, ring.Fingerprint(text))}
	id, err := putScript.Run(ctx, s.rdb, k, s.now(), string(sealed), Keep.Milliseconds(), Repeats.Milliseconds()).Text()
	return id != "", s.failed("put", err)
}

// Open reads the text of a notice; nil when it is not kept any more.
func (s *Store) Open(ctx context.Context, ring *seal.Ring, id string) ([]byte, error) {
	list, err := s.rdb.XRangeN(ctx, keys.Notices(s.account), id, id, 1).Result()
	if err != nil || len(list) == 0 {
		return nil, s.failed("read", err)
	}
	sealed, _ := list[0].Values["sealed"].(string)
	text, err := ring.Open(seal.Sealed(sealed), s.binding())
	return text, s.failed("open", err)
}

// Look is something to ask the provider about: an order, or what a notice names.
type Look struct {
	Kind Kind
	Name string // the order's number, or the notice's id
	mark string
}

// Kind is what a look is at.
type Kind string

// Kinds of looks, as they begin the members of the set.
const (
	OfOrder   Kind = "o:"
	OfAgain   Kind = "a:" // an order whose list has shown nothing new so often: TIMES/ORDER
	OfNotice  Kind = "n:" // a notice that came: the orders it names are to be looked at
	OfTickets Kind = "t:" // a notice whose orders were found: the tickets it names that are none of theirs
)

// String is its member of the set.
func (l Look) String() string { return string(l.Kind) + l.Name }

// Want makes looks at orders due, each once however often it is wanted.
func (s *Store) Want(ctx context.Context, refs ...order.Ref) error {
	var list []Look
	for _, r := range refs {
		list = append(list, Look{Kind: OfOrder, Name: r.OrderID})
	}
	return s.want(ctx, 0, list...)
}

// WantAgain makes another look at an order due after a while, because times looks in a row have shown nothing new.
func (s *Store) WantAgain(ctx context.Context, r order.Ref, times int, after time.Duration) error {
	return s.want(ctx, after, Look{Kind: OfAgain, Name: fmt.Sprintf("%d/%s", times, r.OrderID)})
}

// Order is the number of the order that a look of OfOrder or OfAgain is at, and how many looks before it have shown nothing
// new.
func (l Look) Order() (number string, times int) {
	if l.Kind != OfAgain {
		return l.Name, 0
	}
	text, number, _ := strings.Cut(l.Name, "/")
	times, _ = strconv.Atoi(text) // of WantAgain
	return number, times
}

// WantTickets makes the look at the tickets of a notice due, after a while in which its orders are looked at.
func (s *Store) WantTickets(ctx context.Context, notice string, after time.Duration) error {
	return s.want(ctx, after, Look{Kind: OfTickets, Name: notice})
}

func (s *Store) want(ctx context.Context, after time.Duration, looks ...Look) error {
	if len(looks) == 0 {
		return nil
	}
	now, err := s.clock(ctx)
	if err != nil {
		return s.failed("want", err)
	}
	var list []redis.Z
	for _, l := range looks {
		list = append(list, redis.Z{Score: float64(now.Add(after).UnixMilli()), Member: l.String()})
	}
	// LT: what is due already keeps its place, and what is under way is due once more.
	return s.failed("want", s.rdb.ZAddLT(ctx, keys.Looks(s.account), list...).Err())
}

// Wanted reports whether a look at an order is due or under way.
func (s *Store) Wanted(ctx context.Context, r order.Ref) (bool, error) {
	err := s.rdb.ZScore(ctx, keys.Looks(s.account), string(OfOrder)+r.OrderID).Err()
	if err == redis.Nil {
		return false, nil
	}
	return err == nil, s.failed("read", err)
}

// Due counts the looks that are due and wait for a worker, or for the call budget.
func (s *Store) Due(ctx context.Context) (int64, error) {
	now, err := s.clock(ctx)
	if err != nil {
		return 0, s.failed("count", err)
	}
	n, err := s.rdb.ZCount(ctx, keys.Looks(s.account), "-inf", strconv.FormatInt(now.UnixMilli(), 10)).Result()
	return n, s.failed("count", err)
}

// DueAmong reports for each of some stores, which are over one Redis, whether a look is due, in one round trip.
func DueAmong(ctx context.Context, stores []*Store) ([]bool, error) {
	out := make([]bool, len(stores))
	if len(stores) == 0 {
		return out, nil
	}
	pipe := stores[0].rdb.Pipeline()
	clock := pipe.Time(ctx)
	first := make([]*redis.ZSliceCmd, len(stores))
	for i, s := range stores {
		first[i] = pipe.ZRangeWithScores(ctx, keys.Looks(s.account), 0, 0)
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, fmt.Errorf("notices: %w", err)
	}
	for i, s := range stores {
		now := clock.Val()
		if s.Now != nil {
			now = s.Now()
		}
		list := first[i].Val()
		out[i] = len(list) > 0 && list[0].Score <= float64(now.UnixMilli())
	}
	return out, nil
}

// lease is how long a look is its taker's: longer than any look lasts.
const lease = 2 * time.Minute

// Take takes the look that is due longest; ok is false when none is. It has to be ended with Done or PutOff, and is due
// again by itself when that does not happen.
func (s *Store) Take(ctx context.Context) (l Look, ok bool, err error) {
	reply, err := takeScript.Run(ctx, s.rdb, s.lookKeys(), s.now(), lease.Milliseconds()).StringSlice()
	if err != nil || len(reply) != 2 {
		return Look{}, false, s.failed("take", err)
	}
	kind, name, _ := strings.Cut(reply[0], ":")
	return Look{Kind: Kind(kind + ":"), Name: name, mark: reply[1]}, true, nil
}

// Done ends a look, unless it was asked for anew since it was taken.
func (s *Store) Done(ctx context.Context, l Look) error { return s.settle(ctx, l, "", "") }

// PutOff makes a look due again after a while, and records why it was not answered.
func (s *Store) PutOff(ctx context.Context, l Look, by time.Duration, why Reason) error {
	return s.settle(ctx, l, strconv.FormatInt(by.Milliseconds(), 10), why)
}

func (s *Store) settle(ctx context.Context, l Look, by string, why Reason) error {
	return s.failed("settle", settleScript.Run(ctx, s.rdb, s.lookKeys(), s.now(), l.String(), l.mark, by, string(why)).Err())
}

func (s *Store) lookKeys() []string {
	return []string{keys.Looks(s.account), keys.LookReasons(s.account)}
}
