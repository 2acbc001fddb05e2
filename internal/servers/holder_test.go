package servers_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"issuance/internal/budget"
	"issuance/internal/keys"
	"issuance/internal/servers"
	"issuance/internal/testredis"
	"issuance/providers"
	"issuance/tasks/order"
)

// account is an account whose holds the test turns on and off.
type account struct {
	name    providers.Account
	ban     *budget.Ban
	trouble *budget.Trouble
	paused  []budget.Hold
	err     error
}

func (a *account) State(context.Context) (budget.State, error) {
	return budget.State{Account: a.name, Ban: a.ban, Trouble: a.trouble, Paused: a.paused}, a.err
}

// holdScene is one merchant's account, a holder that serves it, and a queue per lane.
type holdScene struct {
	t         *testing.T
	*account  // the only one, unless the test makes another
	holder    *servers.QueueHolder
	inspector *asynq.Inspector
	srv       *testredis.Server
}

func eachHold(t *testing.T, run func(t *testing.T, s *holdScene)) {
	testredis.Each(t, func(t *testing.T, srv *testredis.Server) {
		s := &holdScene{t: t, srv: srv, account: &account{name: merchant("1")}, inspector: asynq.NewInspectorFromRedisClient(srv.Client())}
		s.holder = s.another()
		client := asynq.NewClientFromRedisClient(srv.Client())
		for _, q := range ecticketQueues { // a queue shows up with its first task
			if _, err := client.Enqueue(asynq.NewTask("x", nil), asynq.Queue(q)); err != nil {
				t.Fatal(err)
			}
		}
		run(t, s)
	})
}

func merchant(id string) providers.Account {
	return providers.Account{Provider: providers.ECTicket, Merchant: id}
}

// another is the holder of another worker, which serves the same account.
func (s *holdScene) another() *servers.QueueHolder { return s.serving(s.srv.Client(), s.account) }

func (s *holdScene) serving(rdb redis.UniversalClient, accounts ...servers.Account) *servers.QueueHolder {
	return servers.NewQueueHolder(rdb, providers.ECTicket, servers.Always(accounts...), slog.New(slog.DiscardHandler))
}

var ecticketQueues = []string{"ecticket-bulk", "ecticket-checkout", "ecticket-poll"}

func (s *holdScene) step(holders ...*servers.QueueHolder) {
	s.t.Helper()
	for _, h := range holders {
		if err := h.Once(s.t.Context()); err != nil {
			s.t.Fatal(err)
		}
	}
}

