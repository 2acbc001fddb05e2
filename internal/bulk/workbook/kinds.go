package workbook

import (
	"archive/zip"
	"io"
	"strings"
)

// Rules of files that are none of orders; %s is the kind of file.
const (
	NoTable = `it is %s; save its table as .xlsx or as "CSV UTF-8"`
	Archive = `it is %s; take the file of orders out of it`
)

// otherKind says what an archive is that holds these parts and is no workbook.
func otherKind(parts map[string]*zip.File) error {
	for _, k := range []struct{ part, name string }{
		{"xl/workbook.bin", "a binary Excel workbook (.xlsb)"},
		{"word/document.xml", "a Word document"},
		{"ppt/presentation.xml", "a PowerPoint presentation"},
		{"index/document.iwa", "a document of Numbers, Pages or Keynote"},
		{"index.zip", "a document of Numbers, Pages or Keynote"},
	} {
		if parts[k.part] != nil {
			return errorf(NoTable, k.name)
		}
	}
	switch kind := mimeType(parts["mimetype"]); {
	case strings.HasPrefix(kind, "application/vnd.oasis.opendocument.spreadsheet"):
		return errorf(NoTable, "an OpenDocument spreadsheet (.ods)")
	case strings.HasPrefix(kind, "application/vnd.oasis.opendocument"):
		return errorf(NoTable, "an OpenDocument file")
	}
	return errorf(Archive, "a zip archive")
}

// mimeType is what an OpenDocument file says it is, "" for any other.
func mimeType(f *zip.File) string {
	if f == nil {
		return ""
	}
	r, err := f.Open()
	if err != nil {
		return ""
	}
	defer r.Close()
	text, _ := io.ReadAll(io.LimitReader(r, 100)) // what came before an error says enough
	return string(text)
}
