package looks

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/internal/testredis"
	"issuance/providers"
)

var errCut = errors.New("cut")

// between is a connection of which the test decides what becomes of a command.
type between struct {
	testredis.Hook
	before, after func(name string) error
}

func (c *between) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		err := c.ask(c.before, cmd)
		if err == nil {
			err = next(ctx, cmd)
		}
		if err == nil {
			err = c.ask(c.after, cmd)
		}
		return err
	}
}

func (c *between) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, list []redis.Cmder) error {
		err := c.ask(c.before, list...)
		if err == nil {
			err = next(ctx, list)
		}
		if err == nil {
			err = c.ask(c.after, list...)
		}
		return err
	}
}

func (c *between) ask(decide func(string) error, list ...redis.Cmder) error {
	if decide == nil {
		return nil
	}
	err := decide(strings.ToUpper(list[0].Name()))
	for _, cmd := range list {
		if err != nil {
			cmd.SetErr(err)
		}
	}
	return err
}

// refusing reports every use of a command.
func refusing(name string, t *testing.T) *between {
	return &between{before: func(n string) error {
		if n == name {
			t.Errorf("%s is used", name)
		}
		return nil
	}}
}

// Whichever command of a look fails, or loses its answer, the look is made in the end, and what it found is published once.
func TestWhateverFailsALookIsMadeInTheEnd(t *testing.T) {
	for _, answerLost := range []bool{false, true} {
		for failing := 1; ; failing++ {
			b := start(t)
			b.issued("A1", 2)
			b.issued("B1", 1)
			b.fake.set("A1", "A1T2", providers.Redeemed)
			b.fake.set("B1", "B1T1", providers.Refunded)
			b.notice(`{"MerchantTradeNo":"A1","List":[{"TicketNo":"B1T1"},{"TicketNo":"ELSEWHERE"}]}`)
			n := 0
			cut := func(string) error {
				if n++; n == failing {
					return errCut
				}
				return nil
			}
			hook := &between{before: cut}
			if answerLost {
				hook = &between{after: cut}
			}
			b.rdb.AddHook(hook)
			for range 12 {
				_, err := b.Due(t.Context())
				if err != nil && !errors.Is(err, errCut) {
					t.Fatal(err)
				}
				b.at = b.at.Add(5 * time.Minute)
			}
			reached := n >= failing
			*hook = between{}
			b.wantSawAnyOrder("A1/2 redeemed", "B1/1 refunded refunded_elsewhere")
			b.nothingLeft()
			if t.Failed() {
				t.Fatalf("command %d, answer lost %t\n%s", failing, answerLost, b.log.String())
			}
			if !reached {
				if failing < 15 {
					t.Errorf("only %d commands were seen", failing)
				}
				break
			}
		}
	}
}
