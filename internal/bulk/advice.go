package bulk

import (
	"bytes"
	"regexp"
	"slices"
	"strings"
	"time"

	"issuance/providers"
)

// What spreadsheets do to cells, and what to do about it. None of it shows what a cell holds.
const (
	asText       = ": format the column as Text, then write it again"
	lostZero     = "Excel has dropped the zero in front" + asText
	scientific   = "Excel has written the number with an exponent, and its last digits are lost: format the column as Text, then fill it again from its source"
	fullWidth    = "it has full-width characters: write half-width ones"
	apostrophe   = "the apostrophe in front became a part of the text: take it out, and format the column as Text"
	formulaText  = `="…" is a formula to Excel and a text to nobody else: write what is between the quotes, and format the column as Text`
	quoteInFront = `the quote (") became a part of the text: take it out, and format the column as Text`
	invisible    = "it has characters that are not seen: write it again by hand"
	separators   = "Excel has written it with thousands or decimals: format the column as General"
	narrow       = "Excel saves # where a column is too narrow for its number: widen it, then save again"
	percent      = "it is written as a percentage: format the column as General"
	currency     = "it is written as an amount of money: format the column as General"
	madeDay      = "Excel has probably made a day of it: format the column as Text, then write it again"
	rocYear      = "it is a year of the ROC calendar: add 1911 to it, and write the day as yyyymmdd, such as 20270301"
	writtenDay   = "it is a day in words: write it as yyyymmdd, such as 20270301"
	dashes       = "it has dashes, spaces or brackets: write the digits alone, in a column formatted as Text"
	countryCode  = "it begins with Taiwan's country code: write 09 and 8 more digits, in a column formatted as Text"
	unit         = "it has a unit: write the number alone"
	failed       = "Excel could not compute the cell: correct its formula, or write the value"
)

// repair is what a cell may have been before a spreadsheet, or a person who worked around one, changed it.
type repair struct {
	cell   []byte // nil: nobody knows
	advice string
}

var (
	exponent   = regexp.MustCompile(`^[+-]?\d+(\.\d+)?[eE][+-]?\d+$`)
	grouped    = regexp.MustCompile(`^-?\d{1,3}(,\d{3})*(\.0+)?$`)
	decimals   = regexp.MustCompile(`\.0+$`)
	allDigits  = regexp.MustCompile(`^\d+$`)
	aDay       = regexp.MustCompile(`^(\d{4}[/-]\d{1,2}[/-]\d{1,2}|\d{1,2}[/-]\d{1,2}[/-]\d{4}|\d{1,2}-[A-Z][a-z]{2}(-\d{2})?|[A-Z][a-z]{2}-\d{2}|(\d{4}年)?\d{1,2}月\d{1,2}日)$`)
	rocDay     = regexp.MustCompile(`^(民國)?\s*\d{2,3}(\s*年\s*|[/.-])\d{1,2}(\s*月\s*|[/.-])\d{1,2}\s*日?$`)
	dayInWords = regexp.MustCompile(`^\d{4}\s*年\s*\d{1,2}\s*月\s*\d{1,2}\s*日$`)
	abroad     = regexp.MustCompile(`^(?:\+|00)?886[ -]?0?(\d.*)$`)
	withUnit   = regexp.MustCompile(`^(\d+)\s*\p{Han}{1,2}$`)
	money      = regexp.MustCompile(`^(?:NT)?[$＄]\s?(\d.*)$`)
	quotedCell = regexp.MustCompile(`(^|,)\s*"\d`)
)

// repairs lists what a cell may have been.
func repairs(cell []byte) []repair {
	var list []repair
	may := func(text []byte, advice string) {
		if !bytes.Equal(text, cell) && len(text) > 0 {
			list = append(list, repair{text, advice})
		}
	}
	if inner, ok := bytes.CutPrefix(cell, []byte(`="`)); ok {
		may(bytes.TrimSuffix(inner, []byte(`"`)), formulaText)
	}
	may(bytes.TrimLeft(cell, "'’‘"), apostrophe)
	may(bytes.Trim(cell, `"“”`), quoteInFront)
	if allDigits.Match(cell) {
		may(append([]byte("0"), cell...), lostZero)
		may(append([]byte("00"), cell...), lostZero)
	}
	may(halfWidth(cell), fullWidth)
	may(visible(cell), invisible)
	if grouped.Match(cell) {
		may(decimals.ReplaceAll(bytes.ReplaceAll(cell, []byte(","), nil), nil), separators)
	}
	if number, ok := bytes.CutSuffix(cell, []byte("%")); ok {
		may(number, percent)
	}
	if m := money.FindSubmatch(cell); m != nil {
		may(decimals.ReplaceAll(bytes.ReplaceAll(m[1], []byte(","), nil), nil), currency)
	}
	plain := halfWidth(visible(cell))
	if phone := digitsAlone(plain); bytes.HasPrefix(phone, []byte("0")) && allDigits.Match(phone) {
		may(phone, dashes)
	}
	if m := abroad.FindSubmatch(plain); m != nil {
		may(append([]byte("0"), digitsAlone(m[1])...), countryCode)
	}
	if m := withUnit.FindSubmatch(plain); m != nil {
		may(m[1], unit)
	}
	if exponent.Match(cell) {
		list = append(list, repair{nil, scientific})
	}
	return list
}

