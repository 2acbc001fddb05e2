package console

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"issuance/internal/frontdoor"
	"issuance/internal/ledger"
	"issuance/internal/vault"
	"issuance/tasks"
	"issuance/tasks/order"
)

// orderData is the order page's.
type orderData struct {
	*tasks.Status
	Ref     order.Ref
	Trace   string // the trace id
	TraceAt string // where it is looked at, "" for nowhere
	Refunds []refundData
	// Reviews are those of the order and its refunds that need a decision.
	Reviews    []reviewData
	Timeline   folded[moment]
	Deliveries folded[delivery]
	Shown      *shown // what was asked for with "show"
}

type refundData struct {
	tasks.RefundStatus
	Ref order.Ref
}

// shown is a customer's data and what opens the doors.
type shown struct {
	Documents []shownDocument
	Status    *tasks.Status // with tickets; nil where they may not be seen
	Problem   string        // a key of words
}

type shownDocument struct {
	Ref  order.Ref
	Text string
}

func (v *visit) order() error {
	r, err := v.ref()
	if err != nil {
		return err
	}
	return v.orderPage(http.StatusOK, r, nil)
}

// orderPage shows an order, and what was asked for with "show".
func (v *visit) orderPage(status int, r order.Ref, s *shown) error {
	ctx := v.r.Context()
	st, err := v.Client.Status(ctx, r.Account, r.OrderID)
	if errors.Is(err, tasks.ErrUnknownOrder) {
		return notFound
	}
	if err != nil {
		return err
	}
	records, err := v.records(r)
	if err != nil {
		return err
	}
	data := orderData{Status: st, Ref: r, Shown: s}
	for _, f := range st.Refunds {
		data.Refunds = append(data.Refunds, refundData{f, r.Refund(f.RefundID)})
	}
	decisions, err := v.desk.Decisions(ctx, r)
	if err != nil {
		return err
	}
	sent, err := v.deliveries(ctx, r)
	if err != nil {
		return err
	}
	data.Deliveries = fold(sent, unfoldedDeliveries)
	story := v.lang.timeline(records, decisions, sent)
	for i := range story {
		story[i].Detail = v.local(story[i].Detail)
	}
	data.Timeline = fold(story, unfoldedMoments)
	for _, rec := range records {
		if rec.State == order.Review {
			review, err := v.review(ctx, rec)
			if err != nil {
				return err
			}
			data.Reviews = append(data.Reviews, review)
		}
		if parts := strings.Split(rec.Trace, "-"); !rec.IsRefund() && len(parts) > 1 {
			data.Trace = parts[1]
			data.TraceAt = strings.Replace(v.TraceURL, "{trace_id}", url.PathEscape(data.Trace), 1)
		}
	}
	return v.answer(status, "order", "title.order", data)
}

// records are those of an order and its refunds.
func (v *visit) records(r order.Ref) ([]*ledger.Record, error) {
	list, err := v.Ledger.Story(v.r.Context(), r)
	if err == nil && len(list) == 0 {
		return nil, notFound
	}
	return list, err
}

// reveal shows a customer's data once it is recorded who looks at it, and why.
func (v *visit) reveal() error {
	r, err := v.ref()
	if err != nil {
		return err
	}
	reason, err := v.reason()
	if err != nil {
		return err
	}
	records, err := v.records(r)
	if err != nil {
		return err
	}
	if err := v.Ledger.Decided(v.as(), ledger.Decision{What: "show", Ref: r, Who: v.who.Name, Reason: reason}); err != nil {
		return err
	}
	s, err := v.opened(r, records)
	if err != nil {
		return err
	}
	return v.orderPage(http.StatusOK, r, s)
}

// opened is what records hold of a customer, as far as it can be opened.
func (v *visit) opened(r order.Ref, records []*ledger.Record) (*shown, error) {
	s := &shown{}
	for _, rec := range records {
		if rec.Document == "" {
			continue
		}
		if v.Ring == nil {
			s.Problem = "show.key"
			return s, nil
		}
		raw, err := vault.OpenDocument(v.Ring, rec.Ref, rec.Document)
		if err != nil { // another key's, or not what it says: the order's own trouble
			v.Log.Warn("a document cannot be shown", "order", rec.Ref.String(), "error", err)
			s.Problem = "show.key"
			continue
		}
		var pretty bytes.Buffer
		if json.Indent(&pretty, raw, "", "  ") != nil {
			pretty.Write(raw)
		}
		s.Documents = append(s.Documents, shownDocument{rec.Ref, pretty.String()})
	}
	if !v.who.May(frontdoor.Tickets) {
		return s, nil
	}
	st, err := v.Client.Status(v.r.Context(), r.Account, r.OrderID, tasks.WithTickets())
	if errors.Is(err, tasks.ErrWrongKeys) {
		s.Problem = "show.key"
		return s, nil
	}
	s.Status = st
	return s, err
}
