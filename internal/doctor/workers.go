package doctor

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"issuance/internal/announce"
	"issuance/internal/ledger"
	"issuance/internal/webhooks"
)

func (x *examination) workers(ctx context.Context) error {
	all, now, err := announce.Workers(ctx, x.RDB)
	if err != nil {
		return err
	}
	running := slices.DeleteFunc(slices.Clone(all), func(w announce.Worker) bool { return !w.Running(now) })
	if len(running) == 0 {
		x.overdue("", "start one; orders are recorded and wait", "no worker is running")
		return nil
	}
	var versions, keySets []string
	for _, w := range running {
		if silence := w.Unheard(now); silence > 0 {
			x.addf(Note, w.Name, fmt.Sprintf("look whether it runs; it counts as gone after %s", announce.Silent), "not heard of for %d s", int(silence.Seconds()))
			continue
		}
		versions, keySets = append(versions, w.Version), append(keySets, strings.Join(w.SealKeys, ","))
		x.add(OK, w.Name, w.Version+", serves "+strings.Join(w.Accounts, ", "), "")
		if n := len(w.Accounts); n > fewAccounts {
			x.found[len(x.found)-1].Brief = fmt.Sprintf("%s, serves %d accounts", w.Version, n)
		}
	}
	if distinct(versions) > 1 {
		x.add(Note, "", "workers of different versions are running", "finish the upgrade: see the changelog whether both may run")
	} else if len(versions) > 0 && versions[0] != x.Version {
		x.add(Note, "", "workers run another version than this program, "+x.Version, "use the same version, so that both know the same fields")
	}
	if distinct(keySets) > 1 {
		x.add(Wrong, "", "workers hold different seal keys", "give all the same ISSUANCE_SEAL_KEYS")
	}
	for _, w := range all {
		if !w.Running(now) {
			x.add(Note, w.Name, "silent since "+x.at(w.At)+": it did not stop by itself", "look why it died; it is forgotten after a day")
		}
	}
	return nil
}

// fewAccounts of a worker are listed in a brief finding, too.
const fewAccounts = 5

func distinct(list []string) int { return len(slices.Compact(slices.Sorted(slices.Values(list)))) }

// Limits of a webhook's health.
const (
	manyFailures = 5
	farBehind    = 5 * time.Minute
	unserved     = 2 * time.Minute
	failingLong  = 2 * time.Minute
)

func (x *examination) webhooks(ctx context.Context) error {
	store := webhooks.NewStore(x.RDB)
	list, err := store.Announced(ctx)
	if err != nil {
		return err
	}
	now, err := x.RDB.Time(ctx).Result()
	if err != nil {
		return err
	}
	last, err := ledger.New(x.RDB, ledger.Options{}).LastEvent(ctx)
	if err != nil {
		return err
	}
	for _, w := range list {
		if w.Removed {
			x.add(Note, w.Name, "it is in no front door's file any more", "enqueue webhooks forget "+w.Name)
			continue
		}
		st, err := store.State(ctx, w.Name)
		if err != nil {
			return err
		}
		before := len(x.found)
		switch {
		case !st.OffAt.IsZero():
			x.add(Wrong, w.Name, "switched off since "+x.at(st.OffAt)+", because it answered 410", "enqueue webhooks enable "+w.Name)
		case st.Fails >= manyFailures:
			x.addf(Wrong, w.Name, "enqueue webhooks deliveries "+w.Name, "%d failures in a row", st.Fails)
		case st.Fails > 0 && now.Sub(st.FailingAt) > failingLong:
			x.addf(Wrong, w.Name, "enqueue webhooks deliveries "+w.Name, "it has taken nothing since %s", x.at(st.FailingAt))
		case st.Fails > 0:
			x.addf(Note, w.Name, "enqueue webhooks deliveries "+w.Name, "the last delivery failed, it is tried again (%d in a row)", st.Fails)
		case st.Behind(last) > farBehind:
			x.addf(Note, w.Name, "enqueue webhooks list", "%s behind the stream of events", st.Behind(last).Round(time.Second))
		}
		if now.Sub(w.Seen) > unserved {
			x.overdue(w.Name, "start enqueue serve with GATEWAY_WEBHOOKS_FILE", "no front door serves it")
		}
		if len(x.found) == before {
			x.add(OK, w.Name, "takes events", "")
		}
	}
	if len(list) == 0 {
		x.add(OK, "", "there are none", "")
	}
	return nil
}
