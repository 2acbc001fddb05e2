package cli

import (
	"context"
	"fmt"
	"io"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"issuance/internal/cli/table"
	"issuance/providers"
)

var (
	ticketNo   = regexp.MustCompile(`^[A-Za-z0-9]{1,16}$`)
	writeOffNo = regexp.MustCompile(`^[A-Za-z0-9]{1,18}$`)
)

func (a *app) ticketCommand() *cobra.Command {
	var code, account string
	cmd := &cobra.Command{
		Use:   "ticket TICKETNO",
		Short: "Show what has become of an ECTicket ticket",
		Long: `Show what has become of an ECTicket ticket (QueryTicketStatus): unused, redeemed, refunded or
invalid (a gift voucher that has expired).

--write-off-no asks by the redemption code that the ticket's barcode holds. The code is a secret:
"--write-off-no -" reads it from standard input, where no other user of this machine sees it. It is
never printed.

It asks ECTicket itself, within the call budget, and needs ECTICKET_MERCHANT_ID, ECTICKET_HASH_KEY
and ECTICKET_HASH_IV, or ISSUANCE_ACCOUNTS_FILE; a sandbox provides them.`,
		Example: `  enqueue ticket CB2SY20220302153
  enqueue ticket --write-off-no - < scanned.txt
  enqueue ticket CB2SY20220302153 --json`,
		Args:              takes(0, 1, "TICKETNO"),
		ValidArgsFunction: completeNothing,
		RunE: func(cmd *cobra.Command, args []string) error {
			byCode := cmd.Flags().Changed("write-off-no")
			switch {
			case byCode && len(args) > 0:
				return usagef("give TICKETNO or --write-off-no, not both")
			case !byCode && len(args) == 0:
				return usagef("TICKETNO is missing (or --write-off-no)")
			case !byCode && !ticketNo.MatchString(args[0]):
				return usagef("that is no ticket number; it has 1 to 16 letters and digits")
			case !byCode:
				return a.ticket(cmd.Context(), account, args[0], "")
			}
			secret, err := a.secret(code)
			if err != nil {
				return err
			}
			if !writeOffNo.MatchString(secret) {
				return usagef("that is no redemption code; it has 1 to 18 letters and digits")
			}
			return a.ticket(cmd.Context(), account, "", secret)
		},
	}
	cmd.Flags().StringVar(&code, "write-off-no", "", "ask by redemption code instead (- reads it from standard input)")
	completeFlag(cmd, "write-off-no")
	a.addAccountFlag(cmd, &account)
	return cmd
}

// secret is a flag's value, or the first line of standard input.
func (a *app) secret(value string) (string, error) {
	if value != "-" {
		return value, nil
	}
	if a.in == nil {
		return "", nil
	}
	raw, err := io.ReadAll(io.LimitReader(a.in, 1024))
	if err != nil {
		return "", badInput("standard input: %w", err)
	}
	line, _, _ := strings.Cut(string(raw), "\n")
	return strings.TrimSpace(line), nil
}

// ticketLine is a ticket with --json. Dates are the provider's own texts, Taiwan time. There is
// no redemption code.
type ticketLine struct {
	TicketNo      string              `json:"ticket_no,omitempty"` // absent when asked by redemption code
	UseStatus     providers.UseStatus `json:"use_status"`
	OrderID       string              `json:"order_id"`
	ItemNo        string              `json:"item_no,omitempty"`
	ItemName      string              `json:"item_name,omitempty"`
	FaceValue     int                 `json:"face_value"`
	IssueType     string              `json:"issue_type"`
	StartDate     string              `json:"start_date,omitempty"`
	ExpireDate    string              `json:"expire_date,omitempty"`
	EscrowExpire  string              `json:"escrow_expire_date,omitempty"`
	IssuedBy      string              `json:"issued_by,omitempty"` // a merchant id, as below
	IssueStoreID  string              `json:"issue_store_id,omitempty"`
	RedeemedAt    string              `json:"redeemed_at,omitempty"`
	RedeemedBy    string              `json:"redeemed_by,omitempty"`
	RedeemStoreID string              `json:"redeem_store_id,omitempty"`
	RefundedAt    string              `json:"refunded_at,omitempty"`
	RefundedBy    string              `json:"refunded_by,omitempty"`
	RefundStoreID string              `json:"refund_store_id,omitempty"`
	Instructions  []string            `json:"instructions"`
}

func (a *app) ticket(ctx context.Context, account, number, code string) error {
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
	var st providers.TicketStatus
	var out providers.Outcome
	if code != "" {
		st, out = client.StatusByWriteOffNo(ctx, code)
	} else {
		st, out = client.TicketStatus(ctx, number)
	}
	switch {
	case out.Kind == providers.Rejected:
		return fmt.Errorf("%w; check the number, and that the ticket is this merchant's", notDone(out))
	case out.Kind != providers.Done:
		return notDone(out)
	case st.UseStatus == "":
		return coded(codeNoAnswer, "ECTicket's answer holds no status of the ticket; try again")
	}
	t := ticketLine{
		TicketNo: st.TicketNo, UseStatus: st.UseStatus, OrderID: st.OrderID, ItemNo: st.ItemNo, ItemName: st.ItemName,
		FaceValue: st.FaceValue, IssueType: st.IssueType, StartDate: st.StartDate, ExpireDate: st.ExpireDate, EscrowExpire: st.EscrowExpire,
		IssuedBy: st.IssuedBy, IssueStoreID: st.IssueStoreID,
		RedeemedAt: st.RedeemedAt, RedeemedBy: st.RedeemedBy, RedeemStoreID: st.RedeemStoreID,
		RefundedAt: st.RefundedAt, RefundedBy: st.RefundedBy, RefundStoreID: st.RefundStoreID,
		Instructions: append([]string{}, st.Instructions...),
	}
	if a.json {
		return a.printJSON(t)
	}
	return a.printTicket(t)
}

func (a *app) printTicket(k ticketLine) error {
	t := table.Table{}
	row := func(name string, values ...string) {
		if text := strings.TrimSpace(strings.Join(values, " ")); text != "" {
			t.Row(name, text)
		}
	}
	row("ticket", k.TicketNo)
	row("status", string(k.UseStatus))
	row("order", k.OrderID)
	row("item", k.ItemNo, k.ItemName)
	row("face value", fmt.Sprint(k.FaceValue))
	row("issue type", k.IssueType, issueTypes[k.IssueType])
	row("usable from", k.StartDate)
	row("expires", k.ExpireDate)
	row("in escrow until", k.EscrowExpire)
	row("issued by", k.IssuedBy, k.IssueStoreID)
	row("redeemed", k.RedeemedAt, by(k.RedeemedBy, k.RedeemStoreID))
	row("refunded", k.RefundedAt, by(k.RefundedBy, k.RefundStoreID))
	for i, text := range k.Instructions {
		name := ""
		if i == 0 {
			name = "how to use it"
		}
		t.Row(name, text)
	}
	return a.printTable(&t)
}

// issueTypes in words (ECTicket, Issue).
var issueTypes = map[string]string{"1": "(convenience store)", "2": "(paper)", "3": "(electronic)", "4": "(serial number only)"}

func by(merchant, store string) string {
	if merchant == "" {
		return ""
	}
	if store == "" {
		store = "head office"
	}
	return fmt.Sprintf("by %s (%s)", merchant, store)
}
