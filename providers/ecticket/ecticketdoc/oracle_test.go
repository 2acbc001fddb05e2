package ecticketdoc

import (
	"regexp"
	"testing"
)

// The expressions that the hand-written checks stand for.
var oracle = map[string]*regexp.Regexp{
	"alnum":  regexp.MustCompile(`^[A-Za-z0-9]+$`),
	"mobile": regexp.MustCompile(`^09[0-9]{8}$`),
	"email":  regexp.MustCompile("^[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*@([A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?\\.)+[A-Za-z]([A-Za-z0-9-]*[A-Za-z0-9])$"),
}

func FuzzTheQuickChecksAreTheirExpressions(f *testing.F) {
	for _, s := range []string{"", "Az09", "A-1", "Ａ", "0912345678", "0812345678", "09123456789", "091234567a", "abc@gmail.com", "a.b+c@x-y.com.tw",
		".a@b.tw", "a.@b.tw", "a..b@c.tw", "a@b", "a@b.c", "a@b.c1", "a@b.1c", "a@-b.tw", "a@b-.tw", "a@b..tw", "a@@b.tw", "a@b.t-w", "a@b.tw-", "a@b.tw\n",
		"@b.tw", "a@", "a@.tw", "a@b.", "王@b.tw", "a@王.tw", "{|}~@[.tw", "\xff@b.tw"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for name, check := range map[string]func(string) bool{"alnum": alnum, "mobile": mobile, "email": email} {
			if got, want := check(s), oracle[name].MatchString(s); got != want {
				t.Errorf("%s(%q) is %t, its expression says %t", name, s, got, want)
			}
		}
	})
}
