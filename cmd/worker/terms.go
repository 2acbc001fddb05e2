package main

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/internal/announce"
	"issuance/internal/budget"
	"issuance/internal/config"
	"issuance/providers"
)

// terms has the accounts go by what the worker has announced whose file was changed last, where the workers' files differ in an
// account's allowance or calls per second. Used by who holds the roster's turn.
type terms struct {
	rdb  redis.UniversalClient
	log  *slog.Logger
	seen string // see budget.NewTerms
	// backers reads of which accounts the terms in force are those of another worker's own settings; see neighbours.
	backers func(context.Context) (map[providers.Account]backing, error)
	asked   time.Time // when that was read last, for a report
	other   map[providers.Account]*otherTerms
}

// otherTerms are in force for an account of whose own file says something else.
type otherTerms struct {
	name         providers.Account
	own, inForce budget.Terms
	since        time.Time
	alarmed      bool // reported as another running worker's
	noted        bool // reported as those of one that is gone
}

// spread is how long the file of one worker may be behind that of another before that is an alarm.
const spread = time.Minute

// read notes for which accounts others have announced terms that are not those by which this worker serves them. While Redis
// does not answer, what was known stays.
func (t *terms) read(ctx context.Context, now *accounts, want []config.Account) {
	ctx, cancel := context.WithTimeout(ctx, rosterEvery)
	defer cancel()
	names := make([]providers.Account, len(now.all))
	for i, a := range now.all {
		names[i] = a.Name
	}
	in, seen, err := budget.NewTerms(ctx, t.rdb, t.seen, names)
	if err != nil {
		return
	}
	t.seen = seen
	for _, cfg := range want {
		a, announced := now.byName[cfg.Name], in[cfg.Name]
		if a == nil || announced == (budget.Terms{}) || announced == a.budget.Terms() {
			continue
		}
		if own := termsOf(cfg); announced != own {
			t.other[cfg.Name] = &otherTerms{name: cfg.Name, own: own, inForce: announced, since: time.Now()}
			t.log.Info("another worker has announced other terms of the account, by which this one goes, too", "account", cfg.Name.String(),
				"allowance", announced.Allowance, "calls_per_second", announced.PerSecond)
		} else {
			delete(t.other, cfg.Name)
		}
	}
}

// again has the terms read at the next look in any case.
func (t *terms) again() { t.seen = "" }

// apply puts the terms in force into settings. Those of an account that its own file has changed since are the file's.
func (t *terms) apply(want []config.Account) []config.Account {
	out := make([]config.Account, len(want))
	there := map[providers.Account]bool{}
	for i, cfg := range want {
		there[cfg.Name] = true
		if o := t.other[cfg.Name]; o != nil && o.own == termsOf(cfg) {
			cfg.Allowance, cfg.CallsPerSecond = o.inForce.Allowance, o.inForce.PerSecond
		} else {
			delete(t.other, cfg.Name)
		}
		out[i] = cfg
	}
	for name := range t.other {
		if !there[name] {
			delete(t.other, name)
		}
	}
	return out
}

// report reports files that have differed for longer than a change takes to reach all workers, once: as an alarm where the other worker
// runs. One that is gone is no alarm, although its terms stay in force, as those that were changed last; whether one that has missed
// an announcement is gone is waited for.
func (t *terms) report(ctx context.Context) {
	due := map[providers.Account]*otherTerms{}
	for name, o := range t.other {
		if !o.alarmed && time.Since(o.since) > spread {
			due[name] = o
		}
	}
	if len(due) == 0 || time.Since(t.asked) < announce.Every {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, rosterEvery)
	defer cancel()
	backers, err := t.backers(ctx)
	if err != nil {
		return // at the next look it is asked again
	}
	t.asked = time.Now()
	var alarms, notes []*otherTerms
	for name, o := range due {
		switch backers[name] {
		case backed:
			o.alarmed, alarms = true, append(alarms, o)
		case backedByNobody:
			if !o.noted {
				o.noted, notes = true, append(notes, o)
			}
		}
	}
	t.differ(slog.LevelError, "alarm: another worker was given other allowances or calls per second than this one; all go by those that were changed last", alarms)
	t.differ(slog.LevelWarn, "no other worker has the allowances or calls per second in force in its settings any more; this one goes by its own "+
		"again once those are changed, or it is started again", notes)
}

// differ logs accounts whose terms differ, with one as an example.
func (t *terms) differ(level slog.Level, text string, list []*otherTerms) {
	if len(list) == 0 {
		return
	}
	o := list[0]
	t.log.Log(context.Background(), level, text, "accounts", len(list), "one", o.name, "allowance", o.inForce.Allowance, "calls_per_second", o.inForce.PerSecond,
		"own_allowance", o.own.Allowance, "own_calls_per_second", o.own.PerSecond)
}

// differing are the accounts whose terms in force are not those of this worker's settings.
func (t *terms) differing() (out []string) {
	for name := range t.other {
		out = append(out, name.String())
	}
	slices.Sort(out)
	return out
}

func termsOf(c config.Account) budget.Terms {
	return budget.TermsOf(c.Name, c.Allowance, c.CallsPerSecond)
}
