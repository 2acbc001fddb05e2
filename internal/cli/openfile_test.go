package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/xuri/excelize/v2"

	"issuance/internal/testredis"
)

// A file's name comes from anywhere: what is printed of it plays no tricks on a terminal, makes no line of its
// own, and is not longer than a line.
func TestNamesOfFilesAreCleaned(t *testing.T) {
	d := deskAt(t, testredis.Mini(t))
	folder := t.TempDir()
	evil := "evil\x1b]0;x\x07\nenqueue: all is well\u202e" + strings.Repeat("x", 120) + ".csv"
	existing := filepath.Join(folder, evil)
	if err := os.WriteFile(existing, []byte(bulkHeader+wrongRow), 0o600); err != nil {
		t.Fatal(err)
	}
	absent := filepath.Join(folder, "no"+evil)
	for _, args := range [][]string{{"issue", absent}, {"bulk", absent}, {"bulk", existing, "--rejects", existing}, {"bulk", "-", "--rejects", filepath.Join(absent, "x")},
		{"bulk", existing, "--rejects", filepath.Join(folder, evil+"2.csv")}, {"watch", "--file", absent}, {"cancel", "--file", absent, "--reason", "x", "--by", "angela"}} {
		code, _, text := d.run(t.Context(), strings.NewReader(bulkHeader+wrongRow), args...)
		if code == Fine || strings.ContainsAny(text, "\x1b\x07\u202e") || strings.Contains(text, "\nenqueue: all is well") || !strings.Contains(text, "…") {
			t.Errorf("%.40q: exit code %d\n%q", args, code, text)
		}
	}
	if got := shownName("訂單.csv"); got != "訂單.csv" {
		t.Error(got)
	}
	if got := shownName("a\xffb"); got != "a?b" {
		t.Error(got)
	}
}

// orderBook is a workbook with orders on one sheet, or on two.
func orderBook(t *testing.T, name string, twice bool) string {
	t.Helper()
	f := excelize.NewFile()
	defer f.Close()
	sheets := []string{"Sheet1"}
	if twice {
		sheets = append(sheets, "二月")
		if _, err := f.NewSheet("二月"); err != nil {
			t.Fatal(err)
		}
	}
	for _, sheet := range sheets {
		for i, row := range [][]any{{"channelOrderId", "productSaleId", "quantity", "pickupType"}, {sheet[:1] + "1", "S1", 1, "voucher"}, {sheet[:1] + "2", "S1", 1, "voucher"}, {"N O", "S1", 1, "voucher"}} {
			if sheet == "二月" && i > 0 {
				row[0] = "F" + strings.Repeat("1", i)
			}
			if err := f.SetSheetRow(sheet, "A"+string(rune('1'+i)), &row); err != nil {
				t.Fatal(err)
			}
		}
	}
	var out bytes.Buffer
	if err := f.Write(&out); err != nil {
		t.Fatal(err)
	}
	name = filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(name, out.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// A workbook is taken wherever a CSV file is, by whatever name and from standard input, and leaves no temporary
// file behind.
func TestAWorkbookIsTakenWhereverCSVIs(t *testing.T) {
	d := deskAt(t, testredis.Mini(t))
	name := orderBook(t, "orders.csv", false)
	t.Setenv("TMPDIR", t.TempDir())
	rejects := filepath.Join(t.TempDir(), "rejects.csv")
	code, out, text := d.run(t.Context(), nil, "bulk", name, "--rejects", rejects)
	if code != Wrong || !strings.HasPrefix(out, "2 enqueued, 0 duplicates, 0 conflicts, 1 rejected") || !strings.Contains(text, "rejects.csv as CSV; correct them") || d.queued() != 2 {
		t.Errorf("exit code %d\n%s%s", code, out, text)
	}
	if got := content(t, rejects); !strings.HasPrefix(got, "\xef\xbb\xbfchannelOrderId,") || !strings.Contains(got, "\nN O,S1,1,voucher,") {
		t.Errorf("%q", got)
	}
	file, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	code, out, text = d.run(t.Context(), file, "bulk", "-")
	if code != Wrong || !strings.HasPrefix(out, "0 enqueued, 2 duplicates") || !strings.Contains(text, "\nline 4: channelOrderId (A4): must be") {
		t.Errorf("exit code %d\n%s%s", code, out, text)
	}
	piped := bytes.NewBufferString(content(t, name))
	code, out, text = d.run(t.Context(), piped, "bulk", "-", "--json")
	if code != Wrong || !strings.Contains(out, `"line":4,"violations":[{"path":"channelOrderId","cell":"A4",`) || strings.Contains(text, "line 4") {
		t.Errorf("exit code %d\n%s%s", code, out, text)
	}
	if code, out, text = d.run(t.Context(), nil, "cancel", "--file", name, "--reason", "x", "--by", "angela"); code == Fine || strings.Count(out, "cancelled") != 2 {
		t.Errorf("exit code %d\n%s%s", code, out, text)
	}
	if code, out, text = d.run(t.Context(), nil, "watch", "--file", name); code != CouldNot || !strings.HasPrefix(out, "3 orders: 2 cancelled, 1 unknown") {
		t.Errorf("exit code %d\n%s%s", code, out, text)
	}
	if code, out, text = d.run(t.Context(), nil, "issue", name); code != Wrong || !strings.Contains(text, "is an Excel workbook, not JSON; enqueue it with: enqueue bulk") {
		t.Errorf("exit code %d\n%s%s", code, out, text)
	}
	if code, out, text = d.run(t.Context(), nil, "bulk", name, "--rejects", rejects+".xlsx"); code != Wrong || !strings.Contains(text, "rejects.csv.xlsx; correct them") {
		t.Errorf("exit code %d\n%s%s", code, out, text)
	}
	if code, out, text = d.run(t.Context(), strings.NewReader("{}\n"), "bulk", "-", "--rejects", rejects+".xlsx"); code != Wrong || !strings.Contains(text, "rejects of NDJSON are NDJSON") {
		t.Errorf("exit code %d\n%s%s", code, out, text)
	}
	if left, err := os.ReadDir(os.Getenv("TMPDIR")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// Of several sheets one must be chosen, and the message says how.
func TestASheetIsChosen(t *testing.T) {
	d := deskAt(t, testredis.Mini(t))
	name := orderBook(t, "orders.xlsx", true)
	code, out, text := d.run(t.Context(), nil, "bulk", name)
	if code != Wrong || !strings.HasSuffix(text, `orders.xlsx: several sheets hold something: "Sheet1", "二月"; choose one with --sheet NAME`+"\n") || d.queued() != 0 {
		t.Errorf("exit code %d\n%s%s", code, out, text)
	}
	if code, out, text := d.run(t.Context(), nil, "bulk", name, "--sheet", "二月"); code != Fine || !strings.HasPrefix(out, "3 enqueued") {
		t.Errorf("exit code %d\n%s%s", code, out, text)
	}
}
