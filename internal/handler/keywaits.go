package handler

import (
	"math/rand/v2"
	"sync"
	"time"
)

// Records that wait for a seal key are tried again keyWait later at the earliest, keysPerSecond of them, so that many of
// them cost no more than a few: each waits the longer, up to longestKeyWait. A worker that is started wakes them.
const (
	keyWait        = 10 * time.Second
	longestKeyWait = 5 * time.Minute
	keysPerSecond  = 20
)

// KeyText is in the reason of every wait for a seal key.
const KeyText = "seal key"

// KeyWaits says how long records wait for their seal keys. One is shared by all accounts of a process; the zero value is
// ready. Safe for concurrent use.
type KeyWaits struct {
	mu   sync.Mutex
	slot time.Time // when the last one runs again
}

// Next is how long the next record that waits for a seal key should wait.
func (k *KeyWaits) Next() time.Duration { return k.next(time.Now()) }

func (k *KeyWaits) next(now time.Time) time.Duration {
	k.mu.Lock()
	defer k.mu.Unlock()
	slot := k.slot.Add(time.Second / keysPerSecond)
	if first := now.Add(keyWait); slot.Before(first) {
		slot = first
	}
	if last := now.Add(longestKeyWait); slot.After(last) {
		return longestKeyWait - time.Duration(rand.Int64N(int64(longestKeyWait)/5))
	}
	k.slot = slot
	return slot.Sub(now)
}
