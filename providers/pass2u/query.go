package pass2u

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/sethvargo/go-retry"

	"issuance/providers"
	"issuance/providers/pass2u/pass2udoc"
)

// identity is what it takes to ask for an order. pickup is empty until Pass2U has shown it.
type identity struct {
	channel, ref, sale, pickup string
	// quantity is the number of tickets ordered, 0 when it is not known.
	quantity int
	// mailTo is the address that was sent with the order, if any.
	mailTo string
}

// name is what the order is called in log lines.
func (id identity) name() string { return cmp.Or(id.channel, id.ref) }

// identify reads it from the order's request. That is a generate body or, for an order without a record, what its
// refund says: productSaleId, and perhaps pass2uOrderId and pickupType.
func identify(o providers.Order) (id identity, problem *providers.Outcome) {
	var d struct {
		pass2udoc.Order
		Pass2uOrderID string `json:"pass2uOrderId"`
	}
	bad := func(what string) (identity, *providers.Outcome) {
		return identity{}, &providers.Outcome{Kind: providers.Rejected, Code: CodeInvalid, Message: what}
	}
	if err := json.Unmarshal(o.Request, &d); err != nil {
		return bad("the order's request is not readable")
	}
	id = identity{channel: o.ID, ref: o.Ref, sale: d.ProductSaleID, pickup: d.PickupType, quantity: d.Quantity, mailTo: d.MailTo}
	if id.channel == "" {
		id.channel = d.ChannelOrderID
	}
	if id.ref == "" {
		id.ref = d.Pass2uOrderID
	}
	if d.Pass2uOrderID != "" {
		id.quantity = 0 // a refund's body: how many to refund
	}
	switch {
	case d.ChannelOrderID != "" && d.ChannelOrderID != id.channel:
		return bad("the order's id is not the channelOrderId of its request")
	case id.channel == "" && id.ref == "":
		return bad("the order has neither channelOrderId nor pass2uOrderId")
	case id.sale == "":
		return bad("the order's request lacks productSaleId, without which Pass2U cannot be asked")
	}
	return id, nil
}

// queryBody holds exactly one of the two ids, and no mailTo: that could mail the order again.
type queryBody struct {
	Pass2uOrderID  string `json:"pass2uOrderId,omitempty"`
	ChannelOrderID string `json:"channelOrderId,omitempty"`
	ProductSaleID  string `json:"productSaleId"`
	PickupType     string `json:"pickupType"`
}

// The document gives two paths for queries; which one is answered is found out.
const (
	pathUnknown int32 = iota
	pathOverview
	pathBase
)

var queryPaths = map[int32]string{pathOverview: "/query", pathBase: ""}

// readPause lies between the two attempts of a read.
const readPause = 100 * time.Millisecond

var errBroken = errors.New("connection failed")

// find asks for an order, and returns its identity with the pickupType by which Pass2U shows it.
func (c *Client) find(ctx context.Context, id identity) (identity, verdict) {
	if id.pickup != "" {
		return id, c.query(ctx, id)
	}
	id.pickup = pass2udoc.PickupVoucher // shows what was refunded, where that is shown
	v := c.query(ctx, id)
	if v.answer == nil && v.out.Kind == providers.Rejected && v.out.Code != CodeSaleUnknown {
		// The documents do not say how an order of the other pickupType is answered, so it may be that one.
		id.pickup = pass2udoc.PickupOrder
		return id, c.query(ctx, id)
	}
	if v.answer != nil && len(v.answer.tickets()) == 0 && v.answer.OrderURL != "" {
		id.pickup = pass2udoc.PickupOrder
	}
	return id, v
}

// query asks for an order. When nothing like Pass2U answers at the path, the other documented
// path is asked once; the first path that ever answers is kept.
func (c *Client) query(ctx context.Context, id identity) verdict {
	body := queryBody{ChannelOrderID: id.channel, ProductSaleID: id.sale, PickupType: id.pickup}
	if id.channel == "" {
		body.Pass2uOrderID = id.ref
	}
	if held, ok := c.pass(ctx); !ok {
		return verdict{out: held}
	}
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()

	at := c.queryPath.Load()
	if at != pathUnknown {
		return c.read(ctx, queryPaths[at], id, body)
	}
	at, other := pathOverview, pathBase
	if c.cfg.QueryAtBase {
		at, other = other, at
	}
	v := c.read(ctx, queryPaths[at], id, body)
	if v.missing {
		if held, ok := c.pass(ctx); !ok {
			return verdict{out: held}
		}
		at, v = other, c.send(ctx, opQuery, id, queryPaths[other], body, nil)
	}
	if v.known() {
		c.queryPath.CompareAndSwap(pathUnknown, at)
	}
	return v
}

// known reports whether the answer is one of Pass2U's documented ones.
func (v verdict) known() bool {
	if v.answer != nil {
		return true
	}
	for i := range messages {
		if messages[i].code == v.out.Code {
			return true
		}
	}
	return false
}

// read sends a query that has passed the Gate, and once more when the connection failed.
func (c *Client) read(ctx context.Context, path string, id identity, body queryBody) (v verdict) {
	first := true
	// The error is not needed: v says everything.
	_ = retry.Do(ctx, retry.WithMaxRetries(1, retry.NewConstant(readPause)), func(ctx context.Context) error {
		if !first {
			if held, ok := c.pass(ctx); !ok {
				v = verdict{out: held}
				return nil
			}
		}
		first = false
		v = c.send(ctx, opQuery, id, path, body, nil)
		if v.broken {
			return retry.RetryableError(errBroken)
		}
		return nil
	})
	return v
}
