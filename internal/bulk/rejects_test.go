package bulk

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"issuance/providers"
	"issuance/tasks"
)

// A file of rejects, corrected, is a file of orders: the notes do not harm.
func TestRejectsAreCorrectedAndReadAgain(t *testing.T) {
	out := dry(t, csvHeader+csvRow("O1")+csvRow("BAD!")+"O3,2,2,\"Ang,ela\",VQT04959,1\n", Reading{})
	if want := strings.TrimSuffix(csvHeader, "\n") + ",rejected_because\n" +
		"BAD!,2,2,Angela,VQT04959,1,\"rejected: MerchantTradeNo: must be half-width letters and digits only (A-Z, a-z, 0-9) (found: string of 4 characters)\"\n" +
		"O3,2,2,\"Ang,ela\",VQT04959,1,\"rejected: Operator: must be half-width letters and digits only (A-Z, a-z, 0-9) (found: string of 7 characters)\"\n"; out.file != want {
		t.Fatalf("rejects:\n%s\nwant:\n%s", out.file, want)
	}
	again := dry(t, strings.Replace(out.file, "BAD!", "O2", 1), Reading{})
	again.want(t, 1, "3: Operator: must be half-width letters and digits only (A-Z, a-z, 0-9) (found: string of 7 characters)")
	if strings.Count(again.file, "Operator: must") != 1 || strings.Count(again.file, Note) != 1 {
		t.Errorf("rejects of rejects:\n%s", again.file)
	}
	dry(t, strings.NewReplacer("BAD!", "O2", `"Ang,ela"`, "Angela").Replace(out.file), Reading{}).want(t, 2)

	windows := dry(t, strings.ReplaceAll(csvHeader+csvRow("!"), "\n", "\r\n"), Reading{})
	if strings.Count(windows.file, "\r\n") != 2 || strings.Count(windows.file, "\n") != 2 {
		t.Errorf("line ends: %q", windows.file)
	}
}

// However often a file of rejects goes round uncorrected, by way of a spreadsheet or not, its notes
// neither pile up nor fill the columns that a row lacks.
func TestARejectsNoteNeverBecomesData(t *testing.T) {
	const header = "MerchantTradeNo,IssueType,PrintType,Operator,ItemNo1,TicketAmount1,CustomerName,CustomerPhone,CustomerEmail,CustomerAddress\n"
	for _, header := range []string{header, strings.Replace(header, "Operator", "rejected_because,Operator", 1), strings.Replace(header, "\n", ",rejected_because\n", 1)} {
		var full []string
		for _, title := range strings.Split(strings.TrimSpace(header), ",") {
			full = append(full, map[string]string{"MerchantTradeNo": "O1", "IssueType": "2", "PrintType": "1", "Operator": "Angela", "ItemNo1": "VQT04959",
				"TicketAmount1": "1", "CustomerName": "王珊珊", "CustomerPhone": "0912345678", "CustomerAddress": "臺北市"}[title])
		}
		dry(t, header+strings.Join(full, ",")+"\n", Reading{}).want(t, 1)
		for cells := 1; cells <= len(full)+3; cells++ {
			row := strings.Join(append(slices.Clone(full), "x", "", "y")[:cells], ",")
			first := dry(t, header+row+"\n", Reading{})
			if len(first.rejected) == 0 { // it is right
				continue
			}
			for _, fill := range []func(string) string{func(line string) string { return line }, func(line string) string {
				return line + strings.Repeat(",", max(0, strings.Count(first.file[:strings.IndexByte(first.file, '\n')], ",")-strings.Count(line, ",")))
			}} {
				text := first.file
				for pass := range 5 {
					titles, line, _ := strings.Cut(strings.TrimSuffix(text, "\n"), "\n")
					again := dry(t, titles+"\n"+fill(line)+"\n", Reading{})
					if again.Enqueued.Load() != 0 || len(again.rejected) != 1 || strings.Count(again.file, notePrefix) != 1 {
						t.Fatalf("%s%s\npass %d: %d fine, rejected %q\n%s", header, row, pass, again.Enqueued.Load(), again.rejected, again.file)
					}
					text = again.file
				}
			}
		}
	}
}

// The rejects of a file with a byte order mark have one, too; those of documents need none.
func TestRejectsKeepTheByteOrderMark(t *testing.T) {
	text := dry(t, bom+csvHeader+csvRow("BAD!"), Reading{}).file
	if !strings.HasPrefix(text, bom+"MerchantTradeNo,") || strings.Count(text, bom) != 1 {
		t.Errorf("%q", text)
	}
	if again := dry(t, text, Reading{}).file; again != text {
		t.Errorf("again %q, want %q", again, text)
	}
	if text := dry(t, bom+"{}\n", Reading{}).file; strings.Contains(text, bom) {
		t.Errorf("%q", text)
	}
}

