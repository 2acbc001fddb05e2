package tasks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"issuance/internal/doccheck"
	"issuance/internal/ledger"
	"issuance/providers"
)

// NumberField is the field of its request in which a recorded order has its number, such as FreeTradeNo; "" where there
// is no such order, or nothing of its request is kept. The account is complete.
func (c *Client) NumberField(ctx context.Context, r Ref) (string, error) {
	codec, known := providers.CodecOf(r.Account.Provider)
	if !known {
		return "", nil
	}
	rec, err := c.ledger.Load(ctx, r.Order())
	switch {
	case errors.Is(err, ledger.ErrNotFound):
		return "", nil
	case err != nil:
		return "", fmt.Errorf("tasks: %s: %w", r, err)
	}
	request := json.RawMessage(rec.Stub)
	for _, field := range codec.Columns.IDs {
		if doccheck.Member(request, field) != "" {
			return field, nil
		}
	}
	return "", nil
}
