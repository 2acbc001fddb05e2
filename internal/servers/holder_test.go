package engine_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"issuance/internal/engine"
	"issuance/internal/testredis"
	"issuance/providers"
)

// banScene is a provider whose ban the test turns on and off.
type banScene struct {
	t         *testing.T
	ban       *engine.Ban
	err       error
	pauser    *engine.BanPauser
	inspector *asynq.Inspector
	srv       *testredis.Server
}

func eachBan(t *testing.T, run func(t *testing.T, s *banScene)) {
	testredis.Each(t, func(t *testing.T, srv *testredis.Server) {
		s := &banScene{t: t, srv: srv, inspector: asynq.NewInspectorFromRedisClient(srv.Client())}
		s.pauser = s.another()
		client := asynq.NewClientFromRedisClient(srv.Client())
		for _, q := range ecticketQueues { // a queue shows up with its first task
			if _, err := client.Enqueue(asynq.NewTask("x", nil), asynq.Queue(q)); err != nil {
				t.Fatal(err)
			}
		}
		run(t, s)
	})
}

func (s *banScene) another() *engine.BanPauser {
	return engine.NewBanPauser(s.srv.Client(), providers.ECTicket,
		func(context.Context) (*engine.Ban, error) { return s.ban, s.err }, slog.New(slog.NewTextHandler(io.Discard, nil)))
}

var ecticketQueues = []string{"ecticket-bulk", "ecticket-checkout", "ecticket-poll"}

func (s *banScene) step(p *engine.BanPauser) {
	s.t.Helper()
	if err := p.Once(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
}

func (s *banScene) expect(paused ...string) {
	s.t.Helper()
	var got []string
	for _, q := range ecticketQueues {
		info, err := s.inspector.GetQueueInfo(q)
		if err != nil {
			s.t.Fatal(err)
		}
		if info.Paused {
			got = append(got, q)
		}
	}
	if !slices.Equal(got, paused) {
		s.t.Fatalf("paused: %v, want %v", got, paused)
	}
}

var someBan = &engine.Ban{Reason: "403", Until: time.Date(2026, 3, 1, 12, 30, 0, 0, time.UTC)}

func TestABanPausesAllQueuesOfItsProviderAndTheyResumeByThemselves(t *testing.T) {
	eachBan(t, func(t *testing.T, s *banScene) {
		s.step(s.pauser)
		s.expect()
		s.ban = someBan
		s.step(s.pauser)
		s.step(s.another())
		s.expect(ecticketQueues...)
		s.ban = nil
		s.step(s.another()) // any worker resumes, not only the one that paused
		s.expect()
	})
}

func TestAnOperatorsOwnPauseOutlivesABan(t *testing.T) {
	eachBan(t, func(t *testing.T, s *banScene) {
		if err := s.inspector.PauseQueue("ecticket-bulk"); err != nil {
			t.Fatal(err)
		}
		s.ban = someBan
		s.step(s.pauser)
		s.ban = nil
		s.step(s.pauser)
		s.expect("ecticket-bulk")
	})
}

func TestAQueueThatAnOperatorResumesDuringABanStaysResumed(t *testing.T) {
	eachBan(t, func(t *testing.T, s *banScene) {
		s.ban = someBan
		s.step(s.pauser)
		if err := s.inspector.UnpauseQueue("ecticket-poll"); err != nil {
			t.Fatal(err)
		}
		s.step(s.pauser)
		s.expect("ecticket-bulk", "ecticket-checkout")
	})
}

func TestAWorkerThatDiedWhilePausingIsTakenOver(t *testing.T) {
	eachBan(t, func(t *testing.T, s *banScene) {
		s.ban = someBan
		if err := s.srv.Client().HSet(t.Context(), "issuance:{paused:ecticket}", "ecticket-bulk", "pausing").Err(); err != nil {
			t.Fatal(err)
		}
		s.step(s.pauser)
		s.expect(ecticketQueues...)
	})
}

func TestNothingIsResumedWhileNobodyKnowsOfTheBan(t *testing.T) {
	eachBan(t, func(t *testing.T, s *banScene) {
		s.ban = someBan
		s.step(s.pauser)
		s.ban, s.err = nil, errors.New("Redis is slow")
		if err := s.pauser.Once(t.Context()); err == nil {
			t.Fatal("the error was swallowed")
		}
		s.expect(ecticketQueues...)
	})
}

// blip is a Redis that does not do one DEL, as when it fails over at that moment.
type blip struct{ left int }

func (*blip) DialHook(next redis.DialHook) redis.DialHook { return next }
func (*blip) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}
func (b *blip) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if cmd.Name() == "del" && b.left > 0 {
			b.left--
			cmd.SetErr(errors.New("i/o timeout"))
			return cmd.Err()
		}
		return next(ctx, cmd)
	}
}

func TestAQueueIsResumedEvenWhenRedisFailsInTheMiddle(t *testing.T) {
	eachBan(t, func(t *testing.T, s *banScene) {
		s.ban = someBan
		s.step(s.pauser)
		s.ban = nil
		rdb := s.srv.Client()
		rdb.AddHook(&blip{left: 1})
		p := engine.NewBanPauser(rdb, providers.ECTicket, func(context.Context) (*engine.Ban, error) { return nil, nil }, slog.New(slog.DiscardHandler))
		if err := p.Once(t.Context()); err == nil {
			t.Error("a queue that could not be resumed is not told of")
		}
		s.step(s.another())
		s.expect()
	})
}
