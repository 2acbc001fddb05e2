package bulk

import (
	"bytes"
	"fmt"

	"issuance/internal/bulk/workbook"
)

// startSize is how much of a file says what kind it is.
const startSize = 16

// kind is a kind of file that holds no orders to read, by the bytes that stand at a place near its beginning.
type kind struct {
	at    int
	bytes string
	rule  string
	name  string
}

// kinds are those that people take for a file of orders.
var kinds = []kind{
	{0, "\x89PNG\r\n", workbook.NoTable, "a PNG picture"},
	{0, "\xff\xd8\xff", workbook.NoTable, "a JPEG picture"},
	{0, "GIF8", workbook.NoTable, "a GIF picture"},
	{8, "WEBPVP8", workbook.NoTable, "a WebP picture"},
	{4, "ftyphei", workbook.NoTable, "a HEIC picture"},
	{4, "ftypmif1", workbook.NoTable, "a HEIC picture"},
	{0, "II*\x00", workbook.NoTable, "a TIFF picture"},
	{0, "MM\x00*", workbook.NoTable, "a TIFF picture"},
	{0, "%PDF-", workbook.NoTable, "a PDF"},
	{0, `{\rtf`, workbook.NoTable, "a text with formats (.rtf)"},
	{0, "PK\x05\x06", workbook.Archive, "a zip archive"},
	{0, "\x1f\x8b", workbook.Archive, "a gzip archive"},
	{0, "7z\xbc\xaf\x27\x1c", workbook.Archive, "a 7z archive"},
	{0, "Rar!\x1a\x07", workbook.Archive, "a RAR archive"},
	{0, "\x00\x00", workbook.NoTable, binary},
}

// binary is a file of a kind that is not known, and no text.
const binary = "a binary file"

// unreadable says what a file is that begins so and is no text in UTF-8; nil when it may be one.
func unreadable(start []byte) error {
	if workbook.IsOld(start) {
		return &FileError{wrong(oldExcel)}
	}
	for _, k := range kinds {
		if len(start) >= k.at && bytes.HasPrefix(start[k.at:], []byte(k.bytes)) {
			return &FileError{wrong(fmt.Sprintf(k.rule, k.name))}
		}
	}
	if len(start) > 1 && (bytes.HasPrefix(start, []byte("\xff\xfe")) || bytes.HasPrefix(start, []byte("\xfe\xff")) || bytes.IndexByte(start[:2], 0) >= 0) {
		return &FileError{wrong(utf16Text)}
	}
	return nil
}
