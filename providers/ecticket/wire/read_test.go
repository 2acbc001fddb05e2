package wire

import (
	"encoding/json"
	"strings"
	"testing"
)

// shapes are values that a field may have besides the documented one.
var shapes = []string{`null`, `""`, `0`, `12345678901234567890`, `1.5`, `-1`, `true`, `[]`, `[1,"2"]`, `{}`, `{"Timestamp":{}}`, `{"Timestamp":"x"}`, `"一"`}

func TestWhatDecidesNothingMayBeAnythingInAnEnvelope(t *testing.T) {
	for _, field := range []string{"PlatformID", "MerchantID", "RpHeader", "TransMsg", "Unheard"} {
		for _, shape := range shapes {
			body := `{"` + field + `":` + shape + `,"TransCode":1,"Data":"RA==","CheckMacValue":"AB"}`
			r, coded, err := ReadResponse([]byte(body))
			if err != nil || !coded || r.TransCode != 1 || r.Data != "RA==" || r.CheckMacValue != "AB" {
				t.Errorf("%s: %+v, %t, %v", body, r, coded, err)
			}
		}
	}
}

func TestWhatStandsAroundAnEnvelopeIsLeftOut(t *testing.T) {
	const bom = "\ufeff"
	for _, around := range [][2]string{{"", ""}, {bom, ""}, {bom + bom, ""}, {" \r\n" + bom + "\t", "\n"}, {"", bom}, {bom + " " + bom, " " + bom + "\r\n"}} {
		r, coded, err := ReadResponse([]byte(around[0] + `{"TransCode":"1","RpHeader":{"Timestamp":"1525169058"},"Data":"RA=="}` + around[1]))
		if err != nil || !coded || r.TransCode != 1 || r.RpHeader.Timestamp != 1525169058 || r.Data != "RA==" {
			t.Errorf("%q: %+v, %t, %v", around, r, coded, err)
		}
	}
}

// What decides must be there as documented: nothing is guessed.
func TestWhatDecidesIsNotGuessedInAnEnvelope(t *testing.T) {
	for body, coded := range map[string]bool{
		`{}`: false, `{"TransCode":null}`: false, `{"TransCode":"x"}`: false, `{"TransCode":{}}`: false, `{"TransCode":[1]}`: false,
		`{"TransCode":true}`: false, `{"TransCode":1.5}`: false, `{"TransCode":1}`: true, `{"TransCode":"1"}`: true, `{"TransCode":1.0}`: true, `{"TransCode":0}`: true,
	} {
		if r, got, err := ReadResponse([]byte(body)); err != nil || got != coded || coded && r.TransCode > 1 {
			t.Errorf("%s: %+v, %t, %v", body, r, got, err)
		}
	}
	for _, body := range []string{``, `[1]`, `1`, `"x"`, `<html>`, `{"TransCode":1`, `{"TransCode":1}x`, "\ufeff"} {
		if _, _, err := ReadResponse([]byte(body)); err == nil {
			t.Errorf("%s is read", body)
		}
	}
	for _, data := range []string{`{}`, `[]`, `true`, `null`} {
		if r, _, err := ReadResponse([]byte(`{"TransCode":1,"Data":` + data + `}`)); err != nil || r.Data != "" {
			t.Errorf("Data %s: %q, %v", data, r.Data, err)
		}
	}
}

// A notice is read as JSON, whatever stands around it and in what decides nothing, and as a form; nothing is made up.
func TestReadNotice(t *testing.T) {
	full := Request{PlatformID: "3002599", MerchantID: "2000132", Data: "RA+/==", CheckMacValue: "AB"}
	bare := Request{Data: "RA=="}
	for body, want := range map[string]Request{
		`{"PlatformID":"3002599","MerchantID":"2000132","RqHeader":{"Timestamp":1},"Data":"RA+/==","CheckMacValue":"AB"}`:           full,
		"\ufeff {\"PlatformID\":3002599,\"MerchantID\":2000132,\"RqHeader\":null,\"Data\":\"RA+/==\",\"CheckMacValue\":\"AB\"}\r\n": full,
		`{"Data":"other","PlatformID":"3002599","MerchantID":"2000132","CheckMacValue":"AB","Data":"RA+/=="}`:                       full, // the last one, as for any reader of JSON
		`PlatformID=3002599&MerchantID=2000132&Data=RA%2B%2F%3D%3D&CheckMacValue=AB`:                                                full,
		`PlatformID=3002599&MerchantID=2000132&Data=RA+/==&CheckMacValue=AB&RqHeader=%7B%22Timestamp%22%3A1%7D`:                     full,
		"\ufeffPlatformID=3002599&MerchantID=2000132&Data=RA%2B/==&CheckMacValue=AB\n":                                              full,
		`{"Data":"RA=="}`: bare, `Data=RA==`: bare, `{"PlatformID":{},"MerchantID":[],"CheckMacValue":true,"Data":"RA=="}`: bare,
	} {
		if got, err := ReadNotice([]byte(body)); err != nil || got != want {
			t.Errorf("%s: %+v, %v", body, got, err)
		}
	}
	for _, body := range []string{``, `{}`, `[]`, `"RA=="`, `{"Data":""}`, `{"Data":null}`, `{"Data":{}}`, `{"Data":"RA=="`, `{"Data":"RA=="}x`, `<html>`, `1|OK`,
		`MerchantID=2000132`, `Data=`, `Data=%zz`, `Data=RA==;x=1`, "\ufeff", "\xff\xfe"} {
		if got, err := ReadNotice([]byte(body)); err == nil || got != (Request{}) {
			t.Errorf("%q is read as %+v", body, got)
		}
	}
}

// Whatever one field is, an authentic answer around it is read.
func FuzzReadResponse(f *testing.F) {
	for _, shape := range shapes {
		f.Add("RpHeader", shape)
		f.Add("TransMsg", shape)
	}
	f.Fuzz(func(t *testing.T, field, value string) {
		name, err := json.Marshal(field)
		if err != nil || !json.Valid([]byte(value)) {
			t.Skip()
		}
		for _, decides := range []string{"TransCode", "Data", "CheckMacValue"} {
			if strings.EqualFold(field, decides) {
				t.Skip()
			}
		}
		body := `{"TransCode":1,` + string(name) + `:` + value + `,"Data":"RA==","CheckMacValue":"AB"}`
		r, coded, err := ReadResponse([]byte(body))
		if err != nil || !coded || r.TransCode != Accepted || r.Data != "RA==" {
			t.Errorf("%s: %+v, %t, %v", body, r, coded, err)
		}
	})
}
