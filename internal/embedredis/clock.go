package embedredis

import (
	"sync"
	"time"

	"github.com/alicebob/miniredis/v2"
)

// Each look at the TTLs of a miniredis goes through all of its keys, in their order. Its own option ClockTTL looks before every
// command, so that a page of a few hundred orders took seconds. Here the time passes in steps instead.
const (
	// step is how exact TTLs are where there are few keys.
	step = 10 * time.Millisecond
	// rest is how much longer than a look the pause behind it is: looking takes a twentieth of the time at most.
	rest = 20
)

// passTime lets keys expire in real time, to the step, until stop is called.
func passTime(m *miniredis.Miniredis) (stop func()) {
	ended := make(chan struct{})
	var running sync.WaitGroup
	running.Go(func() {
		wait := time.NewTimer(step)
		defer wait.Stop()
		for last := time.Now(); ; {
			select {
			case <-ended:
				return
			case <-wait.C:
			}
			now := time.Now()
			m.FastForward(now.Sub(last))
			last = now
			wait.Reset(max(step, rest*time.Since(now)))
		}
	})
	return sync.OnceFunc(func() { close(ended); running.Wait() })
}
