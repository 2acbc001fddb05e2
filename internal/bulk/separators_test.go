package bulk

import (
	"strings"
	"testing"
)

// A file whose header leaves no doubt may separate its cells by semicolons or tabs: it means what the same file
// with commas means, and its rejects have commas.
func TestSemicolonsAndTabsSeparateCells(t *testing.T) {
	const quotes = `"O2",2,2,"An""gela","VQT04959",1` + "\n"
	text := csvHeader + csvRow("O1") + ",,,,,\n" + quotes + "O3,2,2,Angela,VQT04959,x\nO4,2\n" + `O5,2,2,Ang"ela,VQT04959,1` + "\n" + csvRow("O6")
	want := dry(t, text, Reading{})
	if want.Enqueued.Load() != 2 || len(want.rejected) != 4 {
		t.Fatalf("%+v", want)
	}
	for name, sep := range map[string]string{"semicolons": ";", "tabs": "\t"} {
		other := strings.ReplaceAll(text, ",", sep)
		for how, text := range map[string]string{"": other, "with sep=": "sep=" + sep + "\n" + other, "with a mark": bom + other, "with CRLF": strings.ReplaceAll(other, "\n", "\r\n")} {
			got := dry(t, text, Reading{})
			if got.err != nil || got.Enqueued.Load() != want.Enqueued.Load() {
				t.Errorf("%s %s: %d fine, %v", name, how, got.Enqueued.Load(), got.err)
			}
			for i := range want.rejected {
				_, wrong, _ := strings.Cut(want.rejected[i], ": ")
				if i >= len(got.rejected) || !strings.HasSuffix(got.rejected[i], wrong) {
					t.Errorf("%s %s: %q, want %q", name, how, got.rejected, want.rejected)
				}
			}
		}
		rejected := dry(t, other, Reading{}).file
		if first, _, _ := strings.Cut(rejected, "\n"); first != strings.TrimSpace(csvHeader)+","+Note || strings.Contains(rejected, "O6") {
			t.Errorf("%s: the rejects are\n%s", name, rejected)
		}
		if again := dry(t, rejected, Reading{}); again.err != nil || again.Enqueued.Load() != 0 || len(again.rejected) != len(want.rejected) {
			t.Errorf("%s: the rejects, read again: %+v", name, again)
		}
	}
}

// A separator inside of quotes is text, whichever it is.
func TestASeparatorInQuotesIsText(t *testing.T) {
	text := strings.ReplaceAll(csvHeader, ",", ";") + `O1;2;2;"An;gela";VQT04959;1` + "\n" + `O2;2;2;"An,gela";VQT04959;1` + "\n"
	const wrong = "Operator: must be half-width letters and digits only (A-Z, a-z, 0-9) (found: string of 7 characters)"
	dry(t, text, Reading{}).want(t, 0, "2: "+wrong, "3: "+wrong)
}

// Cells that were joined, or never separated, are explained.
func TestLinesOfAnotherLengthAreExplained(t *testing.T) {
	const width = "must have as many cells as the header, which has 6 "
	text := csvHeader + strings.ReplaceAll(csvRow("O1"), ",", ";") + strings.TrimSpace(csvRow("O2")) + "\r" + csvRow("O3") + csvRow("O4")
	dry(t, text, Reading{}).want(t, 1,
		"2: "+width+"(found: 1); the header's cells are separated by other signs: separate all in the same way",
		`3: `+width+`(found: 11); a bare CR in it, which ends no line, has probably joined lines: save the file as "CSV UTF-8", or convert it with: tr '\r' '\n'`)
}

// A file in another encoding is refused as one, however many of its lines are ASCII; a line that is no Big5 is one.
func TestAFileInAnotherEncodingIsRefusedOnce(t *testing.T) {
	const big5 = "\xa4\xfd\xac\xc0\xac\xc0"
	other := strings.Replace(csvRow("O1"), "Angela", big5, 1) + strings.Replace(csvRow("O2"), "Angela", big5, 1)
	for name, text := range map[string]string{"all": csvHeader + other, "some in ASCII": csvHeader + csvRow("O3") + other,
		"all but one in ASCII":     csvHeader + csvRow("O3") + strings.Replace(csvRow("O1"), "Angela", big5, 1) + csvRow("O4"),
		"the last, without an end": csvHeader + csvRow("O3") + strings.TrimSpace(strings.Replace(csvRow("O1"), "Angela", big5, 1))} {
		if out := dry(t, text, Reading{}); out.err == nil || !strings.Contains(out.err.Error(), "it is not UTF-8 (Excel's plain \"CSV\" is Big5); save it as \"CSV UTF-8\"") {
			t.Errorf("%s: %+v", name, out)
		}
	}
	if out := dry(t, csvHeader+other+strings.Replace(csvRow("O3"), "Angela", "王", 1), Reading{}); out.err != nil || len(out.rejected) != 3 {
		t.Errorf("two wrong lines of three: %+v", out)
	}
	if out := dry(t, csvHeader+csvRow("O3")+strings.Replace(csvRow("O1"), "Angela", "\xff\xfe", 1), Reading{}); out.err != nil || len(out.rejected) != 1 {
		t.Errorf("one damaged line: %+v", out)
	}
	if out := dry(t, "<html><table><tr><td>1</td></tr></table></html>", Reading{}); out.err == nil || !strings.Contains(out.err.Error(), "it is HTML or XML, which some systems name .xls") {
		t.Errorf("%+v", out)
	}
}

// What is not seen in a title, at its ends, means nothing; what Excel breaks inside is named.
func TestTitlesWithCharactersThatAreNotSeen(t *testing.T) {
	for _, title := range []string{"\u200bMerchantTradeNo", "MerchantTradeNo\u00a0", "MerchantTradeNo\u3000", "\"MerchantTradeNo\n\"", "\"\r\nMerchantTradeNo\""} {
		dry(t, strings.Replace(csvHeader, "MerchantTradeNo", title, 1)+csvRow("O1"), Reading{}).want(t, 1)
	}
	out := dry(t, strings.Replace(csvHeader, "MerchantTradeNo", "\"Merchant\nTradeNo\"", 1)+csvRow("O1"), Reading{})
	if out.err == nil || !strings.Contains(out.err.Error(), "is not a column; write MerchantTradeNo") {
		t.Errorf("%v", out.err)
	}
}

// What Excel makes of numbers and order numbers is explained.
func TestDaysPercentagesAndAmountsAreExplained(t *testing.T) {
	for cell, advice := range map[string]string{"2026/7/1": madeDay, "1-Jul": madeDay, "7月1日": madeDay} {
		row := strings.Replace(csvRow("O1"), "O1", cell, 1)
		dry(t, csvHeader+row, Reading{}).want(t, 0, "2: MerchantTradeNo: must be half-width letters and digits only (A-Z, a-z, 0-9) (found: "+titleShape(cell)+"); "+advice)
	}
	for cell, advice := range map[string]string{"200%": percent, "NT$200": currency, "$200": currency} {
		row := strings.Replace(csvRow("O1"), ",1\n", ","+cell+"\n", 1)
		dry(t, csvHeader+row, Reading{}).want(t, 0, "2: TicketAmount1: must be a whole number (found: "+titleShape(cell)+"); "+advice)
	}
}
