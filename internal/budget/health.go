package budget

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/providers"
)

// Trouble is what stands against an account: calls in a row without an authentic answer.
type Trouble struct {
	Kind  providers.Health // unreachable, refused or garbage
	Code  string           // of the last call, safe to show
	Since time.Time        // of the first call of this kind
	Calls int              // in a row, of all workers
	// Down says that the account's calls are held until a probe is answered.
	Down bool
	// Until is until when the provider asked not to be called; zero if it did not.
	Until     time.Time
	NextProbe time.Time

	tried []string // with which credentials and addresses probes were made
}

// String is what waiting for the end of a trouble is called, with its beginning. It is safe to show.
func (t Trouble) String() string { return t.what() + " since " + t.Since.UTC().Format(time.RFC3339) }

func (t Trouble) what() string { return fmt.Sprintf("%s%s (%s)", troubled, t.Kind, t.Code) }

const troubled = "the provider, "

// When troubles make an account down, and how it is asked whether it is over.
const (
	enoughTroubles = 3
	leastOutage    = time.Second
	// tooLong is how long one call without an answer may last before it counts like many: in that time
	// this worker had no other answer either, for then it would not count at all.
	tooLong     = 10 * time.Second
	firstProbe  = time.Second
	probeEvery  = 5 * time.Second  // while it is unreachable
	probeRarely = 30 * time.Second // in other troubles, which a person has to end
	goesFirst   = 600 * time.Millisecond
	// speaksFor is how long one worker's answer outweighs the troubles of a worker that has nothing else.
	speaksFor   = time.Minute
	keepTrouble = 10 * time.Minute
	keepDown    = 24 * time.Hour
)

// record is what this process's own calls have said lately.
type record struct {
	answered time.Time // the last authentic answer
	alone    time.Time // since when there were only troubles; zero if the last answer was authentic
	suspect  bool      // Redis may hold a trouble, so an authentic answer is news
	warned   time.Time
	probes   fitness
}

// suspects notes that a trouble stands, so that the next authentic answer is reported.
func (b *Budget) suspects(yes bool) {
	if yes {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.own.suspect = true
	}
}

// Answered implements providers.HealthReporter. It outlives the caller's context. What Redis does not
// take is lost: the next call says it again.
func (b *Budget) Answered(ctx context.Context, c providers.Condition) {
	p := probeOf(ctx)
	if p != nil && c.State == providers.HealthUnreachable {
		p.over.Store(true) // another try of the same probe would be another call
	}
	if p != nil {
		var says bool
		if c, says = b.judge(ctx, p, c); !says {
			return
		}
	}
	alone, news := b.note(c, p != nil)
	if !news {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), publishLimit)
	defer cancel()
	reply, err := healthScript.Run(ctx, b.rdb, []string{b.keys.health}, b.worker, b.now(), string(c.State), c.Code,
		c.RetryAfter.Microseconds(), max(c.Took, 0).Microseconds(), alone.Microseconds(), enoughTroubles, leastOutage.Microseconds(),
		firstProbe.Microseconds(), speaksFor.Microseconds(), keepTrouble.Microseconds(), keepDown.Microseconds(), tooLong.Microseconds()).Slice()
	if err == nil {
		err = b.changed(ctx, reply, c)
	}
	if err != nil {
		b.suspects(true)
		b.cfg.Log.DebugContext(ctx, "what a call says of the account could not be recorded", "account", b.cfg.Account.String(), "error", err)
	}
}

// note remembers what a call says. alone is for how long this process has had nothing but troubles. news
// is false when Redis need not hear of it.
func (b *Budget) note(c providers.Condition, probe bool) (alone time.Duration, news bool) {
	now := b.clock()
	b.mu.Lock()
	defer b.mu.Unlock()
	if c.State == providers.HealthOK {
		news = b.own.suspect || probe
		b.own.answered, b.own.alone, b.own.suspect = now, time.Time{}, false
		return 0, news
	}
	if c.RetryAfter == 0 && now.Add(-c.Took).Before(b.own.answered) {
		return 0, false // it is the older news of the two
	}
	if b.own.alone.IsZero() {
		b.own.alone = now
	}
	b.own.suspect = true
	return now.Sub(b.own.alone), true
}

// What health.lua answers.
const (
	unchanged int64 = iota
	wentDown
	recovered
	uncounted
)

