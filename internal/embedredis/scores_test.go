package embedredis

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"issuance/internal/testredis"
)

// The embedded Redis writes the scores of sorted sets as a server does: whole numbers in full.
func TestScoresAreWrittenAsAServerWritesThem(t *testing.T) {
	scripts := []string{
		`return redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES')`,
		`return redis.call('zrevrange', KEYS[1], 0, -1, 'withscores')`,
		`return redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', '+inf', 'WITHSCORES', 'LIMIT', 0, 3)`,
		`return redis.call('ZRANGE', KEYS[1], 0, -1)`,
		`return redis.call('ZRANGE', 'absent', 0, -1, 'WITHSCORES')`,
		`return redis.call('ZSCORE', KEYS[1], 'round')`,
		`return redis.call('ZSCORE', KEYS[1], 'absent')`,
		`return redis.call('ZINCRBY', KEYS[1], 0, 'round')`,
		`return redis.pcall('ZRANGE', 'text', 0, -1, 'WITHSCORES').err ~= nil`,
	}
	answers := func(c *redis.Client) (list []string) {
		ctx := t.Context()
		must(t, c.Set(ctx, "text", "1", 0).Err())
		for member, score := range map[string]float64{"round": 1.9e9, "1.9e+9": 1.8e9, "part": 1700000000.5, "small": -3, "huge": 1e18} {
			must(t, c.ZAdd(ctx, "z", redis.Z{Score: score, Member: member}).Err())
		}
		for _, script := range scripts {
			answer, err := c.Eval(ctx, script, []string{"z"}).Result()
			list = append(list, fmt.Sprintf("%s: %v %v", script, answer, err))
		}
		return list
	}
	embedded := answers(client(t, startFree(t)))
	real := testredis.Start(t)
	if real.Kind != testredis.Real {
		t.Skip("no redis-server is installed")
	}
	for i, want := range answers(real.Client()) {
		if embedded[i] != want {
			t.Errorf("embedded %s\nserver   %s", embedded[i], want)
		}
	}
}

// Waiting tasks are listed whatever second they wait for.
func TestWaitingTasksOfARoundSecondAreListed(t *testing.T) {
	c := client(t, startFree(t))
	at := time.Unix(1_900_000_000, 0)
	_, err := asynq.NewClientFromRedisClient(c).Enqueue(asynq.NewTask("t", nil), asynq.Queue("q"), asynq.TaskID("one"), asynq.ProcessAt(at))
	must(t, err)
	i := asynq.NewInspectorFromRedisClient(c)
	list, err := i.ListScheduledTasks("q")
	if err != nil || len(list) != 1 || !list[0].NextProcessAt.Equal(at) {
		t.Errorf("%+v %v", list, err)
	}
	if task, err := i.GetTaskInfo("q", "one"); err != nil || !task.NextProcessAt.Equal(at) {
		t.Errorf("%+v %v", task, err)
	}
}

func startFree(t *testing.T) *Server {
	t.Helper()
	l, port := occupy(t, "127.0.0.1:0")
	_ = l.Close()
	s, err := start(port, port+20)
	must(t, err)
	t.Cleanup(s.Close)
	return s
}

func client(t *testing.T, s *Server) *redis.Client {
	t.Helper()
	c := redis.NewClient(&redis.Options{Addr: s.Addr, MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}})
	t.Cleanup(func() { _ = c.Close() })
	must(t, c.Ping(context.Background()).Err())
	return c
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
