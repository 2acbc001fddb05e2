package bulk_test

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/xuri/excelize/v2"

	"issuance/internal/bulk"
	"issuance/internal/bulk/workbook"
)

// bookOf are the rows of records that a Book has gathered.
func bookOf(t *testing.T, records ...string) [][]string {
	t.Helper()
	b, err := bulk.NewBook("")
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	for _, r := range records {
		if err := b.Add([]byte(r)); err != nil {
			t.Fatal(err)
		}
	}
	var out bytes.Buffer
	if err := b.Finish(&out); err != nil {
		t.Fatal(err)
	}
	f, err := excelize.OpenReader(&out)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := f.GetRows("Orders")
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// A note stands in its column, whatever else is wrong with a line, and cells are texts as they came.
func TestABookHoldsRejectsAsTexts(t *testing.T) {
	got := bookOf(t, "\ufeffno,phone,name,rejected_because\r\n", "007,0912345678, x ,rejected: a\r\n"+"\"a,b\",\"l1\nl2\",\"say \"\"x\"\"\",rejected: b\r\n",
		"short,rejected: c\r\n", "1,2,3,4,5,rejected: d\r\n", "x,\"never closed,y,\"rejected: e, f\"\r\n", "_x0041_,=1+1,1e5,rejected: g\r\n", "a\x01b,\tc,<&>,rejected: h\r\n",
		"1,2,3,rejected: "+strings.Repeat("字", 40_000)+"\r\n")
	want := [][]string{{"no", "phone", "name", "rejected_because"}, {"007", "0912345678", " x ", "rejected: a"}, {"a,b", "l1\nl2", `say "x"`, "rejected: b"},
		{"short", "", "", "rejected: c"}, {"1", "2", "3", "rejected: d", "4", "5"}, {`x,"never closed,y`, "", "", "rejected: e, f"}, {"_x0041_", "=1+1", "1e5", "rejected: g"}, {"a\ufffdb", "\tc", "<&>", "rejected: h"}}
	if !reflect.DeepEqual(got[:len(want)], want) {
		t.Errorf("%q", got[:len(want)])
	}
	if note := got[len(want)][3]; !strings.HasPrefix(note, "rejected: 字") || !strings.HasSuffix(note, "字 …") {
		t.Errorf("a long note ends so: %q", note[len(note)-20:])
	}
}

// What Excel would cut is refused, and not cut.
func TestABookTakesWhatExcelOpens(t *testing.T) {
	b, err := bulk.NewBook("")
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if err := b.Add([]byte("no,rejected_because\n")); err != nil {
		t.Fatal(err)
	}
	if err := b.Add([]byte(strings.Repeat("x", 32_767) + ",rejected: a\n")); err != nil {
		t.Error(err)
	}
	if err := b.Add([]byte(strings.Repeat("x", 32_768) + ",rejected: a\n")); !errors.Is(err, workbook.ErrTooLarge) {
		t.Error(err)
	}
}
