package budget

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/internal/testredis"
	"issuance/providers"
	"issuance/tasks/order"
)

var (
	fine    = providers.Condition{State: providers.HealthOK}
	silence = providers.Condition{State: providers.HealthUnreachable, Code: "timeout"}
	noise   = providers.Condition{State: providers.HealthGarbage, Code: "unreadable"}
)

// hears reports what a call of worker i has said.
func (w *world) hears(i int, c providers.Condition) { w.workers[i].Answered(w.ctx, c) }

// goDown makes the account down by worker i's calls.
func (w *world) goDown(i int, c providers.Condition) {
	w.Helper()
	for range enoughTroubles {
		w.hears(i, c)
		<-time.After(time.Second)
	}
	if t := w.trouble(); t == nil || !t.Down {
		w.Fatalf("it is not down: %+v", t)
	}
}

func (w *world) trouble() *Trouble {
	w.Helper()
	s, err := w.workers[1].State(w.ctx)
	if err != nil {
		w.Fatal(err)
	}
	return s.Trouble
}

// down fails unless err reports that calls are held by a trouble.
func (w *world) down(err error, kind providers.Health, atMost time.Duration) {
	w.Helper()
	var h *providers.HeldError
	if !errors.As(err, &h) || !strings.HasPrefix(h.Reason, "the provider, "+string(kind)+" (") || !strings.Contains(h.Reason, ") since 20") || !IsHold(h.Reason) ||
		h.RetryAfter < minRetry || h.RetryAfter > atMost {
		w.Errorf("%v; want %s for at most %s", err, kind, atMost)
	}
}

// probes claims the next probe for worker i, if it is due.
func (w *world) probes(i int) (context.Context, bool) {
	w.Helper()
	ctx, ok, err := w.workers[i].ClaimProbe(w.ctx)
	if err != nil {
		w.Fatal(err)
	}
	return ctx, ok
}

// logged is a log that a test reads.
func logged() (*slog.Logger, *bytes.Buffer) {
	var out bytes.Buffer
	return slog.New(slog.NewTextHandler(&out, nil)), &out
}

// An outage is one fact: after a few calls without an answer no worker makes another one, in any lane, one
// line says so, and one says when it is over.
func TestCallsInARowWithoutAnAnswerHoldAllOthers(t *testing.T) {
	log, out := logged()
	virtual(t, Config{Log: log}, func(w *world) {
		out.Reset()
		start := time.Now()
		for i := range 5 { // more than the three: calls that were under way
			if err := w.pass(i, order.Checkout); err != nil {
				w.Errorf("call %d: %v", i, err)
			}
			if i < 3 {
				<-time.After(time.Second)
			}
			if i == 2 {
				w.hears(0, silence)
				w.hears(1, silence)
				<-time.After(time.Second)
			}
		}
		w.hears(1, silence)
		w.hears(0, silence)
		for i, l := range order.Lanes() {
			w.down(w.pass(i, l), providers.HealthUnreachable, 8*time.Second)
		}
		tr := w.trouble()
		if !tr.Down || tr.Kind != providers.HealthUnreachable || tr.Code != "timeout" || tr.Calls != 4 || !tr.Since.Equal(start.Add(3*time.Second)) {
			w.Errorf("%+v", tr)
		}
		<-time.After(time.Minute)
		ctx, ok := w.probes(0)
		if !ok {
			w.Fatal("no probe is due")
		}
		w.workers[0].Answered(ctx, fine)
		for i, l := range order.Lanes() {
			if err := w.pass(i, l); err != nil {
				w.Error(err)
			}
		}
		if tr := w.trouble(); tr != nil {
			w.Errorf("%+v", tr)
		}
		text := out.String()
		if n := strings.Count(text, "\n"); n != 2 || strings.Count(text, "alarm: the account is unreachable") != 1 || !strings.Contains(text, "ok again") || !strings.Contains(text, "for=1m1s") {
			w.Errorf("logged %d lines: %s", n, text)
		}
	})
}

