package frontdoor

import "time"

// SetClock replaces the clock by which the file is looked at.
func (t *Tokens) SetClock(now func() time.Time) { t.file.SetClock(now) }
