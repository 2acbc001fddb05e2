package plain

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// mostChoices is how many names an error text lists.
const mostChoices = 20

// Choices lists names for an error text about one that is not among them: those that are spelled nearly like it first, and
// how many there are beyond the first twenty.
func Choices(names []string, wrong string) string {
	names = slices.Clone(names)
	slices.SortStableFunc(names, func(a, b string) int {
		return cmp.Or(cmp.Compare(errorsIn(a, wrong), errorsIn(b, wrong)), cmp.Compare(a, b))
	})
	if more := len(names) - mostChoices; more > 0 {
		return fmt.Sprintf("%s, and %d more", strings.Join(names[:mostChoices], ", "), more)
	}
	return strings.Join(names, ", ")
}

// errorsIn is with how many typing errors a name is written; the same for all with more than a few.
func errorsIn(name, written string) int { return min(edits(name, written), 1+min(4, len(written)/4)) }

// edits is the Levenshtein distance of two names of ASCII. It is made here so that a checkout's module needs no library for it.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}
