package faults

import (
	"fmt"
	"net/http"
	"time"

	"issuance/providers"
	"issuance/providers/pass2u"
	"issuance/providers/pass2u/pass2usim"
)

// atPass2U is Pass2U.
type atPass2U struct {
	*pass2usim.Sim
	rules
}

func newPass2U() house {
	h := &atPass2U{Sim: pass2usim.New(pass2usim.Config{})}
	h.SetFault(func(c pass2usim.Call) pass2usim.Fault { return pass2uFaults[h.of(pass2uCalls[c.Op], c.OrderID)] })
	return h
}

var pass2uCalls = map[pass2usim.Op]call{pass2usim.Generate: toIssue, pass2usim.Refund: toRefund, pass2usim.Query: toLook}

var pass2uFaults = map[how]pass2usim.Fault{
	losesAnswer: pass2usim.LoseAnswer, losesRequest: pass2usim.CutBefore, rejects: pass2usim.RejectAfter, replays: pass2usim.Replay,
	busy: pass2usim.OopsBefore, unavailable: pass2usim.Unavailable503(""), garbage: pass2usim.GarbageBefore, hangs: pass2usim.HangBefore,
}

func (h *atPass2U) account() providers.Account {
	return providers.Account{Provider: providers.Pass2U, Merchant: "main"}
}

func (h *atPass2U) client(c *http.Client, gate providers.Gate) (providers.Provider, error) {
	return pass2u.New(pass2u.Config{BaseURL: "http://127.0.0.1/api/v1/public/product", APIKey: pass2usim.DefaultAPIKey, HTTP: c, Gate: gate})
}

func (h *atPass2U) order(id string, n int) string {
	return fmt.Sprintf(`{"provider":"pass2u","request":{"productSaleId":%q,"channelOrderId":%q,"quantity":%d,"pickupType":"voucher"}}`, pass2usim.DefaultCampaign, id, n)
}

func (h *atPass2U) refund(id, refundID string, n int) string {
	return fmt.Sprintf(`{"provider":"pass2u","refund_id":%q,"request":{"channelOrderId":%q,"productSaleId":%q,%s}}`, refundID, id, pass2usim.DefaultCampaign, quantity(n))
}

func (h *atPass2U) outage(how how, retryAfter string) {
	f := pass2uFaults[how]
	if retryAfter != "" {
		f = pass2usim.Unavailable503(retryAfter)
	}
	h.StartOutage(f, 0)
}

func (h *atPass2U) endOutage() int { return h.EndOutage() }

func (h *atPass2U) hide(orders, _ time.Duration, _ int, refunds time.Duration) {
	h.SetLag(pass2usim.Lag{Generate: orders, Refund: refunds})
}

func (h *atPass2U) clockOff(ahead time.Duration) { h.SetClockOff(ahead) }

func (h *atPass2U) clocks(off func(call) time.Duration) {
	h.SetClocks(func(c pass2usim.Call) time.Duration { return off(pass2uCalls[c.Op]) })
}

func (h *atPass2U) stranger(id string) { h.AddStranger(pass2usim.Stranger{ChannelOrderID: id}) }

func (h *atPass2U) cannotIssue(id string) { h.FailOrder(id, "Stock Is Not Enough.") }

func (h *atPass2U) forbid(id string) { h.ForbidOrder(id) }

func (h *atPass2U) refunded(id string) int {
	o, _ := h.Order(id)
	return o.Refunded()
}

func (h *atPass2U) audit() (wrong []string) {
	for id, o := range h.Books().Orders {
		if !o.Stranger && o.Generated > 1 {
			wrong = append(wrong, fmt.Sprintf("%s is generated %d times", id, o.Generated))
		}
	}
	return wrong
}

func (h *atPass2U) close() { h.Close() }
