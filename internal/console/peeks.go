package console

import (
	"sync"
	"time"
)

// peekEvery is how often something is read for the browsers that look at it.
const peekEvery = time.Second

// peeks keeps things by id as they were a moment ago, which costs Redis the same for one browser and for many.
type peeks[T any] struct {
	mu   sync.Mutex
	seen map[string]peeked[T]
}

type peeked[T any] struct {
	of *T
	at time.Time
}

// get is a thing as it was a moment ago; load reads it, nil where there is none.
func (p *peeks[T]) get(now time.Time, id string, load func() (*T, error)) (*T, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if k, ok := p.seen[id]; ok && now.Sub(k.at) < peekEvery {
		return k.of, nil
	}
	of, err := load()
	if err != nil {
		return nil, err
	}
	for other, k := range p.seen {
		if now.Sub(k.at) > time.Minute {
			delete(p.seen, other)
		}
	}
	if p.seen == nil {
		p.seen = map[string]peeked[T]{}
	}
	p.seen[id] = peeked[T]{of, now}
	return of, nil
}
