package tasks

import (
	"encoding/json"
	"fmt"

	"issuance/internal/ledger"
	"issuance/internal/seal"
	"issuance/providers"
)

const (
	resultField = "result"
	planField   = "plan"
)

// SealResult seals what the provider told of an issued order. A nil result seals to nothing.
func SealResult(ring *seal.Ring, k ledger.Key, r *providers.Result) (seal.Sealed, error) {
	if r == nil {
		return "", nil
	}
	return sealJSON(ring, r, k.SealContext(resultField))
}

// OpenResult opens what SealResult made.
func OpenResult(ring *seal.Ring, k ledger.Key, s seal.Sealed) (*providers.Result, error) {
	var r providers.Result
	err := openJSON(ring, s, k.SealContext(resultField), &r)
	return &r, err
}

// SealPlan seals the numbers of the tickets a refund is going to refund.
func SealPlan(ring *seal.Ring, k ledger.RefundKey, ticketNos []string) (seal.Sealed, error) {
	return sealJSON(ring, ticketNos, k.SealContext(planField))
}

// OpenPlan opens what SealPlan made.
func OpenPlan(ring *seal.Ring, k ledger.RefundKey, s seal.Sealed) ([]string, error) {
	var numbers []string
	err := openJSON(ring, s, k.SealContext(planField), &numbers)
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
