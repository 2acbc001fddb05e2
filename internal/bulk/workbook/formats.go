package workbook

import (
	"slices"
	"strings"

	"github.com/xuri/excelize/v2"
)

// A cell's number format says how a number is shown, and only by it a day is known to be one. So the formats
// of the opened workbook (not of the file) become one of two: a day, which is written as one, and none.
const (
	dayFormat = "yyyy/mm/dd hh:mm:ss"
	midnight  = " 00:00:00"
	noFormat  = 1 << 30 // names no format, so that numbers are written as they are
)

// plainNumbers replaces the number formats of a workbook.
func plainNumbers(f *excelize.File) error {
	if f.Styles == nil || f.Styles.CellXfs == nil {
		return nil // no cell has a format
	}
	format := dayFormat
	style, err := f.NewStyle(&excelize.Style{CustomNumFmt: &format})
	if err != nil {
		return err
	}
	styles := f.Styles.CellXfs.Xf
	day, none := *styles[style].NumFmtID, noFormat
	codes := map[int]string{}
	for _, n := range f.Styles.NumFmts.NumFmt {
		codes[n.NumFmtID] = n.FormatCode
	}
	for i := range styles {
		id := 0
		if styles[i].NumFmtID != nil {
			id = *styles[i].NumFmtID
		}
		code, own := codes[id]
		if own && isDay(code) || !own && isBuiltInDay(id) {
			styles[i].NumFmtID = &day
		} else {
			styles[i].NumFmtID = &none
		}
	}
	return nil
}

// builtInDays are the ids of formats that every workbook has and that show a day or a time (ECMA-376, part 1,
// 18.8.30; those of East Asia among them).
var builtInDays = [][2]int{{14, 22}, {27, 36}, {45, 47}, {50, 58}, {71, 81}}

func isBuiltInDay(id int) bool {
	return slices.ContainsFunc(builtInDays, func(r [2]int) bool { return r[0] <= id && id <= r[1] })
}

// isDay reports whether a format shows a day or a time: it has one of their letters outside of quotes, escapes
// and brackets. Brackets also enclose hours and minutes that go on behind 24 and 60.
func isDay(code string) bool {
	code = strings.ToLower(code)
	for i := 0; i < len(code); i++ {
		switch code[i] {
		case '\\', '_', '*':
			i++
		case '"', '[':
			end := strings.IndexByte(code[i+1:], map[byte]byte{'"': '"', '[': ']'}[code[i]])
			if end < 0 {
				return false
			}
			if inner := code[i+1 : i+1+end]; code[i] == '[' && inner != "" && strings.Trim(inner, "hms") == "" {
				return true
			}
			i += 1 + end
		case 'y', 'm', 'd', 'h', 's':
			return true
		}
	}
	return false
}

// day leaves out the time of a day that has none.
func day(cell string) string {
	if rest, ok := strings.CutSuffix(cell, midnight); ok && len(rest) == len("2006/01/02") && rest[4] == '/' && rest[7] == '/' {
		return rest
	}
	return cell
}