func (s *holdScene) expect(paused ...string) {
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

// unmarked fails when a mark is left behind.
func (s *holdScene) unmarked() {
	s.t.Helper()
	if marks := s.srv.Client().HGetAll(s.t.Context(), keys.QueuesHeld(providers.ECTicket)).Val(); len(marks) != 0 {
		s.t.Errorf("marks are left behind: %v", marks)
	}
}

var someBan = &budget.Ban{Reason: "403", Until: time.Date(2026, 3, 1, 12, 30, 0, 0, time.UTC)}

func hold(l order.Lane) []budget.Hold {
	return []budget.Hold{{Lane: l, Who: "angela", Reason: "maintenance"}}
}

func TestABanPausesAllQueuesOfItsProviderAndTheyResumeByThemselves(t *testing.T) {
	eachHold(t, func(t *testing.T, s *holdScene) {
		s.step(s.holder)
		s.expect()
		s.ban = someBan
		s.step(s.holder, s.another())
		s.expect(ecticketQueues...)
		s.ban = nil
		s.step(s.another()) // any worker resumes, not only the one that paused
		s.expect()
		s.unmarked()
	})
}

func TestAPauseOfALanePausesItsQueueOnly(t *testing.T) {
	eachHold(t, func(t *testing.T, s *holdScene) {
		s.paused = hold(order.Bulk)
		s.step(s.holder, s.another())
		s.expect("ecticket-bulk")
		s.paused = hold("")
		s.step(s.another())
		s.expect(ecticketQueues...)
		s.paused = hold(order.Poll)
		s.step(s.holder)
		s.expect("ecticket-poll")
		s.paused = nil
		s.step(s.another())
		s.expect()
		s.unmarked()
	})
}

// A queue stays held when a ban ends during an operator's pause, and the other way round.
func TestAQueueIsHeldUntilNothingHoldsIt(t *testing.T) {
	eachHold(t, func(t *testing.T, s *holdScene) {
		s.ban = someBan
		s.step(s.holder)
		s.paused = hold("")
		s.ban = nil
		s.step(s.holder)
		s.expect(ecticketQueues...)
	})
}

// The queue of several merchants goes on while one of them may be called.
func TestAQueueIsPausedOnlyWhenAllItsAccountsAreHeld(t *testing.T) {
	eachHold(t, func(t *testing.T, s *holdScene) {
		two := &account{name: merchant("2")}
		both := s.serving(s.srv.Client(), s.account, two)
		s.ban = someBan
		s.step(both)
		s.expect()
		two.paused = hold(order.Bulk)
		s.step(both)
		s.expect("ecticket-bulk")
		s.ban = nil
		s.step(both)
		s.expect()
		s.unmarked()
	})
}

// Workers that serve different merchants share their provider's queues: the one with a free account
// resumes a queue, and the other one does not pause it again.
func TestAWorkerWithAFreeAccountKeepsTheQueueGoing(t *testing.T) {
	eachHold(t, func(t *testing.T, s *holdScene) {
		ctx, rdb := t.Context(), s.srv.Client()
		banned, err := budget.New(rdb, budget.Config{Account: merchant("1"), PerSecond: 4})
		if err != nil {
			t.Fatal(err)
		}
		if err := banned.Announce(ctx); err != nil {
			t.Fatal(err)
		}
		banned.Banned(ctx, "HTTP 403")
		one, two := s.serving(s.srv.Client(), banned), s.serving(s.srv.Client(), &account{name: merchant("2")})
		s.step(one)
		s.expect(ecticketQueues...)
		s.step(two, one, two, one)
		s.expect()
		if err := s.inspector.PauseQueue("ecticket-bulk"); err != nil { // an operator
			t.Fatal(err)
		}
		s.step(one, two)
		s.expect("ecticket-bulk")
		if err := rdb.Del(ctx, keys.Budget(merchant("1").String())+"ban").Err(); err != nil {
			t.Fatal(err)
		}
		s.step(two, one)
		s.expect("ecticket-bulk")
		s.unmarked()
	})
}

func TestAnOperatorsOwnPauseOutlivesAHold(t *testing.T) {
	eachHold(t, func(t *testing.T, s *holdScene) {
		if err := s.inspector.PauseQueue("ecticket-bulk"); err != nil {
			t.Fatal(err)
		}
		s.ban = someBan
		s.step(s.holder)
		s.ban = nil
		s.step(s.holder)
		s.expect("ecticket-bulk")
	})
}

func TestAQueueThatAnOperatorResumesDuringAHoldIsLeftAlone(t *testing.T) {
	eachHold(t, func(t *testing.T, s *holdScene) {
		s.ban = someBan
		s.step(s.holder)
		if err := s.inspector.UnpauseQueue("ecticket-poll"); err != nil {
			t.Fatal(err)
		}
		s.step(s.holder, s.another())
		s.expect("ecticket-bulk", "ecticket-checkout")
		if err := s.inspector.PauseQueue("ecticket-poll"); err != nil { // and pauses again
			t.Fatal(err)
		}
		s.step(s.holder)
		s.ban = nil
		s.step(s.another())
		s.expect("ecticket-poll")
		s.unmarked()
	})
}

func TestAWorkerThatDiedWhilePausingIsTakenOver(t *testing.T) {
	eachHold(t, func(t *testing.T, s *holdScene) {
		s.ban = someBan
		mark := "pausing 1f ecticket:1"
		if err := s.srv.Client().HSet(t.Context(), keys.QueuesHeld(providers.ECTicket), "ecticket-bulk", mark).Err(); err != nil {
			t.Fatal(err)
		}
		s.step(s.holder)
		s.expect(ecticketQueues...)
		s.ban = nil
		s.step(s.holder)
		s.expect()
		s.unmarked()
	})
}

func TestNothingIsResumedWhileAnAccountCannotBeRead(t *testing.T) {
	eachHold(t, func(t *testing.T, s *holdScene) {
		s.ban = someBan
		s.step(s.holder)
		s.ban, s.err = nil, errors.New("Redis is slow")
		if err := s.holder.Once(t.Context()); err == nil {
			t.Fatal("the error was swallowed")
		}
		s.expect(ecticketQueues...)
		s.step(s.serving(s.srv.Client())) // a worker without an account has nothing to resume
		s.expect(ecticketQueues...)
	})
}

// before runs something before the first command of a name, or lets that command fail.
type before struct {
	testredis.Hook
	command string
	run     func() error
	done    bool
}

func (b *before) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if cmd.Name() == b.command && !b.done {
			b.done = true
			if err := b.run(); err != nil {
				cmd.SetErr(err)
				return err
			}
		}
		return next(ctx, cmd)
	}
}