// The cells that a message counts are the order's.
func TestTheNoteIsNoCell(t *testing.T) {
	text := csvHeader + "O1,2,2,Angela\nO2,2,2,Angela,VQT04959,1,x\n"
	first := dry(t, text, Reading{})
	first.want(t, 0, "2: must have as many cells as the header, which has 6 (found: 4)", "3: must have as many cells as the header, which has 6 (found: 7)")
	again := dry(t, first.file, Reading{})
	again.want(t, 0, "2: must have as many cells as the header, which has 6 besides rejected_because (found: 4)",
		"3: must have as many cells as the header, which has 6 besides rejected_because (found: 7)")
	note := `,"` + notePrefix + again.rejected[0][len("2: "):] + `"`
	if !strings.Contains(again.file, "O1,2,2,Angela"+note+"\n") {
		t.Errorf("%s\nlacks %s", again.file, note)
	}
	// Corrected, with the notes left, emptied, or taken away.
	for _, kept := range []string{note, ",", ""} {
		dry(t, strings.TrimSuffix(csvHeader, "\n")+",rejected_because\n"+strings.TrimSuffix(csvRow("O1"), "\n")+kept+"\n", Reading{}).want(t, 1)
	}
	// A column of notes that stands elsewhere.
	middle := strings.Replace(csvHeader, "Operator", Note+",Operator", 1)
	dry(t, middle+"O1,2,2,,Angela,VQT04959,1\nO2,2,2,"+notePrefix+"x,Angela,VQT04959,1\nO3,2,2,x,Angela,VQT04959,1\nO4,2,2,Angela,VQT04959,1\nO5,2,2,,"+notePrefix+"x,VQT04959,1\n", Reading{}).want(t, 2,
		"4: rejected_because: must be empty, or a note as --rejects writes it",
		"5: must have as many cells as the header, which has 7 (found: 6)",
		"6: Operator: holds a note of --rejects; write what belongs there, or clear the cell")
}

func TestRejectedDocumentsAreCorrectedAndReadAgain(t *testing.T) {
	broken := `{"provider":"pass2u","request":{"channelOrderId":"O2","productSaleId":"S1","quantity":2,"pickupType":"order"}` // a bracket is missing
	out := dry(t, jsonLine("O1")+jsonLine("N O")+broken+"\n{}\n", Reading{})
	out.want(t, 1,
		"2: request.channelOrderId: must be 1 to 64 of the characters A-Z a-z 0-9 - _ . (found: string of 3 characters)",
		"3: must be one JSON document in one line",
		`4: provider: must be "ecticket" or "pass2u" (found: missing); request: must hold the provider's request body (found: missing)`)
	dry(t, out.file, Reading{}).want(t, 0,
		"1: request.channelOrderId: must be 1 to 64 of the characters A-Z a-z 0-9 - _ . (found: string of 3 characters)",
		"2: must be one JSON document in one line",
		`3: provider: must be "ecticket" or "pass2u" (found: missing); request: must hold the provider's request body (found: missing)`)
	fixed := strings.NewReplacer("N O", "O3", `"order"} `, `"order"}} `).Replace(out.file)
	dry(t, fixed, Reading{}).want(t, 2, `3: provider: must be "ecticket" or "pass2u" (found: missing); request: must hold the provider's request body (found: missing)`)
}

