package bulk

import (
	"bytes"
	"io"
	"slices"

	"issuance/internal/bulk/workbook"
)

// Book gathers the rejects of a table as a workbook whose cells are all texts: a spreadsheet that saves CSV drops zeros in front,
// so that lines that were right become wrong. It is not safe for concurrent use.
type Book struct {
	out   *workbook.Writer
	width int // of the header, with its column of notes
}

// NewBook makes one with a sheet of that name, or of a default for "". It must be closed.
func NewBook(sheet string) (*Book, error) {
	if sheet == "" {
		sheet = "Orders"
	}
	out, err := workbook.NewWriter(sheet)
	if err != nil {
		return nil, err
	}
	return &Book{out: out}, nil
}

// IsTable reports whether the file's rejects can be gathered as a workbook.
func (f *File) IsTable() bool {
	_, is := f.Format.(*table)
	return is
}

// Add takes records of a file of rejects as Header and Reject have written them, the header first. The error is
// workbook.ErrTooLarge, or of the temporary files.
func (b *Book) Add(records []byte) error {
	records = bytes.TrimPrefix(records, []byte(bom))
	for len(records) > 0 {
		n, _ := csvLength(records, ',', true)
		if n == 0 { // a quote is never closed
			n = len(records)
		}
		if err := b.row(bytes.TrimRight(records[:n], "\r\n")); err != nil {
			return err
		}
		records = records[n:]
	}
	return nil
}

func (b *Book) row(record []byte) error {
	row, err := cells(record, nil)
	if err != nil { // what cannot be split stays whole, beside its note
		rest := withoutNote(record)
		note, _ := cells(bytes.TrimPrefix(record[len(rest):], []byte(",")), nil)
		row = append([][]byte{rest}, note...)
	}
	if b.width == 0 {
		b.width = len(row)
		if err := b.out.Columns(b.width); err != nil {
			return err
		}
	}
	var texts []string
	for _, cell := range b.placed(row) {
		text := string(cell)
		if isNote(cell) {
			text = workbook.Shortened(text)
		}
		texts = append(texts, text)
	}
	return b.out.Row(texts)
}

// placed is a row with the note behind it in the column of notes: of a row that is too short or too long it stands elsewhere, where
// no column has a title.
func (b *Book) placed(row [][]byte) [][]byte {
	last := len(row) - 1
	if len(row) == b.width || last < 0 || !isNote(row[last]) {
		return row
	}
	own := b.width - 1
	data, note := slices.Clone(row[:last]), row[last]
	for len(data) < own {
		data = append(data, nil)
	}
	return slices.Insert(data, own, note)
}

// Finish writes the workbook.
func (b *Book) Finish(out io.Writer) error { return b.out.Finish(out) }

// Close removes what was kept of it.
func (b *Book) Close() error { return b.out.Close() }
