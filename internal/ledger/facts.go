package ledger

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/internal/keys"
	"issuance/providers"
)

// How long a fact is remembered after it was shown last, and how often one that is no news is written.
const (
	factKept  = 30 * day
	factEvery = time.Hour
)

// How long an order is held up at the most to have a fact written or read, and how long after a failed write the next is tried.
const (
	factLimit = time.Second
	factRetry = time.Minute
)

// Facts is what this process knows of the facts that clients have learned of their accounts: one hash for each account, that
// all workers share. Safe for concurrent use.
type Facts struct {
	l   *Ledger
	log *slog.Logger

	mu     sync.Mutex
	of     map[providers.Account]*memory
	news   string // the counter of news as of the last reading; "" has all read in any case
	readAt time.Time
}

// Facts are those of no account yet.
func (l *Ledger) Facts(log *slog.Logger) *Facts {
	return &Facts{l: l, log: log, of: map[providers.Account]*memory{}}
}

// memory is that of one account.
type memory struct {
	facts *Facts
	a     providers.Account

	mu     sync.Mutex
	known  map[string]fact
	failed time.Time // when a write has failed last
}

type fact struct {
	value string
	shown time.Time // by Redis's clock
}

// Of is an account's memory. The next Refresh reads it. Of nil, nothing is kept.
func (f *Facts) Of(a providers.Account) providers.Memory {
	if f == nil {
		return providers.NoMemory{}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	m := f.of[a]
	if m == nil {
		m = &memory{facts: f, a: a, known: map[string]fact{}}
		f.of[a], f.news = m, ""
	}
	return m
}

// Refresh reads what other workers have learned. It asks Redis once while there is no news; once an hour all is read in any case.
func (f *Facts) Refresh(ctx context.Context) error {
	news, err := f.l.rdb.Get(ctx, keys.FactsNews).Result()
	if errors.Is(err, redis.Nil) {
		news, err = "0", nil
	}
	if err != nil {
		return fmt.Errorf("ledger: facts: %w", err)
	}
	f.mu.Lock()
	before, age, all := f.news, time.Since(f.readAt), make([]*memory, 0, len(f.of))
	for _, m := range f.of {
		all = append(all, m)
	}
	f.mu.Unlock()
	if news == before && age < factEvery {
		return nil
	}
	for some := range slices.Chunk(all, 100) {
		if err := f.l.readFacts(ctx, some...); err != nil {
			return err
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.news == before && len(f.of) == len(all) { // else an account has come meanwhile
		f.news, f.readAt = news, time.Now()
	}
	return nil
}

// readFacts reads the facts of accounts, but for those that are forgotten.
func (l *Ledger) readFacts(ctx context.Context, of ...*memory) error {
	pipe := l.rdb.Pipeline()
	now := l.timeIn(ctx, pipe)
	answers := make([]*redis.MapStringStringCmd, len(of))
	for i, m := range of {
		answers[i] = pipe.HGetAll(ctx, keys.Facts(m.a))
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return fmt.Errorf("ledger: facts of %s: %w", of[0].a, err)
	}
	for i, m := range of {
		known := map[string]fact{}
		for name, entry := range answers[i].Val() {
			shown, value, _ := strings.Cut(entry, " ")
			ms, err := strconv.ParseInt(shown, 10, 64)
			if at := time.UnixMilli(ms); err == nil && now().Sub(at) < factKept {
				known[name] = fact{value, at}
			}
		}
		m.mu.Lock()
		m.known = known
		m.mu.Unlock()
	}
	return nil
}

// Recall implements providers.Memory.
func (m *memory) Recall(name string) (value string, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f, ok := m.known[name]
	return f.value, ok
}

// Reread implements providers.Memory.
func (m *memory) Reread(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, factLimit)
	defer cancel()
	if err := m.facts.l.readFacts(ctx, m); err != nil {
		m.facts.log.DebugContext(ctx, "what was learned of an account could not be read", "account", m.a.String(), "error", err)
	}
}

// Remember implements providers.Memory. Of two facts at the same moment either may stay: both were shown.
func (m *memory) Remember(ctx context.Context, name, value string, news bool) {
	if !m.due(name, news) {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), factLimit)
	defer cancel()
	if err := m.write(ctx, name, value, news); err != nil {
		m.mu.Lock()
		m.failed = time.Now()
		m.mu.Unlock()
		m.facts.log.WarnContext(ctx, "what was learned of an account could not be kept", "account", m.a.String(), "error", err)
	}
}

// due reports whether a fact is worth a write. A process that may not write, or whose Redis is away, tries now and then.
func (m *memory) due(name string, news bool) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.failed.IsZero() && time.Since(m.failed) < factRetry {
		return false
	}
	f, known := m.known[name]
	return news || !known || m.facts.l.since(f.shown) >= factEvery
}

// since is how long ago a moment was, by the test's clock or by this machine's: it need not be exact.
func (l *Ledger) since(t time.Time) time.Duration {
	if l.opt.Now != nil {
		return l.opt.Now().Sub(t)
	}
	return time.Since(t)
}

func (m *memory) write(ctx context.Context, name, value string, news bool) error {
	l := m.facts.l
	now, err := l.Time(ctx)
	if err == nil {
		_, err = l.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
			p.HSet(ctx, keys.Facts(m.a), name, strconv.FormatInt(now.UnixMilli(), 10)+" "+value)
			p.PExpire(ctx, keys.Facts(m.a), factKept)
			return nil
		})
	}
	if err == nil && news { // once it is there
		err = l.rdb.Incr(ctx, keys.FactsNews).Err()
	}
	if err != nil {
		return fmt.Errorf("ledger: facts of %s: %w", m.a, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.known[name] = fact{value, now}
	return nil
}