// One order's own trouble stops nobody while others are answered, by whichever worker.
func TestAnAnswerInBetweenIsNoOutage(t *testing.T) {
	virtual(t, Config{}, func(w *world) {
		for i := range 20 {
			w.hears(0, silence)
			<-time.After(700 * time.Millisecond)
			w.hears(0, silence)
			<-time.After(700 * time.Millisecond)
			if err := w.pass(1, order.Checkout); err != nil {
				w.Fatalf("round %d: %v", i, err)
			}
			w.hears(1, fine) // it has learned that a trouble stands, so its answer is news
			if tr := w.trouble(); tr != nil {
				w.Fatalf("round %d: %+v", i, tr)
			}
		}
	})
}

// Calls that fail at the same moment are one event, such as a restart of the provider's balancer.
func TestManyTroublesWithinASecondAreNoOutage(t *testing.T) {
	virtual(t, Config{}, func(w *world) {
		for i := range 30 {
			w.hears(i%2, silence)
			<-time.After(30 * time.Millisecond)
		}
		if tr := w.trouble(); tr == nil || tr.Down || tr.Calls != 30 {
			w.Fatalf("%+v", tr)
		}
		if err := w.pass(0, order.Checkout); err != nil {
			w.Error(err)
		}
		<-time.After(200 * time.Millisecond)
		w.hears(0, silence)
		w.down(w.pass(1, order.Checkout), providers.HealthUnreachable, 4*time.Second)
	})
}

// commands counts what a client asks of Redis.
type commands struct {
	testredis.Hook
	n atomic.Int64
}

func (c *commands) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		c.n.Add(1)
		return next(ctx, cmd)
	}
}

// Where nothing is wrong, an answer asks nothing of Redis, and a call no more than before.
func TestAnswersCostNothingWhileNothingIsWrong(t *testing.T) {
	virtual(t, Config{}, func(w *world) {
		if err := w.pass(0, order.Checkout); err != nil { // loads the script
			w.Fatal(err)
		}
		c := &commands{}
		w.workers[0].rdb.(hooked).AddHook(c)
		for range 10 {
			<-time.After(time.Second)
			if err := w.pass(0, order.Checkout); err != nil {
				w.Fatal(err)
			}
			w.hears(0, fine)
		}
		if n := c.n.Load(); n != 10 {
			w.Errorf("%d commands for 10 calls", n)
		}
	})
}

// What the provider asks for is kept at once by all workers. The answer to a call that was under way does
// not end it, and one probe leaves when it is over.
func TestARetryAfterHoldsAtOnce(t *testing.T) {
	virtual(t, Config{}, func(w *world) {
		w.hears(0, providers.Condition{State: providers.HealthUnreachable, Code: "http_429", RetryAfter: 2 * time.Minute})
		w.down(w.pass(1, order.Bulk), providers.HealthUnreachable, 2*time.Minute+3*time.Second)
		w.hears(1, fine)
		w.hears(0, silence) // of another call that was under way
		until := w.start.Add(2 * time.Minute)
		s, err := w.workers[0].State(w.ctx)
		if err != nil {
			w.Fatal(err)
		}
		if halt, held := s.Held(order.Checkout); !held || !halt.Until.Equal(until) || !halt.Since.Equal(w.start) || !IsHold(halt.Reason) || IsPause(halt.Reason) || s.PerSecond != 0 {
			w.Errorf("%+v, %t, %g per second", halt, held, s.PerSecond)
		}
		<-time.After(2*time.Minute - time.Millisecond)
		for i := range 2 {
			if _, ok := w.probes(i); ok {
				w.Error("a probe left before the time that the provider asked for")
			}
		}
		<-time.After(time.Millisecond)
		ctx, ok := w.probes(1)
		if _, again := w.probes(0); !ok || again {
			w.Fatal("one probe was to leave")
		}
		w.workers[1].Answered(ctx, fine)
		if err := w.pass(0, order.Bulk); err != nil {
			w.Error(err)
		}
	})
}

