package ecticket

import (
	"context"
	"encoding/json"
	"strings"

	"issuance/providers"
	"issuance/providers/ecticket/ecticketdoc"
	"issuance/providers/ecticket/wire"
)

// LookUp asks what became of the order (ECTicket, QueryIssueResult). It changes nothing. An
// authentic RtnCode other than 1 is Absent and Assumed, unless Config.Codes says which codes mean that.
//
// Whether every account may call QueryIssueResult is not documented. Where its answers are of no use again and again and
// QueryOrderInfo shows the order and its Status, that is asked instead.
func (c *Client) LookUp(ctx context.Context, o providers.Order) providers.Finding {
	ids, secrets, ok := identify(o)
	if !ok {
		return providers.Finding{State: providers.Unclear, Outcome: notThisOrder()}
	}
	if c.result.Active(c.cfg.Now()) {
		return c.orderInfoInstead(ctx, o, ids, secrets)
	}
	f := c.issueResult(ctx, ids, secrets)
	switch {
	case f.State == providers.FoundFailed:
		c.result.Useful()
		// An order whose tickets are shown is issued, whatever the job's result says; the caller reads them before it is.
		other := c.statusOf(ctx, o, ids, secrets)
		if other.State == providers.FoundIssued {
			return other
		}
		f.Sight = other.Sight // tickets may be listed all the same
	case f.Found():
		c.result.Useful()
	case ofNoUse(f.Outcome) && c.result.Useless():
		if other := c.statusOf(ctx, o, ids, secrets); other.Found() {
			c.result.Proven(c.cfg.Now())
			return whileIssued(other)
		}
	}
	return f
}

// issueResult is QueryIssueResult.
func (c *Client) issueResult(ctx context.Context, ids echo, secrets []string) providers.Finding {
	var answer struct {
		Status        *wire.Int
		Remark        text
		TicketTradeNo text
	}
	out := c.call(ctx, query{op: OpQueryIssueResult, data: c.orderQuery(ids, 0), secrets: secrets, echo: ids}, &answer)
	if out.Kind != providers.Done {
		return c.notFound(out)
	}
	return c.finding(ctx, ids, answer.Status, answer.Remark, answer.TicketTradeNo, secrets, out)
}

// statusOf is QueryOrderInfo for an order's Status, with all that the answer shows of it: nobody has to ask for that again.
func (c *Client) statusOf(ctx context.Context, o providers.Order, ids echo, secrets []string) providers.Finding {
	var answer orderInfoAnswer
	out := c.call(ctx, query{op: OpQueryOrderInfo, data: c.orderQuery(ids, 1), secrets: secrets, echo: ids}, &answer)
	if out.Kind != providers.Done {
		return c.notFound(out)
	}
	f := c.finding(ctx, ids, answer.Status, answer.Remark, answer.TicketTradeNo, secrets, out)
	if f.State == providers.FoundPending {
		c.showsPending.Store(true)
	}
	if f.Found() {
		f.Sight = new(c.sightOf(ctx, o, answer))
	}
	if need, count := c.NeedsTickets(o); need && f.State == providers.FoundIssued {
		if list := answer.whole(count); list != nil {
			f.Result = &providers.Result{Ref: string(answer.TicketTradeNo), Tickets: list}
		}
	}
	return f
}

// orderInfoInstead is LookUp while QueryIssueResult is of no use. That QueryOrderInfo shows orders which are not issued yet is
// not documented for certain: until it was seen to, one that it does not know may be one of them.
func (c *Client) orderInfoInstead(ctx context.Context, o providers.Order, ids echo, secrets []string) providers.Finding {
	f := c.statusOf(ctx, o, ids, secrets)
	switch {
	case f.State == providers.Absent && !c.showsPending.Load() && o.ID != ecticketdoc.Codec().Probe().ID:
		f.State, f.Assumed = providers.Unclear, false
		f.Outcome.Kind = providers.Unknown
	case f.State == providers.Unclear && ofNoUse(f.Outcome):
		c.result.Over()
	}
	return whileIssued(f)
}

// whileIssued leaves out what an order shows whose tickets are being issued: it has too few of them, which means nothing yet.
func whileIssued(f providers.Finding) providers.Finding {
	if f.State == providers.FoundPending {
		f.Sight = nil
	}
	return f
}

// notFound judges an answer other than RtnCode 1 to a question about an order.
func (c *Client) notFound(out providers.Outcome) providers.Finding {
	out.Exists = false // it is the answer to an Issue only
	if out.Kind != providers.Rejected {
		return providers.Finding{State: providers.Unclear, Outcome: out}
	}
	if c.cfg.Codes[out.Code] == MeansNotFound {
		return providers.Finding{State: providers.Absent, Outcome: out}
	}
	if !c.codesKnown() {
		return providers.Finding{State: providers.Absent, Outcome: out, Assumed: true}
	}
	out.Kind = providers.Unknown
	return providers.Finding{State: providers.Unclear, Outcome: out}
}

// finding is what an authentic answer about an order shows.
func (c *Client) finding(ctx context.Context, ids echo, status *wire.Int, remark, ref text, secrets []string, out providers.Outcome) (f providers.Finding) {
	if ref != "" {
		f.Result = &providers.Result{Ref: string(ref)}
	}
	f.State, f.Outcome = judgeStatus(status, c.safe(string(remark), secrets), out)
	if f.State == providers.FoundIssued {
		c.issued(ctx, ids, c.cfg.Now())
	}
	return f
}

// ofNoUse reports whether a call was answered with something that shows nothing and may be of this call alone: a rejection, an
// error of the server's program or an unknown address, an answer without what was asked for. What a gateway says, or who is no
// part of ECTicket, is of all calls.
func ofNoUse(out providers.Outcome) bool {
	switch {
	case out.Kind == providers.Rejected:
		return true
	case out.Kind != providers.Unknown || out.Banned || out.RetryAfter > 0:
		return false
	}
	switch out.Code {
	case "http_500", "http_501", "http_404", "http_405", "status_missing":
		return true
	}
	return !strings.ContainsFunc(out.Code, notDigit)
}

func notDigit(r rune) bool { return r < '0' || r > '9' }

// ordered is how many tickets a document, or its stub, orders; 0 when it does not say.
func ordered(o providers.Order) int {
	var doc ecticketdoc.Order
	if json.Unmarshal(o.Request, &doc) != nil {
		return 0
	}
	return doc.TicketCount()
}
