package pass2u

import (
	"context"
	"strconv"
	"time"

	"issuance/providers"
	"issuance/providers/pass2u/pass2udoc"
)

// RefundBaseline sends "Query an order API" and counts. Voucher-type orders show their
// tickets, and others may (findRefunds); they count only when all of them are shown: a query that left out refunded
// ones would make a refund look as if it had not happened. So would a ticket in a status that
// nobody documents: it may be on its way to being refunded.
//
// o.Request is the order's generate body or, for an order without a record, a body with
// productSaleId, and perhaps pass2uOrderId and pickupType; the number of tickets is not known then, so
// compare the Total of two baselines too. The outcome is about the question only: Rejected
// says nothing about a refund sent before. Done carries Pass2U's id of the order.
func (c *Client) RefundBaseline(ctx context.Context, o providers.Order) (providers.Baseline, providers.Outcome) {
	id, problem := identify(o)
	if problem != nil {
		return providers.Baseline{}, *problem
	}
	page := id.pickup == pass2udoc.PickupOrder
	id, v := c.findRefunds(ctx, id)
	if v.answer == nil {
		return providers.Baseline{}, v.out
	}
	if !v.answer.about(id) {
		return providers.Baseline{}, unauthentic
	}
	done := providers.Outcome{Kind: providers.Done, Result: v.answer.head()}
	if id.pickup == pass2udoc.PickupOrder {
		return providers.Baseline{}, done
	}
	var b providers.Baseline
	known := true
	shift := c.dates.Last()
	for _, x := range v.answer.Vouchers {
		if at, precision := created(string(x.StatusUpdateTime)); useStatus(string(x.Status)) == providers.Refunded && precision == time.Second {
			b.RefundedAt = append(b.RefundedAt, at.Add(shift))
		}
	}
	for _, t := range v.answer.tickets() {
		b.Total++
		switch t.UseStatus {
		case providers.Refunded:
			b.Refunded++
		case providers.Unused, providers.PickedUp:
			b.Refundable++
		case providers.Redeemed, providers.Invalid:
		default:
			known = false
		}
	}
	if b.Total == 0 {
		return providers.Baseline{}, providers.Outcome{Kind: providers.Unknown, Code: CodeNoVouchers,
			Message: "Pass2U has the order but shows none of its vouchers"}
	}
	b.Provable = known && (id.quantity == 0 || b.Total == id.quantity)
	if page && !b.Provable {
		return providers.Baseline{}, done
	}
	return b, done
}

// findRefunds is find for what was refunded. Of an order of pickupType "order" only an answer about its vouchers shows that, and
// whether there is one the document leaves open. Where there is none, its page is what is found.
func (c *Client) findRefunds(ctx context.Context, id identity) (identity, verdict) {
	if id.pickup != pass2udoc.PickupOrder {
		return c.find(ctx, id)
	}
	page := id
	id.pickup = ""
	found, v := c.find(ctx, id)
	switch {
	case v.answer == nil && v.out.Kind == providers.Unknown && !c.pagesShow.Load():
		return page, c.query(ctx, page) // it may be the question that is of no use
	case v.answer == nil:
	case len(v.answer.tickets()) == 0:
		return page, v
	case v.answer.about(found) && len(v.answer.tickets()) == id.quantity:
		c.pagesShow.Store(true)
	}
	return found, v
}

// RefundCount sends "Refund tickets of an order API" once: Pass2U refunds n tickets of its own
// choice. Each success refunds n more, so it must never be repeated while in doubt. When the
// order's Ref or its pickupType is not known, a query asks for it first.
//
// The document has two spellings of the key that says how many. The one that the account has accepted, from whatever worker, is kept
// (Config.Memory); before that, the configured one is sent.
func (c *Client) RefundCount(ctx context.Context, o providers.Order, n int) providers.Outcome {
	return c.refundSpelled(ctx, o, n, c.cfg.RefundQuantityKey)
}

