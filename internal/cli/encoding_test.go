package cli

import (
	"strings"
	"testing"

	"issuance/internal/testredis"
)

// However a document comes in, text that is not UTF-8 is refused and nothing is enqueued.
func TestTextInAnotherEncodingIsNeverEnqueued(t *testing.T) {
	d := deskAt(t, testredis.Mini(t))
	before := d.rdb.DBSize(t.Context()).Val()
	const rule = "mailTo: must be UTF-8"
	const bare = "{\"channelOrderId\":\"O1\",\"productSaleId\":\"S1\",\"quantity\":1,\"pickupType\":\"voucher\",\"mailTo\":\"\xa4\xfd@example.com\"}"
	for _, c := range []struct {
		in   string
		args []string
		says string
	}{
		{`{"provider":"pass2u","request":` + bare + `}`, []string{"issue", "-"}, rule},
		{bare, []string{"issue", "--provider", "pass2u", "-"}, rule},
		{bare, []string{"bulk", "--provider", "pass2u", "-"}, rule},
		{`{"provider":"pass2u","request":` + bare + `}`, []string{"bulk", "-"}, rule},
		{"channelOrderId,productSaleId,quantity,pickupType,mailTo\nO1,S1,1,voucher,\xff@example.com\n", []string{"bulk", "-"}, rule},
		{"channelOrderId,productSaleId,quantity,pickupType,mailTo\nO1,S1,1,voucher,\xa4\xfd@example.com\n", []string{"bulk", "-"}, `it is not UTF-8 (Excel's plain "CSV" is Big5)`},
		{"{\"channelOrderId\":\"O1\",\"all\":true,\"mailTo\":\"\xa4\xfd@example.com\"}", []string{"refund", "--provider", "pass2u", "--refund-id", "R1", "-"}, rule},
	} {
		code, out, text := d.run(t.Context(), strings.NewReader(c.in), c.args...)
		if code != Wrong || !strings.Contains(text, c.says) || strings.Contains(text, "�") {
			t.Errorf("%v: exit code %d\n%s%s", c.args, code, out, text)
		}
		if n := d.rdb.DBSize(t.Context()).Val(); n != before {
			t.Errorf("%v: %d keys more", c.args, n-before)
		}
	}
}
