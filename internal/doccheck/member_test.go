package doccheck

import (
	"encoding/json"
	"reflect"
	"testing"
)

// Whatever the object, the member is gone and all others are the same.
func FuzzWithoutMember(f *testing.F) {
	for _, s := range []string{`{}`, `{"a":1}`, ` { "b" : 1 , "a" : [2] , "c" : "}" } `, `{"a":1,"a":2,"b":{"a":3}}`, `{"b":1,"\u0061":2}`, `[{"a":1}]`, `"a"`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if !json.Valid(raw) {
			return
		}
		rest, dropped := WithoutMember(raw, "a")
		var was, is map[string]json.RawMessage
		if json.Unmarshal(raw, &was) != nil || was == nil {
			if dropped || string(rest) != string(raw) {
				t.Fatalf("%q becomes %q", raw, rest)
			}
			return
		}
		_, had := was["a"]
		delete(was, "a")
		if err := json.Unmarshal(rest, &is); err != nil || dropped != had || !reflect.DeepEqual(was, is) {
			t.Fatalf("%q becomes %q: %v", raw, rest, err)
		}
	})
}

func TestMember(t *testing.T) {
	for raw, want := range map[string]string{
		`{"a":{"M":"no"},"M":"2000132","M":"x"}`: "2000132", ` { "M" : 12 , "b":1}`: "12", `{"\u004d":"\u0031"}`: "1", `{}`: "", `{"M":null}`: "", `{"M":["x"]}`: "", `[1]`: "", `{"m":"x"}`: "",
	} {
		if got := Member([]byte(raw), "M"); got != want {
			t.Errorf("%s: %q, want %q", raw, got, want)
		}
	}
}
