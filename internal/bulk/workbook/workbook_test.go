package workbook

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/xuri/excelize/v2"
)

// book makes a workbook with the library.
func book(t *testing.T, fill func(*excelize.File)) []byte {
	t.Helper()
	f := excelize.NewFile()
	defer f.Close()
	fill(f)
	var out bytes.Buffer
	if err := f.Write(&out); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// parts of a workbook with one sheet, written by hand as other programs write them.
func parts(sheetData string, more ...string) map[string]string {
	const ns = `xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"`
	p := map[string]string{
		"[Content_Types].xml": `<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="xml" ContentType="application/xml"/></Types>`,
		"_rels/.rels": `<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" ` +
			`Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="xl/workbook.xml"/></Relationships>`,
		"xl/workbook.xml": `<workbook ` + ns + `><sheets><sheet name="Orders" sheetId="1" r:id="rId1"/></sheets></workbook>`,
		"xl/_rels/workbook.xml.rels": `<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" ` +
			`Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" Target="worksheets/sheet1.xml"/></Relationships>`,
		"xl/worksheets/sheet1.xml": `<?xml version="1.0" encoding="UTF-8"?><worksheet ` + ns + `><sheetData>` + sheetData + `</sheetData></worksheet>`,
	}
	for i := 0; i < len(more); i += 2 {
		p[more[i]] = strings.ReplaceAll(more[i+1], "NS", ns)
	}
	return p
}

func packed(t *testing.T, parts map[string]string) []byte {
	t.Helper()
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	for name, text := range parts {
		w, err := z.Create(name)
		if err == nil {
			_, err = io.WriteString(w, text)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// read returns rows as "NUMBER:cell|cell". Nothing may be left in the folder of temporary files.
func read(t *testing.T, data []byte, name string) ([]string, error) {
	t.Helper()
	t.Setenv("TMPDIR", t.TempDir())
	defer func() {
		if left, err := os.ReadDir(os.Getenv("TMPDIR")); err != nil || len(left) > 0 {
			t.Errorf("left behind: %v, %v", left, err)
		}
	}()
	s, err := Open(bytes.NewReader(data), name)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	var rows []string
	for {
		n, cells, err := s.Next()
		if errors.Is(err, io.EOF) {
			return rows, nil
		}
		if err != nil {
			return rows, err
		}
		rows = append(rows, fmt.Sprintf("%d:%s", n, strings.Join(cells, "|")))
	}
}

func want(t *testing.T, data []byte, name string, rows ...string) {
	t.Helper()
	if got, err := read(t, data, name); err != nil || !reflect.DeepEqual(got, rows) {
		t.Errorf("read %q, %v; want %q", got, err, rows)
	}
}

// Text stays as it is whatever its cell's format, numbers come without format and exponent, days as days.
func TestCellsAreReadAsTheyAreMeant(t *testing.T) {
	data := book(t, func(f *excelize.File) {
		style := func(id int, code string) int {
			s := &excelize.Style{NumFmt: id}
			if code != "" {
				s.CustomNumFmt = &code
			}
			n, err := f.NewStyle(s)
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
		for i, c := range []struct {
			value any
			style int
		}{
			{"0912345678", 0},
			{"0912345678", style(14, "")}, // text in a column of days
			{"45000", style(14, "")},
			{"1.5", style(0, `yyyy"年"m"月"d"日"`)},
			{"20220302153064851", style(49, "")},
			{" 王小明\n ", style(2, "")},
			{912345678, style(0, "0000-000-000")},
			{1234.5, style(4, "")},
			{0.25, style(9, "")},
			{123456789012345, 0},
			{123456789012345, style(11, "")},
			{time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), style(14, "")},
			{46082, style(0, `yyyy"年"m"月"d"日"`)},
			{46082, style(0, `[$-404]e/m/d`)},
			{46082.5, style(22, "")},
			{46082, style(0, `[Red]0"d"`)}, // a quoted letter makes no day
			{true, 0},
		} {
			cell := Cell(i+1, 3)
			if err := errors.Join(f.SetCellValue("Sheet1", cell, c.value), f.SetCellStyle("Sheet1", cell, cell, c.style)); err != nil {
				t.Fatal(err)
			}
		}
	})
	want(t, data, "", "3:0912345678|0912345678|45000|1.5|20220302153064851| 王小明\n |912345678|1234.5|0.25|123456789012345|123456789012345|"+
		"2026/03/01|2026/03/01|2026/03/01|2026/03/01 12:00:00|46082|TRUE")
}

// Other programs write texts into the cells, in runs, without references, and with days since 1904.
func TestWhatOtherProgramsWrite(t *testing.T) {
	want(t, packed(t, parts(`<row><c t="inlineStr"><is><t>A</t></is></c><c t="inlineStr"><is><r><t>王</t></r><r><rPr><b/></rPr><t xml:space="preserve">小明 </t></r></is></c></row>`+
		`<row r="5"><c r="B5" t="s"><v>1</v></c><c r="C5" t="str"><f>A1</f><v>0912</v></c><c r="D5" t="str"><f>""</f><v></v></c></row><row r="6"><c r="A6" s="1"/></row>`+
		`<row r="7"><c r="A7" s="1"><v>44620</v></c><c r="B7"><v>1.5E3</v></c></row>`,
		"xl/workbook.xml", `<workbook NS><workbookPr date1904="1"/><sheets><sheet name="Orders" sheetId="1" r:id="rId1"/></sheets></workbook>`,
		"xl/sharedStrings.xml", `<sst NS count="2" uniqueCount="2"><si><t>no</t></si><si><r><t>0912</t></r><r><t>345678</t></r></si></sst>`,
		"xl/styles.xml", `<styleSheet NS><cellXfs count="2"><xf numFmtId="0"/><xf numFmtId="14"/></cellXfs></styleSheet>`)), "",
		"1:A|王小明 ", "5:|0912345678|0912", "7:2026/03/01|1500")
}

// A workbook needs no formats and no shared texts, and may have more parts than are looked at.
func TestTheLeastThatAWorkbookHolds(t *testing.T) {
	least := `<row><c t="inlineStr"><is><t>A</t></is></c><c><v>7</v></c></row>`
	want(t, packed(t, parts(least)), "", "1:A|7")
	want(t, packed(t, parts(least, "xl/styles.xml", `<styleSheet NS><fonts count="0"/></styleSheet>`, "docProps/app.xml", "<Properties/>")), "", "1:A|7")
}

// Whatever comes, a workbook is read or refused, and nothing is left behind.
func FuzzAWorkbookIsReadOrRefused(f *testing.F) {
	for _, s := range []string{`<row r="1"><c r="A1" s="1"><v>1</v></c></row>`, `<row><c t="s"><v>0</v></c><c t="d"><v>2026-03-01</v></c><c t="e"><v>#N/A</v></c><c t="b"><v>1</v></c></row>`,
		`<row r="3"><c r="XFD3" t="str"><f>1</f><v>x</v></c></row>`, `</sheetData><sheetData><row/>`} {
		f.Add(s, `<styleSheet NS><numFmts><numFmt numFmtId="200" formatCode="[h]:mm"/></numFmts><cellXfs><xf numFmtId="0"/><xf numFmtId="200"/></cellXfs></styleSheet>`, `<sst NS><si><t>x</t></si></sst>`)
	}
	f.Fuzz(func(t *testing.T, rows, styles, texts string) {
		data := packed(t, parts(rows, "xl/styles.xml", styles, "xl/sharedStrings.xml", texts))
		t.Setenv("TMPDIR", t.TempDir())
		s, err := Open(bytes.NewReader(data), "")
		if err != nil {
			return
		}
		last := 0
		for {
			row, cells, err := s.Next()
			if err != nil {
				break
			}
			if row <= last || row > s.Last || len(cells) == 0 {
				t.Fatalf("row %d of %d behind row %d: %q", row, s.Last, last, cells)
			}
			last = row
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if left, err := os.ReadDir(os.Getenv("TMPDIR")); err != nil || len(left) > 0 {
			t.Fatalf("left behind: %v, %v", left, err)
		}
	})
}

// What would be read as something else than was meant is refused with the names of the cells.
func TestCellsThatCannotBeReadTruly(t *testing.T) {
	row := func(cells string) []byte { return packed(t, parts(`<row r="1">`+cells+`</row>`)) }
	for name, c := range map[string]struct {
		data []byte
		says string
	}{
		"long number":     {row(`<c r="A1"><v>20220302153064800</v></c><c r="B1"><v>2.02203021530648E+16</v></c><c r="C1"><v>999999999999999</v></c>`), "has rounded A1, B1: format the column as Text"},
		"merged rows":     {row(`<c r="A1"><v>1</v></c></row></sheetData><mergeCells><mergeCell ref="A1:B1"/><mergeCell ref="A1:A2"/><mergeCell ref="A7:A8"/></mergeCells><sheetData><row r="9">`), "only the first row has what they hold: A1:A2; unmerge them"},
		"formula":         {row(`<c r="C1"><f>SUM(A1:B1)</f><v></v></c><c r="D1"><f>1</f></c><c r="E1" t="str"><f>A1</f></c>`), "the formulas in C1, D1, E1 were saved without what they come to"},
		"not a number":    {row(`<c r="A1"><v>KANARIE</v></c>`), "has rounded A1"},
		"no such text":    {row(`<c r="A1" t="s"><v>7</v></c>`), "its part xl/worksheets/sheet1.xml is damaged"},
		"rows disordered": {packed(t, parts(`<row r="2"/><row r="1"/>`)), "is damaged"},
		"cells, too":      {row(`<c r="B1"><v>1</v></c><c r="A1"><v>1</v></c>`), "is damaged"},
		"another row's":   {row(`<c r="A2"><v>1</v></c>`), "is damaged"},
		"broken XML":      {packed(t, parts(`<row r="1"><c r="A1"><v>1</v></c></row><row r="2"><c r="A2" t="inlineStr"><is><t>`+"\x01"+`</t></is></c></row>`)), "is damaged"},
		"long text":       {packed(t, parts(`<row r="1"><c r="A1" t="inlineStr"><is><t>`+strings.Repeat("x", MaxText+1)+`</t></is></c></row>`)), "is damaged"},
		"no workbook":     {packed(t, map[string]string{"word/document.xml": "x"}), "it is a Word document; save its table as .xlsx"},
		"no zip":          {[]byte("PK\x03\x04 and so on"), "cannot be unpacked"},
		"pictures":        {packed(t, parts(`<row/>`, "xl/media/image1.png", strings.Repeat("x", MaxBesides))), "holds more than 16 MiB besides its cells"},
	} {
		_, err := read(t, c.data, "")
		if bad := new(Error); !errors.As(err, &bad) || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "KANARIE") {
			t.Errorf("%s: %v, should say %s", name, err, c.says)
		}
	}
	many := strings.Builder{}
	for i := range 100 {
		fmt.Fprintf(&many, `<row r="%d"><c r="A%d"><v>1E+15</v></c></row>`, i+1, i+1)
	}
	if _, err := read(t, packed(t, parts(many.String())), ""); err == nil || !strings.Contains(err.Error(), "A9, A10 and 90 more: ") {
		t.Error(err)
	}
}

// A workbook that is cut short, or changed on its way, is refused before its first row is given out.
func TestADamagedWorkbookGivesNoRow(t *testing.T) {
	data := book(t, func(f *excelize.File) {
		for i := range 2000 {
			if err := f.SetCellStr("Sheet1", Cell(1, i+1), fmt.Sprint("row ", i)); err != nil {
				t.Fatal(err)
			}
		}
	})
	if rows, err := read(t, data, ""); err != nil || len(rows) != 2000 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	for _, length := range []int{len(data) / 2, len(data) - 1} {
		if rows, err := read(t, data[:length], ""); err == nil {
			t.Errorf("%d of %d bytes: %d rows", length, len(data), len(rows))
		}
	}
	for at := 100; at < len(data); at += len(data) / 40 {
		changed := bytes.Clone(data)
		changed[at] ^= 0x20
		if rows, err := read(t, changed, ""); err == nil && len(rows) != 2000 {
			t.Errorf("byte %d changed: %d rows", at, len(rows))
		}
	}
	broken := errors.New("the disk is gone")
	if _, err := Open(io.MultiReader(bytes.NewReader(data[:100]), failing{broken}), ""); !errors.Is(err, broken) {
		t.Error(err)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// The only sheet that holds something is read; of several, one must be named.
func TestWhichSheetIsRead(t *testing.T) {
	sheets := func(hide string, filled ...string) []byte {
		return book(t, func(f *excelize.File) {
			for _, name := range []string{"訂單", "List"} {
				if _, err := f.NewSheet(name); err != nil {
					t.Fatal(err)
				}
			}
			for _, name := range filled {
				if err := f.SetCellStr(name, "B2", name); err != nil {
					t.Fatal(err)
				}
			}
			if hide != "" {
				if err := f.SetSheetVisible(hide, false); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
	want(t, sheets("", "訂單"), "", "2:|訂單")
	want(t, sheets("List", "訂單", "List"), "", "2:|訂單")
	want(t, sheets("List", "List"), "", "2:|List")
	want(t, sheets("", "訂單", "List"), "list", "2:|List")
	if _, err := read(t, sheets(""), ""); !errors.Is(err, ErrNoRows) {
		t.Error(err)
	}
	for name, says := range map[string]string{
		"":       `several sheets hold something: "訂單", "List"`,
		"Order":  `there is no sheet "Order"; there are "Sheet1", "訂單", "List"`,
		"Sheet1": `its sheet "Sheet1" is empty`,
	} {
		if _, err := read(t, sheets("", "訂單", "List"), name); err == nil || err.Error() != says {
			t.Errorf("%q: %v, want %s", name, err, says)
		}
	}
}

// An archive that says less than it holds, or too much, is not unpacked into memory or onto the disk.
func TestABombIsRefused(t *testing.T) {
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	for name, text := range parts("") {
		w, err := z.Create(name)
		if err == nil {
			_, err = io.WriteString(w, text)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for i := range 9 {
		w, err := z.CreateRaw(&zip.FileHeader{Name: fmt.Sprintf("xl/worksheets/sheet%d.xml", i+2), Method: zip.Deflate, CompressedSize64: 1, UncompressedSize64: 1 << 27})
		if err == nil {
			_, err = w.Write([]byte{0})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := read(t, out.Bytes(), ""); err == nil || !strings.Contains(err.Error(), "more than 1024 MiB") {
		t.Error(err)
	}
}

// Hidden rows are rows like any other, and named; those that hold nothing are not.
func TestHiddenRowsCountAndAreNamed(t *testing.T) {
	rows := `<row r="1"><c r="A1"><v>1</v></c></row>`
	for n := 2; n <= 13; n++ {
		rows += fmt.Sprintf(`<row r="%d" hidden="1"><c r="A%d"><v>1</v></c><c r="B%d"><v>1</v></c></row>`, n, n, n)
	}
	data := packed(t, parts(rows+`<row r="14" hidden="true"><c r="A14"/></row>`))
	s, err := Open(bytes.NewReader(data), "")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if s.Hidden != "2, 3, 4, 5, 6, 7, 8, 9, 10, 11 and 2 more" || s.Last != 13 {
		t.Errorf("hidden %q, last %d", s.Hidden, s.Last)
	}
}
