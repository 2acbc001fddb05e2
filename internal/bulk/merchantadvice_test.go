package bulk

import (
	"strings"
	"testing"

	"issuance/tasks"
)

// TestAMerchantsNumberIsSaidToLackAZeroOnlyWhereItDoes: one that is only not configured lacks none.
func TestAMerchantsNumberIsSaidToLackAZeroOnlyWhereItDoes(t *testing.T) {
	several := func(id string) (tasks.Merchant, bool) { return tasks.Merchant{ID: id}, id == "2000132" || id == "0031" }
	for cell, advice := range map[string]string{"999": "", "31": lostZero} {
		for name, r := range map[string]tasks.Rules{"several": {Now: rules.Now, Merchants: several}, "one": {Now: rules.Now, MerchantID: "0031"}} {
			f, err := Open(strings.NewReader("MerchantID,"+csvHeader+cell+","+csvRow("O1")), Reading{})
			if err != nil {
				t.Fatal(err)
			}
			var got []Problem
			if err := Run(t.Context(), f, Options{Rules: r, Reject: func(r Rejected) error { got = r.Problems; return nil }}); err != nil {
				t.Fatal(err)
			}
			if len(got) != 1 || got[0].Where != "MerchantID" || got[0].Advice != advice {
				t.Errorf("%s, %s: %+v, want the advice %q", cell, name, got, advice)
			}
		}
	}
}
