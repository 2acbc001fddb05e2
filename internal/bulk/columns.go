package bulk

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"issuance/providers"
)

// column is what one column of a file means.
type column struct {
	name   string // the field's, or Note
	item   int    // number of the item, from 1; 0 for a field of the order
	number bool
}

func (c column) title() string {
	if c.item == 0 {
		return c.name
	}
	return c.name + strconv.Itoa(c.item)
}

// parseColumn reads a title. wrong says what to write instead.
func parseColumn(title string) (c column, p providers.Name, wrong string) {
	if title == Note {
		return column{name: Note}, "", ""
	}
	name := strings.TrimRight(title, "0123456789")
	for _, codec := range providers.Codecs() {
		cols := codec.Columns
		if slices.Contains(cols.Scalars, title) {
			return column{name: title, number: slices.Contains(cols.Numbers, title)}, codec.Name, ""
		}
		if slices.Contains(cols.Items, name) {
			n, ok := itemNumber(title[len(name):])
			if !ok {
				return c, "", fmt.Sprintf("needs the item's number behind it, from %s1 to %s%d", name, name, MaxItems)
			}
			return column{name: name, item: n, number: slices.Contains(cols.Numbers, name)}, codec.Name, ""
		}
	}
	if known := meant(title); known != "" {
		return c, "", "is not a column; write " + known
	}
	return c, "", unknownTitle
}

// itemNumber reads the number behind the name of an item's field, from 1 to MaxItems.
func itemNumber(digits string) (n int, ok bool) {
	n, err := strconv.Atoi(digits)
	return n, err == nil && n >= 1 && n <= MaxItems && digits[0] != '0'
}

// unknownTitle is said of a title that nobody can have meant as one.
const unknownTitle = "is not a column; see: enqueue bulk --help"

// readHeader finds out what each column means, or everything that is wrong with the header.
func readHeader(titles [][]byte) (p providers.Name, columns []column, problems []Problem) {
	seen := map[string]bool{}
	anyTitle := false
	for i, cell := range titles {
		title := strings.Trim(string(cell), " ")
		c, of, wrong := parseColumn(title)
		where := fmt.Sprintf("column %d", i+1)
		switch {
		case title == "":
			problems = append(problems, Problem{where, "has no title"})
		case wrong == unknownTitle:
			problems = append(problems, Problem{where, "its title " + wrong + " (found: " + titleShape(title) + ")"})
		case wrong != "":
			problems = append(problems, Problem{where, fmt.Sprintf("%q %s", title, wrong)})
		case seen[title]:
			problems = append(problems, Problem{where, fmt.Sprintf("%q is given twice", title)})
		case p != "" && of != "" && of != p:
			problems = append(problems, Problem{where, fmt.Sprintf("%q is %s's, but others are %s's; make one file for each provider", title, of, p)})
		case of != "":
			p = of
		}
		seen[title] = true
		anyTitle = anyTitle || title != "" && wrong != unknownTitle
		columns = append(columns, c)
	}
	if !anyTitle {
		return "", nil, []Problem{{"", noTitles}}
	}
	if len(problems) == 0 {
		problems = lacksNumber(p, seen)
	}
	return p, columns, problems
}

// lacksNumber is the problem of a header without a column for the order's number.
func lacksNumber(p providers.Name, seen map[string]bool) []Problem {
	var wanted []string
	for _, codec := range providers.Codecs() {
		if slices.ContainsFunc(codec.Columns.IDs, func(id string) bool { return seen[id] }) {
			return nil
		}
		if p == "" || p == codec.Name {
			wanted = append(wanted, strings.Join(codec.Columns.IDs, " or ")+" for "+codec.Title)
		}
	}
	return []Problem{{"", "no column holds the order's number: " + strings.Join(wanted, ", ")}}
}
