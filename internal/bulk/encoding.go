package bulk

import (
	"bytes"
	"unicode/utf8"
)

// What is said of files that other programs write.
const (
	utf16Text = `it is UTF-16; save it as "CSV UTF-8", or convert it with: iconv -f UTF-16 -t UTF-8`
	otherText = `it is not UTF-8 (Excel's plain "CSV" is Big5); save it as "CSV UTF-8", or convert it with: iconv -f CP950 -t UTF-8`
	bareCR    = `its lines end with a bare CR; save it as "CSV UTF-8", or convert it with: tr '\r' '\n'`
	oldExcel  = `it is an Excel file of an older kind (.xls), or has a password; save it as .xlsx without one`
	webPage   = `it is HTML or XML, which some systems name .xls; open it in Excel and save it as .xlsx`
)

// otherEncoding reports whether a text is in another encoding than UTF-8 as a whole: several of its lines are, and
// every line with more than ASCII. The last line, which may be cut off, does not count.
func otherEncoding(text []byte) bool {
	wrong := 0
	for line := range bytes.Lines(text[:bytes.LastIndexByte(text, '\n')+1]) {
		switch {
		case !utf8.Valid(line):
			wrong++
		case bytes.ContainsFunc(line, func(r rune) bool { return r >= utf8.RuneSelf }):
			return false
		}
	}
	return wrong > 1
}
