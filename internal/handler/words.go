package handler

import (
	"fmt"
	"time"
)

// Tickets is a number of tickets in words: "1 ticket", "2 tickets".
func Tickets(n int) string {
	if n == 1 {
		return "1 ticket"
	}
	return fmt.Sprintf("%d tickets", n)
}

// Moment is a time in a message. Who reads it may be in any time zone, so it says UTC.
func Moment(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }
