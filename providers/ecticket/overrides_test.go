package ecticket_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"issuance/providers/ecticket"
)

func TestOverridesAreReadFromPlainText(t *testing.T) {
	paths, err := ecticket.ParsePaths(" Refund=/api/issuance/Refund , Issue = /api/ticket/issue")
	if d := cmp.Diff(map[ecticket.Op]string{ecticket.OpRefund: "/api/issuance/Refund", ecticket.OpIssue: "/api/ticket/issue"}, paths); d != "" || err != nil {
		t.Error(d, err)
	}
	codes, err := ecticket.ParseCodes("not_found=10200047,exists=10200050, not_found=10200048,held=-1")
	want := map[string]ecticket.Meaning{"10200047": "not_found", "10200048": "not_found", "10200050": "exists", "-1": "held"}
	if d := cmp.Diff(want, codes); d != "" || err != nil {
		t.Error(d, err)
	}
	fields, err := ecticket.ParseRefundFields("TicketNo={TicketNo},Action=1,Memo=by {Operator}")
	if d := cmp.Diff(map[string]string{"TicketNo": "{TicketNo}", "Action": "1", "Memo": "by {Operator}"}, fields); d != "" || err != nil {
		t.Error(d, err)
	}
	for _, text := range []string{"", "  "} {
		p, err1 := ecticket.ParsePaths(text)
		c, err2 := ecticket.ParseCodes(text)
		f, err3 := ecticket.ParseRefundFields(text)
		if p != nil || c != nil || f != nil || err1 != nil || err2 != nil || err3 != nil {
			t.Errorf("%q is read as %v, %v, %v; %v, %v, %v", text, p, c, f, err1, err2, err3)
		}
	}
}

// What is read is taken by New as it is.
func TestOverridesAreTakenByTheClient(t *testing.T) {
	paths, err1 := ecticket.ParsePaths("QueryTicketStatus=/x")
	codes, err2 := ecticket.ParseCodes("unknown=5")
	fields, err3 := ecticket.ParseRefundFields("No={TicketNo}")
	if err1 != nil || err2 != nil || err3 != nil {
		t.Fatal(err1, err2, err3)
	}
	cfg := ecticket.Config{BaseURL: "https://host", MerchantID: merchant, Keys: keys, Paths: paths, Codes: codes, RefundFields: fields}
	if _, err := ecticket.New(cfg); err != nil {
		t.Error(err)
	}
}

func TestEveryMistakeOfAnOverrideIsReported(t *testing.T) {
	for name, c := range map[string]struct {
		parse func(string) (bool, error)
		text  string
		says  []string
	}{
		"paths": {func(s string) (bool, error) { m, err := ecticket.ParsePaths(s); return m == nil, err },
			"Refnd=/x,Issue=api,Refund=/a?b,QueryOrderInfo=/a,QueryOrderInfo=/b,nothing,=,Issue=",
			[]string{`"Refnd" must be one of BatchQueryItemInfo, Issue,`, "the path of Issue must start with /", "the path of Refund must", "QueryOrderInfo is given twice",
				"entry 6 must be CALL=PATH", "entry 7", "entry 8"}},
		"codes": {func(s string) (bool, error) { m, err := ecticket.ParseCodes(s); return m == nil, err },
			"not_found=1,gone=2,held=x,unknown=3,held=3,10200047",
			[]string{"1 is success", `code 2: "gone" must be one of rejected, not_sent,`, `"x" must be a RtnCode`, "code 3 is given twice", "entry 6 must be MEANING=RTNCODE"}},
		"fields": {func(s string) (bool, error) { m, err := ecticket.ParseRefundFields(s); return m == nil, err },
			"Action=2,A={Ticket},A=1,B",
			[]string{`Action must be "1"`, "A is given twice", "one field must hold {TicketNo}", "entry 4 must be FIELD=VALUE"}},
	} {
		none, err := c.parse(c.text)
		if !none || err == nil {
			t.Errorf("%s: taken", name)
			continue
		}
		for _, want := range c.says {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: nothing is said about %q: %v", name, want, err)
			}
		}
	}
}
