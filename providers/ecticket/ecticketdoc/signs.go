package ecticketdoc

import (
	"cmp"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Signs that ECTicket does not take in names, and what it takes instead. A sign may be shown in a rule;
// letters and digits are a person's and never are.

// dots are what people and other programs write for the dot between the parts of a Chinese name.
const dots = "•．・･●∙⋅․。.‧·﹒"

// insteadInName says what to write for the first wrong sign of a customer's name, when replacing its signs
// is all that the name needs; otherwise "".
func insteadInName(name string) string {
	inChinese := strings.ContainsFunc(name, func(r rune) bool { return unicode.Is(unicode.Han, r) })
	advice := ""
	fixed := strings.Map(func(r rune) rune {
		instead, says := nameSign(r, inChinese)
		if says != "" && advice == "" {
			advice = replacement(r, says)
		}
		return instead
	}, name)
	if chinese(fixed) || english.MatchString(fixed) {
		return advice
	}
	return ""
}

// nameSign is what stands for a character in a name, -1 for nothing, and how to say it; "" when the
// character may stay, or is none that may be shown.
func nameSign(r rune, inChinese bool) (instead rune, says string) {
	switch {
	case inChinese && (r == '·' || r == '‧') || !inChinese && strings.ContainsRune(" .'-", r):
		return r, ""
	case inChinese && strings.ContainsRune(dots, r):
		return '·', `"·" (U+00B7, the dot of names) or nothing`
	case inChinese && unicode.IsSpace(r):
		return '·', `nothing, or "·" (U+00B7, the dot of names),`
	case inChinese && shownSign(r):
		return -1, "nothing"
	case strings.ContainsRune("’‘´`＇ʼ", r):
		return '\'', `"'"`
	case strings.ContainsRune("–—‐‑－﹣−", r):
		return '-', `"-"`
	case strings.ContainsRune(dots, r):
		return '.', `"."`
	case unicode.IsSpace(r):
		return ' ', "a half-width space"
	case shownSign(r):
		return -1, "nothing"
	}
	return r, ""
}

// insteadInItem is insteadInName for the name of an item, of which r is the first wrong character.
func insteadInItem(r rune) string {
	switch {
	case unicode.IsSpace(r):
		return replacement(r, `"_" (or nothing)`)
	case r >= '！' && r <= '～' && strings.ContainsRune("()_/,.$%-", r-'！'+'!'):
		return replacement(r, fmt.Sprintf("%q", string(r-'！'+'!')))
	case shownSign(r):
		return replacement(r, "nothing")
	}
	return ""
}

// shownSign reports whether a character is a sign that may be shown. U+FFFD stands for bytes that are none.
func shownSign(r rune) bool {
	return r != utf8.RuneError && (unicode.IsPunct(r) || unicode.IsSymbol(r))
}

// spaces are the names of those that people cannot tell apart from others.
var spaces = map[rune]string{'\u3000': "full-width space", '\u00a0': "no-break space", '\t': "tab", '\n': "line break"}

func replacement(r rune, instead string) string {
	shown := "'" + string(r) + "'"
	if unicode.IsSpace(r) {
		shown = fmt.Sprintf("the %s (%U)", cmp.Or(spaces[r], "space"), r)
	}
	return "; write " + instead + " for " + shown
}
