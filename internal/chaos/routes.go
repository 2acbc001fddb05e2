package chaos

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"time"

	"issuance/tasks"
)

// Of the orders of a load, so many percent are sent under a key instead of a number, in bulks, and together with
// another document under their number; and so many percent of all other documents by HTTP.
const (
	percentKeys   = 15
	percentBulks  = 20
	percentRivals = 10
	percentHTTP   = 65
	// bulkLines is about how many orders a bulk has.
	bulkLines = 6
)

// route decides which orders reach the front doors in which way. The load is otherwise the same as without them.
func (l *Load) route(seed uint64) {
	for _, o := range l.Orders {
		r := dice(seed, "route", o.ID)
		alone := o.Cancel == nil && o.Forged == nil
		switch x := r.IntN(100); {
		case x < percentKeys && alone && len(o.Refunds) == 0 && o.Fate == Issues && o.Kind != kindPage:
			o.under("checkout-" + word(r.Uint64(), 12))
		case x < percentKeys+percentBulks && alone:
			o.Bulk = true
		case x < percentKeys+percentBulks+percentRivals && o.Forged == nil:
			o.compete(seed)
		}
	}
}

// under has the order sent under a key, without a number.
func (o *Order) under(key string) {
	o.Key, o.ID, o.Doc = key, "", without(o.Doc, "MerchantTradeNo", "FreeTradeNo", "channelOrderId")
}

// without is a document without some fields of its request.
func without(doc []byte, fields ...string) []byte {
	var d map[string]json.RawMessage
	var request map[string]json.RawMessage
	if json.Unmarshal(doc, &d) != nil || json.Unmarshal(d["request"], &request) != nil {
		panic("chaos: a document of a load cannot be read")
	}
	for _, f := range fields {
		delete(request, f)
	}
	d["request"] = document(request)
	return document(d)
}

// compete makes the order's rival: the same for another customer.
func (o *Order) compete(seed uint64) {
	other := personal(seed, 2_000_000+int(dice(seed, "rival", o.ID).Int32N(1_000_000)))
	doc := o.Doc
	for field, value := range o.Personal {
		doc = bytes.ReplaceAll(doc, []byte(value), []byte(other[field]))
	}
	if !bytes.Equal(doc, o.Doc) { // some have no customer's data
		o.Rival, o.Others = doc, other
	}
}

// files are the bulks of a load.
func (l *Load) files(seed uint64, over time.Duration) (list []file) {
	r := dice(seed, "files")
	var of []*Order
	for _, o := range l.Orders {
		if o.Bulk {
			of = append(of, o)
		}
	}
	for part := range slices.Chunk(of, bulkLines) {
		list = append(list, file{at: between(r, 0, over*2/3), orders: part})
	}
	return list
}

// competition are the shots of an order's documents at one moment, so that front doors decide between them.
func (o *Order) competition(at time.Duration) (shots []shot) {
	if o.Rival == nil {
		return nil
	}
	for i := range 4 {
		s := shot{at: at, what: o.Ref().String(), doc: o.Doc, lane: tasks.Checkout, ref: o.Ref(), rival: true}
		if i%2 == 0 {
			s.doc = o.Rival
		}
		shots = append(shots, s)
	}
	return shots
}

// takeRoutes decides which shots go by HTTP.
func (p *Producers) takeRoutes(shots []shot) {
	r := dice(p.seed, "by HTTP")
	for i := range shots {
		shots[i].http = p.callers != nil && (r.IntN(100) < percentHTTP || shots[i].key != "")
	}
}

// files are the bulks of the load, if there are front doors to send them to.
func (p *Producers) files(over time.Duration) []file {
	if p.callers == nil {
		return nil
	}
	return p.load.files(p.seed, over)
}

// enqueueing enqueues a document once.
type enqueueing func(ctx context.Context, doc []byte) (tasks.Receipt, error)

// way is how the document of a shot is enqueued. Who dies on it does so as a user of the library.
func (p *Producers) way(s shot) enqueueing {
	if s.http && s.death == nil {
		return p.callers.way(s)
	}
	client := p.rig.Client
	if s.inSteps || s.death != nil && s.death.inSteps {
		client = p.rig.InSteps
	}
	enqueue := client.Enqueue
	if s.refund {
		enqueue = client.EnqueueRefund
	}
	return func(ctx context.Context, doc []byte) (tasks.Receipt, error) {
		return enqueue(ctx, doc, tasks.InLane(s.lane))
	}
}