func TestAQueueIsResumedEvenWhenRedisFailsInTheMiddle(t *testing.T) {
	eachHold(t, func(t *testing.T, s *holdScene) {
		s.ban = someBan
		s.step(s.holder)
		s.ban = nil
		rdb := s.srv.Client()
		rdb.AddHook(&before{command: "del", run: func() error { return errors.New("i/o timeout") }})
		if err := s.serving(rdb, s.account).Once(t.Context()); err == nil {
			t.Error("a queue that could not be resumed is not reported")
		}
		s.step(s.another())
		s.expect()
		s.unmarked()
	})
}

// A worker that is about to pause a queue when the hold ends does not leave it paused, for without a mark
// nobody would resume it.
func TestAPauseThatComesAfterTheHoldsEndIsTakenBack(t *testing.T) {
	eachHold(t, func(t *testing.T, s *holdScene) {
		s.paused = hold(order.Bulk)
		late := s.srv.Client()
		hook := &before{command: "set", run: func() error { // asynq's pause
			s.paused = nil
			s.step(s.another())
			return nil
		}}
		late.AddHook(hook)
		if err := s.serving(late, s.account).Once(t.Context()); err != nil {
			t.Fatal(err)
		}
		if !hook.done {
			t.Fatal("nothing was paused")
		}
		s.expect()
		s.unmarked()
	})
}

// Two workers that pause a queue at the same time both leave it paused.
func TestTwoWorkersMayPauseAQueueAtOnce(t *testing.T) {
	eachHold(t, func(t *testing.T, s *holdScene) {
		s.paused = hold(order.Bulk)
		for _, command := range []string{"set", "evalsha"} { // before and after this worker's own pause
			rdb := s.srv.Client()
			hook := &before{command: command, run: func() error { s.step(s.another()); return nil }}
			rdb.AddHook(hook)
			s.paused = hold(order.Bulk)
			s.step(s.serving(rdb, s.account))
			if !hook.done {
				t.Fatal("the workers did not meet")
			}
			s.expect("ecticket-bulk")
			s.paused = nil
			s.step(s.another())
			s.expect()
			s.unmarked()
		}
	})
}

// A worker that has read the mark of an earlier hold, and was stopped since, does not touch a later one's.
func TestAMarkOfAnEarlierHoldIsNotMistakenForALaterOne(t *testing.T) {
	eachHold(t, func(t *testing.T, s *holdScene) {
		s.paused = hold(order.Bulk)
		s.step(s.holder)
		stopped := s.srv.Client()
		stopped.AddHook(&before{command: "evalsha", run: func() error { // it is about to delete the mark
			s.step(s.another())
			s.paused = hold(order.Bulk)
			s.step(s.another())
			return nil
		}})
		s.paused = nil
		s.step(s.serving(stopped, s.account))
		s.expect("ecticket-bulk")
		s.paused = nil
		s.step(s.holder)
		s.expect()
		s.unmarked()
	})
}
