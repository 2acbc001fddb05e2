package table_test

import (
	"strings"
	"testing"

	"issuance/internal/cli/table"
)

func TestWideCharactersLineUp(t *testing.T) {
	tab := table.Table{Indent: "  ", Right: []int{2}}
	tab.Row("ITEM", "NAME", "VALUE", "STATUS")
	tab.Row("VQT04959", "百貨公司商品券", "200", "listed")
	tab.Row("B1", "SPA課程(2h)…", "12,000", "")
	var out strings.Builder
	if _, err := tab.WriteTo(&out); err != nil {
		t.Fatal(err)
	}
	want := "" +
		"  ITEM      NAME             VALUE  STATUS\n" +
		"  VQT04959  百貨公司商品券     200  listed\n" +
		"  B1        SPA課程(2h)…    12,000\n"
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", out.String(), want)
	}
}

func TestNothingPlaysTricksOnTheTerminal(t *testing.T) {
	var tab table.Table
	tab.Row("a\x1b[31mb\nc\td\u202ee\u200b\x00f", "\r\x7f")
	var out strings.Builder
	if _, err := tab.WriteTo(&out); err != nil {
		t.Fatal(err)
	}
	if want := "a[31mb c def\n"; out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
}

func TestColumnsThatHoldNothingAreLeftOut(t *testing.T) {
	var tab table.Table
	tab.DropEmpty()
	tab.Row("TICKET", "ITEM", "STATUS")
	tab.Row("", "VQT04959", "unused")
	tab.Row("", "", "redeemed")
	tab.DropEmpty()
	var out strings.Builder
	if _, err := tab.WriteTo(&out); err != nil {
		t.Fatal(err)
	}
	if want := "ITEM      STATUS\nVQT04959  unused\n          redeemed\n"; out.String() != want {
		t.Errorf("got\n%swant\n%s", out.String(), want)
	}
}

// What does not fit a narrow terminal goes on below itself, but for what will be copied.
func TestLongTextsGoOnBelowThemselves(t *testing.T) {
	tab := table.Table{Indent: "  ", Width: 40}
	tab.Row("why", "a request that may have taken effect left by 12:00")
	tab.Row("history", "12:00:00  submitting  attempt 1 by worker-1")
	tab.WholeRow("then", "enqueue resolve ecticket:2000132 CBX20220302153064851")
	tab.Row("link", "https://example.com/a/very/long/address/without/a/space")
	var out strings.Builder
	if _, err := tab.WriteTo(&out); err != nil {
		t.Fatal(err)
	}
	want := "" +
		"  why      a request that may have taken\n" +
		"           effect left by 12:00\n" +
		"  history  12:00:00  submitting  attempt\n" +
		"           1 by worker-1\n" +
		"  then     enqueue resolve ecticket:2000132 CBX20220302153064851\n" +
		"  link     https://example.com/a/very/long/address/without/a/space\n"
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", out.String(), want)
	}
}
