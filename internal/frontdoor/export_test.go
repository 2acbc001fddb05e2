package frontdoor

import "time"

// SetClock replaces the clock by which the file is looked at.
func (t *Tokens) SetClock(now func() time.Time) { t.file.SetClock(now) }

// Waiting counts the requests that wait for a final status.
func (s *Server) Waiting() int { return s.hub.waiters() }
