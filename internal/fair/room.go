package fair

import (
	"context"
	"sync"
	"time"

	"github.com/hibiken/asynq"

	"issuance/internal/budget"
	"issuance/internal/queue"
	"issuance/providers"
)

// group is what the accounts of one allowance share in this process.
type group struct {
	waiting int // tasks that run and have not passed the call budget, and those that were let go on and have not come yet
}

// place is an account's in this process.
type place struct {
	*group
	terms    Terms
	inside   int                  // tasks that run
	expected map[string]time.Time // task ids that were let go on and have not come yet, until when they are expected
	line     bool                 // the account's line may hold tasks
	held     *queue.WaitError     // why the account's calls are held; nil when they are not
	// notBefore is until when nothing is let go on: the call budget has just refused a call.
	notBefore time.Time
	turn      time.Time     // when its line was last looked at
	releasing chan struct{} // closed when a release of its line was answered; nil without one
	back      returns
}

func (l *Lane) place(a providers.Account, t Terms) *place {
	if t.Allowance == "" {
		t.Allowance = a.String()
	}
	p := l.places[a]
	if p == nil {
		p = &place{expected: map[string]time.Time{}}
		l.places[a] = p
	}
	if p.group == nil || p.terms.Allowance != t.Allowance {
		if p.group != nil { // what runs counts where it began
			p.forget(func(string, time.Time) bool { return true })
		}
		if l.groups[t.Allowance] == nil {
			l.groups[t.Allowance] = &group{}
		}
		p.group = l.groups[t.Allowance]
	}
	p.terms = t
	return p
}

// expect expects a task that was let go on. One that is expected already, because another process has put it aside again, takes
// no more room.
func (p *place) expect(id string, until time.Time) {
	if _, known := p.expected[id]; !known {
		p.waiting++
	}
	p.expected[id] = until
}

// forget expects those tasks no longer of which over says so.
func (p *place) forget(over func(id string, until time.Time) bool) {
	for id, until := range p.expected {
		if over(id, until) {
			delete(p.expected, id)
			p.waiting--
		}
	}
}

// room is how many more tasks of an account may run.
func (l *Lane) room(p *place, now time.Time) int {
	if p.held != nil || now.Before(p.notBefore) {
		return 0
	}
	slots := l.slots(p.terms) - p.inside - len(p.expected)
	if l.Accounts() <= 1 {
		return slots
	}
	return min(slots, p.terms.waiting()-p.waiting)
}

// admit lets a task run if there is room, and says otherwise what it waits for.
func (l *Lane) admit(a providers.Account, t Terms, id string) (*visit, *queue.WaitError) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := l.place(a, t)
	for p.releasing != nil { // it may be one of those
		answered := p.releasing
		l.mu.Unlock()
		<-answered
		l.mu.Lock()
	}
	now := time.Now()
	_, expected := p.expected[id]
	switch {
	case expected:
		delete(p.expected, id)
		p.waiting--
	case p.held != nil:
		return nil, p.held
	case p.line && l.Accounts() > 1, l.room(p, now) <= 0:
		return nil, &queue.WaitError{Reason: queue.TurnText}
	}
	return l.begin(p, id), nil
}

// force lets a task run without room.
func (l *Lane) force(a providers.Account, t Terms, id string) *visit {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.begin(l.place(a, t), id)
}

func (l *Lane) begin(p *place, id string) *visit {
	if !p.back.came(id) {
		l.isNew(p)
	}
	p.inside++
	p.waiting++
	return &visit{lane: l, place: p, group: p.group}
}

// visit is one run of a task. It hears what the call budget says.
type visit struct {
	lane  *Lane
	place *place
	group *group

	mu     sync.Mutex
	called bool                 // a call has passed the call budget
	passed bool                 // or none will
	held   *providers.HeldError // the last call's, nil when it passed
}

// run runs the task. Its slot is free afterwards, even if the handler panics.
func (v *visit) run(ctx context.Context, next asynq.Handler, t *asynq.Task) error {
	defer v.leave()
	return next.ProcessTask(budget.Watched(ctx, v), t)
}

// Passed implements budget.Watcher.
func (v *visit) Passed() {
	v.mu.Lock()
	first := !v.passed
	v.called, v.passed, v.held = true, true, nil
	v.mu.Unlock()
	if first {
		v.lane.change(func() { v.group.waiting-- })
	}
}

// Held implements budget.Watcher.
func (v *visit) Held(err *providers.HeldError) {
	v.mu.Lock()
	v.held = err
	v.mu.Unlock()
	until := time.Now().Add(min(err.RetryAfter, mostPause))
	v.lane.mu.Lock()
	defer v.lane.mu.Unlock()
	if v.group.waiting > 1 { // those that wait show when calls may leave
		return
	}
	if v.place.notBefore.Before(until) {
		v.place.notBefore = until
	}
}

// mostPause is how long nothing is let go on after the call budget has refused a call. What lasts longer is seen by See.
const mostPause = 6 * time.Second

// outcome says whether the task has made a call, and what has held back its last one.
func (v *visit) outcome() (called bool, held *providers.HeldError) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.called, v.held
}

func (v *visit) leave() {
	v.mu.Lock()
	first := !v.passed
	v.passed = true
	v.mu.Unlock()
	v.lane.change(func() {
		v.place.inside--
		if first {
			v.group.waiting--
		}
	})
}

// change makes room, which the releaser may fill.
func (l *Lane) change(do func()) {
	l.mu.Lock()
	do()
	l.mu.Unlock()
	l.wake()
}

// wake has the releaser look whether tasks may go on.
func (l *Lane) wake() {
	select {
	case l.kick <- struct{}{}:
	default:
	}
}

// See notes which accounts' calls are held.
func (l *Lane) See(states []budget.State) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range states {
		halt, held := s.Held(l.Config.Lane)
		p := l.places[s.Account]
		if !held && p == nil {
			continue
		}
		if p == nil {
			terms, ok := l.Terms(s.Account)
			if !ok {
				continue
			}
			p = l.place(s.Account, terms)
		}
		p.held = nil
		if held {
			p.held = &queue.WaitError{Reason: halt.Reason, Until: halt.Until}
		}
	}
}