// changed logs a change of the account's health, once: one worker gets to know of it here. See Reporter for the others.
func (b *Budget) changed(ctx context.Context, reply []any, c providers.Condition) error {
	if len(reply) == 0 {
		return errors.New("empty answer")
	}
	log := b.cfg.Log.With("account", b.cfg.Account.String())
	switch reply[0] {
	case unchanged:
		return nil
	case uncounted:
		if b.warnAlone() {
			look := "look at its network"
			if c.State != providers.HealthUnreachable { // something has answered
				look = "look at what answers it, such as a proxy of its own"
			}
			log.WarnContext(ctx, "this worker's calls fail while those of other workers are answered: "+look, "health", string(c.State), "code", c.Code)
		}
		return nil
	}
	if len(reply) != 4 {
		return fmt.Errorf("unexpected answer %v", reply)
	}
	at := func(i int) time.Time { n, _ := reply[i].(int64); return time.UnixMicro(n).UTC() }
	since, down := at(1), at(3)
	if log = log.With("since", since); !down.Equal(since) {
		log = log.With("down_since", down)
	}
	if reply[0] == recovered {
		was, _ := reply[2].(string)
		log.Log(ctx, b.reports(ctx, providers.HealthOK, slog.LevelInfo), "the account is ok again: calls leave", "was", was, "for", b.clock().Sub(down).Round(time.Second))
		return nil
	}
	log.Log(ctx, b.reports(ctx, c.State, slog.LevelError), "alarm: the account is "+string(c.State)+": its calls are held, and a probe now and then asks whether that is over",
		"health", string(c.State), "code", c.Code, "retry_after", c.RetryAfter.String())
	return nil
}

// warnAlone says whether to warn of this worker's network: once in a while.
func (b *Budget) warnAlone() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.clock()
	if now.Sub(b.own.warned) < speaksFor {
		return false
	}
	b.own.warned = now
	return true
}

// heldByTrouble holds a call until shortly after the next probe, not all calls until the same moment.
func heldByTrouble(a answer) error {
	return &providers.HeldError{RetryAfter: a.wait + time.Second + rand.N(2*time.Second), Reason: a.trouble.String()}
}

// troubleOf reads the hash of an account's health; nil while nothing stands against it.
func troubleOf(h map[string]string) *Trouble {
	calls := 0
	if _, err := fmt.Sscan(h["n"], &calls); err != nil || calls == 0 {
		return nil
	}
	t := &Trouble{Kind: providers.Health(h["kind"]), Code: h["code"], Since: micros(h["began"]), Calls: calls}
	if h["since"] != "" {
		t.Down, t.NextProbe = true, micros(h["probe"])
		t.tried = strings.Fields(h["tried"])
	}
	if h["until"] != "0" && h["until"] != "" {
		t.Until = micros(h["until"])
	}
	return t
}

// IsHold reports whether a text is what Hold.String or Trouble.String makes.
func IsHold(text string) bool {
	return IsPause(text) || strings.HasPrefix(text, troubled)
}

// IsPause reports whether a text is what Hold.String makes: what it is about lasts until somebody resumes it.
func IsPause(text string) bool { return strings.HasPrefix(text, pausedBy) }

// keyMissingFor is how long a document that could not be opened counts: one of those that wait is tried again every 10 s
// (handler.Alarms), a little later by the queue.
const keyMissingFor = 20 * time.Second

// KeyMissing records that a worker has met a document of the account whose seal key it does not hold.
func (b *Budget) KeyMissing(ctx context.Context) {
	err := b.keyMissing(ctx)
	if err != nil {
		b.cfg.Log.DebugContext(ctx, "a missing seal key could not be recorded", "account", b.cfg.Account.String(), "error", err)
	}
}

// keyMissingLately is how long after the last such document others are taken to wait for their keys still: longer than each
// of them waits.
const keyMissingLately = 10 * time.Minute

// KeyMissedLately reports whether records of the account may wait for a seal key.
func (b *Budget) KeyMissedLately(ctx context.Context) (bool, error) {
	at, err := b.rdb.HGet(ctx, b.keys.health, "key_missing").Result()
	if err != nil {
		if errors.Is(err, redis.Nil) {
			err = nil
		}
		return false, err
	}
	now := b.clock()
	if b.cfg.Now == nil {
		if now, err = b.rdb.Time(ctx).Result(); err != nil {
			return false, err
		}
	}
	return now.Sub(micros(at)) < keyMissingLately, nil
}

func (b *Budget) keyMissing(ctx context.Context) error {
	now := b.clock()
	if b.cfg.Now == nil {
		var err error
		if now, err = b.rdb.Time(ctx).Result(); err != nil {
			return err
		}
	}
	var ttl *redis.DurationCmd
	_, err := b.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		p.HSet(ctx, b.keys.health, "key_missing", now.UnixMicro())
		ttl = p.PTTL(ctx, b.keys.health)
		return nil
	})
	if err == nil && ttl.Val() < 0 {
		err = b.rdb.PExpire(ctx, b.keys.health, keepTrouble).Err()
	}
	return err
}
