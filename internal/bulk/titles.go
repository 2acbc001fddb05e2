package bulk

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/agnivade/levenshtein"

	"issuance/providers"
)

// noTitles says that the first line holds no titles.
const noTitles = "the first line must hold the column titles; print one with --template"

// meant is the column that was probably meant by an unknown title, "" when there is none. Without a
// header, customers' data stands where titles should, so only what is close to a title may be shown.
func meant(title string) string {
	name := strings.TrimRight(title, "0123456789")
	digits := title[len(name):]
	name = strings.ToLower(strings.NewReplacer("_", "", "-", "", " ", "").Replace(name))
	if len(digits) > 3 || len(name) > 30 || !isLetters(name) {
		return ""
	}
	best, behind, nearest := "", "", 3
	consider := func(known, digits string) {
		if n := levenshtein.ComputeDistance(name, strings.ToLower(known)); n < nearest && (n == 0 || len(known) >= 6 && len(name) >= 6) {
			best, behind, nearest = known, digits, n
		}
	}
	for _, codec := range providers.Codecs() {
		for _, known := range codec.Columns.Scalars {
			consider(known, "")
		}
		for _, known := range codec.Columns.Items {
			consider(known, digits)
		}
	}
	consider(Note, "")
	return best + behind
}

func isLetters(s string) bool {
	return strings.Trim(s, "abcdefghijklmnopqrstuvwxyz") == ""
}

// titleShape describes a title that may be anything.
func titleShape(title string) string {
	n := utf8.RuneCountInString(title)
	if n == 1 {
		return "string of 1 character"
	}
	return "string of " + strconv.Itoa(n) + " characters"
}
