package fair

import (
	"container/heap"
	"time"

	"issuance/internal/queue"
	"issuance/providers"
	"issuance/tasks/order"
)

const (
	// late is how much later than it is due the queue runs by itself what comes back, should this process be gone.
	late = 10 * time.Second
	// backPerNew is how many tasks that come back go on for each one that has not been worked on yet, where both wait. Of these, a
	// look-up is one call, and an order that is sent and looked up two.
	backPerNew = 2
	// mostBack bounds how many of an account's tasks this process remembers.
	mostBack = 50_000
)

// returns are the tasks of an account that have made a call in this process and wait to make another, such as orders that
// are to be looked up once more. The process remembers when each is due, and puts it at the head of the queue then: behind
// everything that waits it could be hours late. So that neither keeps the other waiting, those take turns with the account's
// others, see backPerNew. Nothing in Redis says so: what a process forgets that ends is run by the queue a little later,
// behind what waits.
type returns struct {
	due   map[string]time.Time
	list  dueList
	let   map[string]time.Time // those that were let go on and have not come yet, in a queue without lines
	turns int                  // how many may still go on before one that is new
}

type dueTask struct {
	at time.Time
	id string
}

type dueList []dueTask

func (d dueList) Len() int           { return len(d) }
func (d dueList) Less(i, j int) bool { return d[i].at.Before(d[j].at) }
func (d dueList) Swap(i, j int)      { d[i], d[j] = d[j], d[i] }
func (d *dueList) Push(x any)        { *d = append(*d, x.(dueTask)) }
func (d *dueList) Pop() any {
	last := (*d)[len(*d)-1]
	*d = (*d)[:len(*d)-1]
	return last
}

func (r *returns) add(id string, at time.Time) (ok bool) {
	if len(r.list) >= mostBack {
		return false
	}
	if r.due == nil {
		r.due, r.let = map[string]time.Time{}, map[string]time.Time{}
	}
	r.due[id] = at
	heap.Push(&r.list, dueTask{at, id})
	return true
}

// next is when the first one is due.
func (r *returns) next() (at time.Time, ok bool) {
	for len(r.list) > 0 && !r.due[r.list[0].id].Equal(r.list[0].at) { // it is not expected any more, or at another time
		heap.Pop(&r.list)
	}
	if len(r.list) == 0 {
		return at, false
	}
	return r.list[0].at, true
}

func (r *returns) isDue(now time.Time) bool {
	at, ok := r.next()
	return ok && !at.After(now)
}

// take takes the first one that is due.
func (r *returns) take() dueTask {
	t := heap.Pop(&r.list).(dueTask)
	delete(r.due, t.id)
	return t
}

// came takes note of a task that runs: it need not be let go on any more. The result is false of one that is new.
func (r *returns) came(id string) (back bool) {
	_, due := r.due[id]
	_, let := r.let[id]
	delete(r.due, id)
	delete(r.let, id)
	return due || let
}

// comesBack remembers a task that has run, and made a call, until it is due again.
func (l *Lane) comesBack(a providers.Account, id string, w *queue.WaitError) error {
	if l.Config.Lane == order.Poll { // which come back again and again, and are nothing else
		return w
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	p := l.places[a]
	if p == nil || !p.back.add(id, time.Now().Add(max(w.After, 0))) {
		return w
	}
	l.wake() // the releaser sets its clock by it
	back := *w
	back.Late += late
	return &back
}

// takesTurns reports whether a task that has come without room is one that comes back, and need not go to the end of the line.
func (l *Lane) takesTurns(a providers.Account, id string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := l.places[a]
	if p == nil || p.held != nil {
		return false
	}
	_, known := p.back.due[id]
	return known
}

// backs takes the tasks that come back and may go on now, of which the first, so many as turns, go on although others of the
// account wait. room is how many tasks may go on; fromLine is how many are left of it.
func (l *Lane) backs(p *place, now time.Time, room int) (back []dueTask, turns, fromLine int) {
	if p.held != nil || now.Before(p.notBefore) {
		return nil, 0, room
	}
	if l.Accounts() > 1 {
		for ; room > 0 && p.back.isDue(now) && (p.back.turns > 0 || !p.line); room-- {
			back = append(back, p.back.take())
			p.back.turns = max(p.back.turns-1, 0)
		}
		if room > 0 && p.back.isDue(now) { // one that is new, and others may follow it
			p.back.turns, room = backPerNew, 1
		}
		return back, len(back), room
	}
	// The queue is the account's line, and whoever fetches from it takes its room.
	for p.back.isDue(now) && (p.back.turns > 0 || len(back)-turns < room) {
		t := p.back.take()
		p.back.let[t.id] = now
		back = append(back, t)
		if p.back.turns > 0 {
			p.back.turns--
			turns++
		}
	}
	return back, turns, room
}

// again takes tasks back that could not be let go on.
func (p *place) again(back []dueTask) {
	for _, t := range back {
		delete(p.back.let, t.id)
		p.back.add(t.id, t.at)
	}
}

// forgetLet forgets those that were let go on before a moment: another process has got them.
func (p *place) forgetLet(before time.Time) {
	for id, at := range p.back.let {
		if at.Before(before) {
			delete(p.back.let, id)
		}
	}
}

// isNew takes note of a task that was not worked on before.
func (l *Lane) isNew(p *place) {
	if l.Accounts() <= 1 {
		p.back.turns = min(p.back.turns+backPerNew, backPerNew*l.slots(p.terms))
	}
}

// untilBack is how long until a task comes back; ok is false when none does.
func (l *Lane) untilBack() (d time.Duration, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	for _, p := range l.places {
		// What is due already waits for room, or its turn.
		if at, some := p.back.next(); some && at.After(now) && (!ok || at.Sub(now) < d) {
			d, ok = at.Sub(now), true
		}
	}
	return d, ok
}
