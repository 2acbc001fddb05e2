package handler_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/internal/fakeprovider"
	"issuance/internal/handlertest"
	"issuance/internal/keys"
	"issuance/internal/testredis"
	"issuance/providers"
	"issuance/tasks/order"
)

// A key that requests name no account beside is another account's until it has shown the opposite: what is in doubt is neither
// looked up with it nor sent again.
func TestAnotherCredentialNeitherLooksUpNorSendsAgain(t *testing.T) {
	kinds(t, func(w *world) {
		w.provider.SetCredential("aaaaaa")
		w.answer(fakeprovider.Lost)
		w.Waits(w.run())
		if rec := w.record(); rec.Host != fakeprovider.Host+"#aaaaaa" {
			w.T.Errorf("the intent is of %s", rec.Host)
		}
		w.provider.SetCredential("bbbbbb")
		for range 3 {
			if after := w.Waits(w.run()); after != time.Minute {
				w.T.Errorf("waits %s", after)
			}
		}
		w.calls(1)
		if rec := w.record(); w.acts != 1 || rec.State != order.Submitting || rec.Reason.Code != "other_host" || rec.DoubtAt.IsZero() {
			w.T.Errorf("the handler acted %d times; the record is %s (%s)", w.acts, rec.State, rec.Reason.Code)
		}
		w.alarmed("an earlier request of this record was made with another key")
		w.provider.SetCredential("aaaaaa")
		w.answer(fakeprovider.Yes)
		w.Done(w.run())
		w.calls(2)
	})
}

// issuedWith makes an order of the account that was issued, under the provider's number REF1, with a credential.
func (w *world) issuedWith(credential string) order.Ref {
	w.T.Helper()
	r := w.OrderIn(order.Issued, `{"provider":"pass2u","request":{"productSaleId":"S1","channelOrderId":"CONTROL","quantity":2,"pickupType":"order"}}`)
	for _, err := range []error{w.RDB.HDel(w.T.Context(), keys.Record(r), "h").Err(),
		w.RDB.HSet(w.T.Context(), keys.Details(r), "host", fakeprovider.Host+"#"+credential).Err()} {
		if err != nil {
			w.T.Fatal(err)
		}
	}
	return r
}

// An order that was made with the earlier key, and that the new one shows under the provider's own number, makes both keys one
// account's, for good. Anything else does not: another account may have an order under the same number of ours.
func TestACredentialThatShowsAnEarlierOrderIsTheSameAccounts(t *testing.T) {
	shown := func(ref string) providers.Finding {
		return providers.Finding{State: providers.FoundIssued, Outcome: fakeprovider.Yes, Result: &providers.Result{Ref: ref}}
	}
	for name, c := range map[string]struct {
		finding providers.Finding
		same    bool
	}{
		"shown":              {shown("REF1"), true},
		"of another account": {shown("REF2"), false},
		"unknown":            {providers.Finding{State: providers.Absent, Outcome: providers.Outcome{Kind: providers.Rejected, Code: "unknown"}}, false},
		"no answer":          {providers.Finding{State: providers.Unclear, Outcome: fakeprovider.Lost}, false},
		"without a number":   {providers.Finding{State: providers.FoundIssued, Outcome: fakeprovider.Yes}, false},
	} {
		t.Run(name, func(t *testing.T) {
			kinds(t, func(w *world) {
				w.issuedWith("aaaaaa")
				w.provider.SetCredential("aaaaaa")
				w.answer(fakeprovider.Lost)
				w.Waits(w.run())
				w.provider.SetCredential("bbbbbb")
				w.provider.AnswerLookUp(c.finding)
				if !c.same {
					if after := w.Waits(w.run()); after != time.Minute || w.acts != 1 {
						w.T.Errorf("waits %s, acted %d times", after, w.acts)
					}
					return
				}
				w.answer(fakeprovider.Lost)
				w.Waits(w.run())
				w.provider.SetCredential("aaaaaa") // and back: a worker with the earlier key goes on with what the other has sent
				w.answer(fakeprovider.Yes)
				w.Done(w.run())
				w.calls(4)
			})
		})
	}
}

// refused is a hook that refuses a command.
type refused struct {
	testredis.Hook
	name string
}

func (r refused) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if err := r.answer(cmd); err != nil {
			return err
		}
		return next(ctx, cmd)
	}
}

func (r refused) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		if err := r.answer(cmds[0]); err != nil {
			return err
		}
		return next(ctx, cmds)
	}
}

func (r refused) answer(cmd redis.Cmder) error {
	if cmd.Name() == r.name {
		return fmt.Errorf("%s is refused", r.name)
	}
	return nil
}

// What cannot be remembered is asked for again: it keeps nobody from going on in safety.
func TestWhatCannotBeRememberedOfCredentialsIsNotReliedOn(t *testing.T) {
	for _, command := range []string{"smembers", "sadd"} {
		t.Run(command, func(t *testing.T) {
			handlertest.Each(t, func(b *handlertest.Bench) {
				w := newWorld(b, "order")
				w.issuedWith("aaaaaa")
				w.provider.SetCredential("aaaaaa")
				w.answer(fakeprovider.Lost)
				w.Waits(w.run())
				w.provider.SetCredential("bbbbbb")
				w.RDB.AddHook(refused{name: command})
				if command == "sadd" {
					w.provider.AnswerLookUp(providers.Finding{State: providers.FoundIssued, Outcome: fakeprovider.Yes, Result: &providers.Result{Ref: "REF1"}})
				}
				if err := w.run(); err == nil || w.acts != 1 {
					t.Errorf("acted %d times, %v", w.acts, err)
				}
			})
		})
	}
}
