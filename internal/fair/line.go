package fair

import (
	"cmp"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"issuance/internal/keys"
	"issuance/internal/queue"
	"issuance/providers"
	"issuance/tasks/order"
)

var (
	//go:embed aside.lua
	asideSource string
	//go:embed release.lua
	releaseSource string

	asideScript   = redis.NewScript(asideSource)
	releaseScript = redis.NewScript(releaseSource)
)

const (
	// lookEvery is how often the lines are looked for of which this process knows nothing, and lookOften how often for a while
	// after others have put something aside: where it was one that does not serve the account, the next task may come to it too.
	lookEvery = 500 * time.Millisecond
	lookOften = 100 * time.Millisecond
	oftenFor  = time.Minute
	// lookAgain is after how long it is looked at what is between two states: what was let go on and has not come yet, and what
	// was put aside a moment ago.
	lookAgain = 50 * time.Millisecond
	// lookedAt is how many tasks of a line are looked at beyond those that may go on: some are between two states.
	lookedAt = 100
	// remembered is for how long another process knows that a task was let go on.
	remembered = time.Minute
)

// aside puts a task aside. head is where it goes that was in the line before. The result is nil when the task may run because
// another process has let it go on.
func (l *Lane) aside(ctx context.Context, r order.Ref, id string, head bool, why *queue.WaitError) error {
	k := keys.QueueLine(l.queue)
	m := r.Account.Merchant
	flag := ""
	if head {
		flag = "1"
	}
	n, err := asideScript.Run(ctx, l.rdb, []string{k + "all", k + "of:" + m, k + "out:" + m}, id, m, time.Now().UnixMicro(), flag).Int64()
	if err != nil {
		return fmt.Errorf("fair: %s: %w", id, err)
	}
	if n < 0 {
		return nil
	}
	return &queue.WaitError{After: max(why.After, 0) + queue.Behind(n, l.joined(r.Account)), Reason: why.Reason, Until: why.Until}
}

// joined takes note of a task that is in an account's line now, and returns the account's calls per second; 0 of one that this
// process does not serve.
func (l *Lane) joined(a providers.Account) (rate float64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := l.places[a]
	if p == nil {
		return 0
	}
	p.line = true
	return p.terms.PerSecond
}

// Run lets tasks go on for which there is room, until the context ends.
func (l *Lane) Run(ctx context.Context) {
	next := time.NewTimer(lookEvery)
	defer next.Stop()
	again := time.NewTimer(lookAgain)
	defer again.Stop()
	back := time.NewTimer(lookEvery)
	defer back.Stop()
	armed, failing := true, false
	var err error // of the last step
	for {
		if err == nil {
			var more bool
			if more, err = l.release(ctx); more && err == nil {
				continue
			}
		}
		if err != nil && !failing && ctx.Err() == nil {
			l.Log.Warn("what waits for its turn cannot be let go on, trying again", "queue", l.queue, "error", err)
		}
		failing = err != nil
		kick := l.kick
		if failing {
			kick = nil // it is tried again at the next look
		}
		if !armed && l.unsettled() {
			again.Reset(lookAgain)
			armed = true
		}
		if d, ok := l.untilBack(); ok {
			back.Reset(d)
		}
		select {
		case <-ctx.Done():
			return
		case <-kick:
		case <-back.C:
		case <-again.C:
			armed = false
			err = l.missing(ctx)
		case <-next.C:
			err = l.look(ctx)
			l.report(ctx)
			next.Reset(l.untilLook())
		}
	}
}

// untilLook is how long until the next look.
func (l *Lane) untilLook() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if time.Now().Before(l.oftenUntil) {
		return lookOften
	}
	return lookEvery
}

// look finds the lines of the accounts that this process serves.
func (l *Lane) look(ctx context.Context) error {
	if l.Accounts() == 0 {
		return nil
	}
	merchants, err := l.rdb.SMembers(ctx, keys.QueueLine(l.queue)+"all").Result()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, m := range merchants {
		a := providers.Account{Provider: l.Provider, Merchant: m}
		if terms, ok := l.Terms(a); ok {
			l.found(l.place(a, terms))
			delete(l.absent, a)
		}
	}
	return err
}

// found takes note of a line that another process has begun.
func (l *Lane) found(p *place) {
	if !p.line {
		p.line = true
		l.oftenUntil = time.Now().Add(oftenFor)
	}
}

// unsettled reports whether tasks are expected that were let go on, or are in a line although there is room: they are between
// two states.
func (l *Lane) unsettled() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	for a, p := range l.places {
		if len(p.expected) > 0 {
			return true
		}
		if _, served := l.Terms(a); served && p.line && l.room(p, now) > 0 {
			return true
		}
	}
	return false
}

