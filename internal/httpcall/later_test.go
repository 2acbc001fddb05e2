package httpcall

import (
	"net/http"
	"testing"
	"time"
)

func TestRetryAfterIsReadInBothForms(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	at := func(d time.Duration) string { return now.Add(d).Format(http.TimeFormat) }
	for _, tc := range []struct {
		after, date string
		want        time.Duration
	}{
		{"", "", 0}, {"0", "", 0}, {"7", "", 7 * time.Second}, {" 120 ", "", 2 * time.Minute},
		{"3600", "", time.Hour}, {"3601", "", time.Hour}, {"999999999999999999999999", "", time.Hour},
		{"-1", "", 0}, {"+5", "", 0}, {"1.5", "", 0}, {"soon", "", 0}, {"1 hour", "", 0},
		{at(time.Minute), "", time.Minute},
		{at(-time.Minute), "", 0},
		{at(48 * time.Hour), "", time.Hour},
		{at(time.Minute), at(30 * time.Second), 30 * time.Second}, // their clock, not ours
		{at(10 * time.Minute), at(9 * time.Minute), time.Minute},
		{at(time.Minute), at(2 * time.Minute), 0},
		{at(time.Minute), "yesterday", time.Minute},
		{now.Add(time.Minute).Format("Monday, 02-Jan-06 15:04:05 GMT"), "", time.Minute}, // RFC 850, which HTTP still takes
		{now.Add(time.Minute).Format(time.ANSIC), "", time.Minute},
		{"7", at(time.Hour), 7 * time.Second},
	} {
		h := http.Header{}
		h.Set("Retry-After", tc.after)
		h.Set("Date", tc.date)
		if got := retryAfter(h, now); got != tc.want {
			t.Errorf("Retry-After %q, Date %q: %s, want %s", tc.after, tc.date, got, tc.want)
		}
	}
}

func FuzzRetryAfter(f *testing.F) {
	f.Add("7", "")
	f.Add("Sun, 01 Mar 2026 12:00:00 GMT", "Sun, 01 Mar 2026 11:00:00 GMT")
	f.Add("99999999999999999999", "x")
	f.Fuzz(func(t *testing.T, after, date string) {
		h := http.Header{"Retry-After": {after}, "Date": {date}}
		if got := retryAfter(h, time.Unix(1772366400, 0)); got < 0 || got > MaxRetryAfter {
			t.Errorf("%q, %q: %s", after, date, got)
		}
	})
}
