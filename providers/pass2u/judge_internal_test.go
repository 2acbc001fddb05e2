package pass2u

import (
	"encoding/json"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"issuance/internal/httpcall"
	"issuance/providers"
	"issuance/providers/pass2u/pass2usim"
)

// Every message of the document's error table, as an answer to each operation, under any HTTP
// status and in any careless spelling.
func TestTheWholeErrorTable(t *testing.T) {
	const no, doubt = providers.Rejected, providers.Unknown
	want := map[string]struct {
		code                    string
		generate, query, refund providers.Kind
	}{
		"productSaleId Does Not Exist.":      {"product_sale_id_does_not_exist", no, no, no},
		"Sale Campaign Has Expired.":         {"sale_campaign_has_expired", no, no, no},
		"pass2uOrderId Does Not Exist.":      {"pass2u_order_id_does_not_exist", doubt, no, no},
		"quantity Is Not Enough.":            {"quantity_not_enough", no, doubt, no},
		"expriationDate Format Error.":       {"expiration_date_format_error", no, no, no},
		"expiration Date Is Before Now.":     {"expiration_date_before_now", no, no, no},
		"pickupType Format Error.":           {"pickup_type_format_error", no, no, no},
		"channelOrderId Repeated.":           {"channel_order_id_repeated", doubt, doubt, doubt},
		"channelOrderId Does Not Exist":      {"channel_order_id_does_not_exist", doubt, no, no},
		"Create Trade Fail.":                 {"create_trade_fail", doubt, doubt, doubt},
		"quantity Format Error.":             {"quantity_format_error", no, no, no},
		"Refundable Quantity Is Not Enough.": {"refundable_quantity_not_enough", doubt, doubt, no},
		"Invalid Query Criteria.":            {"invalid_query_criteria", doubt, no, no},
		"Oops! Something Went Wrong.":        {"oops_something_went_wrong", doubt, doubt, doubt},
	}
	mayHide := map[op][]string{opGenerate: {CodeSaleUnknown, CodeQuantityNotEnough, CodeSaleExpired, CodeExpirationFormat, CodeExpirationPast, CodePickupFormat, CodeQuantityFormat}}
	for _, m := range messages { // nothing but what a look shows proves that a refund had no effect
		if m.refund == no {
			mayHide[opRefund] = append(mayHide[opRefund], m.code)
		}
	}
	if len(want) != len(messages) {
		t.Errorf("%d messages are known, %d tested", len(messages), len(want))
	}
	for _, m := range pass2usim.Messages() {
		w, ok := want[m]
		if !ok {
			t.Errorf("%q is not tested", m)
		}
		for _, status := range []int{200, 400, 401, 403, 404, 405, 500, 503} {
			for _, spelled := range []string{m, " " + strings.ToUpper(m) + "\n", strings.TrimSuffix(m, "."), strings.TrimSuffix(m, ".") + ".", strings.ReplaceAll(m, " ", "  ")} {
				body, _ := json.Marshal(map[string]string{"message": spelled, "type": "AnyException"})
				for o, kind := range map[op]providers.Kind{opGenerate: w.generate, opQuery: w.query, opRefund: w.refund} {
					v := judge(o, httpcall.Response{Status: status, Body: body, Sent: true}, nil)
					if v.answer != nil || v.missing || v.broken || v.out.Kind != kind || v.out.Code != w.code || v.out.Message != m ||
						v.out.Exists != (o == opGenerate && w.code == CodeRepeated) || v.out.Alarm || v.out.Refusal != (o == opGenerate && kind == doubt && !v.out.Exists) ||
						v.out.MayHide != slices.Contains(mayHide[o], w.code) {
						t.Errorf("%s, HTTP %d, %q: %+v", o, status, spelled, v)
					}
				}
			}
		}
	}
}

func TestAMessageAboutTheOrderIsNoRefusalOfTheKey(t *testing.T) {
	for message, refused := range map[string]bool{
		"Unauthorized": true, "unauthorised access.": true, "Authorization Failed.": true, "Invalid API Key.": true, "apiKey is wrong": true,
		"IP 203.0.113.9 is not registered": true, "Your ip is not on the whitelist": true, "Not authenticated": true,
		"Forbidden": false, "Refund Is Not Allowed.": false, "Recipient unknown": false, "The ship has sailed": false, "Zip code": false,
	} {
		if refusal.MatchString(message) != refused {
			t.Errorf("%q: %t", message, !refused)
		}
	}
}

func TestTheClientDoesNotKnowTheSimulator(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(out), "pass2usim") {
		t.Error("the client imports the simulator")
	}
}

// Whatever an answer holds, it is a confirmation only when it is a whole JSON object with Pass2U's id,
// and no answer makes the client fall over.
func FuzzJudge(f *testing.F) {
	f.Add(200, []byte(`{"pass2uOrderId":"123932ewxrtg","productSaleId":"s","channelOrderId":"P1","expriationDate":"2015-03-15T13:00:00+08:00","vouchers":[{"barcodeMessage":"123456789","status":"notPickedup","voucherUrl":"https://pass2u.net/v/7?t=2&token=g"}]}`))
	f.Add(200, []byte(`{"pass2uOrderId":87,"orderUrl":"http://x","orderPasscode":9005445,"quantity":"2"}`))
	f.Add(400, []byte(`{"message":"productSaleId Does Not Exist.","type":"NonExistedException"}`))
	f.Add(502, []byte("\xef\xbb\xbf<html>"))
	f.Add(200, []byte(`{"vouchers":[null,{"status":null}],"pass2uOrderId":"R"}`))
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		for _, o := range []op{opGenerate, opQuery, opRefund} {
			v := judge(o, httpcall.Response{Status: status, Body: body, Sent: true}, nil)
			if v.answer == nil {
				if k := v.out.Kind; k != providers.Rejected && k != providers.Unknown && k != providers.Held {
					t.Fatalf("kind %q of a sent call", k)
				}
				if v.out.Code == "" || v.out.Message == "" {
					t.Fatalf("unexplained: %+v", v.out)
				}
				continue
			}
			if v.answer.Pass2uOrderID == "" || status < 200 || status > 299 {
				t.Fatal("a confirmation without an id or with a bad status")
			}
			id := identity{channel: "P1", sale: "s", pickup: "voucher", quantity: 1}
			if s, _ := v.answer.compare(id); s == complete && len(v.answer.result().Tickets) != 1 {
				t.Fatal("complete without its voucher")
			}
		}
	})
}
