package bulk

import (
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"strings"
	"testing"

	"issuance/tasks"
)

// Every template is a file whose example is a valid order, with and without escrow.
func TestEveryTemplateIsAValidFile(t *testing.T) {
	for _, template := range Templates() {
		for _, escrow := range []bool{false, true} {
			f, err := Open(strings.NewReader(template.CSV(moment, escrow)), Reading{})
			if err != nil {
				t.Fatalf("%s: %v", template.Name, err)
			}
			p := &Progress{}
			err = Run(t.Context(), f, Options{Progress: p, Rules: tasks.Rules{Escrow: escrow, Now: rules.Now}, Reject: func(r Rejected) error {
				t.Errorf("%s, escrow %t: %v", template.Name, escrow, r.Problems)
				return nil
			}})
			if err != nil || p.Enqueued.Load() != 1 {
				t.Errorf("%s: %d valid orders, %v", template.Name, p.Enqueued.Load(), err)
			}
		}
	}
}

// What spreadsheets make of a file does not matter: byte order mark, line ends, quotes, spaces,
// empty rows behind the last one.
func TestWhatSpreadsheetsWrite(t *testing.T) {
	dry(t, "\xef\xbb\xbf\r\n"+strings.ReplaceAll(csvHeader, "\n", "\r\n")+"\"O1\", 2 ,2,\"Angela\",VQT04959,1\r\n,,,,,\r\n\"\",,,,,\r\n\r\nO2,2,2,Angela,VQT04959,1", Reading{}).want(t, 2)
}

// A row's items may stand in any of the numbered columns, and problems name the columns.
func TestItemsAreNumberedColumns(t *testing.T) {
	header := "MerchantTradeNo,IssueType,Operator,ItemName1,TicketPrice1,TicketAmount1,ItemName9,TicketPrice9,TicketAmount9\n"
	dry(t, header+"O1,4,Angela,,,,SPA課程體驗券,0,2\nO2,4,Angela,SPA課程體驗券,10,1,五星渡假飯店住宿券,20,2\n", Reading{}).want(t, 2)
	dry(t, header+"O1,4,Angela,,,,SPA課程體驗券,x,2\nO2,4,Angela,,,,,,\nO3,4,Angela,SPA課程體驗券,10,-1,SPA課程體驗券,,007\nO4,4,Angela,SPA課程體驗券,10,60,SPA課程體驗券,0,60\n", Reading{}).want(t, 0,
		"2: TicketPrice9: must be a whole number (found: string of 1 character)",
		"3: items (ItemNo1, TicketAmount1, …): is required: at least one item (found: missing)",
		"4: TicketAmount1: must be at least 1 (found: number of 2 characters); TicketPrice9: is required for IssueType 4 (found: missing); TicketAmount9: must be a whole number (found: string of 3 characters)",
		"5: items (ItemNo1, TicketAmount1, …): must add up to at most 100 tickets for IssueType 4 (found: 120 tickets)",
	)
}

// A row that is broken is reported and harms no other; nothing of what it holds is shown.
func TestBrokenRows(t *testing.T) {
	out := dry(t, csvHeader+
		"O1,2,2,Angela,VQT04959\n"+
		"O2,2,2,Angela,VQT04959,1,KANARIE\n"+
		"O3,2,2,\"KANARIE,VQT04959,1\n"+
		csvRow("O4")+
		"O5,2,2,An\"KANARIE,VQT04959,1\n"+
		"O6,2,2,\"KANARIE\"x,VQT04959,1\n"+
		"\"O7\",2,2,Angela\xff\xfe,VQT04959,\"1\"\n"+
		"\"O8\",2,2,Angela,VQT04959,\"1\n\"", Reading{})
	out.want(t, 1,
		"2: must have as many cells as the header, which has 6 (found: 5)",
		"3: must have as many cells as the header, which has 6 (found: 7)",
		`4: a quote (") is opened and never closed`,
		`6: a quote (") must enclose the whole cell, and be doubled inside it`,
		`7: a quote (") must enclose the whole cell, and be doubled inside it`,
		`8: Operator: must be UTF-8; save the file as "CSV UTF-8"`,
		"9: TicketAmount1: must be a whole number (found: string of 2 characters); it has characters that are not seen: write it again by hand",
	)
	if strings.Contains(strings.Join(out.rejected, ""), "KANARIE") {
		t.Error("a cell is shown")
	}
}

