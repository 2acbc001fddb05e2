package bulk

import (
	"bytes"
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
	items    []int  // numbers of the items, sorted
	lineEnd  string // of the header, for rejects
}

func newTable(header []byte, lineEnd string) (*table, []Problem) {
	titles, err := cells(header, nil)
	if err != nil {
		return nil, []Problem{{"", err.Error()}}
	}
	if len(titles) == 1 && bytes.ContainsAny(header, ";\t") {
		return nil, []Problem{{"", "columns must be separated by commas"}}
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
		return nil, false, []Problem{{"", err.Error()}}
	}
	row, noted := t.unnoted(row)
	blank = true
	for i := range row {
		row[i] = bytes.Trim(row[i], " ")
		blank = blank && len(row[i]) == 0
	}
	if blank {
		return nil, true, nil
	}
	if row, problems = t.fitted(row, noted); len(problems) > 0 {
		return nil, false, problems
	}
	for i, cell := range row {
		switch {
		case !utf8.Valid(cell):
			problems = append(problems, Problem{t.columns[i].title(), "must be UTF-8; save the file as \"CSV UTF-8\""})
		case i != t.note && isNote(cell):
			problems = append(problems, Problem{t.columns[i].title(), "holds a note of --rejects; write what belongs there, or clear the cell"})
		}
	}
	return row, false, problems
}

// Order implements Format.
func (t *table) Order(raw []byte, rules tasks.Rules) (*tasks.Order, []Problem) {
	row, blank, problems := t.row(raw)
	if blank || len(problems) > 0 {
		return nil, problems
	}
	o, err := tasks.ParseRequest(tasks.Account{Provider: t.provider, Merchant: t.merchant}, t.request(row, len(raw)), rules, true)
	if err != nil {
		return nil, problemsOf(t, raw, err)
	}
	return o, nil
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
		if c.item != item || len(row[i]) == 0 || c.name == Note {
			continue
		}
		request = doccheck.AppendName(request, c.name)
		if c.number && wholeNumber(row[i]) {
			request = append(request, row[i]...)
		} else {
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
		var where []string
		for path := range strings.SplitSeq(v.Path, ", ") {
			where = append(where, t.title(strings.TrimPrefix(path, "request."), items))
		}
		problems = append(problems, violated(v, strings.Join(where, ", ")))
	}
	return problems
}

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
		return "items (" + strings.Join(examples, ", ") + ", …)"
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

// Header implements Format.
func (t *table) Header() []byte { return t.header }
