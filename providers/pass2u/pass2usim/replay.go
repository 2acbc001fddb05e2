package pass2usim

// keep remembers an answer, where answers are kept.
func (s *Sim) keep(c Call, a reply, date string) {
	if !s.cfg.KeepAnswers {
		return
	}
	a.date = date
	key := askedKey{c.Op, c.OrderID}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.given[key] = append(s.given[key], a)
}

// givenBefore is the answer of ReplayOwn; one without a body is none.
func (s *Sim) givenBefore(c Call, f Fault) reply {
	if f.kind != replayOwn {
		return reply{}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	list, at := s.given[askedKey{c.Op, c.OrderID}], f.which
	if at < 0 {
		at += len(list)
	}
	if at < 0 || at >= len(list) {
		return reply{}
	}
	return list[at]
}
