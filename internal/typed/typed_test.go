package typed_test

import (
	"slices"
	"testing"

	"issuance/internal/typed"
)

// Whatever case or width a number is typed in, and whatever was copied with it, the number itself is among what is looked up,
// and what was typed comes first.
func TestANumberIsFoundHoweverItIsTyped(t *testing.T) {
	for text, want := range map[string]string{"OWN-1": "OWN-1", "own-1": "OWN-1", "ＯＷＮ－１": "OWN-1", "ｏｗｎ－１": "OWN-1", " OWN-1\u3000": "OWN-1",
		"\u200bOWN\u200d-1\ufeff": "OWN-1", "OWN\u20131": "OWN-1", "OWN\u22121": "OWN-1", "OWN\u2010\u2060" + "1": "OWN-1", "OWN-1\r\n": "OWN-1"} {
		got := typed.Numbers(text)
		if !slices.Contains(got, want) {
			t.Errorf("%q: %q", text, got)
		}
		if len(got) > 3 {
			t.Errorf("%q is looked up %d times", text, len(got))
		}
	}
	if got := typed.Numbers("own1"); !slices.Equal(got, []string{"own1", "OWN1"}) {
		t.Errorf("%q", got)
	}
	if got := typed.Numbers(" \u200b "); len(got) != 0 {
		t.Errorf("nothing means %q", got)
	}
}
