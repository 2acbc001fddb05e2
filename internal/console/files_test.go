package console_test

import (
	"bytes"
	"flag"
	"mime/multipart"
	"net/http"
	"net/url"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/xuri/excelize/v2"

	"issuance/internal/bulk"
	"issuance/internal/bulk/workbook"
	"issuance/internal/doortest"
	"issuance/internal/keys"
	"issuance/internal/ledger"
	"issuance/tasks/order"
)

var update = flag.Bool("update", false, "write examples/orders-three-wrong.xlsx")

// exampleBook is the workbook that docs/console.md has its readers upload.
const exampleBook = "../../examples/orders-three-wrong.xlsx"

// exampleRows are what it holds: five orders, of which three lines are wrong.
var exampleRows = [][]string{
	{"MerchantTradeNo", "MerchantID", "IssueType", "IsImmediate", "Operator", "CustomerName", "CustomerPhone", "CustomerEmail", "ItemNo1", "TicketAmount1", "StartDate1"},
	{"BOOK1", shop.Merchant, "3", "2", "Angela", customer, "0912345678", "a@example.com", "VQT04959", "2", "20990101"},
	{"BOOK2", shop.Merchant, "3", "2", "Angela", customer, "912345678", "a@example.com", "VQT04959", "2", "20990101"},
	{"BOOK3", shop.Merchant, "3", "2", "Angela", customer, "0912345678", "a@example.com", "VQT04959", "none", "20990101"},
	{"BOOK4", shop.Merchant, "3", "2", "Angela", customer, "0912345678", "a@example.com", "VQT04959", "2", "20990230"},
	{"BOOK5", shop.Merchant, "3", "2", "Angela", customer, "0912345678", "a@example.com", "VQT04959", "1", "20990101"},
}

// corrected are the cells that a person writes in its place.
var corrected = map[string]string{"G3": "0912345678", "J4": "2", "K5": "20990101"}

