package servers_test

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"issuance/internal/bench/bubble"
	"issuance/internal/budget"
	"issuance/internal/fakeprovider"
	"issuance/internal/servers"
	"issuance/internal/testredis"
	"issuance/providers"
)

// Whether the provider of an account answers is known although nobody sells: within 30 s of an outage's beginning, for a call
// every 10 s, and within 15 s of its end.
func TestAnAccountThatNobodyCallsIsAsked(t *testing.T) {
	t.Parallel()
	for kind, limit := range map[string]time.Duration{"refused": 25 * time.Second, "503": 25 * time.Second, "timeout": 11*time.Second + patience, "garbage": 25 * time.Second} {
		for _, after := range []time.Duration{61 * time.Second, 64 * time.Second, 69 * time.Second} {
			t.Run(fmt.Sprintf("%s after %s", kind, after), func(t *testing.T) {
				t.Parallel()
				atSite(t, 4, func(s *site) {
					<-time.After(after)
					if n := calls(s.t, s.budget); n < 5 || n > 7 {
						t.Errorf("%d calls in an idle minute", n)
					}
					s.provider.begin(kind)
					if late := healthy(s.t, s.budget, false); late > limit {
						t.Errorf("the outage was known after %s", late)
					}
					<-time.After(time.Minute)
					s.provider.end()
					limit := 15 * time.Second
					if kind == "garbage" { // a person has to end that: probes are rare
						limit = 35 * time.Second
					}
					if late := healthy(s.t, s.budget, true); late > limit {
						t.Errorf("its end was known after %s", late)
					}
					<-time.After(time.Second) // it is logged after it is known
					if a, o := s.log.count("alarm:"), s.log.count("the account is ok again"); a != 1 || o != 1 {
						t.Errorf("%d alarms, %d ends", a, o)
					}
				})
			})
		}
	}
}

// A provider that has no proper answer about an order that does not exist is no outage: nothing holds the orders of its account,
// while nobody calls it and after an outage.
func TestAProviderThatCannotAnswerAProbeHoldsNoOrders(t *testing.T) {
	t.Parallel()
	for _, unfit := range []string{"garbage", "500", "401"} {
		t.Run(unfit, func(t *testing.T) {
			t.Parallel()
			atSite(t, 4, func(s *site) {
				s.provider.setUnfit(unfit)
				<-time.After(10 * time.Minute)
				began := time.Now()
				s.enqueue(0, 5)
				if _, last := s.settled(5, began); last > 5*time.Second {
					t.Errorf("the last status came after %s", last)
				}
				if n := s.log.count("alarm:"); n != 0 {
					t.Errorf("%d alarms", n)
				}
				if n := s.log.count("no proper answer about an order that does not exist"); n != 1 {
					t.Errorf("%d warnings", n)
				}
				s.provider.begin("refused")
				if late := healthy(s.t, s.budget, false); late > 45*time.Second {
					t.Errorf("the outage was known after %s", late)
				}
				s.enqueue(5, 5)
				<-time.After(time.Minute)
				s.provider.end()
				if _, last := s.settled(10, time.Now()); last > 40*time.Second {
					t.Errorf("the last status came %s after the end", last)
				}
			})
		})
	}
}

// crowd are idle accounts of one provider in virtual time.
type crowd struct {
	outside []*counter
	budgets []*budget.Budget
}

// atCrowd runs a test on so many accounts, which one worker serves.
func atCrowd(t *testing.T, n int, run func(t *testing.T, c *crowd)) {
	srv := testredis.Mini(t)
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		rdb, log := bubble.Redis(srv.Addr), slog.New(slog.DiscardHandler)
		defer rdb.Close()
		c := &crowd{}
		var served []servers.Account
		for i := range n {
			a := providers.Account{Provider: providers.ECTicket, Merchant: fmt.Sprintf("M%d", i)}
			b, err := budget.New(rdb, budget.Config{Account: a, PerSecond: 4, Now: time.Now, Log: log})
			if err != nil {
				t.Fatal(err)
			}
			p := &counter{Provider: fakeprovider.ForAccount(t, a), gate: providers.Prepayable(b), issued: map[string]time.Time{}}
			c.outside, c.budgets, served = append(c.outside, p), append(c.budgets, b), append(served, servers.Serve(b, p, log))
		}
		holder := servers.NewQueueHolder(rdb, providers.ECTicket, servers.Always(served...), log)
		holder.Idle = 10 * time.Second
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			holder.Run(ctx)
		}()
		<-time.After(2 * time.Minute)
		run(t, c)
		cancel()
		<-ended
	})
}

// The outage of any of ten accounts is known within 30 s, and its end within 15 s.
func TestTheOutageOfAnyOfTenIdleAccountsIsKnown(t *testing.T) {
	t.Parallel()
	atCrowd(t, 10, func(t *testing.T, c *crowd) {
		for i, b := range c.budgets {
			c.outside[i].begin("refused")
			if late := healthy(t, b, false); late > 30*time.Second {
				t.Errorf("the outage of account %d was known after %s", i, late)
			}
			c.outside[i].end()
			if late := healthy(t, b, true); late > 15*time.Second {
				t.Errorf("its end was known after %s", late)
			}
		}
	})
}

// More accounts cost no more calls: one a second is asked, that which has gone longest without a call.
func TestOfManyIdleAccountsTheLongestIdleIsAsked(t *testing.T) {
	t.Parallel()
	atCrowd(t, 30, func(t *testing.T, c *crowd) {
		all := 0
		for i, b := range c.budgets {
			n := calls(t, b)
			if all += n; n < 1 || n > 3 {
				t.Errorf("account %d was called %d times in a minute", i, n)
			}
		}
		if all < 50 || all > 66 {
			t.Errorf("%d calls in a minute", all)
		}
	})
}

// calls are those of an account in the last minute.
func calls(t *testing.T, b *budget.Budget) (n int) {
	t.Helper()
	state, err := b.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range state.Used {
		n += c
	}
	return n
}

// healthy waits until an account is known to be well, or not to be, and returns how long that took.
func healthy(t *testing.T, b *budget.Budget, well bool) time.Duration {
	t.Helper()
	for began := time.Now(); ; <-time.After(100 * time.Millisecond) {
		state, err := b.State(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if h, _, _ := state.Health(); (h == providers.HealthOK) == well || time.Since(began) > 5*time.Minute {
			return time.Since(began)
		}
	}
}
