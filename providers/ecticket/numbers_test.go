package ecticket_test

import (
	"fmt"
	"net/http"
	"testing"

	"issuance/providers"
)

// Some languages have one kind of number only, and write 1.0: whatever is read of an answer, that is 1.
func TestANumberMayHaveAFractionOfZero(t *testing.T) {
	const plain = `{"RtnCode": 1.0, "RtnMsg": "success", "MerchantID": 2000132.0, "Status": "1.0", "TotalCount": 2.0, "IssueType": 3.0, "UseStatus": %s, "TicketAmount": 200.0,
		"TicketList": [{"TicketNo": "T1", "UseStatus": %s, "TicketAmount": "200.00"}, {"TicketNo": 22.0, "UseStatus": "%s", "TicketAmount": 200.0}]}`
	for written, want := range map[string]providers.UseStatus{"1.0": providers.Unused, "2.00": providers.Redeemed, "3.0": providers.Refunded, "4.000": providers.Invalid, "1.5": "1.5", "5.0": "5"} {
		s := listen(t, func(w http.ResponseWriter, _ *http.Request, _ int, _ asked) {
			authentic(w, fmt.Sprintf(plain, written, written, written))
		})
		c := client(t, s.URL)
		if got, out := c.TicketStatus(t.Context(), "T1"); out.Kind != providers.Done || got.UseStatus != want || got.FaceValue != 200 || got.IssueType != "3" {
			t.Errorf("%s: %+v, %+v", written, got, out)
		}
		list, out := c.Tickets(t.Context(), order)
		if out.Kind != providers.Done || len(list) != 2 || list[0].UseStatus != want || list[1].TicketNo != "22" || list[0].FaceValue+list[1].FaceValue != 400 {
			t.Errorf("%s: %+v, %+v", written, list, out)
		}
		if want != "5" && want != "1.5" && list[1].UseStatus != want {
			t.Errorf("%q as a text: %s", written, list[1].UseStatus)
		}
		if f := c.LookUp(t.Context(), order); f.State != providers.FoundIssued {
			t.Errorf("%s: %+v", written, f)
		}
	}
}
