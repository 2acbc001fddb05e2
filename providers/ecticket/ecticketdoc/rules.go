package ecticketdoc

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"issuance/internal/doccheck"
)

// The fields of every order are read without regular expressions, which would be a good part of
// the time a bulk takes; a test compares them with the expressions they stand for.
var (
	english  = regexp.MustCompile(`^[A-Za-z][A-Za-z .'-]*$`)
	hostname = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$`)
)

func digit(c byte) bool  { return c >= '0' && c <= '9' }
func letter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

// alnum is one or more half-width letters and digits.
func alnum(s string) bool {
	for i := range len(s) {
		if !digit(s[i]) && !letter(s[i]) {
			return false
		}
	}
	return s != ""
}

// mobile is 09 and eight more digits.
func mobile(s string) bool {
	for i := range len(s) {
		if !digit(s[i]) {
			return false
		}
	}
	return len(s) == 10 && s[:2] == "09"
}

// email is the dot-atom form of RFC 5322 at a host name of two or more labels, the last of which
// starts with a letter and has two or more characters.
func email(s string) bool {
	local, domain, ok := strings.Cut(s, "@")
	if !ok {
		return false
	}
	for atom := range strings.SplitSeq(local, ".") {
		for i := range len(atom) {
			if c := atom[i]; !digit(c) && !letter(c) && strings.IndexByte("!#$%&'*+/=?^_`{|}~-", c) < 0 {
				return false
			}
		}
		if atom == "" {
			return false
		}
	}
	labels, last := 0, ""
	for label := range strings.SplitSeq(domain, ".") {
		if !alnum(strings.ReplaceAll(label, "-", "0")) || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		labels, last = labels+1, label
	}
	return labels > 1 && len(last) > 1 && letter(last[0])
}

// code reads a field of minLen to maxLen half-width letters and digits.
func code(o doccheck.Object, name string, minLen, maxLen int) string {
	s, ok := o.String(name)
	if !ok {
		return ""
	}
	n := utf8.RuneCountInString(s)
	switch {
	case !alnum(s):
		o.Violate(name, "must be half-width letters and digits only (A-Z, a-z, 0-9)")
	case n < minLen:
		o.Violate(name, fmt.Sprintf("must have %d to %d characters", minLen, maxLen))
	case n > maxLen:
		o.Violate(name, fmt.Sprintf("must have at most %d characters", maxLen))
	}
	return s
}

// choice reads a field that must be one of the given one-character kinds. known is false when it
// is absent or something else.
func choice(o doccheck.Object, name string, kinds ...string) (s string, known bool) {
	s, ok := o.String(name)
	if !ok {
		return "", false
	}
	for _, k := range kinds {
		if s == k {
			return s, true
		}
	}
	o.Violate(name, `must be "`+strings.Join(kinds, `", "`)+`", as a string`)
	return s, false
}

// customerName is pure Chinese or pure English. Spaces, hyphen, dot and apostrophe are taken in
// an English name, the name dot (·, ‧) in a Chinese one: people have such names.
func customerName(o doccheck.Object) string {
	const name = "CustomerName"
	s, ok := o.String(name)
	if !ok {
		return ""
	}
	n := utf8.RuneCountInString(s)
	if n < 2 || n > 20 {
		o.Violate(name, "must have 2 to 20 characters")
	}
	if !chinese(s) && (!english.MatchString(s) || strings.HasSuffix(s, " ")) {
		o.Violate(name, "must be pure Chinese or pure English, not mixed, without digits or other signs"+insteadInName(s))
	}
	return s
}

func chinese(s string) bool {
	han := 0
	for _, r := range s {
		switch {
		case unicode.Is(unicode.Han, r):
			han++
		case r != '·' && r != '‧':
			return false
		}
	}
	return han > 0
}

func customerPhone(o doccheck.Object) string {
	s, ok := o.String("CustomerPhone")
	if ok && !mobile(s) {
		o.Violate("CustomerPhone", "must be a domestic mobile number: 09 and 8 more digits")
	}
	return s
}

func customerEmail(o doccheck.Object) string {
	const name = "CustomerEmail"
	s, ok := o.String(name)
	if !ok {
		return ""
	}
	if utf8.RuneCountInString(s) > 80 {
		o.Violate(name, "must have at most 80 characters")
	}
	if !email(s) {
		o.Violate(name, "must be an e-mail address")
	}
	return s
}

func customerAddress(o doccheck.Object) string {
	const name = "CustomerAddress"
	s, ok := o.String(name)
	if !ok {
		return ""
	}
	if utf8.RuneCountInString(s) > 100 {
		o.Violate(name, "must have at most 100 characters")
	}
	switch {
	case strings.ContainsAny(s, "<>"):
		o.Violate(name, "must not hold HTML tags (< or >)")
	case strings.ContainsFunc(s, unicode.IsControl):
		o.Violate(name, "must be one line without control characters")
	case strings.TrimSpace(s) == "":
		o.Violate(name, "must not be blank; leave it out instead")
	}
	return s
}

// notifyURL reads an address ECPay is to call. ECPay calls only ports 80 and 443 and wants
// non-ASCII host names in punycode.
func notifyURL(o doccheck.Object, name string) string {
	s, ok := o.String(name)
	if !ok {
		return ""
	}
	if utf8.RuneCountInString(s) > 200 {
		o.Violate(name, "must have at most 200 characters")
	}
	u, err := url.Parse(s)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "" || u.User != nil {
		o.Violate(name, "must be an absolute http or https URL without a user name")
		return s
	}
	if strings.ContainsAny(s, "<> \"") {
		o.Violate(name, "must not hold spaces, quotes, < or >")
	}
	if !hostname.MatchString(u.Hostname()) {
		o.Violate(name, "must name its host in ASCII letters (punycode for other letters)")
	}
	if p := u.Port(); p != "" && p != "80" && p != "443" {
		o.Violate(name, "must use port 80 or 443; ECPay calls no other")
	}
	return s
}

// itemName is 4 to 20 characters of Chinese, English, digits and ()_/,.$%- .
func itemName(o doccheck.Object) string {
	const name = "ItemName"
	s, ok := o.String(name)
	if !ok {
		return ""
	}
	if n := utf8.RuneCountInString(s); n < 4 || n > 20 {
		o.Violate(name, "must have 4 to 20 characters")
	}
	for _, r := range s {
		plain := r < utf8.RuneSelf && (r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' || strings.ContainsRune("()_/,.$%-", r))
		if !plain && !unicode.Is(unicode.Han, r) {
			o.Violate(name, "may hold Chinese, English, digits and ()_/,.$%- only; no spaces, no full-width characters"+insteadInItem(r))
			break
		}
	}
	return s
}

// date reads a calendar day, yyyymmdd. known is false when it is absent or no such day.
func date(o doccheck.Object, name string) (s string, day time.Time, known bool) {
	s, ok := o.String(name)
	if !ok {
		return "", time.Time{}, false
	}
	day, err := time.ParseInLocation("20060102", s, Taiwan)
	if err != nil || len(s) != 8 {
		o.Violate(name, "must be a day of the calendar, yyyymmdd")
		return s, time.Time{}, false
	}
	return s, day, true
}

// dayOf is the first moment of t's day in Taiwan.
func dayOf(t time.Time) time.Time {
	y, m, d := t.In(Taiwan).Date()
	return time.Date(y, m, d, 0, 0, 0, 0, Taiwan)
}
