package webhooks

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"issuance/internal/keys"
)

// State is where an endpoint stands. Times are zero when the thing has not happened.
type State struct {
	Cursor      string    // the stream id of the event that was admitted last; "" before the first front door served it
	Outstanding int       // events that are admitted and not delivered
	Waiting     int       // of these, those that wait for another try
	Delivered   int       // in all
	GivenUp     int       // in all
	Fails       int       // failures in a row
	FailingAt   time.Time // since when
	OffAt       time.Time // when it answered that it wants no more
	HeldUntil   time.Time // when it may be asked again
	ProbeAt     time.Time // when the next probe may leave; only while the endpoint fails all the time
	// ReplaySince is the beginning of a replay that is under way.
	ReplaySince time.Time
	// The last answer, or why there was none.
	At     time.Time
	Status int
	Took   time.Duration
	Text   string

	replay string // where it goes on
	first  bool   // and the stream waits for it
}

// Word says in a word where the endpoint stands.
func (s State) Word() string {
	switch {
	case !s.OffAt.IsZero():
		return "off"
	case s.Cursor == "":
		return "new"
	case s.Fails > 0:
		return "failing"
	}
	return "ok"
}

// Hindered reports whether enabling the endpoint would change something: it is off, held, failing, or has events that wait
// for another try.
func (s State) Hindered() bool {
	return !s.OffAt.IsZero() || !s.HeldUntil.IsZero() || s.Fails > 0 || s.Waiting > 0
}

// State reads where an endpoint stands.
func (s *Store) State(ctx context.Context, name string) (State, error) {
	p := keys.Webhook(name)
	pipe := s.rdb.Pipeline()
	hash := pipe.HGetAll(ctx, p+"state")
	all := pipe.HLen(ctx, p+"events")
	waiting := pipe.ZCount(ctx, p+"wait", "1000000000000", "+inf")
	if _, err := pipe.Exec(ctx); err != nil {
		return State{}, failed(name, err)
	}
	f := hash.Val()
	return State{Cursor: f[cursorField], Outstanding: int(all.Val()), Waiting: int(waiting.Val()),
		Delivered: number(f["delivered"]), GivenUp: number(f["given_up"]), Fails: number(f["fails"]), FailingAt: millis(f["failing_since"]),
		OffAt: millis(f["off"]), HeldUntil: millis(f["hold"]), ProbeAt: millis(f["probe_at"]), ReplaySince: replaySince(f), At: millis(f["at"]), Status: number(f["status"]),
		Took: time.Duration(number(f["ms"])) * time.Millisecond, Text: f["text"], replay: f[replayField], first: f["replay_first"] != ""}, nil
}

func replaySince(f map[string]string) time.Time {
	if f[replayField] == "" {
		return time.Time{}
	}
	return time.UnixMilli(int64(number(f["replay_since"]))).UTC()
}

func number(text string) int {
	n, _ := strconv.Atoi(text)
	return n
}

// Delivery is one try to deliver an event.
type Delivery struct {
	At      time.Time
	EventID string
	Try     int
	Outcome string // delivered, failed, postponed, gone or given_up
	Status  int    // 0 without an answer
	Took    time.Duration
	Text    string // why there was none
}

// remembered is about how many deliveries of an endpoint are remembered.
const remembered = 1000

// Deliveries reads the last ones, the newest first.
func (s *Store) Deliveries(ctx context.Context, name string, limit int64) ([]Delivery, error) {
	list, err := s.rdb.XRevRangeN(ctx, keys.Webhook(name)+"log", "+", "-", limit).Result()
	if err != nil {
		return nil, failed(name, err)
	}
	out := make([]Delivery, len(list))
	for i, m := range list {
		v := func(name string) string { s, _ := m.Values[name].(string); return s }
		out[i] = Delivery{At: millis(v("at")), EventID: v("id"), Try: number(v("try")), Outcome: v("outcome"), Status: number(v("status")),
			Took: time.Duration(number(v("ms"))) * time.Millisecond, Text: v("text")}
	}
	return out, nil
}

// Announced is what front doors announce of an endpoint, so that operators see it without the file.
type Announced struct {
	Name     string    `json:"-"`
	Host     string    `json:"host"` // scheme and host of its URL: the rest may be a secret
	Events   []string  `json:"events,omitempty"`
	Accounts []string  `json:"accounts,omitempty"`
	Seen     time.Time `json:"seen"`
	// Removed says that the endpoint is in no front door's file any more: one has announced its endpoints for removedAfter without it.
	Removed bool `json:"-"`
}

// Word says in a word where the endpoint stands, by its state.
func (a Announced) Word(s State) string {
	if a.Removed {
		return "removed"
	}
	return s.Word()
}

// removedAfter is longer than a front door takes to restart with another file, and than two clocks differ.
const removedAfter = 10 * time.Minute

// doors is the place of the announcement that front doors make whatever their endpoints are. No endpoint has this name.
const doors = ""

// Announced lists the endpoints that front doors serve, or have served, by name.
func (s *Store) Announced(ctx context.Context) ([]Announced, error) {
	all, err := s.rdb.HGetAll(ctx, keys.Webhooks).Result()
	if err != nil {
		return nil, fmt.Errorf("webhooks: %w", err)
	}
	var out []Announced
	var latest Announced // of any front door
	for _, name := range slices.Sorted(maps.Keys(all)) {
		a := Announced{Name: name}
		if err := json.Unmarshal([]byte(all[name]), &a); err != nil {
			return nil, failed(name, err)
		}
		if name == doors { // sorts before every name
			latest = a
			continue
		}
		a.Removed = latest.Seen.Sub(a.Seen) >= removedAfter
		out = append(out, a)
	}
	return out, nil
}

// announce says which endpoints this front door serves.
func (s *Store) announce(ctx context.Context, list []*Endpoint, now time.Time) error {
	latest, err := json.Marshal(Announced{Seen: now.UTC()})
	if err != nil {
		return err
	}
	pipe := s.rdb.Pipeline()
	pipe.HSet(ctx, keys.Webhooks, doors, latest)
	for _, e := range list {
		a := Announced{Host: e.Host(), Events: e.Events, Seen: now.UTC()}
		for _, acc := range e.Accounts {
			a.Accounts = append(a.Accounts, acc.String())
		}
		raw, err := json.Marshal(a)
		if err != nil {
			return err
		}
		pipe.HSet(ctx, keys.Webhooks, e.Name, raw)
	}
	_, err = pipe.Exec(ctx)
	return err
}

// Forget deletes everything that Redis holds of an endpoint, its events that wait included. One that a front door serves is back
// within a minute, and gets what happens from then on.
func (s *Store) Forget(ctx context.Context, name string) error {
	if err := s.rdb.HDel(ctx, keys.Webhooks, name).Err(); err != nil {
		return failed(name, err)
	}
	return failed(name, s.rdb.Del(ctx, held(name)...).Err())
}
