package bulk

import (
	"bytes"
	"cmp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"issuance/internal/doccheck"
	"issuance/providers"
	"issuance/tasks"
)

// table is the format of a CSV file.
type table struct {
	provider providers.Name
	merchant string          // of rows that name none; may be empty
	codec    providers.Codec // its provider's
	columns  []column
	header   []byte
	note     int    // column of notes, -1 without one
	gaps     bool   // a column has no title
	items    []int  // numbers of the items, sorted
	lineEnd  string // of the header, for rejects
}

func newTable(header []byte, lineEnd string) (*table, []Problem) {
	titles, err := cells(header, nil)
	if err != nil {
		return nil, wrong(err.Error())
	}
	if len(titles) == 1 && bytes.ContainsAny(header, ";\t") {
		return nil, wrong("columns must be separated by commas, or all by semicolons, or all by tabs")
	}
	t := &table{lineEnd: lineEnd, note: -1}
	var problems []Problem
	if t.provider, t.columns, problems = readHeader(titles); len(problems) > 0 {
		return nil, problems
	}
	t.codec, _ = providers.CodecOf(t.provider)
	for i, c := range t.columns {
		if c.name == Note {
			t.note = i
		}
		t.gaps = t.gaps || c.name == ""
		if c.item > 0 && !slices.Contains(t.items, c.item) {
			t.items = append(t.items, c.item)
		}
	}
	slices.Sort(t.items)
	t.header = t.rejectsHeader(titles)
	return t, nil
}

// row splits a record into cells. Spaces around a cell mean nothing. A row without any text is blank:
// spreadsheets like to write such rows behind the last one.
func (t *table) row(raw []byte) (row [][]byte, blank bool, problems []Problem) {
	row, err := cells(raw, make([][]byte, 0, len(t.columns)))
	if err != nil {
		raw = withoutNote(raw) // whose quotes may hide what is wrong
		if _, without := cells(raw, nil); without != nil {
			err = without
		}
		return nil, false, []Problem{{Rule: err.Error(), Advice: quoteAdvice(raw)}}
	}
	row, noted := t.unnoted(row)
	blank = true
	for i := range row {
		row[i] = bytes.Trim(row[i], " ")
		blank = blank && len(bytes.TrimSpace(row[i])) == 0
	}
	if blank {
		return nil, true, nil
	}
	found := len(row)
	if row, problems = t.fitted(row, noted); len(problems) > 0 {
		if problems[0].Where == "" {
			problems[0].Advice = lengthAdvice(raw, found)
		}
		return nil, false, problems
	}
	for i, cell := range row {
		if len(cell) == 0 {
			continue
		}
		if rule, advice := t.misplaced(i, cell); rule != "" {
			problems = append(problems, Problem{Where: t.columnTitle(i), Rule: rule, Advice: advice, Column: i + 1})
		}
	}
	return row, false, problems
}

// misplaced says what is wrong with a cell whatever its column means.
func (t *table) misplaced(i int, cell []byte) (rule, advice string) {
	switch {
	case !utf8.Valid(cell):
		return "must be UTF-8; save the file as \"CSV UTF-8\"", ""
	case i != t.note && isNote(cell):
		return "holds a note of --rejects; write what belongs there, or clear the cell", ""
	case t.columns[i].name == "":
		return "must be empty, because the header has no title for it", ""
	case cell[0] == '#':
		return spreadsheetError(string(cell))
	}
	return "", ""
}

// columnTitle names a column.
func (t *table) columnTitle(i int) string {
	if t.columns[i].name == "" {
		return "column " + strconv.Itoa(i+1)
	}
	return t.columns[i].title()
}

// Order implements Format.
func (t *table) Order(raw []byte, rules tasks.Rules) (*tasks.Order, []Problem) {
	row, blank, problems := t.row(raw)
	if blank || len(problems) > 0 {
		return nil, problems
	}
	o, err := tasks.ParseRequest(tasks.Account{Provider: t.provider, Merchant: t.merchant}, t.request(row, len(raw)), rules, true)
	if err != nil {
		if i := slices.IndexFunc(row, isTotal); i >= 0 {
			where := t.columnTitle(i)
			return nil, []Problem{{Where: where, Rule: "is a row of totals, and no order", Advice: "take the row out", Column: i + 1, fields: []string{where}}}
		}
		return nil, t.merchants(row, problemsOf(t, raw, err), rules)
	}
	return o, nil
}

// merchants takes the advice about a zero in front from a merchant's number that no configured one has behind zeros: a number
// that is only not configured lacks nothing.
func (t *table) merchants(row [][]byte, problems []Problem, rules tasks.Rules) []Problem {
	configured := func(id string) bool {
		if rules.Merchants == nil {
			return id == rules.MerchantID
		}
		_, ok := rules.Merchants(id)
		return ok
	}
	for i, p := range problems {
		if p.Advice != lostZero || t.columns[p.Column-1].name != t.codec.Columns.Merchant {
			continue
		}
		if id := string(row[p.Column-1]); !configured("0"+id) && !configured("00"+id) {
			problems[i].Advice = ""
		}
	}
	return problems
}

