package ecticket_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"testing"

	"issuance/providers"
	"issuance/providers/conformance"
	"issuance/providers/ecticket/wire"
)

// envelope is an authentic answer around data, as text.
func envelope(t *testing.T, plain string) string {
	t.Helper()
	sealed, mac := wire.Seal(keys, []byte(plain))
	raw, err := json.Marshal(map[string]any{"PlatformID": "", "MerchantID": merchant, "RpHeader": data{"Timestamp": 1525169058},
		"TransCode": 1, "TransMsg": "", "Data": sealed, "CheckMacValue": mac})
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// pretty is a JSON text with white space wherever it may be.
func pretty(t *testing.T, text string) string {
	t.Helper()
	var b bytes.Buffer
	if err := json.Indent(&b, []byte(text), "\r\n", "\t"); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// However an authentic answer is written and labelled, every call reads it.
func TestAnAuthenticAnswerIsReadHoweverItIsWritten(t *testing.T) {
	raw, err := json.Marshal(yes())
	if err != nil {
		t.Fatal(err)
	}
	plain := string(raw)
	front := func(text, members string) string { return "{" + members + "," + strings.TrimPrefix(text, "{") }
	behind := func(text, members string) string { return strings.TrimSuffix(text, "}") + "," + members + "}" }
	const again = `"RtnMsg":"earlier","RtnMsg":null,"IssueType":7,"IssueType":"1"`
	for name, tc := range map[string]struct {
		body   string
		header http.Header
	}{
		"as documented":                      {envelope(t, plain), nil},
		"a byte order mark":                  {"\ufeff" + envelope(t, plain), nil},
		"a byte order mark within Data":      {envelope(t, "\ufeff"+plain), nil},
		"an empty line before and behind":    {"\r\n" + envelope(t, plain) + "\r\n\r\n", nil},
		"an empty line within Data":          {envelope(t, "\n"+plain+"\n"), nil},
		"white space everywhere":             {pretty(t, envelope(t, pretty(t, plain))), nil},
		"compressed":                         {conformance.Zip(t, envelope(t, plain)), http.Header{"Content-Encoding": {"gzip"}}},
		"compressed, with a byte order mark": {conformance.Zip(t, "\ufeff"+envelope(t, plain)), http.Header{"Content-Encoding": {"gzip"}}},
		"labelled as a page":                 {envelope(t, plain), http.Header{"Content-Type": {"text/html; charset=big5"}}},
		"labelled as bytes":                  {envelope(t, plain), http.Header{"Content-Type": {"application/octet-stream"}}},
		"with a label that is none":          {envelope(t, plain), http.Header{"Content-Type": {"json"}}},
		"without a label":                    {envelope(t, plain), http.Header{"Content-Type": nil}},
		"unknown fields":                     {behind(envelope(t, behind(plain, `"New":{"a":[1,null]},"Newer":"x"`)), `"Version":{"Major":2},"Trace":null`), nil},
		"repeated fields":                    {front(envelope(t, front(plain, again)), `"TransMsg":7,"RpHeader":"","TransMsg":"","MerchantID":null`), nil},
		"fields repeated at the end":         {behind(envelope(t, behind(plain, again)), `"TransMsg":7,"RpHeader":"","PlatformID":null,"TransCode":1`), nil},
		"a time as a string":                 {strings.Replace(envelope(t, plain), "1525169058", `"1525169058"`, 1), nil},
		"codes as strings":                   {strings.Replace(envelope(t, strings.Replace(plain, `"RtnCode":1`, `"RtnCode":"1"`, 1)), `"TransCode":1`, `"TransCode":"1"`, 1), nil},
		"names in lower case":                {strings.Replace(envelope(t, plain), "TransCode", "transcode", 1), nil},
	} {
		t.Run(name, func(t *testing.T) {
			var mu sync.Mutex
			calls := 0
			s := listen(t, func(w http.ResponseWriter, _ *http.Request, _ int, _ asked) {
				mu.Lock()
				calls++
				mu.Unlock()
				for field, value := range tc.header {
					w.Header()[field] = value
				}
				_, _ = w.Write([]byte(tc.body))
			})
			c := client(t, s.URL)
			for _, op := range ops {
				if out := op.do(t.Context(), c); out.Kind != providers.Done && out.Kind != providers.Accepted {
					t.Errorf("%s: %+v", op.name, out)
				}
			}
			if calls == 0 {
				t.Error("nobody was asked")
			}
		})
	}
}
