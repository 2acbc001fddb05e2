package httpcall

import (
	"net/http"
	"strings"
	"time"
)

// MaxRetryAfter bounds what a Retry-After can ask for: a provider that names a longer time is asked once
// an hour.
const MaxRetryAfter = time.Hour

// date is the answer's own Date, zero without a readable one.
func date(h http.Header) time.Time {
	t, err := http.ParseTime(strings.TrimSpace(h.Get("Date")))
	if err != nil {
		return time.Time{}
	}
	return t
}

// retryAfter reads Retry-After, which is a number of seconds or a date, as a wait of at most
// MaxRetryAfter; 0 without one. A date is meant by the clock of whoever wrote it, so the answer's own
// Date counts, and now only where there is none.
func retryAfter(h http.Header, now time.Time) time.Duration {
	text := strings.TrimSpace(h.Get("Retry-After"))
	if wait, ok := seconds(text); ok {
		return wait
	}
	until, err := http.ParseTime(text)
	if err != nil {
		return 0
	}
	if own := date(h); !own.IsZero() {
		now = own
	}
	return min(max(until.Sub(now), 0), MaxRetryAfter)
}

// seconds reads digits of any length.
func seconds(text string) (wait time.Duration, ok bool) {
	for _, c := range []byte(text) {
		if c < '0' || c > '9' {
			return 0, false
		}
		wait = min(wait*10+time.Duration(c-'0')*time.Second, MaxRetryAfter)
	}
	return wait, text != ""
}
