package workbook

import (
	"errors"
	"fmt"
	"io"
	"unicode/utf16"

	"github.com/xuri/excelize/v2"
)

// Limits of what Excel opens.
const (
	mostInCell = 32_767 // characters, as Excel counts them
	columnWide = 18
)

// ErrTooLarge says that Excel would not open what was to be written, or only a part of it.
var ErrTooLarge = errors.New("no more than 1,048,576 rows, 16,384 columns and 32,767 characters in a cell fit into a workbook")

// Writer writes a workbook of one sheet whose cells are all texts, in columns formatted as such, so that Excel changes none of
// them. It is not safe for concurrent use.
type Writer struct {
	file   *excelize.File
	stream *excelize.StreamWriter
	style  int
	row    int
}

// NewWriter makes a workbook with a sheet of that name, which must be closed.
func NewWriter(sheet string) (*Writer, error) {
	w := &Writer{file: excelize.NewFile()}
	err := w.begin(sheet)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("begin a workbook: %w", err), w.Close())
	}
	return w, nil
}

func (w *Writer) begin(sheet string) error {
	if err := w.file.SetSheetName("Sheet1", sheet); err != nil {
		return err
	}
	const text = 49 // "@", among the formats that every workbook has
	var err error
	if w.style, err = w.file.NewStyle(&excelize.Style{NumFmt: text}); err != nil {
		return err
	}
	w.stream, err = w.file.NewStreamWriter(sheet)
	return err
}

// Columns formats the first columns, those cells among them that are written later, and must come before the first row.
func (w *Writer) Columns(n int) error {
	if n > excelize.MaxColumns {
		return ErrTooLarge
	}
	return errors.Join(w.stream.SetColStyle(1, n, w.style), w.stream.SetColWidth(1, n, columnWide))
}

// Row writes the next row, or returns ErrTooLarge.
func (w *Writer) Row(cells []string) error {
	if w.row++; w.row > excelize.TotalRows || len(cells) > excelize.MaxColumns {
		return ErrTooLarge
	}
	values := make([]any, len(cells))
	for i, text := range cells {
		if len(text) > mostInCell && len(utf16.Encode([]rune(text))) > mostInCell {
			return ErrTooLarge
		}
		values[i] = excelize.Cell{StyleID: w.style, Value: text}
	}
	return w.stream.SetRow(Cell(1, w.row), values)
}

// Shortened is a text that one cell holds.
func Shortened(text string) string {
	const more = " …"
	for runes := []rune(text); len(utf16.Encode(runes)) > mostInCell; text = string(runes) + more {
		runes = runes[:min(len(runes)-1, mostInCell/2-len(more))]
	}
	return text
}

// Finish writes the workbook behind its last row.
func (w *Writer) Finish(out io.Writer) error {
	if err := w.stream.Flush(); err != nil {
		return err
	}
	return w.file.Write(out)
}

// Close removes the temporary files.
func (w *Writer) Close() error { return w.file.Close() }