// request makes the request of a row as JSON, size being about that of the cells.
func (t *table) request(row [][]byte, size int) []byte {
	request := t.object(make([]byte, 0, size+32*len(t.columns)), row, 0)
	open := byte('[')
	for _, n := range t.items {
		if t.empty(row, n) {
			continue
		}
		if open == '[' {
			request = doccheck.AppendName(request, t.codec.Columns.ItemsField)
		}
		request = append(t.object(append(request, open), row, n), '}')
		open = ','
	}
	if open == ',' {
		request = append(request, ']')
	}
	return append(request, '}')
}

// object writes the fields of the order (item 0) or of an item, without the closing bracket.
func (t *table) object(request []byte, row [][]byte, item int) []byte {
	request = append(request, '{')
	for i, c := range t.columns {
		if c.item != item || len(row[i]) == 0 || c.name == Note || c.name == "" {
			continue
		}
		request = doccheck.AppendName(request, c.name)
		switch {
		case c.number && wholeNumber(row[i]):
			request = append(request, row[i]...)
		case c.day:
			request = appendString(request, compactDay(row[i]))
		default:
			request = appendString(request, row[i])
		}
	}
	return request
}

func (t *table) empty(row [][]byte, item int) bool {
	for i, c := range t.columns {
		if c.item == item && len(row[i]) > 0 {
			return false
		}
	}
	return true
}

// wholeNumber reports whether a cell is a number as JSON has it. Any other goes into the document
// as a string, and the rules say that it must be a number.
func wholeNumber(cell []byte) bool {
	digits := bytes.TrimPrefix(cell, []byte("-"))
	for _, c := range digits {
		if c < '0' || c > '9' {
			return false
		}
	}
	return len(digits) == 1 || len(digits) > 1 && len(digits) <= 12 && digits[0] != '0'
}

// Problems implements Format: columns instead of paths.
func (t *table) Problems(raw []byte, found []providers.Violation) []Problem {
	row, _, problems := t.row(raw)
	if len(problems) > 0 {
		return problems
	}
	var items []int // numbers of those that are in the document
	for _, n := range t.items {
		if !t.empty(row, n) {
			items = append(items, n)
		}
	}
	for _, v := range found {
		p := violated(v, func(path string) string { return t.title(strings.TrimPrefix(path, "request."), items) })
		i := slices.IndexFunc(t.columns, func(c column) bool { return c.name != "" && c.title() == p.fields[0] })
		if i >= 0 {
			p.Column, p.Advice = i+1, t.advice(row, i, v)
		}
		p.absent = i < 0 && (!strings.HasPrefix(p.fields[0], itemsTitle) || len(t.items) == 0)
		problems = append(problems, p)
	}
	return problems
}

// itemsTitle begins the title of all columns of items.
const itemsTitle = "items ("

// title is the column of a path.
func (t *table) title(path string, items []int) string {
	cols := t.codec.Columns
	rest, ok := strings.CutPrefix(path, cols.ItemsField)
	if !ok || cols.ItemsField == "" {
		return path
	}
	index, field, ok := strings.Cut(strings.TrimPrefix(rest, "["), "].")
	i, err := strconv.Atoi(index)
	if !ok || err != nil || i >= len(items) {
		var examples []string
		for _, name := range cols.Items {
			if name == cols.Items[0] || name == cols.Numbers[len(cols.Numbers)-1] {
				examples = append(examples, name+"1")
			}
		}
		return itemsTitle + strings.Join(examples, ", ") + ", …)"
	}
	return field + strconv.Itoa(items[i])
}

// ID implements Format.
func (t *table) ID(raw []byte) (id ID, ok bool) {
	row, _, problems := t.row(raw)
	if len(row) != len(t.columns) || len(problems) > 0 {
		return ID{}, false
	}
	return idOf(t.codec, t.merchant, t.request(row, len(raw)))
}

// Number implements Format. It is ID without the detour over a request.
func (t *table) Number(raw []byte) (ref tasks.Ref, ok bool) {
	row, blank, _ := t.row(raw)
	if blank || len(row) != len(t.columns) {
		return tasks.Ref{}, false
	}
	cell := func(name string) string {
		i := slices.IndexFunc(t.columns, func(c column) bool { return c.item == 0 && c.name == name })
		if name == "" || i < 0 {
			return ""
		}
		return string(row[i])
	}
	ref.Account = tasks.Account{Provider: t.provider, Merchant: cmp.Or(cell(t.codec.Columns.Merchant), t.merchant)}
	for _, name := range t.codec.Columns.IDs {
		if ref.OrderID = cell(name); ref.OrderID != "" {
			return ref, true
		}
	}
	return ref, false
}

// Header implements Format.
func (t *table) Header() []byte { return t.header }