// A header that is wrong is reported at once, and nothing is done.
func TestHeaders(t *testing.T) {
	for _, c := range []struct{ header, says string }{
		{"", "empty"},
		{"\n \n", "empty"},
		{"merchanttradeno,IssueType\n", `header (line 1), column 1: "merchanttradeno" is not a column; write MerchantTradeNo`},
		{"MerchantTradeNo,itemno2\n", `column 2: "itemno2" is not a column; write ItemNo2`},
		{"MerchantTradeNo,ItemNo\n", "needs the item's number behind it, from ItemNo1 to ItemNo100"},
		{"MerchantTradeNo,ItemNo0\n", "needs the item's number"},
		{"MerchantTradeNo,ItemNo101\n", "needs the item's number"},
		{"MerchantTradeNo,ItemNo01\n", "needs the item's number"},
		{"MerchantTradeNo,IssueType1\n", `"IssueType1" is not a column; write IssueType`},
		{"MerchantTradeNo,,IssueType\nO1,x,2\n", "header: column 2 has no title, but line 2 holds something in it"},
		{"MerchantTradeNo,MerchantTradeNo\n", "is given twice"},
		{"\n\nMerchantTradeNo,channelOrderId\n", `header (line 3), column 2: "channelOrderId" is pass2u's, but others are ecticket's`},
		{"Operator,IssueType\n", "no column holds the order's number"},
		{"MerchantTradeNo;IssueType\tOperator\n", "separated by commas, or all by semicolons, or all by tabs"},
		{"MerchantTradeNo,\"IssueType\n", "never closed"},
		{"MerchantTradeNo,merchant_trade_no,Opperator,Ticket Amount2\n", `column 2: "merchant_trade_no" is not a column; write MerchantTradeNo; header (line 1), column 3: "Opperator" is not a column; write Operator; header (line 1), column 4: "Ticket Amount2" is not a column; write TicketAmount2`},
		{"MerchantTradeNo,王珊珊\n", `column 2: its title is not a column; see: enqueue bulk --help (found: string of 3 characters)`},
		{"MerchantTradeNo,0912345678\n", `found: string of 10 characters`},
		{"M\x00e\x00", "it is UTF-16; save it as \"CSV UTF-8\""},
		{"\xff\xfeM\x00e\x00", "it is UTF-16"},
		{"\xfe\xff\x00M\x00e", "it is UTF-16"},
		{"\xff\xfe{\x00}\x00", "iconv -f UTF-16 -t UTF-8"},
		{strings.ReplaceAll(csvHeader+csvRow("O1"), "\n", "\r"), "its lines end with a bare CR; save it as \"CSV UTF-8\""},
		{strings.ReplaceAll(jsonLine("O1")+jsonLine("O2"), "\n", "\r"), "tr '\\r' '\\n'"},
		{"[{}]", "jq -c '.[]'"},
		{"{\n\"provider\":\"ecticket\"}", "jq -c ."},
	} {
		if out := dry(t, c.header, Reading{}); out.err == nil || !strings.Contains(out.err.Error(), c.says) {
			t.Errorf("%q: %v, should say %s", c.header, out.err, c.says)
		}
	}
	if out := dry(t, csvHeader+"\n,,,,,\n", Reading{}); !errors.Is(out.err, ErrEmpty) || out.err.Error() != "there are no lines below the header" {
		t.Errorf("a header alone: %v", out.err)
	}
	if out := dry(t, csvHeader+csvRow("O1"), Reading{Account: tasks.Account{Provider: "pass2u"}}); out.err == nil || !strings.Contains(out.err.Error(), "ecticket's, not pass2u's") {
		t.Errorf("columns of another provider: %v", out.err)
	}
}

