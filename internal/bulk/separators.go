package bulk

import "bytes"

// Excel of some countries separates cells by semicolons, and cells that are copied as text are separated by tabs. A
// file is read so when its header leaves no doubt; its records go on as if their cells were separated by commas.

// separatorOf is what separates the titles of a header: semicolons or tabs where it has only one of them and no
// comma, which no title holds; else commas.
func separatorOf(header []byte) byte {
	has := func(c byte) bool { return bytes.IndexByte(header, c) >= 0 }
	switch {
	case has(','), has(';') == has('\t'):
		return ','
	case has(';'):
		return ';'
	}
	return '\t'
}

// declaredSeparator reads the line by which Excel is made to use a separator, such as "sep=;".
func declaredSeparator(line []byte) (sep byte, ok bool) {
	rest, ok := bytes.CutPrefix(bytes.Trim(line, `"`), []byte("sep="))
	if !ok || len(rest) != 1 || bytes.IndexByte([]byte(",;\t"), rest[0]) < 0 {
		return 0, false
	}
	return rest[0], true
}

// withCommas is a record with commas between its cells. One whose quotes are broken stays as it is: what is
// wrong with it does not depend on the separator.
func withCommas(raw []byte, sep byte) []byte {
	row, err := cellsBy(raw, sep, nil)
	if sep == ',' || err != nil {
		return raw
	}
	out := make([]byte, 0, len(raw)+8)
	for i, cell := range row {
		if i > 0 {
			out = append(out, ',')
		}
		out = quoted(out, cell)
	}
	return out
}

// lengthAdvice says why a record probably has more or fewer cells than the header; "" where nobody knows.
func lengthAdvice(raw []byte, found int) string {
	switch {
	case bytes.IndexByte(raw, '\r') >= 0:
		return `a bare CR in it, which ends no line, has probably joined lines: save the file as "CSV UTF-8", or convert it with: tr '\r' '\n'`
	case found == 1 && bytes.ContainsAny(raw, ";\t"):
		return "the header's cells are separated by other signs: separate all in the same way"
	}
	return ""
}
