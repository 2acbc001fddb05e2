package sandbox

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/internal/baseurl"
	"issuance/internal/config"
	"issuance/internal/keys"
	"issuance/internal/ledger"
	"issuance/providers"
	"issuance/tasks/order"
)

// idField of keys.Sandbox holds Sandbox.ID; every other field is named like the environment
// variable whose value it holds.
const idField = "SANDBOX_ID"

// Announce leaves what the command line needs in the sandbox's Redis. env is the sandbox's
// environment with the addresses it really has. It refuses a Redis on which another sandbox runs:
// its orders would be looked up at simulators that never heard of them.
func (s *Sandbox) Announce(ctx context.Context, rdb redis.UniversalClient, env map[string]string) error {
	before, err := rdb.HGetAll(ctx, keys.Sandbox).Result()
	if err != nil {
		return fmt.Errorf("read what an earlier sandbox left (key %s): %w", keys.Sandbox, err)
	}
	if other := before[idField]; other != "" && other != s.ID && answers(ctx, before["ECTICKET_BASE_URL"]) == other {
		return errors.New("another sandbox is running on this Redis: stop that one, or give this one another Redis (leave REDIS_URL out, and it brings its own)")
	}
	fields := map[string]any{idField: s.ID}
	for _, name := range config.LeftBySandbox {
		fields[name] = env[name]
	}
	pipe := rdb.TxPipeline()
	pipe.Del(ctx, keys.Sandbox)
	pipe.HSet(ctx, keys.Sandbox, fields)
	if _, err := pipe.Exec(ctx); err != nil {
		return fmt.Errorf("leave what the command line needs (key %s): %w", keys.Sandbox, err)
	}
	return nil
}

// answers is the id of the sandbox whose simulator answers at url, "" when none does. The url comes from
// Redis, so that nothing is asked elsewhere than on this machine, not even by a detour.
func answers(ctx context.Context, url string) string {
	if !baseurl.OnThisMachine(url) {
		return ""
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, url, nil)
	if err != nil {
		return ""
	}
	resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req) // no proxy, no redirect
	if err != nil {
		return ""
	}
	_ = resp.Body.Close()
	return resp.Header.Get(idHeader)
}

// inheritedAtOnce is how many orders are read together.
const inheritedAtOnce = 500

// Inherit leaves orders that an earlier sandbox's simulators had accepted to review: those
// simulators forgot them when they ended, so nobody can find out any more what became of them. Orders
// not sent yet, or in doubt, go on by themselves. It says in plain words what it did, "" for
// nothing.
func (s *Sandbox) Inherit(ctx context.Context, l *ledger.Ledger, accounts []providers.Account) (string, error) {
	n := 0
	for from, first := (ledger.Cursor{}), true; first || !from.IsZero(); first = false {
		found, next, err := l.List(ctx, ledger.Query{States: []order.State{order.Accepted}}, accounts, from, inheritedAtOnce)
		if err != nil {
			return "", err
		}
		for _, f := range found {
			a, err := l.Finish(ctx, f.Ref, "", ledger.Ending{State: order.Review, Reason: ledger.Reason{
				Code: "sandbox_ended", Message: "the simulator that had accepted this order ended with its sandbox and took its memory along"}})
			if err != nil {
				return "", err
			}
			if a.Applied {
				n++
			}
		}
		from = next
	}
	if n == 0 {
		return "", nil
	}
	return fmt.Sprintf("an earlier sandbox on this Redis ended before its simulator had issued %d of its orders: they are in review now", n), nil
}
