package bulk

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/agnivade/levenshtein"

	"issuance/providers"
)

// noTitles says that the first line is none of titles.
const noTitles = "the first line must hold the column titles; print one with --template"

// meant is the column that was probably meant by a title that is none, "" when there is none.
// Without a header, customers' data stands where titles should, so only what is close to a title
// is one, and may be told.
func meant(title string) string {
	name := strings.TrimRight(title, "0123456789")
	digits := title[len(name):]
	name = strings.ToLower(strings.NewReplacer("_", "", "-", "", " ", "").Replace(name))
	if len(digits) > 3 || len(name) > 30 || !isLetters(name) {
		return ""
	}
	best, nearest := "", 3
	for _, known := range allColumns() {
		if n := levenshtein.ComputeDistance(name, strings.ToLower(known)); n < nearest && (n == 0 || len(known) >= 6 && len(name) >= 6) {
			best, nearest = known, n
		}
	}
	if slices.Contains(itemColumns, best) {
		return best + digits
	}
	return best
}

func isLetters(s string) bool {
	return strings.Trim(s, "abcdefghijklmnopqrstuvwxyz") == ""
}

func allColumns() []string {
	return slices.Concat(scalars[providers.ECTicket], itemColumns, scalars[providers.Pass2U], []string{Note})
}

// titleShape describes a title that may be anything.
func titleShape(title string) string {
	n := utf8.RuneCountInString(title)
	if n == 1 {
		return "string of 1 character"
	}
	return "string of " + strconv.Itoa(n) + " characters"
}