// RefundCountRespelled implements providers.Respeller by the other one of the two keys.
func (c *Client) RefundCountRespelled(ctx context.Context, o providers.Order, n int) providers.Outcome {
	key := keyQuanity
	if c.cfg.RefundQuantityKey == keyQuanity {
		key = keyQuantity
	}
	return c.refundSpelled(ctx, o, n, key)
}

// Respells implements providers.Respeller. An account that has accepted one key has no reason to reject it.
func (c *Client) Respells(code string) bool {
	return code == CodeQuantityFormat && c.acceptedKey() == nil
}

// acceptedKey is the key that the account has accepted, as far as this process knows; nil before it has accepted one.
func (c *Client) acceptedKey() *string {
	if c.quantityKey.Load() == nil {
		if key, ok := c.cfg.Memory.Recall(c.keyFact()); ok && (key == keyQuantity || key == keyQuanity) {
			c.quantityKey.CompareAndSwap(nil, &key)
		}
	}
	return c.quantityKey.Load()
}

// acceptedAnywhere is acceptedKey, of which another worker may have learned a moment ago.
func (c *Client) acceptedAnywhere(ctx context.Context) *string {
	if c.acceptedKey() == nil {
		c.cfg.Memory.Reread(ctx)
	}
	return c.acceptedKey()
}

// accepts keeps the key that the account has accepted.
func (c *Client) accepts(ctx context.Context, key string) {
	c.quantityKey.CompareAndSwap(nil, &key)
	key = *c.quantityKey.Load()
	known, _ := c.cfg.Memory.Recall(c.keyFact())
	c.cfg.Memory.Remember(ctx, c.keyFact(), key, known != key)
}

// keyFact is the fact's name. Where the setting is changed, the account is asked anew.
func (c *Client) keyFact() string {
	return "accepted_for_" + c.cfg.RefundQuantityKey + "@" + c.Host()
}

// refundSpelled sends a refund in the key that the account has accepted, or else in this one.
func (c *Client) refundSpelled(ctx context.Context, o providers.Order, n int, key string) providers.Outcome {
	id, problem := identify(o)
	if problem != nil {
		return *problem
	}
	if n < 1 || n > pass2udoc.MaxQuantity {
		return providers.Outcome{Kind: providers.Rejected, Code: CodeInvalid, Message: "cannot refund " + strconv.Itoa(n) + " tickets"}
	}
	if id.ref == "" || id.pickup == "" {
		found, v := c.find(ctx, id)
		switch {
		case v.answer == nil && v.out.Kind == providers.Unknown:
			// Only the question is in doubt: no refund has been sent.
			v.out.Kind = providers.NotSent
			return v.out
		case v.answer == nil:
			return v.out
		case !v.answer.about(id):
			out := unauthentic
			out.Kind = providers.NotSent
			return out
		}
		id = found
		id.ref = string(v.answer.Pass2uOrderID)
	}
	if accepted := c.acceptedAnywhere(ctx); accepted != nil {
		key = *accepted
	}
	out := c.refundOnce(ctx, id, key, n)
	switch {
	case out.Kind == providers.Done || out.Code == CodeRefundableNotEnough:
		c.accepts(ctx, key)
	case out.Code == CodeQuantityFormat:
		if accepted := c.acceptedAnywhere(ctx); accepted != nil && *accepted != key {
			out.Kind = providers.Unknown // accepted meanwhile, by another refund: the next sending is spelled so
		}
	}
	return out
}

// refundOnce passes the Gate and sends one refund.
func (c *Client) refundOnce(ctx context.Context, id identity, key string, n int) providers.Outcome {
	if held, ok := c.pass(ctx); !ok {
		return held
	}
	v := c.send(ctx, opRefund, id, "/refund", map[string]any{
		"pass2uOrderId":  id.ref,
		"productSaleId":  id.sale,
		"channelOrderId": id.channel,
		"pickupType":     id.pickup,
		key:              n,
	}, nil)
	switch {
	case v.answer == nil:
		return v.out
	case !v.answer.about(id):
		return unauthentic
	}
	// Whether the answer lists all vouchers or only those refunded is not documented, so it
	// is not passed on as the order's list.
	return providers.Outcome{Kind: providers.Done, Result: v.answer.head()}
}
