package tasks

import (
	"context"
	"fmt"
	"slices"

	"issuance/internal/budget"
	"issuance/providers"
)

// Locate finds orders and refunds by what people have in their hands: an order's number (its refunds come with it), the
// provider's own number of it, or a refund's id. a is whose they are; without a merchant, any account of the provider, and
// the zero Account any at all. It asks an index, however many orders there are. What is past its time is not found, and of
// an order whose customer's data was erased only the order's own number is known. Of refunds with one id, as where each
// order's first is "R1", the latest of each month are found.
func (c *Client) Locate(ctx context.Context, a Account, text string) ([]Ref, error) {
	accounts, err := c.Accounts(ctx, a)
	if err != nil {
		return nil, fmt.Errorf("tasks: %w", err)
	}
	var out []Ref
	for _, a := range accounts {
		list, err := c.ledger.Locate(ctx, a, text)
		if err != nil {
			return nil, fmt.Errorf("tasks: %w", err)
		}
		out = append(out, list...)
	}
	return out, nil
}

// Accounts are the accounts that a question about what was recorded means: all that workers have ever announced, and those
// that need no worker to be known. a is one of them or, without a merchant, all of a provider; the zero Account is all.
func (c *Client) Accounts(ctx context.Context, a Account) ([]Account, error) {
	if a.Merchant != "" {
		return []Account{a}, nil
	}
	list, err := budget.EverAnnounced(ctx, c.rdb)
	if err != nil {
		return nil, err
	}
	for _, codec := range providers.Codecs() {
		own := Account{Provider: codec.Name, Merchant: c.opt.Rules.forProvider(codec.Name).Merchant}
		if own.Merchant == "" {
			own.Merchant = codec.DefaultMerchant
		}
		if own.Merchant != "" && !slices.Contains(list, own) {
			list = append(list, own)
		}
	}
	return slices.DeleteFunc(list, func(own Account) bool { return a.Provider != "" && own.Provider != a.Provider }), nil
}
