package ecticketsim

// keep remembers an answer, where answers are kept.
func (s *Sim) keep(c Call, answer []byte) {
	if !s.cfg.KeepAnswers {
		return
	}
	c.N = 0
	s.mu.Lock()
	defer s.mu.Unlock()
	s.given[c] = append(s.given[c], answer)
}

// givenBefore is the answer of ReplayOwn, nil where there is none.
func (s *Sim) givenBefore(c Call, f Fault) []byte {
	if f.Kind != ReplayOwn {
		return nil
	}
	c.N = 0
	s.mu.Lock()
	defer s.mu.Unlock()
	list, at := s.given[c], f.Answer
	if at < 0 {
		at += len(list)
	}
	if at < 0 || at >= len(list) {
		return nil
	}
	return list[at]
}