// missing expects those tasks no longer that another process has got, or whose time is over. One that was put aside there is
// let go on again.
func (l *Lane) missing(ctx context.Context) error {
	pipe := l.rdb.Pipeline()
	states := map[string]*redis.StringCmd{}
	l.mu.Lock()
	for _, p := range l.places {
		for id := range p.expected {
			states[id] = pipe.HGet(ctx, keys.Task(l.queue, id), "state")
		}
	}
	l.mu.Unlock()
	if len(states) == 0 {
		return nil
	}
	if _, err := pipe.Exec(ctx); err != nil && !errors.Is(err, redis.Nil) {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	for _, p := range l.places {
		p.forget(func(id string, until time.Time) bool {
			state, asked := states[id]
			if asked && state.Val() == asynq.TaskStateRetry.String() {
				l.found(p)
			}
			return now.After(until) || asked && state.Val() != asynq.TaskStatePending.String()
		})
	}
	return nil
}

// going is a line of which so many tasks may go on.
type going struct {
	*place
	merchant string
	n        int       // of the line
	back     []dueTask // beside those
	turns    int       // how many of back may go on although others wait
	reserved int       // how much room both take until they are expected
	cmd      *redis.Cmd
}

// release lets the first tasks of the lines go on for which there is room. more reports whether some did, so that others may.
func (l *Lane) release(ctx context.Context) (more bool, err error) {
	list, answered := l.due()
	if len(list) == 0 {
		return false, nil
	}
	k, q := keys.QueueLine(l.queue), keys.Queue(l.queue)
	for range 2 { // once more with the script's text, should Redis not have it
		pipe := l.rdb.Pipeline()
		for i, g := range list {
			on := []string{k + "all", k + "of:" + g.merchant, k + "out:" + g.merchant, q + "pending", q + "retry", q + "scheduled"}
			args := []any{g.n, g.merchant, keys.Task(l.queue, ""), time.Now().UnixMicro(), remembered.Microseconds(), g.n + lookedAt, int((late + time.Second).Seconds()), g.turns}
			for _, t := range g.back {
				args = append(args, t.id)
			}
			if err == nil {
				list[i].cmd = releaseScript.EvalSha(ctx, pipe, on, args...)
			} else {
				list[i].cmd = releaseScript.Eval(ctx, pipe, on, args...)
			}
		}
		if _, err = pipe.Exec(ctx); !redis.HasErrorPrefix(err, "NOSCRIPT") {
			break
		}
	}
	return l.released(list, answered), err
}

// due are the lines of which tasks may go on, those first that were looked at longest ago. Their accounts' tasks are not
// admitted until answered is closed.
func (l *Lane) due() (list []going, answered chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	for a, p := range l.places {
		if terms, ok := l.Terms(a); !ok || !p.line && !p.back.isDue(now) {
			continue
		} else if p = l.place(a, terms); l.room(p, now) > 0 || l.Accounts() <= 1 && p.back.isDue(now) {
			list = append(list, going{place: p, merchant: a.Merchant})
		}
	}
	slices.SortFunc(list, func(a, b going) int { return cmp.Or(a.turn.Compare(b.turn), cmp.Compare(a.merchant, b.merchant)) })
	answered = make(chan struct{})
	due := list[:0]
	for _, g := range list {
		room := max(l.room(g.place, now), 0)
		if room > 0 && len(l.groups) < len(l.places) {
			room = 1 // accounts that share an allowance take turns
		}
		g.back, g.turns, g.n = l.backs(g.place, now, room)
		if !g.line {
			g.n = 0
		}
		if g.n+len(g.back) == 0 { // another account of its allowance was first, or it is not their turn
			continue
		}
		if g.reserved = g.n; l.Accounts() > 1 {
			g.reserved += len(g.back)
		}
		g.waiting += g.reserved
		g.turn, g.releasing = now, answered
		due = append(due, g)
	}
	return due, answered
}

// released takes note of the tasks that were let go on, and reports whether there were any.
func (l *Lane) released(list []going, answered chan struct{}) (any bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	until := time.Now().Add(l.Expect)
	for _, g := range list {
		g.waiting -= g.reserved
		g.releasing = nil
		reply, err := g.cmd.Slice()
		if err != nil || len(reply) < 2 {
			g.again(g.back)
			continue
		}
		left, _ := reply[0].(int64)
		g.line = left > 0
		if over, _ := reply[1].(int64); over == 1 {
			g.again(g.back[g.turns:])
		}
		for _, id := range reply[2:] {
			id := fmt.Sprint(id)
			if _, let := g.place.back.let[id]; !let {
				g.expect(id, until)
			}
			any = true
		}
		g.forgetLet(time.Now().Add(-remembered))
	}
	close(answered)
	return any
}
