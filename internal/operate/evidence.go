package operate

import (
	"context"

	"issuance/internal/ledger"
	"issuance/providers"
	"issuance/tasks"
	"issuance/tasks/order"
)

// Decisions are those about an order and its refunds, by the record.
func (d *Desk) Decisions(ctx context.Context, r order.Ref) (map[tasks.Ref][]ledger.Decision, error) {
	list, err := d.ledger.Decisions(ctx, r)
	out := map[tasks.Ref][]ledger.Decision{}
	for _, d := range list {
		out[d.Ref] = append(out[d.Ref], d)
	}
	return out, err
}

// OtherRefunds are the order's other refunds whose tickets would be counted as this one's: those that were sent or ended
// after its baseline, or at all when it has none. Only a refund by number that was sent has such.
func (d *Desk) OtherRefunds(ctx context.Context, rec *ledger.Record) ([]*ledger.Record, error) {
	if !rec.IsRefund() || rec.Attempts <= rec.Unsent || len(rec.Tickets) > 0 {
		return nil, nil
	}
	list, err := d.ledger.Refunds(ctx, rec.Ref)
	var out []*ledger.Record
	for _, other := range list {
		moved := rec.Baseline < 0 || other.SentAt.After(rec.BaselineAt) || other.FinalAt.After(rec.BaselineAt)
		if other.RefundID != rec.RefundID && other.Attempts > other.Unsent && moved {
			out = append(out, other)
		}
	}
	return out, err
}

// Question is what a person has to find out about a record in review.
type Question string

const (
	// WhoseOrder: whose the order is that the provider has under its number.
	WhoseOrder Question = "whose_order"
	// WhoRefunded: who refunded tickets of the order that no record explains.
	WhoRefunded Question = "who_refunded"
	// NothingSent: nothing of it was ever sent, so there is nothing to find out.
	NothingSent Question = "nothing_sent"
	// UnknownProvider: this program does not know the provider.
	UnknownProvider Question = "unknown_provider"
	// AtProvider: what the provider shows; its codec says how to look.
	AtProvider Question = "at_provider"
)

// QuestionOf is the one that a record in review raises.
func QuestionOf(rec *ledger.Record) Question {
	switch {
	case rec.Reason.Code == string(order.CodeNumberTaken) || rec.Reason.Code == string(order.CodeNumberExists):
		return WhoseOrder
	case rec.Reason.Code == string(order.CodeUnrecorded):
		return WhoRefunded
	case rec.Attempts == rec.Unsent:
		return NothingSent
	case !rec.Account.Provider.Known():
		return UnknownProvider
	}
	return AtProvider
}

// AskProvider says how a person finds out what is true of a record whose question is AtProvider. others are its
// OtherRefunds, each in a few words.
func AskProvider(rec *ledger.Record, others []string, late, language string) string {
	codec, known := providers.CodecOf(rec.Account.Provider)
	if !known {
		return ""
	}
	return codec.Check(providers.ReviewFacts{Account: rec.Account, OrderID: rec.OrderID, RefundID: rec.RefundID, Planned: rec.Count,
		Baseline: rec.Baseline, Others: others, Late: late, Language: language})
}
