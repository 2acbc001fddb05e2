package bulk

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/xuri/excelize/v2"

	"issuance/internal/bulk/workbook"
	"issuance/tasks"
)

func testdata(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// piped is a reader that cannot be read twice.
func piped(text string) io.Reader { return io.MultiReader(strings.NewReader(text)) }

const (
	ownNumber   = "; each order needs a number of its own"
	roundedText = "; Excel keeps 15 digits of a number and has rounded these: format the column as Text, then fill it again from its source"
)

// Of orders that Excel rounded to one number none is enqueued, and each names the others; the same in a dry
// run. Of a pipe, the first was enqueued before anybody could know.
func TestOrdersThatWereRoundedToOneNumber(t *testing.T) {
	text := testdata(t, "rounded-order-numbers.csv")
	all := []string{
		"2: has the same order number as lines 3 and 4" + ownNumber + roundedText,
		"3: has the same order number as lines 2 and 4" + ownNumber + roundedText,
		"4: has the same order number as lines 2 and 3" + ownNumber + roundedText,
	}
	dry(t, text, Reading{}).want(t, 0, all...)
	q := newQueue(t)
	run_(t, strings.NewReader(text), Reading{}, q.options()).want(t, 0, all...)
	if len(q.ids) != 0 {
		t.Errorf("enqueued %v", q.ids)
	}
	one := []string{"3: has the same order number as line 2" + ownNumber + roundedText, "4: has the same order number as line 2" + ownNumber + roundedText}
	run_(t, piped(text), Reading{}, Options{}).want(t, 1, one...)
	run_(t, piped(text), Reading{}, q.options()).want(t, 1, one...)
}

// A number in two lines is a mistake, whether or not the lines are the same; the same file again is none.
func TestANumberInTwoLinesIsAMistakeAndARepeatedRunIsNot(t *testing.T) {
	text := csvHeader + csvRow("O1") + csvRow("O2") + "\n" + csvRow("O1") + csvRow("O3")
	twice := []string{"2: has the same order number as line 5" + ownNumber, "5: has the same order number as line 2" + ownNumber}
	dry(t, text, Reading{}).want(t, 2, twice...)
	q := newQueue(t)
	q.answer = func(string) tasks.Enqueued { return tasks.Enqueued{Receipt: tasks.Receipt{Duplicate: true}} }
	again := run_(t, strings.NewReader(text), Reading{}, q.options())
	again.want(t, 0, twice...)
	if again.Duplicates.Load() != 2 {
		t.Errorf("%d duplicates", again.Duplicates.Load())
	}
	dry(t, jsonLine("O1")+"\n"+jsonLine("O2")+jsonLine("O1"), Reading{}).want(t, 1,
		"1: has the same order number as line 4"+ownNumber, "4: has the same order number as line 1"+ownNumber)
	// Other accounts have numbers of their own, and lines without a number have none in common.
	dry(t, "MerchantID,"+csvHeader+"1,"+csvRow("O1")+"2,"+csvRow("O1"), Reading{}).want(t, 2)
	dry(t, csvHeader+csvRow("")+csvRow(""), Reading{}).want(t, 0,
		"2: MerchantTradeNo: is required (or FreeTradeNo, when every item is a gift voucher) (found: missing)",
		"3: MerchantTradeNo: is required (or FreeTradeNo, when every item is a gift voucher) (found: missing)")
	many := csvHeader + strings.Repeat(csvRow("O1"), 9)
	if out := dry(t, many, Reading{}); out.rejected[8] != "10: has the same order number as lines 2, 3, 4 and 5 more"+ownNumber {
		t.Error(out.rejected[8])
	}
}

// The table of numbers finds each number again, with its line, until it is full, and takes no two for one.
func TestNumbersAreFoundAgain(t *testing.T) {
	const n = 200_000
	s := newNumbers(n * 20)
	for i := 1; i <= n; i++ {
		if before := s.add(numberHash(tasks.Ref{OrderID: fmt.Sprint("O", i)}), i); before != 0 {
			t.Fatalf("line %d is taken for line %d", i, before)
		}
	}
	for i := 1; i <= n; i++ {
		if before := s.add(numberHash(tasks.Ref{OrderID: fmt.Sprint("O", i)}), n+i); before != i {
			t.Fatalf("line %d is line %d", i, before)
		}
	}
	for i := range 2 * n { // it is full now and then, and goes on
		s.add(numberHash(tasks.Ref{OrderID: fmt.Sprint("P", i)}), i+1)
	}
	if !s.full() || len(s.slots) > maxSlots {
		t.Errorf("%d of %d", s.n, len(s.slots))
	}
	if s = newNumbers(0); len(s.slots)*8 != 16<<20 {
		t.Errorf("a pipe's table takes %d bytes", len(s.slots)*8)
	}
}

// Columns without title, and rows, that hold nothing mean nothing, wherever they are, also in the rejects.
func TestEmptyColumnsAndRowsMeanNothing(t *testing.T) {
	dry(t, testdata(t, "trailing-empty-columns.csv"), Reading{}).want(t, 2)
	header, tail := strings.TrimSuffix(csvHeader, "\n")+",,\n", ",,\n"
	row := func(id string) string { return strings.TrimSuffix(csvRow(id), "\n") + tail }
	out := dry(t, header+row("O1")+",,,,,,,\n \u3000,,,,,,,\n"+row("BAD!"), Reading{})
	out.want(t, 1, "5: MerchantTradeNo: must be half-width letters and digits only (A-Z, a-z, 0-9) (found: string of 4 characters)")
	dry(t, strings.Replace(out.file, "BAD!", "O2", 1), Reading{}).want(t, 1)
	dry(t, strings.Replace(csvHeader, "PrintType", ",PrintType", 1)+"O1,2,,2,Angela,VQT04959,1\n", Reading{}).want(t, 1)
	// What stands in one is somebody's mistake: of the whole file where all of it is known, else of a line.
	text := header + row("O1") + strings.TrimSuffix(csvRow("O2"), "\n") + ",,KANARIE\n"
	if out := dry(t, text, Reading{}); out.err == nil || out.err.Error() != "header: column 8 has no title, but line 3 holds something in it" {
		t.Error(out.err)
	}
	run_(t, piped(text), Reading{}, Options{}).want(t, 1, "3: column 8: must be empty, because the header has no title for it")
}

// A column that is none of the provider's is named, once the rest shows that its title is one.
func TestAnExtraColumnIsNamed(t *testing.T) {
	title := strings.TrimSuffix(csvHeader, "\n")
	for header, says := range map[string]string{
		title + ",備註\n":                   `header (line 1), column 7: "備註" is not a column; see: enqueue bulk --help`,
		title + ",Remarks\x1b[31m\n":      `column 7: "Remarks\x1b[31m" is not a column`,
		title + ",CustomerMail\n":         `column 7: "CustomerMail" is not a column; write CustomerEmail`,
		title + ",Note,Note\n":            `column 7: "Note" is not a column; see: enqueue bulk --help; header (line 1), column 8: "Note" is given twice`,
		"provider," + title + "\n":        `column 1: "provider" is not a column: the others say which provider it is, and --provider names an account; of several merchants of ECPay ECTicket, the column MerchantID names each order's`,
		"Account,account," + title + "\n": `column 1: "Account" is not a column: the others say`,
	} {
		if out := dry(t, header+csvRow("O1"), Reading{}); out.err == nil || !strings.Contains(out.err.Error(), says) {
			t.Errorf("%q: %v, should say %s", header, out.err, says)
		}
	}
}

// Columns that every line needs and the header lacks are one mistake, not one of every line.
func TestMissingColumnsAreOneMistake(t *testing.T) {
	header := "MerchantTradeNo,IssueType,ItemNo1\n"
	q := newQueue(t)
	for text, says := range map[string]string{
		header + "O1,3,VQT04959\n" + "O2,3,VQT04959\n":             "header: lacks columns that lines 2 to 3 need: IsImmediate, Operator, CustomerName, CustomerPhone, CustomerEmail, TicketAmount1",
		header + "O1,2,VQT04959\n":                                 "header: lacks columns that line 2 needs: PrintType, Operator, TicketAmount1",
		"MerchantTradeNo,IssueType,PrintType,Operator\nO1,2,2,A\n": "header: lacks columns that line 2 needs: items (ItemNo1, TicketAmount1, …)",
	} {
		for _, in := range []io.Reader{strings.NewReader(text), piped(text)} {
			out := run_(t, in, Reading{}, q.options())
			if bad := new(FileError); !errors.As(out.err, &bad) || bad.Error() != says || len(out.rejected) != 0 || out.Lines.Load() != 0 || len(q.ids) != 0 {
				t.Errorf("%q: %v, %q, want %s", text, out.err, out.rejected, says)
			}
		}
	}
	// A line that is right without the column shows that the others could be.
	dry(t, csvHeader+csvRow("O1")+"O2,3,,Angela,VQT04959,1\n", Reading{}).want(t, 1,
		"3: IsImmediate: is required for IssueType 3: \"1\" usable at once, \"2\" usable from StartDate on (found: missing); CustomerName: is required for IssueType 3 (found: missing); "+
			"CustomerPhone: is required for IssueType 3 (found: missing); CustomerEmail: is required for IssueType 1 and 3 (found: missing)")
}

// What a spreadsheet did to a cell is said where undoing it would mend the cell, and never what the cell holds.
func TestWhatExcelDidIsExplained(t *testing.T) {
	header := "MerchantTradeNo,IssueType,IsImmediate,Operator,CustomerName,CustomerPhone,CustomerEmail,ItemNo1,TicketAmount1,StartDate1\n"
	right := map[string]string{"MerchantTradeNo": "O1", "IssueType": "3", "IsImmediate": "2", "Operator": "Angela", "CustomerName": "王小明", "CustomerPhone": "0912345678",
		"CustomerEmail": "a@example.com", "ItemNo1": "VQT04959", "TicketAmount1": "2", "StartDate1": "20990101"}
	row := func(column, cell string) string {
		var cells []string
		for _, title := range strings.Split(strings.TrimSpace(header), ",") {
			if title == column {
				cells = append(cells, string(quoted(nil, []byte(cell))))
			} else {
				cells = append(cells, right[title])
			}
		}
		return strings.Join(cells, ",") + "\n"
	}
	for _, c := range []struct{ column, cell, advice string }{
		{"CustomerPhone", "912345678", lostZero},
		{"CustomerPhone", "9.12E+08", scientific},
		{"MerchantTradeNo", "1.23E+15", scientific},
		{"CustomerPhone", "０９１２３４５６７８", fullWidth},
		{"MerchantTradeNo", "Ｏ１", fullWidth},
		{"CustomerPhone", "'0912345678", apostrophe},
		{"CustomerPhone", `"0912345678`, quoteInFront},
		{"CustomerPhone", `="0912345678"`, formulaText},
		{"CustomerPhone", "\u200b0912345678", invisible},
		{"TicketAmount1", "2.00", separators},
		{"TicketAmount1", "1,000.5", ""},
		{"StartDate1", "115/3/1", rocYear},
		{"StartDate1", "民國116年3月1日", rocYear},
		{"StartDate1", "2099年3月1日", writtenDay},
		{"MerchantTradeNo", "2099年3月1日", madeDay},
		{"CustomerPhone", "0912-345-678", dashes},
		{"CustomerPhone", "(0912) 345 678", dashes},
		{"CustomerPhone", "+886912345678", countryCode},
		{"CustomerPhone", "＋886 912-345-678", countryCode},
		{"CustomerPhone", "+886123", ""},
		{"TicketAmount1", "2張", unit},
		{"TicketAmount1", "２ 張", unit},
		{"CustomerPhone", "#N/A", failed},
		{"CustomerPhone", "##########", narrow},
		{"CustomerPhone", "12345678", ""}, // a zero in front would not mend it
		{"CustomerEmail", "KANARIE", ""},
	} {
		out := dry(t, header+row(c.column, c.cell), Reading{})
		if len(out.rejected) != 1 || !strings.HasPrefix(out.rejected[0], "2: "+c.column+": ") || c.advice == "" == strings.Contains(out.rejected[0], "; ") ||
			!strings.HasSuffix(out.rejected[0], c.advice) || strings.Contains(out.rejected[0], c.cell) {
			t.Errorf("%s %q: %q, want %q", c.column, c.cell, out.rejected, c.advice)
		}
	}
	// A row of totals is no order.
	dry(t, header+row("", "")+"合計,,,,,,,,12,\n", Reading{}).want(t, 1, "3: MerchantTradeNo: is a row of totals, and no order; take the row out")
	dry(t, header+row("", "")+",,,,,,總計：,,12,\n", Reading{}).want(t, 1, "3: CustomerEmail: is a row of totals, and no order; take the row out")
	// Days may be written as a spreadsheet does, year first.
	for _, day := range []string{"2099/1/1", "2099/01/01", "2099-01-01"} {
		dry(t, header+row("StartDate1", day), Reading{}).want(t, 1)
	}
	// Quotes that are broken break the row.
	raw := strings.TrimSuffix(row("CustomerPhone", ""), ",a@example.com,VQT04959,2,20990101\n")
	for cell, advice := range map[string]string{`"0912345678`: "a quote in front does not make a number a text", `="0912345678"`: formulaText} {
		out := dry(t, header+raw+cell+",a@example.com,VQT04959,2,20990101\n", Reading{})
		if len(out.rejected) != 1 || !strings.Contains(out.rejected[0], advice) {
			t.Errorf("%s: %q", cell, out.rejected)
		}
		if again := dry(t, out.file, Reading{}); again.file != out.file {
			t.Errorf("rejects %q, again %q", out.file, again.file)
		}
	}
}

// Titles that are translated, or below something else, are a mistake that says what to write.
func TestTitlesThatAreTranslatedOrBelowSomethingElse(t *testing.T) {
	const own = "the first line must hold the column titles; print one with --template"
	titles := []any{"MerchantTradeNo", "IssueType", "PrintType", "Operator"}
	for name, c := range map[string]struct{ text, says string }{
		"Chinese":               {"訂單編號,數量（張）,電話1\nO1,2,0912345678\n", own + "; " + translated},
		"Chinese, in a book":    {book(t, []any{"訂單編號", "數量"}), own + "; " + translated},
		"a title above":         {"三月訂單\n\n" + csvHeader + csvRow("O1"), "line 3: holds the column titles, which must be the first: take out what is above them"},
		"a title row above":     {"三月訂單,,,,,\n" + csvHeader + csvRow("O1"), "line 2: holds the column titles"},
		"above semicolons":      {"三月訂單\n" + strings.ReplaceAll(csvHeader+csvRow("O1"), ",", ";"), "line 2: holds the column titles"},
		"a title above, a book": {book(t, []any{"三月訂單"}, nil, titles), "row 3: holds the column titles, which must be the first: take out what is above them"},
		"a customer":            {"KANARIE,王小明,0912345678\n王小明,KANARIE\n", own},
	} {
		if out := dry(t, c.text, Reading{}); out.err == nil || !strings.HasPrefix(out.err.Error(), c.says) || strings.Contains(out.err.Error(), "訂單") || strings.Contains(out.err.Error(), "KANARIE") {
			t.Errorf("%s: %v, should say %s", name, out.err, c.says)
		}
	}
}

// book is a workbook whose first sheet has these rows.
func book(t *testing.T, rows ...[]any) string {
	t.Helper()
	f := excelize.NewFile()
	defer f.Close()
	for i, row := range rows {
		if err := f.SetSheetRow("Sheet1", workbook.Cell(1, i+1), &row); err != nil {
			t.Fatal(err)
		}
	}
	var out bytes.Buffer
	if err := f.Write(&out); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// A workbook is read as a table, whatever its name and wherever it comes from: lines are Excel's rows, columns
// have their letter, and the rejects are CSV that can be read again.
func TestAWorkbookIsReadAsATable(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	titles := []any{"MerchantTradeNo", "IssueType", "IsImmediate", "Operator", "CustomerName", "CustomerPhone", "CustomerEmail", "ItemNo1", "TicketAmount1", "StartDate1", "ItemNo2", "TicketAmount2"}
	day := time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC)
	text := book(t, nil, titles,
		[]any{"O1", 3, 2, "Angela", "王小明", "0912345678", "a@example.com", "VQT04959", 2, day},
		nil,
		[]any{"O2", "3", "2", "Angela", "王小明", 912345678, "a@example.com", "VQT04959", 2, day},
		[]any{day, "3", "2", "Angela", "王,\"小\n明", "0912345678", "a@example.com", "VQT04959", 2, "20990101"},
		[]any{"O3", "3", "2", "Angela", "王小明", "0912345678", "a@example.com", "VQT04959", 2, "2099/2/30", nil, nil, "  "},
	)
	for _, in := range []io.Reader{strings.NewReader(text), piped(text)} {
		var columns []int
		var file string
		f, err := Open(in, Reading{})
		if err != nil {
			t.Fatal(err)
		}
		p := &Progress{}
		err = Run(t.Context(), f, Options{Rules: rules, Progress: p, Reject: func(r Rejected) error {
			file += fmt.Sprintf("%d %v\n", r.Line, r.Problems)
			for _, p := range r.Problems {
				columns = append(columns, p.Column)
			}
			file += string(f.Reject(r.Raw, r.Problems))
			return nil
		}})
		file = string(f.Header()) + file
		if err := errors.Join(err, f.Close()); err != nil || p.Enqueued.Load() != 1 || f.Sheet != "Sheet1" || p.Bytes.Load() != int64(len(text)) {
			t.Fatalf("%d fine of sheet %s, %d bytes of %d, %v", p.Enqueued.Load(), f.Sheet, p.Bytes.Load(), len(text), err)
		}
		for _, part := range []string{bom + "MerchantTradeNo,", ",rejected_because\r\n", "5 [CustomerPhone: must be a domestic mobile number: 09 and 8 more digits (found: string of 9 characters); " + lostZero,
			"6 [MerchantTradeNo: must be half-width", "7 [StartDate1: must be a day of the calendar, yyyymmdd (found: string of 9 characters)]", "\n2099/01/01,3,2,Angela,\"王,\"\"小\n明\","} {
			if !strings.Contains(file, part) {
				t.Errorf("%q is not in\n%s", part, file)
			}
		}
		if fmt.Sprint(columns) != "[6 1 5 10]" {
			t.Errorf("columns %v", columns)
		}
	}
	// Corrected rejects are a file of orders.
	out := dry(t, text, Reading{})
	dry(t, strings.NewReplacer(",912345678,", ",0912345678,", "2099/01/01,3", "O4,3", "\"王,\"\"小\n明\"", "王小明", "2099/2/30", "2099/2/3").Replace(out.file), Reading{}).want(t, 3)
	if left, err := os.ReadDir(os.Getenv("TMPDIR")); err != nil || len(left) > 2 { // those of dry, which does not close
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// A workbook that cannot be read says why, with the cells, and nothing of it is enqueued.
func TestAWorkbookThatCannotBeRead(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	for name, c := range map[string]struct{ text, says string }{
		"cut short":     {testdata(t, "workbook-cut-short.csv"), "it begins like an Excel workbook (.xlsx) but cannot be unpacked"},
		"old":           {"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1 and so on", "it is an Excel file of an older kind (.xls), or has a password"},
		"rounded":       {book(t, []any{"MerchantTradeNo"}, []any{20220302153064851}), "Excel keeps 15 digits of a number and has rounded A2: "},
		"empty":         {book(t), "the file is empty"},
		"header only":   {book(t, []any{"MerchantTradeNo"}), "there are no lines below the header"},
		"unknown title": {book(t, nil, []any{"MerchantTradeNo", "IssueType", "Operator", "備註"}), `header, D2: "備註" is not a column`},
		"extra cell":    {book(t, []any{"MerchantTradeNo"}, []any{"O1"}, []any{"O2", nil, "KANARIE"}), "header: has no title for the column of C3, which holds something"},
		"in a gap":      {book(t, []any{"MerchantTradeNo", nil, "IssueType"}, []any{"O1"}, []any{"O2", "KANARIE"}), "header: has no title for the column of B3, which holds something"},
		"of Pass2U":     {book(t, []any{"channelOrderId"}, []any{"O1"}), "its columns are pass2u's, not ecticket's"},
	} {
		out := dry(t, c.text, Reading{Account: tasks.Account{Provider: "ecticket"}})
		if out.err == nil || !strings.Contains(out.err.Error(), c.says) || strings.Contains(out.err.Error(), "comma") || strings.Contains(out.err.Error(), "KANARIE") {
			t.Errorf("%s: %v, should say %s", name, out.err, c.says)
		}
	}
	if out := dry(t, csvHeader, Reading{Sheet: "Orders"}); out.err == nil || out.err.Error() != "it is no Excel workbook and has no sheets" {
		t.Error(out.err)
	}
	if out := dry(t, book(t, []any{"MerchantTradeNo"}), Reading{Sheet: "Orders"}); !errors.As(out.err, new(*workbook.SheetsError)) {
		t.Error(out.err)
	}
}
