package bulk

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"issuance/providers"
)

// A file of rejects, corrected, is a file of orders: the notes do not harm.
func TestRejectsAreCorrectedAndReadAgain(t *testing.T) {
	out := dry(t, csvHeader+csvRow("O1")+csvRow("BAD!")+"O3,2,2,\"Ang,ela\",VQT04959,1\n", Reading{})
	if want := strings.TrimSuffix(csvHeader, "\n") + ",rejected_because\n" +
		"BAD!,2,2,Angela,VQT04959,1,\"MerchantTradeNo: must be half-width letters and digits only (A-Z, a-z, 0-9) (found: string of 4 characters)\"\n" +
		"O3,2,2,\"Ang,ela\",VQT04959,1,\"Operator: must be half-width letters and digits only (A-Z, a-z, 0-9) (found: string of 7 characters)\"\n"; out.file != want {
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

func TestRejectedDocumentsAreCorrectedAndReadAgain(t *testing.T) {
	broken := `{"provider":"pass2u","request":{"channelOrderId":"O2","productSaleId":"S1","quantity":2,"pickupType":"order"}` // a bracket is missing
	out := dry(t, jsonLine("O1")+jsonLine("N O")+broken+"\n{}\n", Reading{})
	out.want(t, 1,
		"2: request.channelOrderId: must be 1 to 64 of the characters A-Z a-z 0-9 - _ . (found: string of 3 characters)",
		"3: must be one JSON document in one line",
		`4: provider: must be "ecticket" or "pass2u" (found: missing)`)
	dry(t, out.file, Reading{}).want(t, 0,
		"1: request.channelOrderId: must be 1 to 64 of the characters A-Z a-z 0-9 - _ . (found: string of 3 characters)",
		"2: must be one JSON document in one line",
		`3: provider: must be "ecticket" or "pass2u" (found: missing)`)
	fixed := strings.NewReplacer("N O", "O3", `"order"} `, `"order"}} `).Replace(out.file)
	dry(t, fixed, Reading{}).want(t, 2, `3: provider: must be "ecticket" or "pass2u" (found: missing)`)
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
	bare := Reading{Provider: providers.Pass2U, Explain: explain}
	dry(t, `{"channelOrderId":"O1","productSaleId":"S1","quantity":2,"pickupType":"order"}`+"\n"+
		`{"channelOrderId":"O2","productSaleId":"S1","quantity":0}`+"\n"+
		`{"channelOrderId":"O3","productSaleId":"S1","quantity":2,"pickupType":"order"},"request":{}`+"\n"+
		jsonLine("O4")+"7\n", bare).want(t, 1,
		"2: pickupType: must be \"order\" or \"voucher\" (found: missing); quantity: must be a whole number from 1 to 10000 (found: number 0)",
		"3: must be one JSON document in one line",
		"4: is wrapped already",
		"5: request: must be a JSON object (found: number 7)")
}

// IDs reads the number of every order, and tells where there is none.
func TestIDs(t *testing.T) {
	type id struct {
		line int
		p    providers.Name
		id   string
		ok   bool
	}
	for _, c := range []struct {
		text    string
		reading Reading
		want    []id
	}{
		{"Operator,FreeTradeNo,MerchantTradeNo\n,, M1 \n\n,F1,\nx,,\n\"\n", Reading{},
			[]id{{2, "ecticket", "M1", true}, {4, "ecticket", "F1", true}, {5, "", "", false}, {6, "", "", false}}},
		{jsonLine("P1") + `{"provider":"ecticket","request":{"MerchantTradeNo":"","FreeTradeNo":"F1"},"rejected_because":["x"]}` + "\n{\n{}\n" +
			`{"provider":"pass2u","request":{"MerchantTradeNo":"M1"}}`, Reading{},
			[]id{{1, "pass2u", "P1", true}, {2, "ecticket", "F1", true}, {3, "", "", false}, {4, "", "", false}, {5, "pass2u", "", false}}},
		{`{"MerchantTradeNo":"M1"}`, Reading{Provider: providers.ECTicket}, []id{{1, "ecticket", "M1", true}}},
	} {
		f, err := Open(strings.NewReader(c.text), c.reading)
		if err != nil {
			t.Fatal(err)
		}
		var got []id
		err = f.IDs(func(line int, p providers.Name, order string, ok bool) error {
			got = append(got, id{line, p, order, ok})
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
		"channelOrderId,rejected_because,quantity\nO1,x,2\n", csvHeader + "\"\n\",,\r\n"} {
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
