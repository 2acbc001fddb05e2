package refunding_test

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"issuance/internal/handlertest"
	"issuance/internal/keys"
	"issuance/internal/ledger"
	"issuance/internal/testredis"
	"issuance/providers"
	channel "issuance/providers/pass2u"
	"issuance/providers/pass2u/pass2usim"
	"issuance/tasks/order"
)

// spelled is a Pass2U that takes one spelling alone, and an account that workers come and go for.
type spelled struct {
	*simulated
	sim *pass2usim.Sim
	url string
}

func atSpelled(t *testing.T) *spelled {
	s := &spelled{simulated: &simulated{Bench: handlertest.New(t, testredis.Start(t)), account: handlertest.Pass2U}}
	s.sim = pass2usim.New(pass2usim.Config{Now: s.Clock.Now, RefundQuantityKey: "quanity"})
	t.Cleanup(s.sim.Close)
	s.url = s.serve(s.sim) + "/api/v1/public/product"
	return s
}

// starts is another process's client, with what others have learned before it is started.
func (s *spelled) starts(configured string) *channel.Client {
	s.T.Helper()
	facts := ledger.New(s.RDB, ledger.Options{Now: s.Clock.Now}).Facts(slog.New(slog.DiscardHandler))
	c, err := channel.New(channel.Config{BaseURL: s.url, APIKey: pass2usim.DefaultAPIKey, Now: s.Clock.Now, RefundQuantityKey: configured, Memory: facts.Of(s.account)})
	if err != nil {
		s.T.Fatal(err)
	}
	s.T.Cleanup(c.Close)
	_ = facts.Refresh(context.Background()) // one that fails is none
	return c
}

// The spelling that one worker's refund was accepted in is that of all others, of those that run already at their next refund
// and of those that are started later, so that no refund is sent in another one again.
func TestTheSpellingThatWasAcceptedIsKeptByAllWorkersAndAfterARestart(t *testing.T) {
	s := atSpelled(t)
	s.client = s.starts("")
	s.issue(soldAs("voucher"), false)
	beside := s.starts("")
	is(t, "the first is tried in both", s.refunds("R1", `"quantity":1`), s.sim, order.Refunded, "", 2, 1)
	s.client = beside
	is(t, "a worker beside it", s.refunds("R2", `"quantity":1`), s.sim, order.Refunded, "", 3, 2)
	s.Clock.Advance(29 * 24 * time.Hour)
	s.client = s.starts("")
	is(t, "after a restart", s.refunds("R3", `"quantity":1`), s.sim, order.Refunded, "", 4, 3)
	s.sim.SetFault(firstRefund(pass2usim.SaysBefore(pass2usim.MsgQuantityFormat)))
	s.client = s.starts("")
	is(t, "never another one", s.refunds("R4", `"quantity":1`), s.sim, order.Failed, "quantity_format_error", 5, 3)
}

// After 30 days in which no refund was accepted the account is asked anew.
func TestASpellingThatWasNotAcceptedFor30DaysIsForgotten(t *testing.T) {
	s := atSpelled(t)
	s.client = s.starts("")
	s.issue(soldAs("voucher"), false)
	is(t, "learned", s.refunds("R1", `"quantity":1`), s.sim, order.Refunded, "", 2, 1)
	s.Clock.Advance(31 * 24 * time.Hour)
	s.client = s.starts("")
	is(t, "a month later", s.refunds("R2", `"quantity":1`), s.sim, order.Refunded, "", 4, 2)
}

// A page shows no refunds, so that one sent in the wrong spelling could not be proven.
func TestARestartPutsNoRefundOfAPageAtRisk(t *testing.T) {
	s := atSpelled(t)
	s.client = s.starts("")
	own := providers.Order{ID: "OWN", Request: []byte(fmt.Sprintf(`{"productSaleId":%q,"channelOrderId":"OWN","quantity":2,"pickupType":"voucher"}`, pass2usim.DefaultCampaign))}
	if out := s.client.Issue(t.Context(), own); out.Kind != providers.Done {
		t.Fatalf("%+v", out)
	}
	if out := s.client.(providers.Respeller).RefundCountRespelled(t.Context(), own, 1); out.Kind != providers.Done {
		t.Fatalf("%+v", out)
	}
	s.issue(soldAs("order"), false)
	s.client = s.starts("")
	is(t, "after a restart", s.refunds("R1", `"quantity":1`), s.sim, order.Refunded, "", 1, 1)
}

// Redis may refuse what was learned: the refund is done, and the worker knows it for itself.
func TestASpellingThatCannotBeRememberedCostsTheMemoryAlone(t *testing.T) {
	s := atSpelled(t)
	if err := s.RDB.Set(t.Context(), keys.Facts(s.account), "no hash", 0).Err(); err != nil {
		t.Fatal(err)
	}
	s.client = s.starts("")
	s.issue(soldAs("voucher"), false)
	is(t, "the first", s.refunds("R1", `"quantity":1`), s.sim, order.Refunded, "", 2, 1)
	is(t, "the same worker", s.refunds("R2", `"quantity":1`), s.sim, order.Refunded, "", 3, 2)
}

// The setting is the operator's word: where it is changed, it is tried first, and what was accepted before is not in its way.
func TestAnotherSettingOfTheSpellingIsTriedAnew(t *testing.T) {
	s := atSpelled(t)
	s.client = s.starts("")
	s.issue(soldAs("voucher"), false)
	is(t, "learned", s.refunds("R1", `"quantity":1`), s.sim, order.Refunded, "", 2, 1)
	s.client = s.starts("quanity")
	if s.client.(providers.Respeller).Respells(channel.CodeQuantityFormat) != true {
		t.Error("what was accepted under another setting decides")
	}
	is(t, "as it is set", s.refunds("R2", `"quantity":1`), s.sim, order.Refunded, "", 3, 2)
}
