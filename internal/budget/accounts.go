package budget

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/internal/keys"
	"issuance/providers"
	"issuance/tasks/order"
)

// Announcement is what workers publish of an account that they serve.
type Announcement struct {
	Account   providers.Account `json:"-"` // its field in the hash
	Allowance string            `json:"allowance"`
	PerSecond float64           `json:"calls_per_second"`
	Default   bool              `json:"default"` // it is its provider's default account
	At        time.Time         `json:"at"`      // by the last worker's clock
	// Withdrawn says that the last worker that served it has said at At that none does any more.
	Withdrawn bool `json:"withdrawn,omitempty"`
}

// silent reports whether no worker serves the account at a moment by Redis' clock, as far as announcements say.
func (a Announcement) silent(now time.Time) bool { return a.Withdrawn || now.Sub(a.At) > Silent }

// Announce publishes this account. A worker announces every account before it serves it. Where the
// account had another allowance, its pauses and a ban move to the new one.
func (b *Budget) Announce(ctx context.Context) error { return Announce(ctx, b.rdb, b) }

// Announce is Budget.Announce of many accounts, in a few round trips.
func Announce(ctx context.Context, rdb redis.UniversalClient, budgets ...*Budget) error {
	return AnnounceBeside(ctx, rdb, nil, budgets...)
}

// AnnounceBeside is Announce beside workers that serve some of the accounts, too: where terms change, these go by the former ones
// until they have seen it (NewTerms).
func AnnounceBeside(ctx context.Context, rdb redis.UniversalClient, others map[providers.Account]bool, budgets ...*Budget) error {
	changed := false
	err := announceAll(ctx, rdb, budgets, func(b *Budget, before Terms) (write bool, err error) {
		changed = true
		if before.Allowance == b.cfg.Allowance {
			return true, nil
		}
		return false, b.move(ctx, before.Allowance, others[b.cfg.Account])
	})
	if err == nil && changed {
		if err = rdb.Incr(ctx, keys.Terms).Err(); err != nil {
			err = fmt.Errorf("announce: %w", err)
		}
	}
	return err
}

// Renew announces accounts once more, but for those of which another worker has announced other terms since: it reports whether there
// are any.
func Renew(ctx context.Context, rdb redis.UniversalClient, budgets ...*Budget) (differ bool, err error) {
	err = announceAll(ctx, rdb, budgets, func(*Budget, Terms) (bool, error) {
		differ = true
		return false, nil
	})
	return differ, err
}

// announceAll writes what is announced of accounts. change is asked about those that were announced with other terms, and
// reports whether they are to be written as well.
func announceAll(ctx context.Context, rdb redis.UniversalClient, budgets []*Budget, change func(b *Budget, before Terms) (write bool, err error)) error {
	for some := range slices.Chunk(budgets, atOnce) {
		names := make([]string, len(some))
		for i, b := range some {
			names[i] = b.cfg.Account.String()
		}
		before, err := rdb.HMGet(ctx, keys.Accounts, names...).Result()
		if err != nil {
			return fmt.Errorf("announce %s: %w", names[0], err)
		}
		entries := make([]any, 0, 2*len(some))
		for i, b := range some {
			write := true
			if old, there := before[i].(string); there {
				was, err := readAnnouncement(names[i], old)
				if was := (Terms{was.Allowance, was.PerSecond}); err == nil && was != b.Terms() {
					write, err = change(b, was)
				}
				if err != nil {
					return fmt.Errorf("announce %s: %w", names[i], err)
				}
			}
			if !write {
				continue
			}
			entry, err := b.announcement()
			if err != nil {
				return fmt.Errorf("announce %s: %w", names[i], err)
			}
			entries = append(entries, names[i], entry)
		}
		if len(entries) > 0 {
			if err := rdb.HSet(ctx, keys.Accounts, entries...).Err(); err != nil {
				return fmt.Errorf("announce %s: %w", names[0], err)
			}
		}
	}
	return nil
}

func (b *Budget) announcement() ([]byte, error) {
	return json.Marshal(Announcement{Allowance: b.cfg.Allowance, PerSecond: b.cfg.PerSecond, Default: b.cfg.Default, At: b.clock().UTC()})
}

// move announces an account that had another allowance, under which other workers may go on for a moment.
func (b *Budget) move(ctx context.Context, allowance string, others bool) error {
	old, wait := keys.Paused(allowance, b.cfg.Account), time.Duration(0)
	if others {
		wait = settle
	}
	err := copyHash(ctx, b.rdb, old, b.keys.paused) // first, so that no call slips through
	if err == nil {
		err = b.takeOver(ctx, allowance, wait)
	}
	if err != nil {
		return err
	}
	entry, err := b.announcement()
	if err == nil {
		err = b.rdb.HSet(ctx, keys.Accounts, b.cfg.Account.String(), entry).Err()
	}
	if err == nil { // again, for a pause that came meanwhile
		err = copyHash(ctx, b.rdb, old, b.keys.paused)
	}
	if err == nil && others {
		err = b.rdb.PExpire(ctx, old, settle).Err()
	} else if err == nil {
		err = b.rdb.Del(ctx, old).Err()
	}
	return err
}

// Withdraw announces that no worker serves an account any more, which otherwise is known Silent after the last
// announcement. The account is not its provider's default any longer.
func Withdraw(ctx context.Context, rdb redis.UniversalClient, account providers.Account) error {
	a, err := announcement(ctx, rdb, account)
	if errors.Is(err, ErrNotAnnounced) {
		return nil
	}
	if err == nil {
		a.Default, a.Withdrawn, a.At = false, true, time.Now().UTC()
		var entry []byte
		if entry, err = json.Marshal(a); err == nil {
			err = rdb.HSet(ctx, keys.Accounts, account.String(), entry).Err()
		}
	}
	if err != nil {
		return fmt.Errorf("withdraw %s: %w", account, err)
	}
	return nil
}