// Calls that have a slot and wait for it when the account goes down do not leave any more.
func TestAnOutageStopsCallsThatWaitForTheirSlots(t *testing.T) {
	virtual(t, Config{}, func(w *world) {
		w.hears(1, silence)
		w.hears(1, silence)
		<-time.After(time.Second)
		var wg sync.WaitGroup
		errs := make([]error, 9)
		for i := range errs {
			wg.Go(func() { errs[i] = w.pass(i, order.Checkout) })
		}
		<-time.After(600 * time.Millisecond) // one left at once, two more since
		w.hears(0, silence)
		wg.Wait()
		stopped := 0
		for _, err := range errs {
			if err != nil {
				w.down(err, providers.HealthUnreachable, 4*time.Second)
				stopped++
			}
		}
		if len(w.calls) != 3 || stopped != 6 {
			w.Fatalf("%d left, %d stopped: %v", len(w.calls), stopped, errs)
		}
	})
}

// While an account is down, a change of what is wrong is another line; the same trouble is none.
func TestAChangeOfTheTroubleIsLogged(t *testing.T) {
	log, out := logged()
	virtual(t, Config{Log: log}, func(w *world) {
		out.Reset()
		w.goDown(0, silence)
		for _, c := range []providers.Condition{silence, noise, noise, {State: providers.HealthRefused, Code: "http_401"}} {
			w.hears(1, c)
		}
		if n := strings.Count(out.String(), "alarm:"); n != 3 {
			w.Errorf("%d lines: %s", n, out)
		}
		if tr := w.trouble(); tr.Kind != providers.HealthRefused || tr.Code != "http_401" {
			w.Errorf("%+v", tr)
		}
	})
}

// An account's health says since when it is what it is now, not since when something else was wrong; the log says both.
func TestSinceIsTheStatesOwn(t *testing.T) {
	refused := providers.Condition{State: providers.HealthRefused, Code: "http_401"}
	log, out := logged()
	virtual(t, Config{Log: log}, func(w *world) {
		w.goDown(0, refused)
		began := time.Now()
		<-time.After(30 * time.Second)
		out.Reset()
		w.hears(1, providers.Condition{State: providers.HealthUnreachable, Code: "timeout", Took: 30 * time.Second})
		<-time.After(time.Minute)
		w.hears(0, silence)
		s, err := w.workers[0].State(w.ctx)
		if err != nil {
			w.Fatal(err)
		}
		if h, since, _ := s.Health(); h != providers.HealthUnreachable || !since.Equal(began) {
			w.Errorf("%s since %s, want %s", h, since, began)
		}
		if halt, held := s.Held(order.Bulk); !held || !halt.Since.Equal(began) {
			w.Errorf("%+v", halt)
		}
		if err := w.pass(0, order.Bulk); err == nil || !strings.Contains(err.Error(), "since "+began.UTC().Format(time.RFC3339)) {
			w.Error(err)
		}
		if text, want := out.String(), "since="+began.UTC().Format("2006-01-02T15:04:05.000Z07:00")+" down_since="; !strings.Contains(text, want) {
			w.Errorf("%s\nlacks %s", text, want)
		}
		out.Reset()
		ctx, _ := w.probes(1)
		w.workers[1].Answered(ctx, fine)
		if text := out.String(); !strings.Contains(text, "for=1m33s") {
			w.Error(text)
		}
	})
}

// What was wrong before an account went down counts to its calls in a row, and not to the time of what is wrong then.
func TestSinceIsTheStatesOwnFromTheBeginning(t *testing.T) {
	virtual(t, Config{}, func(w *world) {
		w.hears(0, noise)
		<-time.After(20 * time.Second)
		began := time.Now()
		w.goDown(0, silence)
		if tr := w.trouble(); tr.Kind != providers.HealthUnreachable || !tr.Since.Equal(began) {
			w.Errorf("%+v, want since %s", tr, began)
		}
	})
}
