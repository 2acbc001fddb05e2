package doccheck

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

// Whatever comes in: no panic, an object is only what JSON calls one, and what is taken without a
// violation means the same to encoding/json.
func FuzzObject(f *testing.F) {
	for _, s := range []string{`{}`, `{"a":1}`, `{"a":1,"a":2}`, `{"A":1}`, `{"a":"x","b":[1,2],"list":{}}`, `{"a":1} x`, `{"a":1,}`, `{1:2}`, `[`, `{]`, "",
		`{"a":` + strings.Repeat("[", 50), "{\"\xff\":1}", `{"a":"\ud800"}`, `{"a":1e999}`, `{"a":-0}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		var c Check
		o, ok := c.Object("request", raw, "a", "b", "list")
		if ok && !json.Valid(raw) {
			t.Fatalf("%q is taken for an object", raw)
		}
		o.Int("a")
		o.Bool("b")
		o.String("b")
		o.Array("list")
		for _, name := range []string{"a", "b", "list"} {
			Shape(o.Raw(name))
			o.Has(name)
		}
		err := c.Err()
		if !ok && err == nil {
			t.Fatalf("%q is refused without a reason", raw)
		}
		if err == nil {
			var m map[string]json.RawMessage
			if e := json.Unmarshal(raw, &m); e != nil {
				t.Fatalf("%q breaks no rule: %v", raw, e)
			}
			for name, value := range m {
				if string(o.Raw(name)) != string(value) {
					t.Fatalf("%q: %s is read as %q", raw, name, o.Raw(name))
				}
			}
			return
		}
		if text := err.Error(); strings.ContainsAny(text, "\n\r\x00") || !utf8.ValidString(text) {
			t.Fatalf("%q: the error is not one printable line: %q", raw, text)
		}
	})
}
