package pass2u

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"issuance/providers/pass2u/pass2udoc"
)

// FuzzAnswer puts any JSON value into any field that decides nothing.
func FuzzAnswer(f *testing.F) {
	f.Add("createdTime", `{"a":[1]}`)
	f.Add("expriationDate", `20260301`)
	f.Add("unheard", `null`)
	f.Fuzz(func(t *testing.T, name, value string) {
		decides := []string{"pass2uOrderId", "productSaleId", "channelOrderId", "quantity", "vouchers", "message", "orderUrl", "orderPasscode"}
		if !json.Valid([]byte(value)) || slices.ContainsFunc(decides, func(d string) bool { return strings.EqualFold(d, name) }) {
			t.Skip()
		}
		key, err := json.Marshal(name)
		if err != nil {
			t.Skip()
		}
		a, ok := decode([]byte(`{"pass2uOrderId":"R","productSaleId":"S","channelOrderId":"A",` + string(key) + `:` + value + `,"vouchers":[{"barcodeMessage":"B"}]}`))
		if !ok || a.failed() {
			t.Fatalf("%s = %s is unreadable", name, value)
		}
		id := identity{channel: "A", sale: "S", pickup: pass2udoc.PickupVoucher, quantity: 1}
		if standing, out := a.compare(id); standing != complete {
			t.Errorf("%s = %s: %+v", name, value, out)
		}
		if s := a.sight(id); s == nil || s.Differs != "" || s.Partial {
			t.Errorf("%s = %s: %+v", name, value, s)
		}
	})
}
