package pass2u_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"issuance/providers"
	"issuance/providers/conformance"
)

// However an authentic answer is written and labelled, every call reads it.
func TestAnAuthenticAnswerIsReadHoweverItIsWritten(t *testing.T) {
	plain := yes("A", "notPickedup", "refund")
	front := func(members string) string { return "{" + members + "," + strings.TrimPrefix(plain, "{") }
	behind := func(members string) string { return strings.TrimSuffix(plain, "}") + "," + members + "}" }
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, []byte(plain), "\r\n", "\t"); err != nil {
		t.Fatal(err)
	}
	const again = `"createdTime":"earlier","createdTime":7,"createdTime":null,"expriationDate":[],"mailTo":{},"message":null`
	for name, tc := range map[string]struct {
		body   string
		header http.Header
	}{
		"as documented":                      {plain, nil},
		"a byte order mark":                  {"\ufeff" + plain, nil},
		"an empty line before and behind":    {"\r\n" + plain + "\r\n\r\n", nil},
		"white space everywhere":             {pretty.String(), nil},
		"compressed":                         {conformance.Zip(t, plain), http.Header{"Content-Encoding": {"gzip"}}},
		"compressed, with a byte order mark": {conformance.Zip(t, "\ufeff"+plain), http.Header{"Content-Encoding": {"gzip"}}},
		"labelled as a page":                 {plain, http.Header{"Content-Type": {"text/html; charset=big5"}}},
		"labelled as bytes":                  {plain, http.Header{"Content-Type": {"application/octet-stream"}}},
		"with a label that is none":          {plain, http.Header{"Content-Type": {"json"}}},
		"without a label":                    {plain, http.Header{"Content-Type": nil}},
		"unknown fields":                     {behind(`"new":{"a":[1,null]},"newer":"x"`), nil},
		"repeated fields":                    {front(again), nil},
		"fields repeated at the end":         {behind(again), nil},
		"vouchers with more than is known":   {strings.ReplaceAll(plain, `"status":`, `"seat":{"row":7},"price":null,"status":`), nil},
		"vouchers with other types":          {strings.ReplaceAll(plain, `"status":`, `"statusUpdateTime":7,"status":`), nil},
		"a barcode as a number":              {strings.ReplaceAll(plain, `"B0"`, `4711`), nil},
		"names in lower case":                {strings.ReplaceAll(plain, "pass2uOrderId", "pass2uorderid"), nil},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				for field, value := range tc.header {
					w.Header()[field] = value
				}
				_, _ = w.Write([]byte(tc.body))
			}), nil)
			o := order("A", 2, "voucher")
			if out := s.Issue(ctx, o); out.Kind != providers.Done || len(out.Result.Tickets) != 2 {
				t.Errorf("issue: %+v", out)
			}
			if f := s.LookUp(ctx, o); f.State != providers.FoundIssued || f.Sight == nil || f.Sight.Differs != "" {
				t.Errorf("look-up: %+v", f)
			}
			if list, out := s.Tickets(ctx, o); out.Kind != providers.Done || len(list) != 2 {
				t.Errorf("tickets: %+v, %+v", list, out)
			}
			if b, out := s.RefundBaseline(ctx, o); out.Kind != providers.Done || !reflect.DeepEqual(b, providers.Baseline{Provable: true, Total: 2, Refunded: 1, Refundable: 1}) {
				t.Errorf("baseline: %+v, %+v", b, out)
			}
			if out := s.RefundCount(ctx, o, 1); out.Kind != providers.Done {
				t.Errorf("refund: %+v", out)
			}
		})
	}
}
