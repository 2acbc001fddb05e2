package overhead

import (
	"encoding/json"
	"fmt"
	"time"

	"issuance/internal/seal"
	"issuance/providers"
	"issuance/providers/ecticket/ecticketsim"
	"issuance/providers/pass2u/pass2usim"
)

// Kinds of orders: a voucher order is one call; an order of ECTicket is two, Issue and QueryIssueResult. A paper order
// is asked for at once, an electronic one by a poll task of its own.
const (
	Paper      = "ecticket-paper"
	Electronic = "ecticket-electronic"
	Voucher    = "pass2u-voucher"
)

func providerOf(kind string) providers.Name { return accountOf(kind).Provider }

// accountOf is the account that both sides' clients are for.
func accountOf(kind string) providers.Account {
	if kind == Voucher {
		return providers.Account{Provider: providers.Pass2U, Merchant: "main"}
	}
	return providers.Account{Provider: providers.ECTicket, Merchant: account().MerchantID}
}

// Request is the provider's own body of order number id.
func Request(kind, id string) ([]byte, error) {
	type object = map[string]any
	if kind == Voucher {
		return json.Marshal(object{"productSaleId": pass2usim.DefaultCampaign, "channelOrderId": id,
			"mailTo": "ming@example.com", "quantity": 2, "pickupType": "voucher"})
	}
	o := object{"MerchantTradeNo": id, "IssueType": "2", "PrintType": "2", "Operator": "bench",
		"CustomerName": "王小明", "CustomerPhone": "0912345678", "CustomerEmail": "ming@example.com",
		"TicketInfo": []object{{"ItemNo": "VQT04959", "TicketAmount": 2}}}
	if kind == Electronic {
		delete(o, "PrintType")
		o["IssueType"], o["IsImmediate"] = "3", "1"
	}
	return json.Marshal(o)
}

// numbers gives order numbers that no other run of the benchmark and no other round has.
type numbers struct {
	run  string
	next int
}

func newNumbers(now time.Time) *numbers {
	return &numbers{run: fmt.Sprintf("B%07d", now.Unix()%1e7)}
}

func (n *numbers) take(count int) []string {
	ids := make([]string, count)
	for i := range ids {
		n.next++
		ids[i] = fmt.Sprintf("%s%08d", n.run, n.next)
	}
	return ids
}

// account is the one the simulator knows.
func account() ecticketsim.Account { return ecticketsim.DefaultAccounts()[0] }

// apiKey is Pass2U's.
const apiKey = "benchmark"

// sealKeys are of no use outside the benchmark's own Redis.
var sealKeys = seal.SandboxKey()
