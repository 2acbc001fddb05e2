package handler

import (
	"time"

	"issuance/internal/queue"
)

// longest is the longest pause between two looks at a record in doubt.
const longest = 10 * time.Minute

// LookAfter is the pause before a request without a clear answer is looked into: first, and ever
// longer when so many before it had none either, for they would take the calls of the others.
func LookAfter(doubts int, first time.Duration) time.Duration {
	if doubts <= 0 {
		return first
	}
	return queue.Backoff(doubts, first, longest)
}

// AskAgain is the pause after a question whose answer was of no use, the longer the older the matter is.
func AskAgain(age, first time.Duration) time.Duration { return min(max(first, age/2), longest) }

// Old reports whether something has gone on for longer than giveUp; what has not begun has not.
func Old(now, since time.Time, giveUp time.Duration) bool {
	return !since.IsZero() && now.Sub(since) > giveUp
}

// enough is how many requests get no clear answer at the least before sending again is given up: a
// doubt may be old only because no worker ran.
const enough = 3

// InVain reports whether sending again, after so many requests without a clear answer, has gone on for
// so long that a person has to decide.
func InVain(doubts int, now, since time.Time, giveUp time.Duration) bool {
	return doubts >= enough && Old(now, since, giveUp)
}
