package table

import (
	"slices"
	"strings"
	"testing"
)

// Lines are broken at spaces and between Chinese characters, never within a word; a mark clings to what it follows.
func TestTextsAreFoldedBetweenWords(t *testing.T) {
	for _, c := range []struct {
		text  string
		width int
		want  []string
	}{
		{"short", 10, []string{"short"}},
		{"not a terminal, so as it is", 0, []string{"not a terminal, so as it is"}},
		{"one two three four", 9, []string{"one two", "three", "four"}},
		{"two  spaces  stay", 13, []string{"two  spaces", "stay"}},
		{"a https://example.com/long b", 10, []string{"a", "https://example.com/long", "b"}},
		{"五星渡假飯店假日住宿券", 10, []string{"五星渡假飯", "店假日住宿", "券"}},
		{"五星,渡假。飯店", 8, []string{"五星,渡", "假。飯店"}},
		{"一二三四。五", 8, []string{"一二三", "四。五"}},
		{"  stands in so far", 12, []string{"  stands in", "  so far"}},
	} {
		got := Fold(c.text, c.width)
		if !slices.Equal(got, c.want) {
			t.Errorf("%q in %d cells: %q, want %q", c.text, c.width, got, c.want)
		}
	}
}

// Cells of a line go below one another where they do not fit, whole.
func TestCellsGoBelowOneAnother(t *testing.T) {
	cells := func() []string {
		return []string{"12:00", "issued   ", "ecticket:2000132/ABC", "a reason of many words"}
	}
	for width, want := range map[int]string{
		0:   "12:00  issued     ecticket:2000132/ABC  a reason of many words",
		100: "12:00  issued     ecticket:2000132/ABC  a reason of many words",
		40:  "12:00  issued  ecticket:2000132/ABC\n    a reason of many words",
		25:  "12:00  issued\n    ecticket:2000132/ABC\n    a reason of many\n    words",
	} {
		if got := Line(width, cells()...); got != want {
			t.Errorf("%d cells wide:\n%s\nwant\n%s", width, got, want)
		}
	}
}

// A table with a heading becomes a block for each row where it does not fit; other rows go on below themselves.
func TestTablesFitANarrowTerminal(t *testing.T) {
	head := Table{Indent: "  ", Head: true, Width: 30}
	head.Row("ITEM", "NAME", "STATUS", "LINK")
	head.Row("VQT04959", "百貨公司商品券", "listed", "")
	head.WholeRow("B1", "", "delisted", "https://example.com/a/long/way")
	plain := Table{Width: 40}
	plain.Row("2026-03-01 12:00", "submitting", "attempt 1 by worker-1")
	plain.Row("2026-03-01 12:00", "issued", "")
	wide := Table{Indent: " ", Width: 40}
	wide.Row("2026-03-01 12:00", "ecticket:2000132/A1001/issued/1", "try 1", "delivered")
	for want, table := range map[string]*Table{
		" 2026-03-01 12:00\n     ecticket:2000132/A1001/issued/1\n     try 1  delivered\n":                                                        &wide,
		"  ITEM    VQT04959\n  NAME    百貨公司商品券\n  STATUS  listed\n\n  ITEM    B1\n  STATUS  delisted\n  LINK    https://example.com/a/long/way\n": &head,
		"2026-03-01 12:00  submitting\n    attempt 1 by worker-1\n2026-03-01 12:00  issued\n":                                                     &plain,
	} {
		var b strings.Builder
		if _, err := table.WriteTo(&b); err != nil || b.String() != want {
			t.Errorf("got\n%swant\n%s", b.String(), want)
		}
	}
}
