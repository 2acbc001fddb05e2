package pollers_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/internal/fakeprovider"
	"issuance/internal/handlertest"
	"issuance/internal/keys"
	"issuance/internal/testredis"
	"issuance/pollers"
	"issuance/providers"
	"issuance/tasks/order"
)

// behind is an order that another one speaks for: OLDER was asked a moment ago and is not issued yet.
func behind(t *testing.T) (w *world, run func() error) {
	w = accepted(handlertest.Mini(t))
	sentinel := pollers.NewSentinel(w.RDB, ref.Account, pollers.SentinelConfig{Now: w.Clock.Now})
	follower := pollers.NewFollower(w.RDB, pollers.Schedule{}, pollers.FollowerOptions{Sentinel: sentinel})
	enter := func(id string, at time.Time) {
		if _, err := sentinel.Enter(t.Context(), id, at); err != nil {
			t.Fatal(err)
		}
	}
	enter("OLDER", w.Clock.Now())
	w.Clock.Advance(time.Second)
	enter(ref.OrderID, w.Clock.Now())
	if _, err := sentinel.StillPending(t.Context(), "OLDER", w.Clock.Now().Add(-time.Second), 5*time.Second); err != nil {
		t.Fatal(err)
	}
	return w, func() error {
		return w.Run(pollers.New(pollers.Config{Provider: w.provider, Ledger: w.Ledger, Ring: w.Ring, Log: w.Log, Follower: follower}), w.task)
	}
}

// seen notes the keys of records that commands name.
type seen struct {
	testredis.Hook
	mu    sync.Mutex
	names []string
}

func (s *seen) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		s.note(cmd)
		return next(ctx, cmd)
	}
}

func (s *seen) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		s.note(cmds...)
		return next(ctx, cmds)
	}
}

func (s *seen) note(cmds ...redis.Cmder) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range cmds {
		s.names = append(s.names, c.String())
	}
}

// Most polls of a million pending orders are of this kind.
func TestAPollThatIsNeedlessCostsOneScriptAndReadsNoRecord(t *testing.T) {
	w, run := behind(t)
	s := &seen{}
	w.RDB.AddHook(s)
	if got := w.Waits(run()); got < 50*time.Second || got > time.Minute {
		t.Errorf("waits %s", got)
	}
	w.calls("")
	all := strings.Join(s.names, "\n")
	if strings.Contains(all, keys.Record(ref)) || !strings.Contains(all, keys.Pending(ref.Account)) || len(s.names) > 2 { // the first run loads the script
		t.Errorf("the poll cost\n%s", all)
	}
}

// Whoever waits for an order's answer would wait for nothing.
func TestAnOrderThatCannotBeAskedForHoldsNobodyUp(t *testing.T) {
	for name, prevent := range map[string]func(w *world){
		"its seal key is missing": func(w *world) { w.Ring = handlertest.Ring(t, 2) },
		"it is at another host":   func(w *world) { w.RDB.HSet(t.Context(), keys.Record(ref), "host", "elsewhere.example") },
		"its record is newer":     func(w *world) { w.RDB.HSet(t.Context(), keys.Record(ref), "v", "99") },
		"its record is gone":      func(w *world) { w.RDB.Del(t.Context(), keys.Record(ref)) },
	} {
		t.Run(name, func(t *testing.T) {
			w, run := behind(t)
			w.Clock.Advance(time.Minute) // nobody has asked for OLDER since
			prevent(w)
			if err := run(); err != nil {
				w.Waits(err)
			}
			w.calls("")
			if n := w.RDB.ZCard(t.Context(), keys.Pending(ref.Account)+"woken").Val(); n != 0 {
				t.Errorf("others wait for the answers of %d orders", n)
			}
		})
	}
	w, run := behind(t)
	w.Clock.Advance(time.Minute)
	w.provider.AnswerLookUp(fakeprovider.Known(providers.FoundIssued))
	w.Done(run())
	w.state(order.Issued, "", 1)
}
