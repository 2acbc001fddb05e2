package doccheck

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

// Every string that a decoder would have to repair is reported with its path, and no other.
func TestTextThatWouldBeRepairedIsReportedWithItsPath(t *testing.T) {
	for text, want := range map[string][]string{
		`{"a":"王小明","b":["\u738b","\ud83d\ude00","\\ud800","\"\\"]}`: nil,
		`{"a":"�","b":"\ufffd"}`:                             nil, // somebody wrote this very character
		"{\"a\":\"\xa4\xa4\",\"b\":1}":                       {"request.a: must be UTF-8 (text in another encoding)"},
		"{\"a\":{\"list\":[{\"x\":1},{\"x\":\"\xff\"}]}}":    {"request.a.list[1].x: must be UTF-8 (text in another encoding)"},
		"{\"list\":[{\"x\":\"\xff\"},{\"x\":\"\xa4\xa4\"}]}": {"request.list[0].x, request.list[1].x: must be UTF-8 (text in another encoding)"},
		"{\"\xa4\":\"ok\"}":                                  {"request: must be UTF-8 (text in another encoding)"},
		" \"\xa4\" ":                                         {"request: must be UTF-8 (text in another encoding)"},
		`{"a":"x\ud800"}`:                                    {"request.a: must be UTF-8 (half of a surrogate pair)"},
		`{"a":"\ud800\ud800"}`:                               {"request.a: must be UTF-8 (half of a surrogate pair)"},
		`{"a":"\uDE00\uD83D"}`:                               {"request.a: must be UTF-8 (half of a surrogate pair)"},
		`{"a":"\ud83d\ude00\ude00"}`:                         {"request.a: must be UTF-8 (half of a surrogate pair)"},
		`{"a":"\ud83d\\ude00"}`:                              {"request.a: must be UTF-8 (half of a surrogate pair)"},
		`{"a":"\ud83dx","b":"\\u00"}`:                        {"request.a: must be UTF-8 (half of a surrogate pair)"},
	} {
		var c Check
		c.Text("request", json.RawMessage(text))
		var got []string
		if err := c.Err(); err != nil {
			for _, v := range err.Violations {
				got = append(got, v.Path+": "+v.Rule+" ("+v.Shape+")")
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// What Text lets pass means the same after encoding/json has read and written it.
func FuzzTextThatPassesIsNotRepaired(f *testing.F) {
	for _, s := range []string{`"\ud83d\ude00"`, `"\ud800"`, "\"\xff\"", `{"\ud800":["\\ud800"]}`, `"\u0000"`, `"\uDBFF\uDFFF"`, ` [ "a" , { "\"" : "\xa4" } ] `} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if !json.Valid(raw) || strings.Contains(string(raw), "�") || strings.Contains(strings.ToLower(string(raw)), `\ufffd`) {
			return
		}
		var v any
		if json.Unmarshal(raw, &v) != nil { // a number that is too big
			return
		}
		again, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		var c Check
		c.Text("", raw)
		repaired := strings.Contains(string(again), "�") || strings.Contains(string(again), `\ufffd`)
		if repaired && c.OK() {
			t.Fatalf("%q passes and becomes %q", raw, again)
		}
	})
}
