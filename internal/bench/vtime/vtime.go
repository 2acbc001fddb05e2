// Package vtime is virtual time for simulations: processes that sleep on a clock which jumps to the
// next event as soon as nobody has anything left to do. One process runs at a time, and those due
// at the same moment run in the order in which they went to sleep, so a simulation takes the same
// course each time as far as its own randomness allows. Durations are rounded up to microseconds,
// which is as fine as Redis's clock is. It imports nothing of ours.
package vtime

import (
	"container/heap"
	"runtime"
	"time"
)

// Clock runs processes. Before Run its methods may be called by whoever made it, then only by the
// process that runs.
type Clock struct {
	now    time.Time
	queue  sleepers
	seq    int
	parked chan struct{} // the process that ran has gone to sleep or ended
	over   bool
}

// New makes a clock that shows start.
func New(start time.Time) *Clock {
	return &Clock{now: start, parked: make(chan struct{})}
}

// Now is the virtual time.
func (c *Clock) Now() time.Time { return c.now }

// Go starts a process, at this moment but not before whoever runs now has gone to sleep.
func (c *Clock) Go(run func()) {
	wake := c.enter(0)
	go func() {
		defer func() { c.parked <- struct{}{} }()
		if <-wake {
			run()
		}
	}()
}

// Sleep puts the calling process to sleep for d. When the simulation ends meanwhile, the process
// ends here; its deferred calls run.
func (c *Clock) Sleep(d time.Duration) {
	if c.over {
		runtime.Goexit()
	}
	wake := c.enter(d)
	c.parked <- struct{}{}
	if !<-wake {
		runtime.Goexit()
	}
}

// Stop ends the simulation as soon as the calling process sleeps or ends.
func (c *Clock) Stop() { c.over = true }

// Run lets time pass until Stop, until limit has passed, or until no process is left, and ends
// every process. It reports whether Stop was called or no process was left in time.
func (c *Clock) Run(limit time.Duration) bool {
	end := c.now.Add(limit)
	for !c.over && len(c.queue) > 0 && !c.queue[0].at.After(end) {
		c.step(true)
	}
	done := c.over || len(c.queue) == 0
	c.over = true
	for len(c.queue) > 0 {
		c.step(false)
	}
	return done
}

// step wakes the next sleeper and waits until it sleeps or has ended.
func (c *Clock) step(on bool) {
	next := heap.Pop(&c.queue).(sleeper)
	if on && next.at.After(c.now) {
		c.now = next.at
	}
	next.wake <- on
	<-c.parked
}

func (c *Clock) enter(d time.Duration) <-chan bool {
	c.seq++
	d = (max(d, 0) + time.Microsecond - 1).Truncate(time.Microsecond)
	s := sleeper{at: c.now.Add(d), seq: c.seq, wake: make(chan bool)}
	heap.Push(&c.queue, s)
	return s.wake
}

type sleeper struct {
	at   time.Time
	seq  int
	wake chan bool
}

// sleepers is a heap, the next to wake first.
type sleepers []sleeper

func (s sleepers) Len() int      { return len(s) }
func (s sleepers) Swap(i, j int) { s[i], s[j] = s[j], s[i] }
func (s *sleepers) Push(x any)   { *s = append(*s, x.(sleeper)) }
func (s sleepers) Less(i, j int) bool {
	if !s[i].at.Equal(s[j].at) {
		return s[i].at.Before(s[j].at)
	}
	return s[i].seq < s[j].seq
}

func (s *sleepers) Pop() any {
	last := len(*s) - 1
	x := (*s)[last]
	*s = (*s)[:last]
	return x
}
