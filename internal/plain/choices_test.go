package plain

import (
	"fmt"
	"strings"
	"testing"
)

// Of many names, those that are spelled nearly like the wrong one come first, the others in their order.
func TestChoicesBeginWithTheNearest(t *testing.T) {
	var names []string
	for n := range 300 {
		names = append(names, fmt.Sprintf("ecticket:%d", 2000000+n))
	}
	names = append(names, "pass2u:gifts", "pass2u:main")
	text := Choices(names, "pass2u:mian")
	if !strings.HasPrefix(text, "pass2u:main, ecticket:2000000, ecticket:2000001, ") || !strings.HasSuffix(text, ", and 282 more") || strings.Count(text, ",") != 20 {
		t.Error(text)
	}
	if names[0] != "ecticket:2000000" {
		t.Error("the caller's list is changed")
	}
	for wrong, want := range map[string]string{"ecticket:7": "ecticket:2000132, ecticket:3362787", "ecticket": "ecticket:2000132, ecticket:3362787", "ecticket:3362778": "ecticket:3362787, ecticket:2000132"} {
		if text := Choices([]string{"ecticket:2000132", "ecticket:3362787"}, wrong); text != want {
			t.Errorf("%s: %s", wrong, text)
		}
	}
	if text := Choices(nil, "x"); text != "" {
		t.Error(text)
	}
}

func TestEdits(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"", "abc", 3}, {"abc", "", 3}, {"kitten", "sitting", 3}, {"pass2u:main", "pass2u:mian", 2}, {"a", "b", 1}} {
		if got := edits(c.a, c.b); got != c.want {
			t.Errorf("%s, %s: %d", c.a, c.b, got)
		}
	}
}
