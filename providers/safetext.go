package providers

import (
	"regexp"
	"sort"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Masked replaces what was taken out of a safe text.
const Masked = "***"

// maxSafeText is the longest safe text, in characters.
const maxSafeText = 200

const notEmail = `\s"'<>()\[\]:;,@\x{3001}\x{3002}\x{FF0C}\x{FF1A}\x{FF1B}\x{FF08}\x{FF09}`

var (
	// What ends an address: white space, quotes, brackets and stops, half-width or full-width.
	safeURL   = regexp.MustCompile(`(?i)\b(?:[a-z][a-z0-9+.-]*://|www\.)[^\s"'<>,;\x{3001}\x{3002}\x{FF0C}\x{FF1B}\x{FF09}]+`)
	safeEmail = regexp.MustCompile(`[^` + notEmail + `]+@[^` + notEmail + `]+`)
	// A Taiwanese mobile number, grouped or with its country code. Digits run on in order
	// numbers, so what the expression finds is masked only where no digit comes before or after.
	safePhone = regexp.MustCompile(`(?:\+?886[- ]?\(?0?\)?|0)9[0-9]{2}[- ]?[0-9]{3}[- ]?[0-9]{3}`)
)

// SafeText makes another party's text, such as a provider's error message, fit to be stored, shown and
// logged: every given secret of two characters or more is masked wherever it stands and in
// whatever case, and so is everything that looks like an e-mail address, a mobile number or a
// URL. Control characters and line breaks become spaces, and the text is cut to 200 characters.
func SafeText(text string, secrets ...string) string {
	text = oneLine(text)
	// Most texts ("success") hold nothing of it, and looking is cheaper than searching.
	if holdsAny(text, secrets) {
		text = secretPattern(secrets).ReplaceAllLiteralString(text, Masked)
	}
	if strings.Contains(text, "://") || strings.Contains(strings.ToLower(text), "www.") {
		text = safeURL.ReplaceAllLiteralString(text, Masked)
	}
	if strings.Contains(text, "@") {
		text = safeEmail.ReplaceAllLiteralString(text, Masked)
	}
	if strings.Contains(text, "9") {
		text = maskPhones(text)
	}
	if utf8.RuneCountInString(text) > maxSafeText {
		text = string([]rune(text)[:maxSafeText-1]) + "…"
	}
	return text
}

// oneLine drops what cannot be seen, so that it cannot hide a secret from the search, and makes
// all other white space one space.
func oneLine(text string) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case unicode.Is(unicode.Cf, r) || r == utf8.RuneError:
			return -1
		case unicode.IsControl(r) || unicode.IsSpace(r):
			return ' '
		default:
			return r
		}
	}, text)
	return strings.Join(strings.Fields(text), " ")
}

// holdsAny reports whether the text holds one of the secrets, in any case.
func holdsAny(text string, secrets []string) bool {
	folded := ""
	for _, s := range secrets {
		if s = oneLine(s); utf8.RuneCountInString(s) < 2 {
			continue
		}
		if folded == "" {
			folded = fold(text)
		}
		if strings.Contains(folded, fold(s)) {
			return true
		}
	}
	return false
}

// fold makes texts equal that the expressions' (?i) takes for equal.
func fold(text string) string {
	return strings.Map(func(r rune) rune {
		least := r
		for other := unicode.SimpleFold(r); other != r; other = unicode.SimpleFold(other) {
			least = min(least, other)
		}
		return least
	}, text)
}

// secretPattern finds any of the secrets, the longest first, so that a secret inside another one
// does not leave the rest of it standing. It is nil when there is nothing to hide.
func secretPattern(secrets []string) *regexp.Regexp {
	var quoted []string
	for _, s := range secrets {
		if s = oneLine(s); utf8.RuneCountInString(s) >= 2 {
			quoted = append(quoted, regexp.QuoteMeta(s))
		}
	}
	if len(quoted) == 0 {
		return nil
	}
	sort.Slice(quoted, func(i, j int) bool { return len(quoted[i]) > len(quoted[j]) })
	return regexp.MustCompile("(?i)" + strings.Join(quoted, "|"))
}

func maskPhones(text string) string {
	var out strings.Builder
	rest := 0
	for _, at := range safePhone.FindAllStringIndex(text, -1) {
		if at[0] > 0 && isDigit(text[at[0]-1]) || at[1] < len(text) && isDigit(text[at[1]]) {
			continue
		}
		out.WriteString(text[rest:at[0]] + Masked)
		rest = at[1]
	}
	out.WriteString(text[rest:])
	return out.String()
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }
