package pass2usim

import (
	"bytes"
	"encoding/json"
)

// SetTwist has f rewrite the body of every answer, as a provider would that writes otherwise or shows something else
// than the documents say; nil ends that. Numbers are of type json.Number. f may call the simulator.
func (s *Sim) SetTwist(f func(c Call, body map[string]any)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.twist = f
}

func (s *Sim) twisted(c Call, a reply) reply {
	s.mu.Lock()
	f := s.twist
	s.mu.Unlock()
	if f == nil {
		return a
	}
	m := map[string]any{}
	raw, err := json.Marshal(a.body)
	if err == nil {
		d := json.NewDecoder(bytes.NewReader(raw))
		d.UseNumber()
		err = d.Decode(&m)
	}
	if err != nil {
		panic("pass2usim: " + err.Error()) // not reached: answers are objects
	}
	f(c, m)
	s.handOver()
	return reply{a.status, m, a.date}
}

// handOver makes what a function that a test has set wrote visible to its next call: a call without an answer is
// otherwise ordered before the next one by nothing that the race detector knows.
func (s *Sim) handOver() {
	s.mu.Lock()
	defer s.mu.Unlock()
}
