package bulk

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/agnivade/levenshtein"

	"issuance/providers"
)

// noTitles says that the first line holds no titles.
const noTitles = "the first line must hold the column titles; print one with --template"

// translated is said of a first line that holds titles in Chinese.
const translated = "titles are the provider's own field names, such as MerchantTradeNo or channelOrderId, and not translated"

// inChinese reports whether all of a line's titles, several, are Chinese words.
func inChinese(titles [][]byte) bool {
	n := 0
	for _, cell := range titles {
		title := string(visible(cell))
		switch {
		case title == "":
		case !hanTitle.MatchString(title):
			return false
		default:
			n++
		}
	}
	return n > 1
}

// hanTitle is a title such as 訂單編號, 票種1 or 數量（張）.
var hanTitle = regexp.MustCompile(`^[\p{Han}（）()/、 ]+\d{0,3}$`)

// isTotal reports whether a cell says that its row adds up those above it.
func isTotal(cell []byte) bool {
	word := strings.ToLower(strings.TrimRight(string(visible(cell)), ":： "))
	return slices.Contains([]string{"合計", "總計", "小計", "總和", "加總", "合计", "total", "grand total", "subtotal", "sum"}, word)
}

// titlesBelow is the line of the titles where something else stands above them; 0 where there are none near.
func titlesBelow(next func() (record, error)) (line int) {
	for range 5 {
		rec, err := next()
		if err != nil {
			return 0
		}
		titles, err := cells(withCommas(rec.raw, separatorOf(rec.raw)), nil)
		if err == nil && isHeader(titles) {
			return rec.line
		}
	}
	return 0
}

// above is the problem of a file whose titles are in another line than the first.
func above(what string, line int) []Problem {
	return []Problem{{Where: what + " " + strconv.Itoa(line), Rule: "holds the column titles, which must be the first: take out what is above them"}}
}

// meant is the column that was probably meant by an unknown title, "" when there is none. Without a
// header, customers' data stands where titles should, so only what is close to a title may be shown.
func meant(title string) string {
	name := strings.TrimRight(title, "0123456789")
	digits := title[len(name):]
	name = strings.ToLower(strings.NewReplacer("_", "", "-", "", " ", "").Replace(name))
	if len(digits) > 3 || len(name) > 30 || !isLetters(name) {
		return ""
	}
	best, behind, nearest := "", "", 3
	consider := func(known, digits string) {
		if n := levenshtein.ComputeDistance(name, strings.ToLower(known)); n < nearest && (n == 0 || len(known) >= 6 && len(name) >= 6) {
			best, behind, nearest = known, digits, n
		}
	}
	for _, codec := range providers.Codecs() {
		for _, known := range codec.Columns.Scalars {
			consider(known, "")
		}
		for _, known := range codec.Columns.Items {
			consider(known, digits)
		}
	}
	consider(Note, "")
	return best + behind
}

func isLetters(s string) bool {
	return strings.Trim(s, "abcdefghijklmnopqrstuvwxyz") == ""
}

// titleShape describes a title that may be anything.
func titleShape(title string) string {
	n := utf8.RuneCountInString(title)
	if n == 1 {
		return "string of 1 character"
	}
	return "string of " + strconv.Itoa(n) + " characters"
}
