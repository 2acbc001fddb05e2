package chaos

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"time"

	"issuance/internal/frontdoor"
	"issuance/internal/keys"
	"issuance/internal/ledger"
	"issuance/providers"
	"issuance/providers/ecticket/ecticketsim"
	"issuance/providers/ecticket/wire"
	"issuance/tasks"
	"issuance/tasks/order"
)

// Notices are what becomes of tickets when everything is final: some are redeemed, some refunded in the back office, and
// front doors are sent notices of that, as ECPay sends them. One front door is killed meanwhile; some notices come again, and
// one has a wrong checksum.
type Notices struct {
	run  *Run
	rand *rand.Rand
	used []usedTicket
	from string // the position of the last event before

	Used                      int // elsewhere, by use
	Sent, Repeated, Strangers int
	Killed, Refused           int
	Differences               []Difference
}

// usedTicket is a ticket of an issued order that is used up.
type usedTicket struct {
	ref   order.Ref
	no    string
	state order.State // redeemed or refunded
	ours  bool        // by a refund of the order, and not elsewhere
}

// strangerOf is the number of the n-th order of another system.
func strangerOf(n int) string { return fmt.Sprintf("ELSEWHERE%d", n) }

// noticePatience is how long notices, and the looks they call for, may take.
const noticePatience = time.Minute

// notices has n tickets used up, sends notices of them and of strangers' tickets, and audits what came of them.
func (run *Run) notices(ctx context.Context, n int) (err error) {
	if n == 0 || run.Rig.Front == nil {
		return nil
	}
	k := &Notices{run: run, rand: dice(run.Seed, "notices")}
	run.Notices = k
	ctx, cancel := context.WithTimeout(ctx, noticePatience)
	defer cancel()
	if k.from, err = run.Rig.Ledger.LastEvent(ctx); err != nil {
		return err
	}
	texts, err := k.use(ctx, n)
	if err != nil {
		return err
	}
	if err := k.send(ctx, append(texts, k.strangers()...)); err != nil {
		return err
	}
	if err := k.settle(ctx); err != nil {
		return err
	}
	err = k.audit(ctx)
	run.Report.Differences = append(run.Report.Differences, k.Differences...)
	return err
}

// use has tickets redeemed and refunded, one in three orders two of them, and returns what notices say of each.
func (k *Notices) use(ctx context.Context, n int) (texts []string, err error) {
	sim := k.run.Rig.ECTicket
	books := TakeBooks(k.run.Rig)
	for _, o := range k.run.Load.Orders {
		book, there := books.ecticket[o.ID]
		if !there || book.Stranger || k.Used >= n || k.refundDeleted(o) {
			continue
		}
		ref := o.Ref()
		rec, err := k.run.Rig.Ledger.Load(ctx, ref)
		if errors.Is(err, ledger.ErrNotFound) { // it was deleted, to see that its tasks do nothing
			continue
		}
		if err != nil {
			return nil, err
		}
		if rec.State != order.Issued {
			continue
		}
		left := unused(book)
		if len(left) > 0 {
			k.used = append(k.used, usedBefore(ref, book)...)
		}
		for i, t := range left {
			if i > 0 && k.Used%3 != 0 || i > 1 {
				break
			}
			act, state := func(no string) error { return sim.Redeem(no, "") }, order.State(providers.Redeemed)
			if k.Used%2 == 1 {
				act, state = sim.RefundInOffice, order.Refunded
			}
			if err := act(t); err != nil {
				return nil, err
			}
			k.Used++
			k.used = append(k.used, usedTicket{ref: ref, no: t, state: state})
			texts = append(texts, k.text(book, t))
		}
	}
	return texts, nil
}

// usedBefore are the tickets of an order that are used up already: the first look at the order shows them, too.
func usedBefore(ref order.Ref, book ecticketsim.OrderBook) (list []usedTicket) {
	for _, t := range book.Tickets {
		switch t.UseStatus {
		case ecticketsim.Redeemed:
			list = append(list, usedTicket{ref: ref, no: t.TicketNo, state: order.State(providers.Redeemed)})
		case ecticketsim.Refunded:
			list = append(list, usedTicket{ref: ref, no: t.TicketNo, state: order.Refunded, ours: t.Refunds > 0})
		}
	}
	return list
}

// refundDeleted reports whether the record of a refund of the order was deleted: nobody here knows then who refunded.
func (k *Notices) refundDeleted(o *Order) bool {
	return slices.ContainsFunc(o.Refunds, func(f *Refund) bool { return k.run.Replays.Records[f.Ref()] != nil })
}

func unused(book ecticketsim.OrderBook) (list []string) {
	for _, t := range book.Tickets {
		if t.UseStatus == ecticketsim.Unused {
			list = append(list, t.TicketNo)
		}
	}
	return list
}

