package announce_test

import (
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"issuance/internal/announce"
	"issuance/internal/keys"
	"issuance/internal/testredis"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// earlier puts an announcement into the past of the server's clock.
func earlier(t *testing.T, c *redis.Client, id string, by time.Duration) {
	t.Helper()
	now, err := c.Time(t.Context()).Result()
	must(t, err)
	must(t, c.ZAdd(t.Context(), keys.SealKeys, redis.Z{Score: float64(now.Add(-by).UnixMilli()), Member: id}).Err())
}

func want(t *testing.T, c redis.UniversalClient, id string, ok, anybody bool) {
	t.Helper()
	gotOK, gotAnybody, err := announce.SealKeyAnnounced(t.Context(), c, id)
	if err != nil || gotOK != ok || gotAnybody != anybody {
		t.Errorf("%s: ok %t, anybody %t, %v; want %t, %t", id, gotOK, gotAnybody, err, ok, anybody)
	}
}

// A producer's key is known to be held once a worker has announced it; before any worker has announced
// one, nothing is known.
func TestAKeyIsHeldWhenAWorkerAnnouncesIt(t *testing.T) {
	testredis.Each(t, func(t *testing.T, s *testredis.Server) {
		c := s.Client()
		want(t, c, "new", false, false)
		must(t, announce.SealKeys(t.Context(), c, []string{"new", "old"}))
		must(t, announce.SealKeys(t.Context(), c, []string{"new", "old"}))
		want(t, c, "new", true, true)
		want(t, c, "old", true, true)
		want(t, c, "other", false, true)
		if err := announce.SealKeys(t.Context(), c, nil); err == nil {
			t.Error("a worker without keys announced them")
		}
	})
}

// A key that workers no longer announce is refused ten minutes after the newest announcement, not
// because all workers are stopped.
func TestAKeyNobodyHoldsAnyMoreIsRefused(t *testing.T) {
	testredis.Each(t, func(t *testing.T, s *testredis.Server) {
		c := s.Client()
		earlier(t, c, "gone", 50*time.Hour)
		want(t, c, "gone", true, true) // every worker has been stopped since
		earlier(t, c, "just", 10*time.Minute-5*time.Second)
		earlier(t, c, "over", 10*time.Minute+5*time.Second)
		must(t, announce.SealKeys(t.Context(), c, []string{"new"}))
		want(t, c, "just", true, true)
		want(t, c, "over", false, true)
		want(t, c, "gone", false, true)
	})
}

// Announcements are stamped with Redis's clock and forgotten after a day, so that the set stays small.
func TestOldAnnouncementsAreForgotten(t *testing.T) {
	testredis.Each(t, func(t *testing.T, s *testredis.Server) {
		c := s.Client()
		earlier(t, c, "yesterday", 25*time.Hour)
		earlier(t, c, "today", 23*time.Hour)
		before, err := c.Time(t.Context()).Result()
		must(t, err)
		must(t, announce.SealKeys(t.Context(), c, []string{"new"}))
		after, err := c.Time(t.Context()).Result()
		must(t, err)
		ids, err := c.ZRangeWithScores(t.Context(), keys.SealKeys, 0, -1).Result()
		if err != nil || len(ids) != 2 || ids[0].Member != "today" || ids[1].Member != "new" {
			t.Fatalf("%v, %v", ids, err)
		}
		if at := int64(ids[1].Score); at < before.UnixMilli() || at > after.UnixMilli() {
			t.Errorf("stamped %d between %d and %d", at, before.UnixMilli(), after.UnixMilli())
		}
	})
}

// Without Redis nothing is said about a key.
func TestWithoutRedisNothingIsSaid(t *testing.T) {
	s := testredis.Mini(t)
	c := s.Client()
	s.Kill()
	if _, _, err := announce.SealKeyAnnounced(t.Context(), c, "new"); err == nil {
		t.Error("an answer without Redis")
	}
	if err := announce.SealKeys(t.Context(), c, []string{"new"}); err == nil {
		t.Error("announced without Redis")
	}
}
