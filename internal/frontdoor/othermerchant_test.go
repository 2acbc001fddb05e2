package frontdoor_test

import (
	"net/http"
	"strings"
	"testing"

	"issuance/internal/frontdoor"
	"issuance/internal/seal"
	"issuance/tasks"
)

// TestAMerchantThatIsNotThePathsIsNoUnknownAccount: both are configured, so that the two differ is all that is said of it, whatever
// else is wrong.
func TestAMerchantThatIsNotThePathsIsNoUnknownAccount(t *testing.T) {
	other := tasks.Account{Provider: shop.Provider, Merchant: "3085676"}
	h := openUnruled(t, shop, other)
	h.change = func(c *frontdoor.Config) {
		rules := tasks.Rules{Merchants: func(id string) (tasks.Merchant, bool) {
			return tasks.Merchant{ID: id}, id == shop.Merchant || id == other.Merchant
		}}
		client, err := tasks.NewClient(h.rdb, tasks.Options{SealKeys: seal.SandboxKey(), Rules: rules})
		if err != nil {
			t.Fatal(err)
		}
		c.Client, c.Rules = client, rules
	}
	h.serve("")
	named := strings.Replace(body, "{", `{"MerchantID":"3085676",`, 1)
	for _, content := range []string{named, strings.Replace(named, "{", `{"Nonsense":1,`, 1)} {
		var p frontdoor.Problem
		h.want(http.StatusUnprocessableEntity, &p, http.MethodPut, at+"X1", content)
		if rules := violated(p); p.Code != "invalid" || !strings.Contains(rules, "path account: must be the merchant that the request names") || strings.Contains(rules, "configured") {
			t.Errorf("%s: %s", p.Code, rules)
		}
	}
	var p frontdoor.Problem
	h.want(http.StatusUnprocessableEntity, &p, http.MethodPut, "/v1/orders/ecticket:999/X1", body)
	if p.Code != "unknown_account" {
		t.Errorf("%+v", p)
	}
}

func violated(p frontdoor.Problem) string {
	var list []string
	for _, v := range p.Violations {
		list = append(list, v.Where+": "+v.Rule)
	}
	return strings.Join(list, "; ")
}