// The example is the workbook that this test makes; after a change of it run
//
//	go test ./internal/console -run TestTheExampleWorkbook -update
func TestTheExampleWorkbookIsAsItIsMade(t *testing.T) {
	if *update {
		if err := os.WriteFile(exampleBook, book(t, nil), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	f, err := excelize.OpenFile(exampleBook)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if rows, err := f.GetRows("Orders"); err != nil || !reflect.DeepEqual(rows, exampleRows) {
		t.Errorf("%v %v", rows, err)
	}
}

// book is the example with some cells written anew.
func book(t *testing.T, cells map[string]string) []byte {
	t.Helper()
	f := excelize.NewFile()
	defer f.Close()
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	must(f.SetSheetName("Sheet1", "Orders"))
	text, err := f.NewStyle(&excelize.Style{NumFmt: 49}) // Text, as columns of numbers have to be
	must(err)
	for i, row := range exampleRows {
		must(f.SetSheetRow("Orders", workbook.Cell(1, i+1), &row))
	}
	for cell, value := range cells {
		must(f.SetCellStr("Orders", cell, value))
	}
	must(f.SetColStyle("Orders", "A:K", text))
	must(f.SetColWidth("Orders", "A", "K", 18))
	var out bytes.Buffer
	must(f.Write(&out))
	return out.Bytes()
}

// threeWrong is the example as it is.
func threeWrong(t *testing.T) []byte {
	t.Helper()
	raw, err := os.ReadFile(exampleBook)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// upload sends a file with the form's field first, as browsers do.
func (b *browser) upload(csrf, name string, content []byte, fields ...string) answer {
	b.t.Helper()
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	must := func(err error) {
		if err != nil {
			b.t.Fatal(err)
		}
	}
	must(w.WriteField("csrf", csrf))
	for i := 0; i+1 < len(fields); i += 2 {
		must(w.WriteField(fields[i], fields[i+1]))
	}
	part, err := w.CreateFormFile("file", name)
	must(err)
	_, err = part.Write(content)
	must(err)
	must(w.Close())
	req, err := http.NewRequestWithContext(b.t.Context(), http.MethodPost, b.url+"/console/bulk", &body)
	must(err)
	req.Header.Set("Content-Type", w.FormDataContentType())
	return b.do(req)
}

var filePath = regexp.MustCompile(`^/console/bulk/[A-Z0-9]+$`)

// checked uploads a file and waits until it is checked.
func (b *browser) checked(name string, content []byte, want string) (path, live, text string) {
	b.t.Helper()
	a := b.upload(b.csrf("/console/bulk"), name, content)
	if path = a.Request.URL.Path; !filePath.MatchString(path) {
		b.t.Fatalf("the file is at %s: %s", path, a.text)
	}
	live = "/console/live?file=" + strings.TrimPrefix(path, "/console/bulk/")
	return path, live, b.until(path, live, want)
}

func TestAWorkbookIsCheckedCorrectedAndEnqueued(t *testing.T) {
	path, secrets := doortest.TokensFile(t, "angela operate,tickets "+shop.String(), "bob operate "+other.String())
	h := open(t, path)
	b := h.loggedIn(secrets["angela"])
	file, live, text := b.checked("orders.xlsx", threeWrong(t), "ready to start")
	for _, want := range []string{"Enqueue these 2 orders", "<b>G3</b>", "<b>J4</b>", "<b>K5</b>", "CustomerPhone"} {
		if !strings.Contains(text, want) {
			t.Errorf("the page lacks %s: %s", want, text)
		}
	}
	if strings.Contains(text, customer) || strings.Contains(text, "912345678") {
		t.Error("the page shows what a cell holds")
	}
	if h.state(order.Ref{Account: shop, OrderID: "BOOK1"}) != "" {
		t.Error("a check enqueues")
	}
	if a := h.loggedIn(secrets["bob"]).get(file); a.StatusCode != http.StatusNotFound {
		t.Errorf("another account's operator sees the file: %d", a.StatusCode)
	}
	if a := b.submit(file, file+"/start"); a.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("a start without a reason: %d", a.StatusCode)
	}
	b.submit(file, file+"/start", "reason", "the March sale")
	text = b.until(file, live, "enqueueing done")
	for _, id := range []string{"BOOK1", "BOOK5"} {
		r := order.Ref{Account: shop, OrderID: id}
		if h.state(r) != order.Queued || !strings.Contains(text, at(r)) {
			t.Errorf("%s is %q: %s", id, h.state(r), text)
		}
	}
	rejects := b.submit(file, file+"/rejects", "reason", "to correct them")
	wrong, fix := rejectsBook(t, rejects)
	if wrong[0][len(wrong[0])-1] != bulk.Note || len(wrong) != 4 || wrong[2][5] != customer {
		t.Fatalf("the rejects are %q", wrong)
	}
	for _, row := range wrong[1:] {
		if note := row[len(row)-1]; !strings.HasPrefix(note, "rejected: ") {
			t.Errorf("a line without its reason: %q", row)
		}
	}
	for _, key := range h.rdb.Keys(t.Context(), keys.Prefix+"{console:*").Val() {
		if dump := h.rdb.Dump(t.Context(), key).Val(); strings.Contains(dump, customer) {
			t.Errorf("%s holds a customer's data in the clear", key)
		}
	}
	// Corrected as a person would, they are enqueued, and the old notes mean nothing.
	file, live, _ = b.checked("rejects.xlsx", fix("G2", "0912345678", "J3", "2", "K4", "20990101"), "Enqueue these 3 orders")
	b.submit(file, file+"/start", "reason", "corrected")
	b.until(file, live, "enqueueing done")
	if s := h.state(order.Ref{Account: shop, OrderID: "BOOK3"}); s != order.Queued {
		t.Errorf("BOOK3 is %q", s)
	}
	if a := b.get(file + "/results.csv"); strings.Count(a.text, "queued") != 3 {
		t.Errorf("the results: %s", a.text)
	}
	if a := b.submit(file, file+"/tickets", "reason", "the shop asked"); strings.Count(a.text, "queued") != 3 {
		t.Errorf("the tickets: %s", a.text)
	}
	if d := h.decisions(order.Ref{Account: shop}); len(d) != 1 || d[0].Reason != "the shop asked" {
		t.Errorf("the decisions: %+v", d)
	}
	b.lang = "zh-TW"
	again, _, text := b.checked("wrong.xlsx", threeWrong(t), "等待開始")
	if wrong, _ := rejectsBook(t, b.submit(again, again+"/rejects", "reason", "to correct them")); !strings.Contains(wrong[1][len(wrong[1])-1], "rejected: CustomerPhone：須為國內手機號碼") {
		t.Errorf("the reasons are not in the page's language: %q", wrong[1])
	}
	for _, want := range []string{"須為國內手機號碼：09 加 8 碼數字", "須為實際存在的日期，格式 yyyymmdd", "Excel 去掉了開頭的 0：請將該欄格式設為「文字」後重新輸入", "9 個字元的文字"} {
		if !strings.Contains(text, want) {
			t.Errorf("the Chinese page lacks %s: %s", want, text)
		}
	}
	if !strings.Contains(b.page(file), "送入完畢") || !strings.Contains(b.page("/console/bulk"), "上傳並檢查") {
		t.Error("not in Chinese")
	}
}

func TestAnUploadFromElsewhereIsRefused(t *testing.T) {
	path, secrets := doortest.TokensFile(t, "angela operate", "viewer events")
	h := open(t, path)
	b := h.loggedIn(secrets["angela"])
	if a := b.upload("forged", "orders.csv", []byte("x")); a.StatusCode != http.StatusForbidden {
		t.Errorf("a forged form: %d", a.StatusCode)
	}
	viewer := h.loggedIn(secrets["viewer"])
	if a := viewer.upload(viewer.csrf("/console/"), "orders.csv", []byte("x")); a.StatusCode != http.StatusForbidden {
		t.Errorf("a viewer: %d", a.StatusCode)
	}
	if a := b.post("/console/bulk", url.Values{"csrf": {b.csrf("/console/bulk")}}); a.StatusCode != http.StatusForbidden {
		t.Errorf("a form without a file: %d", a.StatusCode)
	}
	if n := h.rdb.Exists(t.Context(), keys.ConsoleFiles).Val(); n != 0 {
		t.Error("a refused file is recorded")
	}
}

func TestAFileSaysWhyItCannotBeUsed(t *testing.T) {
	path, secrets := doortest.TokensFile(t, "bob operate "+other.String())
	h := open(t, path)
	b := h.loggedIn(secrets["bob"])
	b.checked("nothing.csv", []byte("not,a,header\n"), "unreadable")
	file, _, text := b.checked("theirs.xlsx", threeWrong(t), "rejected: nothing can be started")
	if !strings.Contains(text, "the token is not for account") || strings.Contains(text, "/start") {
		t.Errorf("another merchant's orders: %s", text)
	}
	if !strings.Contains(text, "Every line (5) is wrong") {
		t.Errorf("it does not say why nothing can be started: %s", text)
	}
	if a := b.submit("/console/bulk", file+"/start", "reason", "x"); a.StatusCode != http.StatusConflict || !strings.Contains(a.text, "nothing can be started") {
		t.Errorf("a rejected file is started: %d: %s", a.StatusCode, a.text)
	}
	if b.lang = "zh-TW"; !strings.Contains(b.page(file), "已退回：沒有可開始的訂單") {
		t.Error("not in Chinese")
	}
}

// A front door that ends leaves what was enqueued, and says that the file is to be uploaded again.
func TestAFileWhoseFrontDoorIsGoneSaysSo(t *testing.T) {
	h := open(t, "")
	b := h.browser()
	file, _, _ := b.checked("orders.xlsx", threeWrong(t), "ready to start")
	id := strings.TrimPrefix(file, "/console/bulk/")
	h.stop()
	h.serve("")
	if text := b.page(file); !strings.Contains(text, "The front door stopped") {
		t.Errorf("a front door that stopped: %s", text)
	}
	if err := h.rdb.HSet(t.Context(), keys.ConsoleFile(id)+"state", "state", "running", "problem", "").Err(); err != nil { // as one that was killed leaves it
		t.Fatal(err)
	}
	if text := b.page(file); !strings.Contains(text, "front door that held this file is gone") {
		t.Errorf("a front door that was killed: %s", text)
	}
	if a := b.submit("/console/bulk", file+"/start", "reason", "x"); a.StatusCode != http.StatusConflict {
		t.Errorf("starting a file that nobody has: %d", a.StatusCode)
	}
	file, live, _ := b.checked("orders.xlsx", threeWrong(t), "ready to start")
	b.submit(file, file+"/start", "reason", "again")
	b.until(file, live, "enqueueing done")
	if s := h.state(order.Ref{Account: shop, OrderID: "BOOK1"}); s != order.Queued {
		t.Errorf("BOOK1 is %q", s)
	}
}

func TestADiscardedFileIsNotEnqueued(t *testing.T) {
	h := open(t, "")
	b := h.browser()
	file, live, _ := b.checked("orders.xlsx", threeWrong(t), "ready to start")
	b.submit(file, file+"/stop")
	b.until(file, live, "stopped<")
	if a := b.submit("/console/bulk", file+"/start", "reason", "x"); a.StatusCode != http.StatusConflict || h.state(order.Ref{Account: shop, OrderID: "BOOK1"}) != "" || !strings.Contains(a.text, "localhost stopped it at 20") {
		t.Errorf("%d: %s", a.StatusCode, a.text)
	}
}

// Who uploaded a file and who started it are both shown, and whoever starts it a second time is shown who was faster.
func TestAFileIsStartedOnce(t *testing.T) {
	h := open(t, "")
	b := h.browser()
	file, live, _ := b.checked("orders.xlsx", threeWrong(t), "ready to start")
	csrf := b.csrf(file)
	b.submit(file, file+"/start", "reason", "the March sale")
	a := b.post(file+"/start", url.Values{"csrf": {csrf}, "reason": {"again"}})
	if a.StatusCode != http.StatusConflict || !strings.Contains(a.text, "localhost started it at 20") {
		t.Errorf("%d: %s", a.StatusCode, a.text)
	}
	if text := b.until(file, live, "enqueueing done"); !strings.Contains(text, "<dt>Started by</dt><dd>localhost (127.0.0.1) · <time") || !strings.Contains(text, "the March sale") {
		t.Errorf("the page does not show who started it: %s", text)
	}
}

// That a file is enqueued says nothing of its orders: they are counted by state, the counts are followed, and a rejection shows.
func TestAFileCountsItsOrdersByState(t *testing.T) {
	h := open(t, "")
	b := h.browser()
	file, live, _ := b.checked("orders.xlsx", book(t, corrected), "ready to start")
	b.submit(file, file+"/start", "reason", "the March sale")
	text := b.until(file, live, "enqueueing done")
	shows := func(state, class, n string) bool {
		return strings.Contains(text, `<dt><span class="badge `+class+`">`+state+`</span></dt><dd>`+n+`</dd>`)
	}
	if !shows("queued", "busy", "5") || !strings.Contains(text, `<span class="badge off">enqueueing done</span>`) {
		t.Errorf("a file that was just enqueued: %s", text)
	}
	s := b.follow(text, "")
	h.end(order.Ref{Account: shop, OrderID: "BOOK1"}, ledger.Ending{State: order.Issued})
	h.end(order.Ref{Account: shop, OrderID: "BOOK2"}, ledger.Ending{State: order.Failed, Reason: ledger.Reason{Code: "10200047"}})
	for text = b.page(file); !shows("failed", "bad", "1"); text = b.page(file) {
		s.changed()
	}
	if !shows("issued", "good", "1") || !shows("queued", "busy", "3") {
		t.Errorf("after two ends: %s", text)
	}
	for _, id := range []string{"BOOK3", "BOOK4", "BOOK5"} {
		h.end(order.Ref{Account: shop, OrderID: id}, ledger.Ending{State: order.Issued})
	}
	for text = b.page(file); !shows("issued", "good", "4"); text = b.page(file) {
		s.changed()
	}
	if strings.Contains(text, "data-live=") {
		t.Errorf("it is followed although every order has ended: %s", text)
	}
}