// advice says what a spreadsheet has probably done to the cell that breaks a rule: what it may have been
// before must keep the rule.
func (t *table) advice(row [][]byte, i int, v providers.Violation) string {
	path, _, _ := strings.Cut(v.Path, ", ")
	if plain := halfWidth(visible(row[i])); t.columns[i].day && rocDay.Match(plain) {
		return rocYear
	} else if t.columns[i].day && dayInWords.Match(plain) {
		return writtenDay
	}
	for _, r := range repairs(row[i]) {
		if r.cell == nil || t.keeps(row, i, r.cell, path) {
			return r.advice
		}
	}
	if aDay.Match(row[i]) && !t.columns[i].day {
		return madeDay
	}
	return ""
}

// keeps reports whether a field keeps its rules with another cell in its column.
func (t *table) keeps(row [][]byte, i int, cell []byte, path string) bool {
	row = slices.Clone(row)
	row[i] = cell
	_, err := t.codec.ParseOrder("request", t.request(row, 0), providers.Rules{WellFormed: true})
	return err == nil || !slices.ContainsFunc(err.Violations, func(v providers.Violation) bool {
		return slices.Contains(strings.Split(v.Path, ", "), path)
	})
}

// halfWidth replaces full-width letters, digits, signs and spaces.
func halfWidth(cell []byte) []byte {
	return bytes.Map(func(r rune) rune {
		switch {
		case r >= '！' && r <= '～':
			return r - '！' + '!'
		case r == '\u3000':
			return ' '
		}
		return r
	}, cell)
}

// digitsAlone leaves out what people put between the digits of a telephone number.
func digitsAlone(cell []byte) []byte {
	return bytes.Map(func(r rune) rune {
		if strings.ContainsRune("-‐‑–— ()", r) {
			return -1
		}
		return r
	}, cell)
}

// visible leaves out what is not seen.
func visible(cell []byte) []byte {
	return bytes.Trim(bytes.Map(func(r rune) rune {
		switch {
		case r == '\u00a0', r == '\u3000', r == '\t', r == '\n', r == '\r':
			return ' '
		case r >= '\u200b' && r <= '\u200f', r >= '\u202a' && r <= '\u202e', r >= '\u2060' && r <= '\u2069', r == '\ufeff', r == '\u00ad':
			return -1
		}
		return r
	}, cell), " ")
}

// quoteAdvice is for a record whose quotes are broken.
func quoteAdvice(raw []byte) string {
	switch {
	case bytes.Contains(raw, []byte(`="`)):
		return formulaText
	case quotedCell.Match(raw):
		return "a quote in front does not make a number a text: take it out, and format the column as Text"
	}
	return ""
}

// spreadsheetError is for a cell that begins with #.
func spreadsheetError(cell string) (rule, advice string) {
	const mustBe = "must be a value, not an error of the spreadsheet"
	switch cell {
	case "#N/A", "#REF!", "#VALUE!", "#NAME?", "#DIV/0!", "#NUM!", "#NULL!", "#SPILL!", "#CALC!", "#FIELD!", "#BLOCKED!", "#BUSY!", "#GETTING_DATA":
		return mustBe, failed
	}
	if len(cell) > 2 && strings.Trim(cell, "#") == "" {
		return mustBe, narrow
	}
	return "", ""
}

// compactDay is a day that is written year first, as yyyymmdd; anything else stays as it is.
func compactDay(cell []byte) []byte {
	for _, layout := range []string{"2006/1/2", "2006-1-2"} {
		if day, err := time.Parse(layout, string(cell)); err == nil {
			return []byte(day.Format("20060102"))
		}
	}
	return cell
}
