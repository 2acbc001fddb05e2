package providers_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"issuance/providers"
)

func TestSafeTextTakesOutWhatIsNotForEverybody(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"CustomerName 王珊珊 is wrong", "CustomerName *** is wrong"},
		{"王珊珊王珊珊", "******"},
		{"mail of ABC@gmail.com, please", "mail of ***, please"},
		{"寄到abc.d+e@x.tw。失敗", "***。失敗"},
		{"call 0912345678 or 0912-345-678 or +886 912 345 678", "call *** or *** or ***"},
		{"電話0912345678錯誤", "電話***錯誤"},
		{"order 202209123456789 stays", "order 202209123456789 stays"},
		{"see https://a.tw/v?t=SECRET. now", "see *** now"},
		{"see https://a.tw/v\uff0cthen \uff08a@b.tw\uff09", "see ***\uff0cthen \uff08***\uff09"},
		{"see www.a.tw/v now", "see *** now"},
		{"key 7b53896b742849d3!", "key ***!"},
		{"KEY 7B53896B742849D3!", "KEY ***!"},
		{"one\r\ntwo\x00\x1b[31m three\u202e", "one two [31m three"},
		{"王\u200b珊珊", "***"},
		{"ab abc", "*** ***"},
		{"a and b stay", "a and b stay"},
		{"", ""},
	} {
		secrets := []string{"王珊珊", "7b53896b742849d3", "b", "", "ab", "abc"}
		if got := providers.SafeText(c.in, secrets...); got != c.want {
			t.Errorf("SafeText(%q) = %q, want %q", c.in, got, c.want)
		}
	}
}

func TestSafeTextIsShort(t *testing.T) {
	if got := providers.SafeText(strings.Repeat("字", 200)); utf8.RuneCountInString(got) != 200 || strings.HasSuffix(got, "…") {
		t.Errorf("a text of 200 characters is cut to %d", utf8.RuneCountInString(got))
	}
	if got := providers.SafeText(strings.Repeat("字", 201)); utf8.RuneCountInString(got) != 200 || !strings.HasSuffix(got, "…") {
		t.Errorf("a text of 201 characters becomes %d", utf8.RuneCountInString(got))
	}
	// A secret across the cut must be masked before the cut, not halved by it.
	if got := providers.SafeText(strings.Repeat("x", 195)+"SECRETVALUE", "SECRETVALUE"); strings.Contains(got, "SECR") {
		t.Errorf("half a secret is left: %q", got)
	}
}

// Letters that have more than two forms are the same letter in all of them.
func TestSafeTextKnowsEveryFormOfALetter(t *testing.T) {
	for _, c := range []struct{ in, secret string }{
		{"the K\u212aey", "kkey"}, {"the \u017fecret", "SECRET"}, {"the \u03c2igma", "\u03a3IGMA"}, {"ÉMILE", "émile"},
	} {
		if got := providers.SafeText(c.in, c.secret); !strings.HasSuffix(got, "***") {
			t.Errorf("SafeText(%q) with the secret %q = %q", c.in, c.secret, got)
		}
	}
	if got := providers.SafeText("see WWW.a.tw/v now"); got != "see *** now" {
		t.Errorf("%q", got)
	}
}
