package budget

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/internal/keys"
	"issuance/providers"
	"issuance/tasks/order"
)

// Hold is an operator's pause of one lane of an account, or of the whole account.
type Hold struct {
	Lane   order.Lane // "" for all lanes
	Who    string
	Reason string // safe to show
	Since  time.Time
}

// pauseAll is the field of the whole account's pause; the scripts know it, too.
const pauseAll = "all"

// pauseEntry is a Hold as it is stored.
type pauseEntry struct {
	Who    string    `json:"who"`
	Reason string    `json:"reason"`
	Since  time.Time `json:"since"`
}

// ErrNotAnnounced says that no worker has announced an account, so that its allowance is not known.
var ErrNotAnnounced = errors.New("no worker has announced this account")

// Pause holds the calls of one lane of an account, or of all lanes with lane "", until Resume, and
// returns the hold that is in force. added is false when there was one already, which then stays as
// it is. Look-ups and polls are calls, too. After an error the pause may or may not be in force;
// repeating it is harmless. ErrNotAnnounced is returned for an account that no worker has served.
func Pause(ctx context.Context, rdb redis.UniversalClient, a providers.Account, lane order.Lane, who, reason string) (h Hold, added bool, err error) {
	h = Hold{Lane: lane, Who: oneLine(who, maxWho), Reason: providers.SafeText(reason)}
	if err = h.check(); err == nil {
		h.Since, err = rdb.Time(ctx).Result()
	}
	if err == nil {
		h, added, err = pause(ctx, rdb, a, h)
	}
	if err != nil {
		return Hold{}, false, fmt.Errorf("pause %s: %w", a, err)
	}
	return h, added, nil
}

// pause writes a hold where the account's workers look for it. A worker that announces another allowance
// meanwhile may have missed it, so it is then written there as well.
func pause(ctx context.Context, rdb redis.UniversalClient, a providers.Account, h Hold) (Hold, bool, error) {
	allowance, err := allowanceOf(ctx, rdb, a)
	for err == nil {
		inForce, added, err := addHold(ctx, rdb, keys.Paused(allowance, a), h)
		if err != nil {
			return Hold{}, false, err
		}
		now, err := allowanceOf(ctx, rdb, a)
		if err != nil || now == allowance {
			return inForce, added, err
		}
		allowance = now
	}
	return Hold{}, false, err
}

// maxWho is how many characters are kept of an operator's name.
const maxWho = 60

func (h Hold) check() error {
	switch {
	case h.Lane != "" && !slices.Contains(order.Lanes(), h.Lane):
		return fmt.Errorf("unknown lane %q", h.Lane)
	case h.Who == "":
		return errors.New("who pauses is missing")
	case h.Reason == "":
		return errors.New("a reason is missing")
	}
	return nil
}

func (h Hold) field() string {
	if h.Lane == "" {
		return pauseAll
	}
	return string(h.Lane)
}

// addHold writes a hold unless there is one, and reads the one in force. One that is equal is its own:
// the client repeats a command whose answer was lost, and the allowance's change copies holds.
func addHold(ctx context.Context, rdb redis.UniversalClient, key string, h Hold) (inForce Hold, added bool, err error) {
	entry, err := json.Marshal(pauseEntry{h.Who, h.Reason, h.Since.UTC()})
	if err != nil {
		return Hold{}, false, err
	}
	first, err := rdb.HSetNX(ctx, key, h.field(), entry).Result()
	if err != nil || first {
		return h, first, err
	}
	stored, err := rdb.HGet(ctx, key, h.field()).Result()
	if errors.Is(err, redis.Nil) { // it was resumed meanwhile
		return addHold(ctx, rdb, key, h)
	}
	return readHold(h.field(), stored), stored == string(entry), err
}

// Resume ends the pause of one lane, or every pause of the account with lane "", and returns what it
// has ended. A lane stays held while the whole account is paused.
func Resume(ctx context.Context, rdb redis.UniversalClient, a providers.Account, lane order.Lane) ([]Hold, error) {
	allowance, err := allowanceOf(ctx, rdb, a)
	if err != nil {
		return nil, fmt.Errorf("resume %s: %w", a, err)
	}
	key := keys.Paused(allowance, a)
	var before *redis.MapStringStringCmd
	cmds, err := rdb.TxPipelined(ctx, func(p redis.Pipeliner) error {
		before = p.HGetAll(ctx, key)
		if lane == "" {
			p.Del(ctx, key)
		} else {
			p.HDel(ctx, key, string(lane))
		}
		return nil
	})
	for _, cmd := range cmds { // EXEC's own error says only that the whole is given up
		if own := cmd.Err(); own != nil && !redis.HasErrorPrefix(own, "EXECABORT") {
			return nil, fmt.Errorf("resume %s: %w", a, own)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("resume %s: %w", a, err)
	}
	ended := holdsOf(before.Val())
	if lane != "" {
		ended = slices.DeleteFunc(ended, func(h Hold) bool { return h.Lane != lane })
	}
	return ended, nil
}

// readHold reads an entry. One that cannot be read holds calls all the same.
func readHold(field, stored string) Hold {
	var e pauseEntry
	if json.Unmarshal([]byte(stored), &e) != nil {
		e = pauseEntry{Who: "unknown", Reason: "the entry in Redis cannot be read"}
	}
	h := Hold{Lane: order.Lane(field), Who: e.Who, Reason: e.Reason, Since: e.Since}
	if field == pauseAll {
		h.Lane = ""
	}
	return h
}

// holdsOf reads the hash of an account's pauses: the whole account's first, then by lane.
func holdsOf(stored map[string]string) []Hold {
	var holds []Hold
	for _, l := range append([]order.Lane{""}, order.Lanes()...) {
		field := Hold{Lane: l}.field()
		if entry, ok := stored[field]; ok {
			holds = append(holds, readHold(field, entry))
		}
	}
	return holds
}

func (h Hold) String() string { return pausedBy + h.Who + ": " + h.Reason }

const pausedBy = "paused by "

// pauseRetry is when a held call is tried again, at the earliest: nobody knows how long a pause lasts.
const pauseRetry = 30 * time.Second

func heldByPause(a answer) error {
	return &providers.HeldError{RetryAfter: spread(pauseRetry), Reason: readHold(pauseAll, a.pause).String()}
}
