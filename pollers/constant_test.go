package pollers

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"testing"
	"time"

	"issuance/internal/testredis"
)

// spent is how many commands Redis has run, those inside scripts included.
func spent(t *testing.T, s *testredis.Server) (commands int) {
	t.Helper()
	info, err := s.Client().Info(context.Background(), "commandstats").Result()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`:calls=(\d+)`).FindAllStringSubmatch(info, -1) {
		n, err := strconv.Atoi(m[1])
		if err != nil {
			t.Fatal(err)
		}
		commands += n
	}
	return commands
}

// However many orders the provider never issues, a poll and an order's end cost the same.
func TestOrdersThatAreNeverIssuedMakeNoScriptLonger(t *testing.T) {
	cost := func(stuck int) int {
		s := testredis.Start(t)
		st := &stage{T: t, start: time.Unix(1_700_000_000, 0), now: time.Unix(1_700_000_000, 0), accepted: map[string]time.Time{}}
		for i := range st.workers {
			st.workers[i] = NewSentinel(s.Client(), account, SentinelConfig{Every: every, Expected: expected, Now: func() time.Time { return st.now }})
		}
		ctx := context.Background()
		for i := range stuck {
			id := fmt.Sprintf("STUCK%d", i)
			st.enter(id)
		}
		st.wait(2 * expected)
		for i := range stuck { // each is asked when it is late, and not issued
			id := fmt.Sprintf("STUCK%d", i)
			if _, err := st.sentinel().StillPending(ctx, id, st.accepted[id], time.Minute); err != nil {
				t.Fatal(err)
			}
		}
		st.wait(time.Minute)
		before := spent(t, s)
		for i := range 20 { // the provider goes on with others
			id := fmt.Sprintf("NEW%d", i)
			st.enter(id)
			st.wait(time.Second)
			if _, err := st.sentinel().MaySkip(ctx, id, st.accepted[id], every, trust); err != nil {
				t.Fatal(err)
			}
			if _, err := st.sentinel().Finished(ctx, id, time.Time{}); err != nil {
				t.Fatal(err)
			}
		}
		return spent(t, s) - before
	}
	few, many := cost(100), cost(2_000)
	if many > few*11/10 {
		t.Errorf("20 orders beside 100 that are never issued cost %d commands, beside 2,000 %d", few, many)
	}
}