func copyHash(ctx context.Context, rdb redis.UniversalClient, from, to string) error {
	fields, err := rdb.HGetAll(ctx, from).Result()
	if err != nil || len(fields) == 0 {
		return err
	}
	_, err = rdb.TxPipelined(ctx, func(p redis.Pipeliner) error {
		p.HSet(ctx, to, fields)
		p.Persist(ctx, to) // it may be one that an earlier move has left
		return nil
	})
	return err
}

// forgotten is when an account that no worker has announced any more, while others were, is not listed any
// longer. It is long because producers enqueue while an account's workers are down, too.
const forgotten = 30 * 24 * time.Hour

// Silent is when an account that was announced has no worker any more. Workers announce every 20 s, by
// clocks of their own.
const Silent = 2 * time.Minute

// ServedLately reports whether a worker serves an account at a moment by Redis' clock, as far as announcements say;
// ErrNotAnnounced if none has announced it.
func ServedLately(ctx context.Context, rdb redis.UniversalClient, account providers.Account, now time.Time) (bool, error) {
	a, err := announcement(ctx, rdb, account)
	return err == nil && !a.silent(now), err
}

// Announced lists by name all accounts that workers announce, and those they announced up to 30 days before
// the latest announcement. It asks Redis once.
func Announced(ctx context.Context, rdb redis.UniversalClient) ([]Announcement, error) {
	entries, err := rdb.HGetAll(ctx, keys.Accounts).Result()
	if err != nil {
		return nil, fmt.Errorf("announced accounts: %w", err)
	}
	list, newest := make([]Announcement, 0, len(entries)), time.Time{}
	for name, entry := range entries {
		a, err := readAnnouncement(name, entry)
		if err != nil {
			return nil, err
		}
		if a.At.After(newest) {
			newest = a.At
		}
		list = append(list, a)
	}
	list = slices.DeleteFunc(list, func(a Announcement) bool { return newest.Sub(a.At) > forgotten })
	slices.SortFunc(list, func(a, b Announcement) int { return cmp.Compare(a.Account.String(), b.Account.String()) })
	return list, nil
}

// EverAnnounced lists all accounts that a worker has ever announced, for questions about what was recorded.
func EverAnnounced(ctx context.Context, rdb redis.UniversalClient) ([]providers.Account, error) {
	names, err := rdb.HKeys(ctx, keys.Accounts).Result()
	if err != nil {
		return nil, fmt.Errorf("announced accounts: %w", err)
	}
	slices.Sort(names)
	list := make([]providers.Account, len(names))
	for i, name := range names {
		if err := list[i].UnmarshalText([]byte(name)); err != nil {
			return nil, fmt.Errorf("announced account %q: %w", name, err)
		}
	}
	return list, nil
}

func readAnnouncement(name, entry string) (Announcement, error) {
	var a Announcement
	if err := errors.Join(a.Account.UnmarshalText([]byte(name)), json.Unmarshal([]byte(entry), &a)); err != nil {
		return Announcement{}, fmt.Errorf("announcement of account %q: %w", name, err)
	}
	if a.Allowance == "" {
		a.Allowance = name
	}
	return a, nil
}

// announcement is what workers announce of an account, or ErrNotAnnounced.
func announcement(ctx context.Context, rdb redis.UniversalClient, account providers.Account) (Announcement, error) {
	entry, err := rdb.HGet(ctx, keys.Accounts, account.String()).Result()
	if errors.Is(err, redis.Nil) {
		return Announcement{}, ErrNotAnnounced
	}
	if err != nil {
		return Announcement{}, fmt.Errorf("announced accounts: %w", err)
	}
	return readAnnouncement(account.String(), entry)
}

// allowanceOf is an account's allowance as announced, or ErrNotAnnounced.
func allowanceOf(ctx context.Context, rdb redis.UniversalClient, account providers.Account) (string, error) {
	a, err := announcement(ctx, rdb, account)
	return a.Allowance, err
}

// States are all announced accounts as they stand, by name.
func States(ctx context.Context, rdb redis.UniversalClient) ([]State, error) {
	list, err := Announced(ctx, rdb)
	if err != nil {
		return nil, err
	}
	return StatesOfAnnounced(ctx, rdb, list)
}

// HeldNow reports whether no call of an announced account's lane may leave at present; see State.Held. An
// account that no worker has announced is not held.
func HeldNow(ctx context.Context, rdb redis.UniversalClient, a providers.Account, l order.Lane) (halt Halt, held bool, err error) {
	n, err := announcement(ctx, rdb, a)
	if errors.Is(err, ErrNotAnnounced) {
		return Halt{}, false, nil
	}
	if err != nil {
		return Halt{}, false, err
	}
	s, err := StatesOfAnnounced(ctx, rdb, []Announcement{n})
	if err != nil {
		return Halt{}, false, err
	}
	halt, held = s[0].Held(l)
	return halt, held, nil
}

// StatesOfAnnounced is States of accounts that were read before, in their order.
func StatesOfAnnounced(ctx context.Context, rdb redis.UniversalClient, list []Announcement) ([]State, error) {
	budgets := make([]*Budget, len(list))
	for i, n := range list {
		b, err := New(rdb, Config{Account: n.Account, Allowance: n.Allowance, PerSecond: n.PerSecond})
		if err != nil {
			return nil, err
		}
		budgets[i] = b
	}
	states, err := StatesOf(ctx, rdb, budgets)
	for i := range states {
		states[i].NoWorker = list[i].silent(states[i].At)
	}
	return states, err
}