// A JSON tool may have moved, reformatted or rewritten a note; the document is read without it, and
// is else the same to the last byte.
func TestANoteIsLeftOutWhereverAToolHasPutIt(t *testing.T) {
	for line, want := range map[string]string{
		`{"a":1.50,"rejected_because":["x"]}`:                            `{"a":1.50}`,
		`{"a":1.50, "rejected_because": ["x", "y"] , "b" : 1e2 }`:        `{"a":1.50 , "b" : 1e2 }`,
		`{ "rejected_because":"x;y", "a":12345678901234567890}`:          `{ "a":12345678901234567890}`,
		`{"rejected_because":null,"a":{"rejected_because":[1]},"b":"}"}`: `{"a":{"rejected_because":[1]},"b":"}"}`,
		`{"rejected_because":{"x":[1]},"a":1,"rejected_because":2}`:      `{"a":1}`,
		`{"a":"\"rejected_because\":[\"x\"]"}`:                           `{"a":"\"rejected_because\":[\"x\"]"}`,
		`["rejected_because"]`:                                           `["rejected_because"]`,
		`{"rejected_because":["x"]}`:                                     ``,
		`{ "rejected_because" : [] }`:                                    ``,
		`{} {"rejected_because":["x"]}`:                                  `{}`,
		`{"a": {"rejected_because":["x"]}`:                               `{"a":`,
		`{"a":,"rejected_because":["x"]}`:                                `{"a":}`,
		`{"rejected_because":["x"]} 7`:                                   `7`,
		`{"rejected_because":["x"]} {"a":1}`:                             `{"a":1}`,
	} {
		if got := string(stripNote([]byte(line))); got != want {
			t.Errorf("%s becomes %s, want %s", line, got, want)
		}
	}
	note := `"rejected_because": [ "x" ]`
	fixed := strings.TrimSpace(jsonLine("O1"))
	dry(t, "{"+note+", "+fixed[1:]+"\n"+strings.Replace(fixed[:len(fixed)-1], "O1", "O3", 1)+" ,"+note+" }\n{ "+note+" }\n", Reading{}).want(t, 2)
	bare := `{"channelOrderId":"O2",` + note + `,"productSaleId":"S1","quantity":2,"pickupType":"order"}`
	dry(t, bare+"\n", Reading{Account: tasks.Account{Provider: providers.Pass2U}}).want(t, 1)
}

// What is no document keeps its file one of documents, when it comes first.
func TestRejectsOfDocumentsAreAFileOfDocuments(t *testing.T) {
	for _, bad := range []string{"7", `"x"`, "[1]", "x", `"a":1}`, "{}", "{", "null"} {
		first := dry(t, jsonLine("O1")+bad+"\n", Reading{})
		again := dry(t, first.file, Reading{})
		if len(first.rejected) != 1 || again.err != nil || len(again.rejected) != 1 || again.file != first.file {
			t.Errorf("%s: %q, again %q, %v\n%s", bad, first.rejected, again.rejected, again.err, again.file)
		}
	}
}

// A document in Big5 is rejected, whether or not its bytes happen to be well-formed JSON.
func TestDocumentsInAnotherEncodingAreRejected(t *testing.T) {
	big5 := func(id, mail string) string {
		return strings.TrimSuffix(jsonLine(id), "}}\n") + `,"mailTo":"` + mail + `"}}` + "\n"
	}
	out := dry(t, jsonLine("O1")+big5("O2", "\xa4\xfd@example.com")+big5("O3", "\xb3\\")+big5("O4", `\ud83d`), Reading{})
	if len(out.rejected) != 3 || out.Enqueued.Load() != 1 ||
		!strings.Contains(out.rejected[0], "2: request.mailTo: must be UTF-8 (found: text in another encoding)") ||
		out.rejected[1] != "3: must be one JSON document in one line, in UTF-8 (found: text in another encoding)" ||
		!strings.Contains(out.rejected[2], "4: request.mailTo: must be UTF-8 (found: half of a surrogate pair)") {
		t.Errorf("%d are fine, rejected are\n%s", out.Enqueued.Load(), strings.Join(out.rejected, "\n"))
	}
}

// Bare requests are wrapped, and what goes wrong names the request's own fields.
func TestBareRequests(t *testing.T) {
	explain := func(raw json.RawMessage) error {
		if strings.Contains(string(raw), `"provider"`) {
			return errors.New("is wrapped already")
		}
		return nil
	}
	bare := Reading{Account: tasks.Account{Provider: providers.Pass2U}, Explain: explain}
	dry(t, `{"channelOrderId":"O1","productSaleId":"S1","quantity":2,"pickupType":"order"}`+"\n"+
		`{"channelOrderId":"O2","productSaleId":"S1","quantity":0}`+"\n"+
		`{"channelOrderId":"O3","productSaleId":"S1","quantity":2,"pickupType":"order"},"request":{}`+"\n"+
		jsonLine("O4")+"7\n", bare).want(t, 1,
		"2: pickupType: must be \"order\" or \"voucher\" (found: missing); quantity: must be a whole number from 1 to 10000 (found: number of 1 character)",
		"3: must be one JSON document in one line",
		"4: is wrapped already",
		"5: request: must be a JSON object (found: number of 1 character)")
}

