package bulk

import (
	"archive/zip"
	"bytes"
	"strings"
	"testing"
)

// archive is a zip file with these parts, by name.
func archive(t *testing.T, parts map[string]string) string {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for name, text := range parts {
		w, err := z.Create(name)
		if err == nil {
			_, err = w.Write([]byte(text))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// A file of another kind is named, and never taken for a text in another encoding.
func TestAFileOfAnotherKindIsNamed(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	const rest = "\x00\x00\x00\rIHDR\xa4\xa4\n\xa4\xe5,\xa6\n"
	for text, want := range map[string]string{
		"\x89PNG\r\n\x1a\n" + rest:                             "a PNG picture",
		"\xff\xd8\xff\xe0\x00\x10JFIF":                         "a JPEG picture",
		"GIF89a" + rest:                                        "a GIF picture",
		"RIFF\x24\x00\x00\x00WEBPVP8 ":                         "a WebP picture",
		"\x00\x00\x00\x18ftypheic" + rest:                      "a HEIC picture",
		"MM\x00*" + rest:                                       "a TIFF picture",
		"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0":                     "a PDF",
		`{\rtf1\ansi}`:                                         "a text with formats (.rtf)",
		"\x1f\x8b\x08\x00" + rest:                              "a gzip archive",
		"7z\xbc\xaf\x27\x1c\x00\x04":                           "a 7z archive",
		"Rar!\x1a\x07\x01\x00":                                 "a RAR archive",
		"BM\x36\x00\x00\x00" + rest:                            "a binary file",
		"\x00\x00\x01\x00" + rest:                              "a binary file",
		archive(t, nil):                                        "a zip archive",
		archive(t, map[string]string{"orders.csv": csvHeader}): "a zip archive",
		archive(t, map[string]string{"mimetype": "application/vnd.oasis.opendocument.spreadsheet", "content.xml": "<x/>"}): "an OpenDocument spreadsheet (.ods)",
		archive(t, map[string]string{"mimetype": "application/vnd.oasis.opendocument.text", "content.xml": "<x/>"}):        "an OpenDocument file",
		archive(t, map[string]string{"Index/Document.iwa": "x", "Metadata/Properties.plist": "x"}):                         "a document of Numbers, Pages or Keynote",
		archive(t, map[string]string{"xl/workbook.bin": "x"}):                                                              "a binary Excel workbook (.xlsb)",
		archive(t, map[string]string{"ppt/presentation.xml": "<x/>"}):                                                      "a PowerPoint presentation",
	} {
		out := dry(t, text, Reading{})
		if out.err == nil || !strings.HasPrefix(out.err.Error(), "it is "+want+"; ") || strings.Contains(out.err.Error(), "iconv") {
			t.Errorf("%.12q: %v, should be %s", text, out.err, want)
		}
	}
	if out := dry(t, "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"+rest, Reading{}); out.err == nil || !strings.Contains(out.err.Error(), ".xls") {
		t.Errorf("an old workbook: %v", out.err)
	}
}
