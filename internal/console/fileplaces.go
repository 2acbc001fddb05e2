package console

import (
	"context"
	"errors"
	"maps"
	"slices"
)

// A front door has a few places for files. Where all are taken, a person's upload takes the place of that person's oldest file
// that waits for its start; one that is checked or enqueued keeps its own.

// errNoPlace says that files that may not be replaced hold all places.
var errNoPlace = errors.New("there is no place for a file")

// enter has a file take its place among those that are here.
func (s *files) enter(h *held) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h.kick, h.gone = make(chan struct{}, 1), make(chan struct{})
	s.here[h.ID] = h
}

// leave removes a file, and gives its place to its heir, or back.
func (s *files) leave(h *held) {
	h.drop()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.here, h.ID)
	if h.heir {
		close(h.gone)
		return
	}
	<-s.slots
}

// waiting notes whether a file waits for its start.
func (s *files) waiting(h *held, now bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h.waits = now
}

// replaced reports whether an upload has taken, or is taking, a file's place.
func (s *files) replaced(h *held) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return h.heir
}

// place takes a place for an upload. Where all are taken, instead is the file of the same token that has left it. The error is
// errNoPlace, the store's or the context's.
func (s *files) place(ctx context.Context, mark string, stop step) (instead *held, err error) {
	select {
	case s.slots <- struct{}{}:
		return nil, nil
	default:
	}
	for h := s.inherit(mark); h != nil; h = s.inherit(mark) {
		refused, err := s.move(ctx, h.ID, stop)
		if err == nil && refused == nil {
			s.wake(h.ID)
			return h, s.succeed(ctx, h)
		}
		own := s.disinherit(h, err == nil)
		if err != nil && own {
			<-s.slots
		}
		if err != nil || own { // it has just ended by itself
			return nil, err
		}
	}
	return nil, errNoPlace
}

// inherit makes the upload of a token the heir of its oldest file that waits, nil where there is none.
func (s *files) inherit(mark string) *held {
	s.mu.Lock()
	defer s.mu.Unlock()
	var oldest *held
	for _, h := range s.here {
		if h.Mark == mark && h.waits && !h.heir && (oldest == nil || h.Created.Before(oldest.Created)) {
			oldest = h
		}
	}
	if oldest != nil {
		oldest.heir = true
	}
	return oldest
}

// disinherit leaves a file its place; started says that it waits no more. It reports whether the file has left its place to the
// upload by now, which then has it.
func (s *files) disinherit(h *held, started bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.here[h.ID] == nil {
		return true
	}
	h.heir, h.waits = false, h.waits && !started
	return false
}

// succeed waits until a file has left its place to its heir.
func (s *files) succeed(ctx context.Context, h *held) error {
	select {
	case <-h.gone:
		return nil
	case <-ctx.Done():
		go func() { // nobody takes the place any more
			<-h.gone
			<-s.slots
		}()
		return ctx.Err()
	}
}

// holders are the files that hold places of this front door, the oldest first.
func (s *files) holders(ctx context.Context) (list []*file, err error) {
	s.mu.Lock()
	var ids []string
	for _, h := range slices.SortedFunc(maps.Values(s.here), func(a, b *held) int { return a.Created.Compare(b.Created) }) {
		ids = append(ids, h.ID)
	}
	s.mu.Unlock()
	for _, id := range ids {
		f, err := s.load(ctx, id)
		if err != nil {
			return nil, err
		}
		if f != nil {
			list = append(list, f)
		}
	}
	return list, nil
}

// MostHeld is how many files a front door holds at a time.
func (v *view) MostHeld() int { return mostHeld }
