package outage_test

import (
	"testing"
	"time"

	"issuance/providers/outage"
)

func TestAnOutageMeetsTheCallsOfItsTimeAndCountsThem(t *testing.T) {
	var l outage.Log[string, int]
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	if n := l.Stop(start); n != 0 {
		t.Errorf("an outage that never was had %d calls", n)
	}
	l.Start(1, start, time.Minute)
	l.Start(2, start.Add(30*time.Second), 0) // ends the first one
	for _, c := range []struct {
		after time.Duration
		fault int
		lasts bool
	}{{31 * time.Second, 2, true}, {time.Hour, 2, true}} {
		if f, lasts := l.Meet("issue", start.Add(c.after)); f != c.fault || lasts != c.lasts {
			t.Errorf("after %s: %d, %t", c.after, f, lasts)
		}
	}
	if n := l.Stop(start.Add(2 * time.Hour)); n != 2 {
		t.Errorf("%d calls", n)
	}
	if _, lasts := l.Meet("issue", start.Add(2*time.Hour)); lasts {
		t.Error("it lasts after its end")
	}
	all := l.All()
	if len(all) != 2 || all[0].Until.Sub(all[0].From) != 30*time.Second || all[1].Calls["issue"] != 2 {
		t.Errorf("%+v", all)
	}
	all[1].Calls["issue"] = 9
	if l.All()[1].Calls["issue"] != 2 {
		t.Error("a snapshot is no copy")
	}
}
