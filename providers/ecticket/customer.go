package ecticket

import (
	"html"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"issuance/providers/ecticket/ecticketdoc"
)

// compareCustomer names the field by which the customer that is shown cannot be the order's. What one side lacks is
// compared with nothing, and of a masked value what is visible is compared.
func compareCustomer(doc ecticketdoc.Order, a orderInfoAnswer) (differs string) {
	for _, f := range []struct {
		field        string
		ours, theirs string
		spell        func(string) string
	}{
		{"CustomerName", doc.CustomerName, string(a.CustomerName), spelledName},
		{"CustomerPhone", doc.CustomerPhone, string(a.CustomerPhone), spelledPhone},
		{"CustomerEmail", doc.CustomerEmail, string(a.CustomerEmail), spelledEmail},
	} {
		ours, theirs := f.spell(f.ours), f.spell(f.theirs)
		if !strings.ContainsFunc(ours, isLatin) { // then letters in between are signs of a mask: 王Ｏ明, 0912xxx678
			theirs = letters.Replace(theirs)
		}
		if ours != "" && strings.Trim(theirs, string(hidden)) != "" && !fits(ours, theirs) {
			return f.field
		}
	}
	return ""
}

// hidden stands for any number of characters that a mask hides.
const hidden = '*'

// masks are the characters that hide others, after normalization.
var masks = []rune{'*', '_', '#', '●', '○', '•', '◯', '〇', '×', '█', '■', '□', '\ufffd'}

// letters that are used as masks, in lower case.
var letters = strings.NewReplacer("x", string(hidden), "o", string(hidden), "某", string(hidden))

func isLatin(r rune) bool { return unicode.Is(unicode.Latin, r) }

// folded is a text in one form: without HTML escapes, full-width forms and letter case, and with one sign for every mask.
func folded(s string) string {
	return strings.Map(func(r rune) rune {
		if slices.Contains(masks, r) {
			return hidden
		}
		return unicode.ToLower(r)
	}, norm.NFKC.String(html.UnescapeString(s)))
}

// keep is a text's characters of a kind, and its masks.
func keep(s string, kind func(rune) bool) string {
	return strings.Map(func(r rune) rune {
		if r == hidden || kind(r) {
			return r
		}
		return -1
	}, folded(s))
}

func spelledName(s string) string {
	return keep(s, func(r rune) bool { return unicode.In(r, unicode.Letter, unicode.Mark, unicode.Digit) })
}

func spelledEmail(s string) string { return keep(s, func(r rune) bool { return !unicode.IsSpace(r) }) }

// spelledPhone is a number's digits, without the country's code and the zero that it stands for.
func spelledPhone(s string) string {
	digits := keep(s, func(r rune) bool { return unicode.IsDigit(r) || r == 'x' })
	if abroad, ok := strings.CutPrefix(digits, "886"); ok && len(digits) > 10 {
		digits = abroad
	}
	return strings.TrimLeft(digits, "0")
}

// fits reports whether a text can be one that is shown with masks: what is visible stands in it, in this order.
func fits(text, shown string) bool {
	parts := strings.Split(shown, string(hidden))
	if len(parts) == 1 {
		return text == shown
	}
	text, ok := strings.CutPrefix(text, parts[0])
	if !ok {
		return false
	}
	if text, ok = strings.CutSuffix(text, parts[len(parts)-1]); !ok {
		return false
	}
	for _, p := range parts[1 : len(parts)-1] {
		_, after, ok := strings.Cut(text, p)
		if !ok {
			return false
		}
		text = after
	}
	return true
}
