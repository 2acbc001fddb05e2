// Package bulk reads files of very many orders, CSV, Excel or NDJSON, and passes them line by line
// through validation into the queue. Its memory does not grow with a file of text. It knows no terminal
// and opens no connection: who enqueues, and what is done with wrong lines, is given to Run. The columns
// of CSV and Excel files are those of the registered codecs (package providers).
//
// It may import package tasks and what that imports, and its own package workbook. No report about a
// line repeats what the line holds, since that is customers' data.
package bulk

import (
	"cmp"
	"encoding/json"
	"errors"
	"strings"

	"issuance/providers"
	"issuance/tasks"
)

// Limits of what is read.
const (
	// MaxRecord is the longest line, or CSV record, in bytes.
	MaxRecord = 256 << 10
	// MaxItems is how many numbered items a CSV header may have.
	MaxItems = 100
)

// Problem is one thing that is wrong with a line.
type Problem struct {
	// Where is a CSV column, a JSON path, or "" for the whole line.
	Where string
	// Rule says what must be.
	Rule string
	// Shape describes what is there instead; may be empty.
	Shape string
	// Advice says what a spreadsheet has probably done to the cell, and what to do about it; may be empty.
	Advice string
	// Column is the column's place in a table, from 1; 0 for the whole line, and elsewhere.
	Column int
	// IsPath says that Where is a JSON path into the line's document.
	IsPath bool

	fields []string // what Where joins, of a rule about several
	absent bool     // the column is none of the table's
}

// Fields are the problem as one for each column or path that it is about. Column and Advice are those of the first.
func (p Problem) Fields() []Problem {
	if len(p.fields) < 2 {
		return []Problem{p}
	}
	list := []Problem{{Where: p.fields[0], Rule: p.Rule, Shape: p.Shape, Advice: p.Advice, Column: p.Column, IsPath: p.IsPath}}
	for _, where := range p.fields[1:] {
		list = append(list, Problem{Where: where, Rule: p.Rule, Shape: p.Shape, IsPath: p.IsPath})
	}
	return list
}

func (p Problem) String() string {
	text := p.Rule
	if p.Where != "" {
		text = p.Where + ": " + text
	}
	if p.Shape != "" {
		text += " (found: " + p.Shape + ")"
	}
	if p.Advice != "" {
		text += "; " + p.Advice
	}
	return text
}

// wrong is what is wrong with a line, or a file, as a whole.
func wrong(rule string) []Problem { return []Problem{{Rule: rule}} }

// violated turns a violation into a problem; where translates each of its paths.
func violated(v providers.Violation, where func(path string) string) Problem {
	p := Problem{Rule: v.Rule, Shape: v.Shape}
	for path := range strings.SplitSeq(v.Path, ", ") {
		p.fields = append(p.fields, where(path))
	}
	p.Where = strings.Join(p.fields, ", ")
	return p
}

// problemsOf are those of an error of package tasks, translated by a format.
func problemsOf(f Format, raw []byte, err error) []Problem {
	var invalid *providers.InvalidError
	if errors.As(err, &invalid) {
		return f.Problems(raw, invalid.Violations)
	}
	return wrong(err.Error())
}

// ID is what a record says of its order without being checked.
type ID struct {
	Account tasks.Account // its merchant is "" where neither the record nor Reading.Account names one
	OrderID string
	Calls   int // that issuing it takes, see providers.OrderDocument
}

// idOf reads a request that need not be valid; ok is false without an order's number.
func idOf(codec providers.Codec, merchant string, request json.RawMessage) (id ID, ok bool) {
	var fields map[string]json.RawMessage
	if json.Unmarshal(request, &fields) != nil {
		return ID{}, false
	}
	text := func(name string) (s string) {
		_ = json.Unmarshal(fields[name], &s) // what is no text counts as absent
		return s
	}
	id = ID{Account: tasks.Account{Provider: codec.Name, Merchant: cmp.Or(text(codec.Columns.Merchant), merchant)}, Calls: codec.Calls(request)}
	for _, name := range codec.Columns.IDs {
		if id.OrderID = text(name); id.OrderID != "" {
			return id, true
		}
	}
	return id, false
}

// Format is a kind of file. Safe for concurrent use.
type Format interface {
	// Order reads the order of a record. Without an order and without problems, the record is
	// blank and means nothing.
	Order(raw []byte, rules tasks.Rules) (o *tasks.Order, problems []Problem)
	// Problems translates further violations of a record's order.
	Problems(raw []byte, found []providers.Violation) []Problem
	// ID is the order a record is about; false when it names none.
	ID(raw []byte) (id ID, ok bool)
	// Number is the order a record is about, of which nothing else is asked; false when it names none.
	Number(raw []byte) (ref tasks.Ref, ok bool)
	// Header starts a file of rejected records; it is empty or ends a line.
	Header() []byte
	// Noted is the record as it came with notes of what is wrong, in any language, as a line of a file
	// that can be read again once it was corrected: the notes are left out then.
	Noted(raw []byte, notes []string) []byte
}

// Note is the CSV column, or the JSON field, in which a rejected record says what is wrong with
// it. It means nothing when it is read, and the CSV column may hold no other text.
const Note = "rejected_because"