// text is what a notice says. ECPay's documents do not say what its fields are called: it names the ticket, or its order, too.
func (k *Notices) text(book ecticketsim.OrderBook, no string) string {
	fields := map[string]any{"MerchantID": book.MerchantID, "TicketNo": no, "UseStatus": 2}
	if k.rand.IntN(2) == 0 {
		fields["MerchantTradeNo"] = book.ID
	}
	text, _ := json.Marshal(fields) // strings and numbers cannot fail
	return string(text)
}

// strangers has tickets redeemed of orders that another system has sold.
func (k *Notices) strangers() (texts []string) {
	sim := k.run.Rig.ECTicket
	for n := range 2 {
		sim.AddStranger(ecticketsim.Stranger{MerchantID: merchantID, ID: strangerOf(n)})
		book, _ := sim.Books().Order(strangerOf(n))
		for _, no := range unused(book) {
			if sim.Redeem(no, "") == nil {
				texts = append(texts, k.text(book, no))
			}
		}
	}
	k.Strangers = len(texts)
	return texts
}

// send sends notices, each until it is acknowledged, and some again. In the middle a front door is killed.
func (k *Notices) send(ctx context.Context, texts []string) error {
	keys := wire.Keys{HashKey: k.run.Rig.Secrets.HashKey, HashIV: k.run.Rig.Secrets.HashIV}
	doors := k.run.Rig.Front.doors
	k.rand.Shuffle(len(texts), func(i, j int) { texts[i], texts[j] = texts[j], texts[i] })
	for i, text := range texts {
		if i == len(texts)/2 && doors[0].kill() != 0 { // it is started again, as an orchestrator does
			k.Killed++
		}
		if err := k.acknowledged(ctx, sealedNotice(keys, text), i); err != nil {
			return err
		}
		k.Sent++
		if k.rand.IntN(3) == 0 || i == 0 {
			if err := k.acknowledged(ctx, sealedNotice(keys, text), i+1); err != nil {
				return err
			}
			k.Repeated++
		}
	}
	if len(texts) == 0 {
		return nil
	}
	wrong := sealedNotice(keys, texts[0])
	wrong.CheckMacValue = strings.Repeat("0", len(wrong.CheckMacValue))
	return k.refused(ctx, wrong)
}

func sealedNotice(keys wire.Keys, text string) wire.Request {
	data, mac := wire.Seal(keys, []byte(text))
	return wire.Request{MerchantID: merchantID, RqHeader: wire.Header{Timestamp: wire.Int64(time.Now().Unix())}, Data: data, CheckMacValue: mac}
}

// acknowledged sends a notice to one front door after the other until it is acknowledged.
func (k *Notices) acknowledged(ctx context.Context, n wire.Request, first int) error {
	for i := first; ; i++ {
		status, err := k.post(ctx, n, i)
		if err == nil && status == http.StatusOK {
			return nil
		}
		if err == nil && status != http.StatusServiceUnavailable {
			return fmt.Errorf("chaos: a notice is answered with %d", status)
		}
		if !pause(ctx, 50*time.Millisecond) {
			return fmt.Errorf("chaos: no front door acknowledges a notice: %w", errors.Join(err, ctx.Err()))
		}
	}
}

// refused sends a notice that is not authentic.
func (k *Notices) refused(ctx context.Context, n wire.Request) error {
	for i := 0; ; i++ {
		switch status, err := k.post(ctx, n, i); {
		case err == nil && status == http.StatusBadRequest:
			k.Refused++
			return nil
		case err == nil:
			k.Differences = append(k.Differences, Difference{Unfounded, "a notice", fmt.Sprintf("its checksum is wrong, and it is answered with %d", status)})
			return nil
		}
		if !pause(ctx, 50*time.Millisecond) {
			return ctx.Err()
		}
	}
}

func (k *Notices) post(ctx context.Context, n wire.Request, i int) (status int, err error) {
	doors := k.run.Rig.Front.doors
	at := doors[i%len(doors)].address()
	if at == "" {
		return 0, errors.New("it does not run")
	}
	body, _ := json.Marshal(n) // strings and numbers cannot fail
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+at+frontdoor.NoticePath+merchantID, bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := k.run.Rig.Front.client.Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	_, err = io.Copy(io.Discard, res.Body)
	return res.StatusCode, err
}

// settle waits until no look is left but those that repeat one later: minutes afterwards, in case the provider's list was older
// than the notice.
func (k *Notices) settle(ctx context.Context) error {
	account := tasks.Account{Provider: providers.ECTicket, Merchant: merchantID}
	for rdb := k.run.Rig.Place.Connect(); ; {
		left, err := rdb.ZRange(ctx, keys.Looks(account), 0, -1).Result()
		left = slices.DeleteFunc(left, func(look string) bool { return strings.HasPrefix(look, "a:") })
		if err != nil || len(left) == 0 {
			return err
		}
		if !pause(ctx, 100*time.Millisecond) {
			return fmt.Errorf("chaos: looks at tickets are left: %q: %w", left, ctx.Err())
		}
	}
}
