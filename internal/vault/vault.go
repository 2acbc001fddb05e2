// Package vault seals and opens what records hold of customers: documents, results, plans. Each sealed
// value is bound to its record and its field, so that one cannot be taken for another's.
//
// It may import internal/seal, internal/shortnames, providers and tasks/order.
package vault

import (
	"encoding/json"
	"fmt"

	"issuance/internal/seal"
	"issuance/internal/shortnames"
	"issuance/providers"
	"issuance/tasks/order"
)

const (
	documentField = "document"
	resultField   = "result"
	planField     = "plan"
	ticketsField  = "tickets"
)

// resultNames are those of providers.Result. Their places are stored: new ones go to the end.
var resultNames = []string{"ref", "tickets", "access", "expires_at", "created_at", "url", "passcode", "ticket_no", "write_off_no", "item_no", "item_name",
	"face_value", "use_status", "refunded_elsewhere", "refund_id", "start_date", "expire_date", "barcode"}

func binding(r order.Ref, field string) string { return r.String() + "/" + field }

// SealDocument seals the request of a record.
func SealDocument(ring *seal.Ring, r order.Ref, request json.RawMessage) (seal.Sealed, error) {
	return ring.Seal(shortnames.Shorten(shortnames.Of(r.Account.Provider), request), binding(r, documentField))
}

// OpenDocument opens what SealDocument made. It is not validated against rules that change with time.
// seal.ErrUnknownKey says that the key is missing.
func OpenDocument(ring *seal.Ring, r order.Ref, s seal.Sealed) (json.RawMessage, error) {
	text, err := ring.Open(s, binding(r, documentField))
	if err != nil {
		return nil, err
	}
	return shortnames.Lengthen(shortnames.Of(r.Account.Provider), text), nil
}

// SealResult seals what the provider answered of an issued order. A nil result seals to nothing.
func SealResult(ring *seal.Ring, r order.Ref, res *providers.Result) (seal.Sealed, error) {
	if res == nil {
		return "", nil
	}
	raw, err := json.Marshal(res)
	if err != nil {
		return "", fmt.Errorf("seal: %T cannot be encoded", res)
	}
	return ring.Seal(shortnames.Shorten(resultNames, raw), binding(r, resultField))
}

// OpenResult opens what SealResult made.
func OpenResult(ring *seal.Ring, r order.Ref, s seal.Sealed) (*providers.Result, error) {
	text, err := ring.Open(s, binding(r, resultField))
	if err != nil {
		return nil, err
	}
	var res providers.Result
	if err := json.Unmarshal(shortnames.Lengthen(resultNames, text), &res); err != nil {
		return nil, fmt.Errorf("seal: the opened value is not a %T", res)
	}
	return &res, nil
}

// SealPlan seals the numbers of the tickets a refund is going to refund.
func SealPlan(ring *seal.Ring, r order.Ref, ticketNos []string) (seal.Sealed, error) {
	return sealJSON(ring, ticketNos, binding(r, planField))
}

// OpenPlan opens what SealPlan made.
func OpenPlan(ring *seal.Ring, r order.Ref, s seal.Sealed) ([]string, error) {
	var numbers []string
	err := openJSON(ring, s, binding(r, planField), &numbers)
	return numbers, err
}

// SealTickets seals the numbers of an order's tickets.
func SealTickets(ring *seal.Ring, r order.Ref, ticketNos []string) (seal.Sealed, error) {
	return sealJSON(ring, ticketNos, binding(r, ticketsField))
}

// OpenTickets opens what SealTickets made; nothing opens to none.
func OpenTickets(ring *seal.Ring, r order.Ref, s seal.Sealed) ([]string, error) {
	if s == "" {
		return nil, nil
	}
	var numbers []string
	err := openJSON(ring, s, binding(r, ticketsField), &numbers)
	return numbers, err
}

func sealJSON(ring *seal.Ring, v any, context string) (seal.Sealed, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("seal: %T cannot be encoded", v)
	}
	return ring.Seal(raw, context)
}

func openJSON(ring *seal.Ring, s seal.Sealed, context string, v any) error {
	raw, err := ring.Open(s, context)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(raw, v); err != nil {
		return fmt.Errorf("seal: the opened value is not a %T", v)
	}
	return nil
}
