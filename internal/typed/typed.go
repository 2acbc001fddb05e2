// Package typed is how numbers are written that people type or paste: in another case or width, with what a page or a sheet
// has put around them.
//
// It imports nothing of this module.
package typed

import (
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
	"golang.org/x/text/width"
)

// Numbers are the numbers that a text may mean, the likeliest first: as it is, without what cannot be seen and in the usual
// width, and in upper case. They are for exact look-ups; none where there is nothing.
func Numbers(text string) []string {
	plain := Plain(text)
	if plain == "" {
		return nil
	}
	return slices.Compact([]string{strings.TrimSpace(text), plain, strings.ToUpper(plain)})
}

// Plain is a text in the usual width, with one kind of hyphen and without spaces around it or characters that cannot be seen.
func Plain(text string) string {
	text = norm.NFKC.String(width.Fold.String(text))
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t' || r == '\r':
			return ' '
		case unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || unicode.Is(unicode.Variation_Selector, r):
			return -1
		case unicode.Is(unicode.Pd, r) || r == '\u2212': // dashes and the minus sign
			return '-'
		}
		return r
	}, text))
}

// First is what a look-up finds of the first of a text's Numbers of which it finds anything.
func First[T any](text string, find func(number string) ([]T, error)) ([]T, error) {
	for _, number := range Numbers(text) {
		if found, err := find(number); err != nil || len(found) > 0 {
			return found, err
		}
	}
	return nil, nil
}
