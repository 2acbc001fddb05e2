package cli

import (
	"context"
	"fmt"
	"regexp"
	"slices"

	"github.com/spf13/cobra"

	"issuance/internal/cli/table"
	"issuance/internal/ledger"
	"issuance/providers"
	"issuance/providers/ecticket"
)

var itemNo = regexp.MustCompile(`^[A-Za-z0-9]{1,8}$`)

func (a *app) itemsCommand() *cobra.Command {
	var account string
	cmd := &cobra.Command{
		Use:   "items [ITEMNO…]",
		Short: "List the products that ECTicket can issue",
		Long: `List the products of the merchant's catalogue at ECTicket (BatchQueryItemInfo, all pages), delisted
ones included; with item numbers, only those. The exit code is 1 when one of them does not exist.

A gift voucher has no face value and needs FreeTradeNo and ExpireDate in its order.

It asks ECTicket itself, within the call budget, and needs ECTICKET_MERCHANT_ID, ECTICKET_HASH_KEY
and ECTICKET_HASH_IV, or ISSUANCE_ACCOUNTS_FILE; a sandbox provides them.`,
		Example: `  enqueue items
  enqueue items VQT04959 VNS21400
  enqueue items --json`,
		Args: func(_ *cobra.Command, args []string) error {
			for _, no := range args {
				if !itemNo.MatchString(no) {
					return usagef("%q is no item number; it has 1 to 8 letters and digits", no)
				}
			}
			return nil
		},
		ValidArgsFunction: completeNothing,
		RunE:              func(cmd *cobra.Command, args []string) error { return a.items(cmd.Context(), account, args) },
	}
	a.addAccountFlag(cmd, &account)
	return cmd
}

// itemLine is a product with --json.
type itemLine struct {
	ItemNo       string            `json:"item_no"`
	ItemName     string            `json:"item_name"`
	Type         string            `json:"type"` // "pickup" or "gift"
	FaceValue    int               `json:"face_value"`
	Listed       bool              `json:"listed"`
	ModifiedAt   string            `json:"modified_at"` // the provider's own text, Taiwan time
	Instructions []itemInstruction `json:"instructions"`
}

type itemInstruction struct {
	IssueType   string `json:"issue_type"`
	Description string `json:"description"`
}

func (a *app) items(ctx context.Context, account string, numbers []string) error {
	s, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	client, err := s.ecticket(ctx, account)
	if err != nil {
		return err
	}
	defer client.Close()
	items, out := client.Items(ctx, numbers)
	switch {
	case out.Kind == providers.Rejected && len(numbers) > 0:
		return fmt.Errorf("%w; check the item numbers", notDone(out))
	case out.Kind != providers.Done:
		return notDone(out)
	}
	if err := a.printItems(items); err != nil {
		return err
	}
	var missing failures
	for _, no := range numbers {
		if !slices.ContainsFunc(items, func(it ecticket.Item) bool { return it.ItemNo == no }) {
			missing.add(a, problem{Code: codeNoItem, Message: no + ": there is no such item"})
		}
	}
	return missing.err()
}

func (a *app) printItems(items []ecticket.Item) error {
	t := table.Table{Right: []int{3}, Head: true}
	t.Row("ITEM", "NAME", "TYPE", "FACE VALUE", "STATUS", "MODIFIED")
	for _, it := range items {
		kind, status := "pickup", "delisted"
		if it.Gift {
			kind = "gift"
		}
		if it.Listed {
			status = "listed"
		}
		if !a.json {
			t.Row(it.ItemNo, it.ItemName, kind, fmt.Sprint(it.FaceValue), status, it.ModifiedAt)
			continue
		}
		line := itemLine{ItemNo: it.ItemNo, ItemName: it.ItemName, Type: kind, FaceValue: it.FaceValue, Listed: it.Listed,
			ModifiedAt: it.ModifiedAt, Instructions: []itemInstruction{}}
		for _, in := range it.Instructions {
			line.Instructions = append(line.Instructions, itemInstruction(in))
		}
		if err := a.printJSON(line); err != nil {
			return err
		}
	}
	if a.json {
		return nil
	}
	return a.printTable(&t)
}

func reason(out providers.Outcome) ledger.Reason {
	return ledger.Reason{Code: out.Code, Message: out.Message}
}
