package doccheck

import (
	"encoding/json"
	"testing"
)

// What is appended is what encoding/json writes.
func FuzzStringsAreWrittenAsByTheLibrary(f *testing.F) {
	for _, s := range []string{"", "plain", "王珊珊", "王<珊", "<王>", "a\"b\\", "a&b", "\x00\x1f\x7f", "券\u2028", "券\u2029x", "\xff", "券\xff", "é\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		want, err := json.Marshal(map[string]any{"a": 1, "b": s, "c": 2})
		if err != nil {
			t.Fatal(err)
		}
		got := AppendInt([]byte{'{'}, "a", 1)
		got = AppendString(AppendName(got, "b"), s)
		if got = append(AppendInt(got, "c", 2), '}'); string(got) != string(want) {
			t.Errorf("%q is written as %s, the library writes %s", s, got, want)
		}
		if s == "" {
			if got := AppendMember([]byte{'{'}, "b", s); string(got) != "{" {
				t.Errorf("an empty value is written: %s", got)
			}
		}
	})
}
