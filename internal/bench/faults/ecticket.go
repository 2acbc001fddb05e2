package faults

import (
	"fmt"
	"net/http"
	"time"

	"issuance/providers"
	"issuance/providers/ecticket"
	"issuance/providers/ecticket/ecticketsim"
	"issuance/providers/ecticket/wire"
)

// merchant is ECTicket's account.
const merchant = "2000132"

// atECTicket is ECTicket.
type atECTicket struct {
	*ecticketsim.Sim
	rules
}

func newECTicket() house {
	h := &atECTicket{Sim: ecticketsim.New(ecticketsim.Config{Now: time.Now})}
	h.SetFault(func(c ecticketsim.Call) ecticketsim.Fault {
		return ecticketsim.Fault{Kind: ecticketKinds[h.of(ecticketCalls[c.Op], c.OrderID)]}
	})
	return h
}

var ecticketCalls = map[string]call{ecticketsim.OpIssue: toIssue, ecticketsim.OpRefund: toRefund, ecticketsim.OpQueryIssueResult: toLook}

var ecticketKinds = map[how]ecticketsim.FaultKind{
	losesAnswer: ecticketsim.LoseAnswer, losesRequest: ecticketsim.CutBefore, rejects: ecticketsim.RejectAfter, replays: ecticketsim.Replay,
	busy: ecticketsim.Busy, unavailable: ecticketsim.Error5xxBefore, garbage: ecticketsim.GarbageBefore, refuses: ecticketsim.TransRefused, hangs: ecticketsim.HangBefore,
}

func (h *atECTicket) account() providers.Account {
	return providers.Account{Provider: providers.ECTicket, Merchant: merchant}
}

func (h *atECTicket) client(c *http.Client, gate providers.Gate) (providers.Provider, error) {
	m := ecticketsim.DefaultAccounts()[0]
	return ecticket.New(ecticket.Config{BaseURL: "http://127.0.0.1", MerchantID: m.MerchantID, Keys: wire.Keys{HashKey: m.HashKey, HashIV: m.HashIV}, HTTP: c, Gate: gate})
}

func (h *atECTicket) order(id string, n int) string {
	return fmt.Sprintf(`{"provider":"ecticket","request":{"MerchantTradeNo":%q,"IssueType":"2","PrintType":"2","Operator":"Shop1","CustomerName":"Ann","TicketInfo":[{"ItemNo":"VQT04959","TicketAmount":%d}]}}`, id, n)
}

func (h *atECTicket) refund(id, refundID string, n int) string {
	return fmt.Sprintf(`{"provider":"ecticket","refund_id":%q,"request":{"MerchantTradeNo":%q,%s}}`, refundID, id, quantity(n))
}

// quantity is a refund's wish.
func quantity(n int) string {
	if n == 0 {
		return `"all":true`
	}
	return fmt.Sprintf(`"quantity":%d`, n)
}

func (h *atECTicket) outage(how how, retryAfter string) {
	h.StartOutage(ecticketsim.Fault{Kind: ecticketKinds[how], RetryAfter: retryAfter}, 0)
}

func (h *atECTicket) endOutage() int { return h.EndOutage() }

func (h *atECTicket) hide(orders, list time.Duration, shows int, refunds time.Duration) {
	h.SetLag(ecticketsim.Lag{IssueResult: orders, OrderInfo: max(orders, refunds), TicketStatus: refunds, List: list, ListShows: shows})
}

func (h *atECTicket) clockOff(ahead time.Duration) { h.SetClockOff(ahead) }

func (h *atECTicket) clocks(off func(call) time.Duration) {
	h.SetClocks(func(c ecticketsim.Call) time.Duration { return off(ecticketCalls[c.Op]) })
}

func (h *atECTicket) stranger(id string) { h.AddStranger(ecticketsim.Stranger{ID: id}) }

func (h *atECTicket) cannotIssue(id string) { h.FailOrder(id, "sold out") }

func (h *atECTicket) forbid(id string) { h.ForbidOrder(id) }

func (h *atECTicket) refunded(id string) (n int) {
	o, _ := h.Books().Order(id)
	for _, t := range o.Tickets {
		if t.UseStatus == ecticketsim.Refunded {
			n++
		}
	}
	return n
}

func (h *atECTicket) audit() (wrong []string) {
	for _, o := range h.Books().Orders {
		if !o.Stranger && o.TimesIssued > 1 {
			wrong = append(wrong, fmt.Sprintf("%s is issued %d times", o.ID, o.TimesIssued))
		}
		for _, t := range o.Tickets {
			if t.Refunds > 1 {
				wrong = append(wrong, fmt.Sprintf("a ticket of %s is refunded %d times", o.ID, t.Refunds))
			}
		}
	}
	return wrong
}

func (h *atECTicket) close() {}
