package console_test

import (
	"bytes"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/xuri/excelize/v2"
)

// refusal is what a page says of a file as a whole.
var refusal = regexp.MustCompile(`(?s)<div class="flash bad" role="alert">(.+?)</div>`)

// What is wrong with a file as a whole is said in the page's language, each rule by itself.
func TestAFileThatIsRefusedAsAWholeSaysWhyInThePagesLanguage(t *testing.T) {
	h := open(t, "")
	b := h.browser()
	rounded := func(f *excelize.File) error {
		for _, row := range []string{"2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13"} {
			if err := f.SetCellValue("Sheet1", "A"+row, 20220302153064851); err != nil {
				return err
			}
		}
		return f.MergeCell("Sheet1", "B2", "B3")
	}
	for name, c := range map[string]struct {
		content     []byte
		zh, en      []string
		englishless bool
	}{
		"picture": {[]byte("\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"), []string{"<li>這是 PNG 圖片；請將其中的表格另存為 .xlsx"}, []string{"<li>it is a PNG picture; save its table as .xlsx"}, true},
		"rounded": {changed(t, rounded), []string{"<li>Excel 只保留 15 位數字，已將 A2、A3、A4、A5、A6、A7、A8、A9、A10、A11 及另外 2 處 四捨五入", "<li>儲存格 B2:B3 已合併"},
			[]string{"<li>Excel keeps 15 digits", "<li>these cells are merged"}, true},
		"sheets": {changed(t, func(f *excelize.File) error {
			_, err := f.NewSheet("Other")
			if err == nil {
				err = f.SetCellValue("Other", "A1", "x")
			}
			return err
		}), []string{`有多張工作表含有內容：「Sheet1」、「Other」`}, []string{"several sheets hold something"}, true},
		"titles": {[]byte("MerchantTradeNo,IssueType,Operator,備註\nA,B,C,D\n"), []string{"<li>標題列（第 1 列）第 4 欄: 「備註」不是欄位名稱"}, []string{"<li>header (line 1), column 4: "}, true},
	} {
		_, _, text := b.checkedIn("zh-TW", name, c.content, "無法讀取")
		m := refusal.FindStringSubmatch(text)
		if m == nil {
			t.Errorf("%s is not refused: %s", name, text)
			continue
		}
		for _, want := range c.zh {
			if !strings.Contains(m[1], want) {
				t.Errorf("%s: %q is not in %s", name, want, m[1])
			}
		}
		if left := regexp.MustCompile(`[a-z]+ [a-z]+ [a-z]+`).FindString(m[1]); left != "" && c.englishless {
			t.Errorf("%s: %q is not Chinese: %s", name, left, m[1])
		}
		_, _, text = b.checkedIn("en", name, c.content, "unreadable")
		for _, want := range c.en {
			if !strings.Contains(text, want) {
				t.Errorf("%s: %q is not in %s", name, want, text)
			}
		}
	}
}

// checkedIn is checked with a browser of some language.
func (b *browser) checkedIn(lang, name string, content []byte, want string) (path, live, text string) {
	b.t.Helper()
	b.lang = lang
	if a := b.get("/console/language?" + url.Values{"to": {map[string]string{"zh-TW": "zh-Hant-TW", "en": "en"}[lang]}, "back": {"/console/bulk"}}.Encode()); a.StatusCode != 200 {
		b.t.Fatalf("%d: %s", a.StatusCode, a.text)
	}
	return b.checked(name, content, want)
}

// changed is a workbook with a header that somebody has changed.
func changed(t *testing.T, change func(*excelize.File) error) []byte {
	t.Helper()
	f := excelize.NewFile()
	defer f.Close()
	err := f.SetSheetRow("Sheet1", "A1", &[]any{"MerchantTradeNo", "IssueType"})
	if err == nil {
		err = change(f)
	}
	var b bytes.Buffer
	if err == nil {
		err = f.Write(&b)
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