// Without a header, what stands in its place is a customer's, and is not shown.
func TestAMissingHeaderShowsNobodysData(t *testing.T) {
	row := "CBX20220302153064851,3,1,2,2000132,Angela,王珊珊,0912345678,abc@example.com,臺北市信義區,VQT04959,2,20270101,voucher,order,Taipei\n"
	for name, text := range map[string]string{"row": row, "Big5": "\xa4\xfd\xac\xc0,x\n", "quoted": `"` + strings.ReplaceAll(strings.TrimSpace(row), ",", `","`) + "\"\n", "word": "KANARIE\n", "number": "0912345678"} {
		if out := dry(t, text, Reading{}); out.err == nil || out.err.Error() != "the first line must hold the column titles; print one with --template" {
			t.Errorf("%s: %v", name, out.err)
		}
	}
	// The tail of a document, in front of whole ones.
	tail := `"CustomerName":"KANARIE","provider":"pass2u"}` + "\n"
	if out := dry(t, tail+jsonLine("O1"), Reading{}); out.err == nil || out.err.Error() != "line 1: must be an order document (JSON), as the lines behind it are, or be taken out" {
		t.Errorf("%v", out.err)
	}
	if out := dry(t, "KANARIE\n\n"+jsonLine("O1"), Reading{}); out.err == nil || !strings.HasPrefix(out.err.Error(), "line 1: must be an order document") {
		t.Errorf("%v", out.err)
	}
	if out := dry(t, tail, Reading{}); out.err == nil || strings.Contains(out.err.Error(), "KANARIE") {
		t.Errorf("%v", out.err)
	}
	// A known title does not give its neighbours away.
	if out := dry(t, "Operator,"+row, Reading{}); out.err == nil || strings.Contains(out.err.Error(), "王") || strings.Contains(out.err.Error(), "0912") || strings.Contains(out.err.Error(), "CBX") {
		t.Errorf("%v", out.err)
	}
}

// A line that is far too long is reported and left out; those around it are not harmed.
func TestALineThatIsTooLong(t *testing.T) {
	for _, size := range []int{MaxRecord + 3, 3 * MaxRecord, 5 << 20} {
		long := strings.Repeat("x", size)
		dry(t, csvHeader+csvRow("O1")+long+"\n"+csvRow("O2")+long, Reading{}).want(t, 2, "3: is longer than 256 KiB", "5: is longer than 256 KiB")
		dry(t, jsonLine("O1")+"{"+long+"\n"+jsonLine("O2"), Reading{}).want(t, 2, "2: is longer than 256 KiB")
	}
	// As long as allowed is not too long.
	dry(t, csvHeader+csvRow("O1")+strings.Repeat(",", MaxRecord-1)+"x\n"+csvRow("O2"), Reading{}).want(t, 2,
		"3: must have as many cells as the header, which has 6 (found: 262144)")
}

// Whatever encoding/csv reads without an error is read in the same way, however the file comes in.
func FuzzCSVIsReadAsByTheLibrary(f *testing.F) {
	for _, s := range []string{"a,b\nc,d", "\"a\"\"b\",\"c\nd\"\r\n\r\ne,", "a,\"b,c\"\n\"\"\n,\n", "\"a\r\nb\"", "a\"b\n", "\"a\"b\n", "\"a\nb,c\n", "\"\r\"\r\n\r"} {
		f.Add([]byte(s), 1)
		f.Add([]byte(s), 100)
	}
	f.Fuzz(func(t *testing.T, text []byte, piece int) {
		library := csv.NewReader(bytes.NewReader(text))
		library.FieldsPerRecord = -1
		want, err := library.ReadAll()
		split := newSplitter(&pieces{text, max(piece, 1)}, true)
		line, read := 0, int64(0)
		for n := 0; ; {
			rec, end := split.next()
			if errors.Is(end, io.EOF) {
				if err == nil && n != len(want) {
					t.Fatalf("%d records, the library reads %d", n, len(want))
				}
				break
			}
			if end != nil || rec.line <= line || split.read <= read || rec.long {
				t.Fatalf("record %d: %+v behind line %d, %v", n, rec, line, end)
			}
			line, read = rec.line, split.read
			if len(rec.raw) == 0 {
				continue
			}
			got, wrong := cells(rec.raw, nil)
			if err != nil {
				continue
			}
			if wrong != nil || n >= len(want) || len(got) != len(want[n]) {
				t.Fatalf("record %d is %q, %v; the library reads %q", n, got, wrong, want)
			}
			for i := range got {
				if string(got[i]) != want[n][i] {
					t.Fatalf("record %d, cell %d is %q, the library reads %q", n, i, got[i], want[n][i])
				}
			}
			n++
		}
		if split.read != int64(len(text)) {
			t.Fatalf("read %d of %d bytes", split.read, len(text))
		}
	})
}

// pieces gives a text in pieces.
type pieces struct {
	text []byte
	size int
}

func (p *pieces) Read(out []byte) (int, error) {
	if len(p.text) == 0 {
		return 0, io.EOF
	}
	n := copy(out[:min(p.size, len(out))], p.text)
	p.text = p.text[n:]
	return n, nil
}
