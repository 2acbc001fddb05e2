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
