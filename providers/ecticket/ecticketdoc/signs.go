package ecticketdoc

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Signs that ECTicket does not take in names, and what it takes instead. A sign may be shown in a rule;
// letters and digits are a person's and never are.

// dots are what people and other programs write for the dot between the parts of a Chinese name.
const dots = "•．・･●∙⋅․。.‧·﹒"

// insteadInName says what to write for the first wrong sign of a customer's name; "" when it has none
// that may be shown.
func insteadInName(name string) string {
	han := strings.ContainsFunc(name, func(r rune) bool { return unicode.Is(unicode.Han, r) })
	for _, r := range name {
		switch {
		case han && strings.ContainsRune("·‧", r), !han && strings.ContainsRune(" .'-", r):
			continue // taken
		case han && (strings.ContainsRune(dots, r) || r == ' ' || r == '\u3000'):
			return replacement(r, `"·" between the parts of a Chinese name, or nothing`)
		case strings.ContainsRune("’‘´`＇ʼ", r):
			return replacement(r, `"'"`)
		case strings.ContainsRune("–—‐‑－﹣−", r):
			return replacement(r, `"-"`)
		case strings.ContainsRune(dots, r):
			return replacement(r, `"."`)
		case unicode.IsSpace(r):
			return replacement(r, "a half-width space")
		case shownSign(r):
			return replacement(r, "nothing")
		}
	}
	return ""
}

// shownSign reports whether a character is a sign that may be shown. U+FFFD stands for bytes that are none.
func shownSign(r rune) bool {
	return r != utf8.RuneError && (unicode.IsPunct(r) || unicode.IsSymbol(r))
}

// insteadInItem is insteadInName for the name of an item, of which r is the first wrong character.
func insteadInItem(r rune) string {
	switch {
	case unicode.IsSpace(r):
		return replacement(r, `"_" or nothing`)
	case r >= '！' && r <= '～':
		return replacement(r, fmt.Sprintf("%q", string(r-'！'+'!')))
	case shownSign(r):
		return replacement(r, "nothing")
	}
	return ""
}

func replacement(r rune, instead string) string {
	shown := fmt.Sprintf("%q", string(r))
	if unicode.IsSpace(r) && r != ' ' {
		shown = fmt.Sprintf("the space %U", r)
	}
	return "; write " + instead + " for " + shown
}
