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

// otherEncoding reports whether a text is in another encoding than UTF-8 as a whole: every line with more than ASCII
// is, and there are several, or the only one is Big5. The last line may be cut off inside of a character.
func otherEncoding(text []byte) bool {
	text = text[:len(text)-cutOff(text)]
	wrong, inBig5 := 0, false
	for line := range bytes.Lines(text) {
		switch {
		case !utf8.Valid(line):
			wrong++
			inBig5 = isBig5(line)
		case bytes.ContainsFunc(line, func(r rune) bool { return r >= utf8.RuneSelf }):
			return false
		}
	}
	return wrong > 1 || inBig5
}

// cutOff is how many bytes of a character that UTF-8 may go on with stand at the end of a text.
func cutOff(text []byte) int {
	for n := 1; n < utf8.UTFMax && n <= len(text); n++ {
		if last := text[len(text)-n:]; utf8.RuneStart(last[0]) {
			if utf8.FullRune(last) {
				return 0
			}
			return n
		}
	}
	return 0
}

// isBig5 reports whether everything but ASCII in a line is a pair of bytes as Big5 has them.
func isBig5(line []byte) bool {
	for i := 0; i < len(line); i++ {
		if line[i] < utf8.RuneSelf {
			continue
		}
		if line[i] < 0x81 || line[i] == 0xff || i+1 == len(line) {
			return false
		}
		i++
		if c := line[i]; c < 0x40 || c > 0xfe || c > 0x7e && c < 0xa1 {
			return false
		}
	}
	return true
}
