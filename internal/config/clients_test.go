package config

import (
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"issuance/providers/ecticket"
	"issuance/providers/ecticket/wire"
	"issuance/providers/pass2u"
)

// Every setting of a provider reaches its client.
func TestEverySettingReachesTheClient(t *testing.T) {
	env := production()
	for name, value := range map[string]string{
		"ECTICKET_BASE_URL": "https://ecticket-stage.ecpay.com.tw/", "ECTICKET_PLATFORM_ID": "3085672", "ECTICKET_MODE": "escrow", "ECTICKET_BAN": "31m",
		"ECTICKET_TIMEOUT": "21s", "ECTICKET_SETTLE_AFTER": "13m", "ECTICKET_PATHS": "Refund=/r", "ECTICKET_CODES": "not_found=5",
		"ECTICKET_REFUND_FIELDS": "No={TicketNo}", "PASS2U_BASE_URL": "https://pass2u.example/api/", "PASS2U_TIMEOUT": "22s", "PASS2U_SETTLE_AFTER": "14m", "PASS2U_BAN": "32m",
		"PASS2U_REFUND_QUANTITY_KEY": "quanity", "PASS2U_QUERY_PATH": "/",
	} {
		env[name] = value
	}
	c := load(t, env, all...)
	gotE, err := c.ECTicket.Client()
	if err != nil {
		t.Fatal(err)
	}
	wantE := ecticket.Config{BaseURL: "https://ecticket-stage.ecpay.com.tw", MerchantID: "2000132", PlatformID: "3085672",
		Keys: wire.Keys{HashKey: "Kanarie-hash-key", HashIV: "Kanarie--hash-iv"}, Mode: ecticket.EscrowUse,
		Paths: map[ecticket.Op]string{ecticket.OpRefund: "/r"}, RefundFields: map[string]string{"No": "{TicketNo}"},
		Codes: map[string]ecticket.Meaning{"5": ecticket.MeansNotFound}, Timeout: 21 * time.Second, SettleAfter: 13 * time.Minute, Ban: 31 * time.Minute}
	if d := cmp.Diff(wantE, gotE); d != "" {
		t.Error(d)
	}
	wantP := pass2u.Config{BaseURL: "https://pass2u.example/api", APIKey: "Kanarie-api", ProxyURL: "http://ann:Kanarie-proxy@proxy:3128",
		Timeout: 22 * time.Second, SettleAfter: 14 * time.Minute, Ban: 32 * time.Minute, QueryAtBase: true, RefundQuantityKey: "quanity"}
	if d := cmp.Diff(wantP, c.Pass2U.Client()); d != "" {
		t.Error(d)
	}
	// What the process adds, and what no setting decides; everything else is compared above.
	others := map[string]bool{"Gate": true, "Log": true, "Memory": true, "Now": true, "HTTP": true, "Merchant": true, "Verified": true}
	for _, v := range []reflect.Value{reflect.ValueOf(wantE), reflect.ValueOf(wantP)} {
		for i := range v.NumField() {
			if name := v.Type().Field(i).Name; v.Field(i).IsZero() && !others[name] {
				t.Errorf("%s.%s is not set by any setting", v.Type(), name)
			}
		}
	}
	if c := load(t, production(), all...); c.Pass2U.Client().QueryAtBase {
		t.Error("the query goes to the base without having been asked to")
	}
	if e, err := load(t, production(), all...).ECTicket.Client(); err != nil || e.Mode != ecticket.Pure || e.Paths != nil {
		t.Errorf("%+v, %v", e, err)
	}
}
