package wire

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestMarshalWritesAmbiguousCharactersAsEscapes(t *testing.T) {
	got, err := Marshal(map[string]string{"ItemName": "A !'()*~B"})
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"ItemName":"A\u0020\u0021\u0027\u0028\u0029\u002A\u007EB"}`; string(got) != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestMarshalCompactsRawJSON(t *testing.T) {
	got, err := Marshal(json.RawMessage("{ \"a b\" : [ 1, -2.5e+3 ],\n \"王\": \"\\\\ \" }"))
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"a\u0020b":[1,-2.5e+3],"王":"\\\u0020"}`; string(got) != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestMarshalPassesErrorsOn(t *testing.T) {
	if _, err := Marshal(make(chan int)); err == nil {
		t.Error("a channel was marshalled")
	}
}

func TestMarshalledTextHasOneChecksumAndLosesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := rapid.MapOf(rapid.String(), rapid.SliceOf(rapid.String())).Draw(t, "document")
		got, err := Marshal(in)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.ContainsAny(got, " !'()*~\n\t") {
			t.Fatalf("ambiguous character left in %s", got)
		}
		plain, _ := json.Marshal(in)
		var want, back map[string][]string
		if json.Unmarshal(plain, &want) != nil || json.Unmarshal(got, &back) != nil {
			t.Fatalf("not JSON: %s", got)
		}
		a, _ := json.Marshal(want)
		b, _ := json.Marshal(back)
		if !bytes.Equal(a, b) {
			t.Fatalf("read back %s, want %s", b, a)
		}
		first, mac := Seal(example, got)
		for _, v := range Variants() {
			if d, m := SealAs(example, got, v); d != first || m != mac {
				t.Fatalf("%s differs on %s", v, got)
			}
		}
	})
}

func TestNumbersAreReadFromNumbersAndStrings(t *testing.T) {
	for in, want := range map[string]Int{`1`: 1, `"1"`: 1, `-3`: -3, `" 12 "`: 12, `""`: 0, `null`: 0} {
		var got struct{ N Int }
		if err := json.Unmarshal([]byte(`{"N":`+in+`}`), &got); err != nil || got.N != want {
			t.Errorf("%s read as %d, %v; want %d", in, got.N, err, want)
		}
	}
	for _, in := range []string{`"one"`, `1.5`, `true`, `{}`, `[1]`, `99999999999999999999`, `"0x10"`} {
		var n Int
		var n64 Int64
		if err := json.Unmarshal([]byte(in), &n); err == nil {
			t.Errorf("%s read as %d", in, n)
		}
		if err := json.Unmarshal([]byte(in), &n64); err == nil {
			t.Errorf("%s read as %d", in, n64)
		}
	}
}

func TestEnvelopeHasTheDocumentedShape(t *testing.T) {
	got, err := json.Marshal(Request{MerchantID: "2000132", RqHeader: Header{Timestamp: 1525168923}, Data: "…", CheckMacValue: "…"})
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"PlatformID":"","MerchantID":"2000132","RqHeader":{"Timestamp":1525168923},"Data":"…","CheckMacValue":"…"}`; string(got) != want {
		t.Errorf("got %s, want %s", got, want)
	}
	var answer Response
	documented := `{"PlatformID":null,"MerchantID":"2000132","RpHeader":{"Timestamp":"1525169058"},"TransCode":"1","TransMsg":"","Data":"…","CheckMacValue":"…"}`
	if err := json.NewDecoder(strings.NewReader(documented)).Decode(&answer); err != nil {
		t.Fatal(err)
	}
	if answer.TransCode != Accepted || answer.RpHeader.Timestamp != 1525169058 || answer.PlatformID != "" || answer.Data != "…" {
		t.Errorf("read as %+v", answer)
	}
}
