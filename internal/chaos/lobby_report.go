package chaos

import "fmt"

// problems lists what fails a run by itself; l may be nil.
func (l *Lobby) problems() (out []string) {
	if l == nil {
		return nil
	}
	for _, s := range l.readers {
		s.mu.Lock()
		out = append(out, s.wrong...)
		s.mu.Unlock()
	}
	return out
}

// table shows how connections broke, and what receivers answered.
func (l *Lobby) table() string {
	return table(func(add func(cells ...string)) {
		for _, d := range l.doors {
			for _, p := range []*proxy{d.requests, d.bulk, d.events} {
				p.mu.Lock()
				named := map[string]int{}
				for b, n := range p.tally {
					named[string(b)] = n
				}
				p.mu.Unlock()
				whole := named[string(Whole)]
				delete(named, string(Whole))
				add("connections of "+p.name, fmt.Sprintf("whole %d; broken: %s", whole, counts(named)))
			}
		}
		for _, rec := range l.receivers {
			rec.mu.Lock()
			add("receiver "+rec.name, fmt.Sprintf("%d events, answers: %s", len(rec.tries), counts(rec.tally)))
			rec.mu.Unlock()
		}
		for i, s := range l.readers {
			s.mu.Lock()
			add(fmt.Sprintf("reader %d", i+1), fmt.Sprintf("%d events over %d connections", len(s.read), s.again))
			s.mu.Unlock()
		}
	})
}
