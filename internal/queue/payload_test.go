package queue

import (
	"errors"
	"strings"
	"testing"

	"issuance/providers"
	"issuance/tasks/order"
)

const trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

// A payload names its record and carries the trace, and nothing else.
func TestAPayloadIsReadBack(t *testing.T) {
	for _, r := range []order.Ref{a1, a1.Refund("R.-_1"), {Account: providers.Account{Provider: "another", Merchant: "m_1"}, OrderID: "a-b_c.1"}} {
		for _, tr := range []string{"", trace} {
			raw := Encode(r, tr)
			got, gotTrace, err := Decode(raw)
			if err != nil || got != r || gotTrace != tr {
				t.Errorf("%s is read as %s, %q, %v", raw, got, gotTrace, err)
			}
		}
	}
	if got := string(Encode(a1, "")); got != `{"v":2,"ref":"ecticket:2000132/A1"}` {
		t.Error(got)
	}
}

// The payload of a newer program is recognised, with the record's name where it can be read.
func TestANewerPayloadIsRecognised(t *testing.T) {
	for raw, want := range map[string]order.Ref{
		`{"v":3,"ref":"ecticket:2000132/A1","more":[1]}`: a1,
		`{"v":99}`:                {},
		`{"v":3,"ref":7}`:         {},
		`{"v":3,"ref":"nothing"}`: {},
	} {
		r, _, err := Decode([]byte(raw))
		var newer *NewerVersionError
		if !errors.As(err, &newer) || newer.Version < 3 || r != want || !strings.Contains(err.Error(), "newer than this worker's 2") {
			t.Errorf("%s: %s, %v", raw, r, err)
		}
	}
}

// What is no payload is an error that shows nothing of it.
func TestGarbageIsNoPayload(t *testing.T) {
	for _, raw := range []string{"", "{}", "null", "[]", "secret", `"secret"`, `{"v":"secret"}`, `{"v":1,"ref":"ecticket:2000132/secret"}`, `{"v":2}`,
		`{"v":-1,"ref":"ecticket:2000132/secret"}`, `{"v":2,"ref":"secret"}`, `{"v":2,"ref":"/secret"}`, `{"v":2,"ref":"ecticket/secret"}`,
		`{"v":2,"ref":"ecticket:2000132/"}`, `{"v":2,"ref":"ecticket:2000132/secret/"}`, `{"v":2,"ref":"ecticket:se cret/A1"}`, `{"v":2,"ref":"ecticket:2000132/A1/R1/secret"}`,
		`{"v":2,"ref":"ecticket:2000132/secret"`} {
		r, tr, err := Decode([]byte(raw))
		var newer *NewerVersionError
		if err == nil || errors.As(err, &newer) || r != (order.Ref{}) || tr != "" {
			t.Errorf("%q: %+v, %q, %v", raw, r, tr, err)
		} else if strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "cret") {
			t.Errorf("%q: the error shows the payload: %v", raw, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(Encode(a1, trace))
	f.Add(Encode(a1.Refund("R1"), ""))
	f.Add([]byte(`{"v":3,"ref":"ecticket:2000132/A1"}`))
	f.Add([]byte(`{"v":2,"ref":"x:y/z"}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, tr, err := Decode(raw)
		if err != nil {
			return
		}
		if again, againTrace, err := Decode(Encode(r, tr)); err != nil || again != r || againTrace != tr {
			t.Errorf("%q is %s, and written anew %s, %v", raw, r, again, err)
		}
	})
}
