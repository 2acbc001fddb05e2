package webhooks

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/internal/keys"
	"issuance/internal/ledger"
	"issuance/internal/thinevent"
)

//go:embed scripts/*.lua
var scriptFiles embed.FS

func script(name string) *redis.Script {
	var source string
	for _, part := range []string{"prelude", name} {
		b, err := scriptFiles.ReadFile("scripts/" + part + ".lua")
		if err != nil {
			panic(err) // embedded at build time
		}
		source += string(b) + "\n"
	}
	return redis.NewScript(source)
}

var (
	admitScript  = script("admit")
	takeScript   = script("take")
	beginScript  = script("begin")
	settleScript = script("settle")
	replayScript = script("replay")
	enableScript = script("enable")
)

// Store is what Redis holds of endpoints, and the questions and orders of operators. Safe for concurrent use.
type Store struct {
	rdb redis.UniversalClient
	now func() time.Time // nil: Redis' own clock
}

// NewStore makes a store over rdb, which stays the caller's to close.
func NewStore(rdb redis.UniversalClient) *Store { return &Store{rdb: rdb} }

// held are the keys of an endpoint, in the order of the scripts' KEYS.
func held(name string) []string {
	p := keys.Webhook(name)
	return []string{p + "state", p + "events", p + "orders", p + "wait", p + "due", p + "log"}
}

func (s *Store) run(ctx context.Context, sc *redis.Script, name string, args ...any) *redis.Cmd {
	now := ""
	if s.now != nil {
		now = strconv.FormatInt(s.now().UnixMilli(), 10)
	}
	return sc.Run(ctx, s.rdb, held(name), append([]any{now}, args...)...)
}

func failed(name string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("webhook %s: %w", name, err)
}

// Positions of an endpoint.
const (
	cursorField = "cursor"
	replayField = "replay"
	replayBegin = "-"
)

// admit takes events into the line and moves a position from one place to another; ok is false when it was moved
// meanwhile by somebody else, and nothing was done. to "" ends a replay.
func (s *Store) admit(ctx context.Context, name, position, from, to string, list []ledger.Event) (ok bool, err error) {
	args := []any{position, from, to}
	for _, e := range list {
		body, err := json.Marshal(thinevent.New(e))
		if err != nil {
			return false, failed(name, err)
		}
		args = append(args, e.ID, e.Ref.Order().String(), string(body))
	}
	n, err := s.run(ctx, admitScript, name, args...).Int()
	return n == 1, failed(name, err)
}

// taken is an event that is to have a task, and its place in the line, which another admission of the same event does not
// have.
type taken struct{ id, place string }

// take chooses the events that are to have a task.
func (s *Store) take(ctx context.Context, name string) (list []taken, err error) {
	found, err := s.run(ctx, takeScript, name, window, slowWindow, slow.Milliseconds(), lease.Milliseconds(),
		failing).StringSlice()
	for _, text := range found {
		place, id, _ := strings.Cut(text, " ")
		list = append(list, taken{id, place})
	}
	return list, failed(name, err)
}

// begun is what a task delivers.
type begun struct {
	tries int // that have failed
	body  string
}

// begin is what the task of an event delivers, nil when there is nothing to deliver.
func (s *Store) begin(ctx context.Context, name, id string) (*begun, error) {
	reply, err := s.run(ctx, beginScript, name, id, lease.Milliseconds(), failing).StringSlice()
	if err != nil || len(reply) != 2 {
		return nil, failed(name, err)
	}
	tries, err := strconv.Atoi(reply[0])
	return &begun{tries, reply[1]}, failed(name, err)
}

// outcome is how a delivery ended.
type outcome string

const (
	delivered outcome = "delivered"
	failedTry outcome = "failed"
	postponed outcome = "postponed" // it was not the endpoint's fault
	gone      outcome = "gone"      // the endpoint wants no more
	unwanted  outcome = "unwanted"  // it is not for this endpoint any more
	elsewhere outcome = "elsewhere" // another front door serves the endpoint
	givenUp   outcome = "given_up"  // a failed one that was the last
	settled   outcome = "settled"   // there is nothing to report
)

// ending is how a delivery ended, and what follows.
type ending struct {
	outcome outcome
	answer  answer
	next    time.Duration // until the next try
	hold    time.Duration // for how long nothing else is sent there
	last    bool          // the schedule has no further try
}

// consequence is what became of the event.
type consequence struct {
	outcome       outcome
	before, fails int       // failures in a row, before and now
	alarm         time.Time // the endpoint fails since then, and for too long; zero when there is nothing to report
}

func (s *Store) settle(ctx context.Context, name, id string, e ending) (consequence, error) {
	reply, err := s.run(ctx, settleScript, name, id, string(e.outcome), e.answer.status, e.answer.took.Milliseconds(), e.answer.text,
		e.next.Milliseconds(), e.hold.Milliseconds(), e.last, wholeSchedule().Milliseconds(),
		failing, alarmAfter.Milliseconds(), alarmEvery.Milliseconds(), remembered,
		firstProbe.Milliseconds(), probeEvery.Milliseconds(), 1-probeJitter*rand.Float64()).Slice()
	if err == nil && len(reply) != 4 {
		err = errors.New("unexpected answer of a script")
	}
	if err != nil {
		return consequence{}, failed(name, err)
	}
	word, _ := reply[0].(string)
	before, _ := reply[1].(int64)
	now, _ := reply[2].(int64)
	since, _ := reply[3].(string)
	return consequence{outcome(word), int(before), int(now), millis(since)}, nil
}

// Enable switches an endpoint on again and has everything that waits there tried now. It returns how many events are
// outstanding, and whether there was anything to change: one that is on and has nothing that waits stays as it is.
func (s *Store) Enable(ctx context.Context, name string) (outstanding int, changed bool, err error) {
	reply, err := s.run(ctx, enableScript, name).Int64Slice()
	if err != nil {
		return 0, false, failed(name, err)
	}
	return int(reply[0]), reply[1] == 1, nil
}

// Replay has the front doors send again everything that ended at a time or later and that the ledger still knows.
func (s *Store) Replay(ctx context.Context, name string, since time.Time) error {
	return failed(name, s.run(ctx, replayScript, name, max(since.UnixMilli(), 0), "", "").Err())
}

// bridge begins a replay in the place of events that the stream has lost, and has the cursor go on behind it.
func (s *Store) bridge(ctx context.Context, name, cursor, to string, since time.Time) (ok bool, err error) {
	n, err := s.run(ctx, replayScript, name, max(since.UnixMilli(), 0), cursor, to).Int()
	return n == 1, failed(name, err)
}

// start gives an endpoint that was never served a cursor: it gets what happens from now on.
func (s *Store) start(ctx context.Context, l *ledger.Ledger, name string) error {
	last, err := l.LastEvent(ctx)
	if err != nil {
		return err
	}
	return failed(name, s.rdb.HSetNX(ctx, keys.Webhook(name)+"state", cursorField, last).Err())
}

func millis(text string) time.Time {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n <= 0 {
		return time.Time{}
	}
	return time.UnixMilli(n).UTC()
}