// IDs reads the number of every order, whose it is and the calls it takes, and says where there is none.
func TestIDs(t *testing.T) {
	type line struct {
		line int
		id   ID
		ok   bool
	}
	none := ID{}
	for _, c := range []struct {
		text    string
		reading Reading
		want    []line
	}{
		{"Operator,FreeTradeNo,IssueType,MerchantTradeNo\n,,4, M1 \n\n,F1,3,\nx,,,\n\"\n", Reading{},
			[]line{{2, ID{tasks.Account{Provider: "ecticket"}, "M1", 3}, true}, {4, ID{tasks.Account{Provider: "ecticket"}, "F1", 2}, true}, {5, ID{tasks.Account{Provider: "ecticket"}, "", 2}, false}, {6, none, false}}},
		{jsonLine("P1") + `{"provider":"ecticket","request":{"MerchantTradeNo":"","FreeTradeNo":"F1","IssueType":"4"},"rejected_because":["x"]}` + "\n{\n{}\n" +
			`{"provider":"pass2u","request":{"MerchantTradeNo":"M1"}}` + "\n" + `{"rejected_because":["x"],"provider":"ecticket","request":{"MerchantTradeNo":"M1","IssueType":4}}`, Reading{},
			[]line{{1, ID{tasks.Account{Provider: "pass2u"}, "P1", 1}, true}, {2, ID{tasks.Account{Provider: "ecticket"}, "F1", 3}, true}, {3, none, false}, {4, none, false}, {5, ID{tasks.Account{Provider: "pass2u"}, "", 1}, false},
				{6, ID{tasks.Account{Provider: "ecticket"}, "M1", 2}, true}}},
		{"MerchantID,MerchantTradeNo\n2000132,M1\n", Reading{}, []line{{2, ID{tasks.Account{Provider: "ecticket", Merchant: "2000132"}, "M1", 2}, true}}},
		{`{"provider":"pass2u","account":"pass2u:two","request":{"channelOrderId":"P1"}}`, Reading{}, []line{{1, ID{tasks.Account{Provider: "pass2u", Merchant: "two"}, "P1", 1}, true}}},
		{"channelOrderId\nP1\n", Reading{Account: tasks.Account{Provider: "pass2u", Merchant: "two"}}, []line{{2, ID{tasks.Account{Provider: "pass2u", Merchant: "two"}, "P1", 1}, true}}},
		{`{"MerchantTradeNo":"M1"}`, Reading{Account: tasks.Account{Provider: providers.ECTicket}}, []line{{1, ID{tasks.Account{Provider: "ecticket"}, "M1", 2}, true}}},
	} {
		f, err := Open(strings.NewReader(c.text), c.reading)
		if err != nil {
			t.Fatal(err)
		}
		var got []line
		err = f.IDs(func(n int, id ID, ok bool) error {
			got = append(got, line{n, id, ok})
			return nil
		})
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%q: %v, want %v (%v)", c.text, got, c.want, err)
		}
	}
}

// Whatever is fed in, every line is either fine or rejected, and the rejects, read again, are
// rejected again: a note makes no line right, and none wrong.
func FuzzEveryLineIsFineOrRejectedAndStaysSo(f *testing.F) {
	for _, s := range []string{csvHeader + csvRow("O1") + csvRow("!") + "x\n", csvHeader + "\"O1\",2,2,\"A\n", jsonLine("O1") + "{}\n{\nnull", "{\"rejected_because\":[\"x\"]}\n{} {\"rejected_because\":[]}",
		"channelOrderId,rejected_because,quantity\nO1,x,2\n", jsonLine("O1") + "0", jsonLine("O1") + "[{}]\n{\"rejected_because\":1,\"a\":0}", "channelOrderId,quantity\nO1\nO1,rejected: x,\nO1,2,,3,rejected: \n", csvHeader + "\"\n\",,\r\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		out := dry(t, text, Reading{})
		if out.err != nil {
			return
		}
		if n := out.Lines.Load(); n != out.Enqueued.Load()+int64(len(out.rejected)) || n == 0 {
			t.Fatalf("%d lines, %d fine, rejected %q", n, out.Enqueued.Load(), out.rejected)
		}
		if len(out.rejected) == 0 {
			return
		}
		again := dry(t, out.file, Reading{})
		if again.err != nil || again.Enqueued.Load() != 0 || len(again.rejected) != len(out.rejected) {
			t.Fatalf("rejects of %q\n%q\nagain\n%q\n%d fine, %v (%q)", text, out.rejected, again.rejected, again.Enqueued.Load(), again.err, out.file)
		}
	})
}
