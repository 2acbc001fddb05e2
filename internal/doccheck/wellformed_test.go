package doccheck

import (
	"encoding/json"
	"strings"
	"testing"
)

// The place where a text breaks is the byte that cannot stand there, counted from 1.
func TestTheFaultOfATextIsLocated(t *testing.T) {
	for text, want := range map[string]string{
		"": "it is empty", " \n": "it is empty",
		`{"a":`: "it ends too early", `{"a":"王`: "it ends too early", `tru`: "it ends too early",
		`{"a";1}`: "syntax error at byte 5", ` {]`: "syntax error at byte 3", "{\n  b": "syntax error at byte 5", "hello": "syntax error at byte 1",
		`{} {}`: "something follows the document at byte 4", `{}}`: "something follows the document at byte 3", "1 \n x": "something follows the document at byte 5",
	} {
		fault := WellFormed([]byte(text))
		if fault == nil || fault.Error() != want {
			t.Errorf("%q: %v, want %q", text, fault, want)
		}
		var c Check
		if c.WellFormed("request", []byte(text)) || c.Err().Violations[0].String() != "request: must be well-formed JSON: "+want {
			t.Errorf("%q: %v", text, c.Err())
		}
	}
	for _, text := range []string{"{}", " null ", "1", `"x"`, "[1,\n2]\n"} {
		var c Check
		if !c.WellFormed("", []byte(text)) || !c.OK() {
			t.Errorf("%q: %v", text, c.Err())
		}
	}
}

// A file in Big5 breaks where a character holds a backslash; the encoding is the cause to name.
func TestAnotherEncodingIsNamedAsTheCause(t *testing.T) {
	var c Check
	if c.WellFormed("", []byte("{\"a\":\"\xa5\x5c\"}")) {
		t.Fatal("taken for JSON")
	}
	if v := c.Err().Violations[0]; v.Path != "document" || !strings.HasSuffix(v.Rule, ", and it is not UTF-8") {
		t.Errorf("%+v", v)
	}
}

// Documents one after another are measured one by one, whatever separates them.
func TestValuesAreMeasuredOneByOne(t *testing.T) {
	rest, got := []byte(" {\"a\":[1]}\n\n2 {}{\"b\""), []string(nil)
	for {
		value, behind, fault := Value(rest)
		if fault != nil {
			if fault.Kind != Unfinished {
				t.Errorf("%v", fault)
			}
			break
		}
		got, rest = append(got, string(value)), rest[behind:]
	}
	if strings.Join(got, "|") != `{"a":[1]}|2|{}` {
		t.Errorf("%q", got)
	}
}

// Whatever comes in, a text is well-formed exactly when encoding/json says so, and the fault lies in it.
func FuzzTheFaultLiesInTheText(f *testing.F) {
	for _, s := range []string{"", "{}", "{} x", "[1,", `{"a" 1}`, "\xff", "nul", "1 2"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		fault := WellFormed(text)
		if (fault == nil) != json.Valid(text) {
			t.Fatalf("%q: %v", text, fault)
		}
		if fault != nil && (fault.Kind == SyntaxFault || fault.Kind == Trailing) && (fault.Offset < 0 || fault.Offset >= len(text)) {
			t.Fatalf("%q: offset %d", text, fault.Offset)
		}
	})
}
