package console_test

import (
	"bytes"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/xuri/excelize/v2"

	"issuance/internal/bulk/workbook"
	"issuance/internal/doortest"
	"issuance/tasks/order"
)

// rejectsBook is a downloaded workbook of wrong lines, whose cells are all texts. fix writes cells as a person does who opens,
// corrects and saves it.
func rejectsBook(t *testing.T, a answer) (rows [][]string, fix func(cells ...string) []byte) {
	t.Helper()
	if !strings.HasSuffix(a.Header.Get("Content-Disposition"), `.xlsx"`) {
		t.Fatalf("%d: %s", a.StatusCode, a.Header.Get("Content-Disposition"))
	}
	f, err := excelize.OpenReader(strings.NewReader(a.text))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	if rows, err = f.GetRows("Orders"); err != nil {
		t.Fatal(err)
	}
	for i, row := range rows {
		for j := range row {
			cell := workbook.Cell(j+1, i+1)
			id, err := f.GetCellStyle("Orders", cell)
			style, err2 := f.GetStyle(id)
			kind, err3 := f.GetCellType("Orders", cell)
			if err := errors.Join(err, err2, err3); err != nil || style.NumFmt != 49 || kind == excelize.CellTypeNumber {
				t.Errorf("%s is no text: %v, %v", cell, kind, err)
			}
		}
	}
	return rows, func(cells ...string) []byte {
		t.Helper()
		for i := 0; i+1 < len(cells); i += 2 {
			if err := f.SetCellStr("Orders", cells[i], cells[i+1]); err != nil {
				t.Fatal(err)
			}
		}
		var out bytes.Buffer
		if err := f.Write(&out); err != nil {
			t.Fatal(err)
		}
		return out.Bytes()
	}
}

// A file of text has its wrong lines as text.
func TestTheWrongLinesOfCSVAreCSV(t *testing.T) {
	h := open(t, "")
	b := h.browser()
	var text strings.Builder
	for _, row := range exampleRows {
		text.WriteString(strings.Join(row, ",") + "\n")
	}
	file, _, _ := b.checked("orders.csv", []byte(text.String()), "ready to start")
	a := b.submit(file, file+"/rejects", "reason", "to correct them")
	if !strings.HasSuffix(a.Header.Get("Content-Disposition"), `.csv"`) || strings.Count(a.text, "rejected: ") != 3 || !strings.Contains(a.text, ",0912345678,") {
		t.Errorf("%s: %s", a.Header.Get("Content-Disposition"), a.text)
	}
}

// Wrong lines hold customers' data: they are given to operators alone, for a reason, which is recorded before.
func TestADownloadOfWrongLinesIsRecorded(t *testing.T) {
	path, secrets := doortest.TokensFile(t, "angela operate "+shop.String(), "bob operate", "carol operate "+shop.String(), "viewer events")
	h := open(t, path)
	angela := h.loggedIn(secrets["angela"])
	file, _, _ := angela.checked("orders.xlsx", threeWrong(t), "ready to start")
	id := strings.TrimPrefix(file, "/console/bulk/")
	for _, c := range []struct {
		who, reason string
		want        int
	}{
		{"angela", "", http.StatusUnprocessableEntity},
		{"bob", " ", http.StatusUnprocessableEntity},
		{"carol", "another operator's file", http.StatusNotFound},
		{"viewer", "curious", http.StatusForbidden},
	} {
		a := h.loggedIn(secrets[c.who]).submit("/console/", file+"/rejects", "reason", c.reason)
		if a.StatusCode != c.want || strings.Contains(a.text, customer) {
			t.Errorf("%s, because %q: %d", c.who, c.reason, a.StatusCode)
		}
	}
	if d := h.decisions(order.Ref{}); len(d) != 0 {
		t.Errorf("a download that was refused is recorded: %+v", d)
	}
	if a := h.loggedIn(secrets["bob"]).submit(file, file+"/rejects", "reason", "angela is ill"); a.StatusCode != http.StatusOK {
		t.Errorf("bob: %d", a.StatusCode)
	} else if rows, _ := rejectsBook(t, a); rows[1][5] != customer {
		t.Errorf("bob: %q", rows)
	}
	if d := h.decisions(order.Ref{}); len(d) != 1 || d[0].Who != "bob" || d[0].Reason != "angela is ill" || d[0].What != "show wrong lines of file "+id {
		t.Errorf("the decisions: %+v", d)
	}
}
