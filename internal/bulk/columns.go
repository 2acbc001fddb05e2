package bulk

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"issuance/providers"
)

// column is what one column of a file means.
type column struct {
	name   string // the field's, or Note; "" for a column without title, which must be empty
	item   int    // number of the item, from 1; 0 for a field of the order
	number bool
	day    bool // written yyyymmdd in the request
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
			return column{name: title, number: slices.Contains(cols.Numbers, title), day: slices.Contains(cols.Days, title)}, codec.Name, ""
		}
		if slices.Contains(cols.Items, name) {
			n, ok := itemNumber(title[len(name):])
			if !ok {
				return c, "", fmt.Sprintf("needs the item's number behind it, from %s1 to %s%d", name, name, MaxItems)
			}
			return column{name: name, item: n, number: slices.Contains(cols.Numbers, name), day: slices.Contains(cols.Days, name)}, codec.Name, ""
		}
	}
	switch strings.ToLower(title) {
	case "provider", "account":
		return c, "", "is not a column: the others say which provider it is, and --provider names an account" + merchantColumns()
	}
	if known := meant(title); known != "" {
		return c, "", "is not a column; write " + known
	}
	return c, "", unknownTitle
}

// merchantColumns says how a file of several accounts' orders names each one's.
func merchantColumns() (text string) {
	for _, codec := range providers.Codecs() {
		if codec.Columns.Merchant != "" {
			text += fmt.Sprintf("; of several merchants of %s, the column %s names each order's", codec.Title, codec.Columns.Merchant)
		}
	}
	return text
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
	first := map[string]int{} // the place of each title, from 1
	shown := isHeader(titles)
	anyTitle := false
	for i, cell := range titles {
		title := string(visible(cell))
		c, of, wrong := parseColumn(title)
		columns = append(columns, c)
		if title == "" {
			continue
		}
		problem := Problem{Where: fmt.Sprintf("column %d", i+1), Column: i + 1}
		switch {
		case first[title] > 0 && (wrong == "" || shown):
			problem.Rule = fmt.Sprintf("%q is given twice", title)
		case wrong == unknownTitle && !shown:
			problem.Rule, problem.Shape = "its title "+wrong, titleShape(title)
		case wrong != "":
			problem.Rule = fmt.Sprintf("%q %s", title, wrong)
		case p != "" && of != "" && of != p:
			problem.Rule = fmt.Sprintf("%q is %s's, but others are %s's; make one file for each provider", title, of, p)
		case of != "":
			p = of
		}
		if problem.Rule != "" {
			problems = append(problems, problem)
		}
		first[title] = cmp.Or(first[title], i+1)
		anyTitle = anyTitle || wrong != unknownTitle
	}
	if ofRefunds(titles) {
		return "", nil, wrong(refundTable)
	}
	if !anyTitle && inChinese(titles) {
		return "", nil, []Problem{{Rule: noTitles, Advice: translated}}
	}
	if !anyTitle {
		return "", nil, []Problem{{Rule: noTitles}}
	}
	if len(problems) == 0 {
		problems = lacksNumber(p, first)
	}
	return p, columns, problems
}

// isHeader reports whether most of a line's cells are titles, an order's number and two more among them.
// Then the others are meant as titles, too, and are no customer's data.
func isHeader(titles [][]byte) bool {
	known, unknown, id := 0, 0, false
	for _, cell := range titles {
		title := string(visible(cell))
		switch c, _, wrong := parseColumn(title); {
		case title == "":
		case wrong == unknownTitle || utf8.RuneCountInString(title) > maxTitle:
			unknown++
		default:
			known++
			id = id || slices.ContainsFunc(providers.Codecs(), func(codec providers.Codec) bool { return slices.Contains(codec.Columns.IDs, c.name) })
		}
	}
	return id && known >= 3 && known > unknown
}

// maxTitle is the longest title that is shown, in characters.
const maxTitle = 40

// lacksNumber is the problem of a header without a column for the order's number.
func lacksNumber(p providers.Name, titles map[string]int) []Problem {
	var wanted []string
	for _, codec := range providers.Codecs() {
		if slices.ContainsFunc(codec.Columns.IDs, func(id string) bool { return titles[id] > 0 }) {
			return nil
		}
		if p == "" || p == codec.Name {
			wanted = append(wanted, strings.Join(codec.Columns.IDs, " or ")+" for "+codec.Title)
		}
	}
	return wrong("no column holds the order's number: " + strings.Join(wanted, ", "))
}
