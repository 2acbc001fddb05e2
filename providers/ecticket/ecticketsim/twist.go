package ecticketsim

import (
	"bytes"
	"encoding/json"
)

// SetTwist has f rewrite the Data of every answer before it is sealed, as a provider would that writes otherwise or
// shows something else than the documents say; nil ends that. Numbers are of type json.Number. f may call the simulator.
func (s *Sim) SetTwist(f func(c Call, data map[string]any)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.twist = f
}

func (s *Sim) twisted(c Call, data any) any {
	s.mu.Lock()
	f := s.twist
	s.mu.Unlock()
	if f == nil {
		return data
	}
	d := json.NewDecoder(bytes.NewReader(mustMarshal(json.Marshal, data)))
	d.UseNumber()
	m := map[string]any{}
	if err := d.Decode(&m); err != nil {
		panic("ecticketsim: " + err.Error()) // not reached: answers are objects
	}
	f(c, m)
	s.handOver()
	return m
}
