// Package announce lets workers publish in Redis who they are and which seal keys they hold, so that a producer with
// another key is refused before it enqueues what no worker could read. It imports internal/keys.
package announce

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/internal/keys"
)

const (
	// Every is how often a worker announces its keys.
	Every = 20 * time.Second
	// recent is how much older than the newest announcement one may be and still count: the key of
	// a worker that has been reconfigured is refused after that time.
	recent = 10 * time.Minute
	// kept is how long an announcement is kept beside newer ones.
	kept = 24 * time.Hour
)

// sealKeys announces ids, and forgets those that have not been announced for long. It may run twice.
//
//	KEYS[1]  keys.SealKeys
//	ARGV[1]  how long announcements are kept, ms
//	ARGV[2…] ids
//	result   the number of ids that were new
//
// The time is Redis's, the only clock that all workers share.
var sealKeys = redis.NewScript(`
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local added = 0
for i = 2, #ARGV do
	added = added + redis.call('ZADD', KEYS[1], string.format('%.0f', now), ARGV[i])
end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('(%.0f', now - ARGV[1]))
return added
`)

// SealKeys announces the ids (seal.Ring.IDs) of the keys that this worker holds. Call it at the start
// and then at every interval of Every.
func SealKeys(ctx context.Context, rdb redis.Scripter, ids []string) error {
	if len(ids) == 0 {
		return errors.New("announce: no seal keys")
	}
	args := []any{kept.Milliseconds()}
	for _, id := range ids {
		args = append(args, id)
	}
	if err := sealKeys.Run(ctx, rdb, []string{keys.SealKeys}, args...).Err(); err != nil {
		return fmt.Errorf("announce seal keys: %w", err)
	}
	return nil
}

// SealKeyAnnounced reports whether a worker holds the key of this id: ok when one has announced it at
// most 10 minutes before the newest announcement of any key. anybody is false when no worker has
// announced a key yet; then nothing is known.
func SealKeyAnnounced(ctx context.Context, rdb redis.Cmdable, id string) (ok, anybody bool, err error) {
	newest, own, err := announcements(ctx, rdb, id)
	if err != nil || len(newest) == 0 {
		return false, false, err
	}
	if own == nil {
		return false, true, nil
	}
	return newest[0].Score-*own <= float64(recent.Milliseconds()), true, nil
}

// announcements are the newest one of any key, if there is any, and when a key was announced last; nil if never.
func announcements(ctx context.Context, rdb redis.Cmdable, id string) (newest []redis.Z, own *float64, err error) {
	pipe := rdb.Pipeline() // not a transaction, whose error would not say which permission is missing
	all := pipe.ZRevRangeWithScores(ctx, keys.SealKeys, 0, 0)
	score := pipe.ZScore(ctx, keys.SealKeys, id)
	if _, err := pipe.Exec(ctx); err != nil && !errors.Is(err, redis.Nil) {
		return nil, nil, fmt.Errorf("read the announced seal keys: %w", err)
	}
	if score.Err() == nil && len(all.Val()) > 0 {
		at := score.Val()
		own = &at
	}
	return all.Val(), own, nil
}

// SealKeyLags is by how much the last announcement of the key of this id is older than the newest of any key. known is
// false when nobody has announced it. Live workers announce within Every: a key that lags by much more is held by
// none of them.
func SealKeyLags(ctx context.Context, rdb redis.Cmdable, id string) (lag time.Duration, known bool, err error) {
	newest, own, err := announcements(ctx, rdb, id)
	if err != nil || own == nil {
		return 0, false, err
	}
	return time.Duration(newest[0].Score-*own) * time.Millisecond, true, nil
}
