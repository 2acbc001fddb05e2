package console_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"issuance/internal/doortest"
	"issuance/internal/ledger"
	"issuance/tasks/order"
)

// walker is a person at a browser.
type walker struct {
	*house
	ctx context.Context
}

// walk opens Chromium, where there is one.
func walk(t *testing.T, h *house) *walker {
	t.Helper()
	program := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			program = path
			break
		}
	}
	if program == "" {
		t.Skip("there is no Chromium to walk through the console with: apt-get install chromium")
	}
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(program), chromedp.NoSandbox, chromedp.WindowSize(1000, 720),
		chromedp.Flag("lang", "en-US"), chromedp.Flag("accept-lang", "en-US"), chromedp.UserDataDir(profile(t)))
	alloc, stop := chromedp.NewExecAllocator(context.Background(), opts...)
	ctx, cancel := chromedp.NewContext(alloc)
	t.Cleanup(func() {
		kill := time.AfterFunc(2*patience, stop)
		defer kill.Stop()
		ending, over := context.WithTimeout(ctx, 10*time.Second)
		defer over()
		_ = chromedp.Cancel(ending) // asks the browser to end, and waits for it
		cancel()
		stop()
		chromedp.FromContext(ctx).Allocator.Wait()
	})
	// The browser lives as long as this context, not as one step: one that does not begin is ended by its allocator.
	late := time.AfterFunc(2*patience, stop)
	err := chromedp.Run(ctx)
	if late.Stop(); err != nil {
		t.Fatalf("the browser does not begin: %v", err)
	}
	return &walker{h, ctx}
}

// profile is a folder for what a browser keeps. Processes that the browser started may write to it for a moment after the browser
// itself has ended, which t.TempDir would report as the test's failure.
func profile(t *testing.T) string {
	t.Helper()
	folder, err := os.MkdirTemp("", "console-walk")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		err := os.RemoveAll(folder)
		for deadline := time.Now().Add(10 * time.Second); err != nil && time.Now().Before(deadline); err = os.RemoveAll(folder) {
			time.Sleep(50 * time.Millisecond)
		}
		if err != nil {
			t.Logf("left behind: %v", err)
		}
	})
	return folder
}

// patience is how long one step may take: a walk of many pages has many.
const patience = 50 * time.Second

func (w *walker) do(actions ...chromedp.Action) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, patience)
	defer cancel()
	if err := chromedp.Run(ctx, actions...); err != nil {
		var text string
		again, cancel := context.WithTimeout(w.ctx, time.Second)
		defer cancel()
		_ = chromedp.Run(again, chromedp.Text("body", &text))
		w.t.Fatalf("%v at: %s", err, text)
	}
}

// open shows a page.
func (w *walker) open(path string) {
	w.t.Helper()
	w.do(chromedp.Navigate(w.url+path), chromedp.WaitReady("main"))
}

// sees waits until the page says something. The page itself waits between the looks, which its policy on scripts allows; one that
// is left meanwhile answers nothing.
func (w *walker) sees(text string) { w.t.Helper(); w.seesIn("document", text) }

// seesIn is sees for a document, in a script's words.
func (w *walker) seesIn(document, text string) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, 20*time.Second)
	defer cancel()
	look := `new Promise(done => setTimeout(() => done(!!` + document + `?.body && ` + document + `.body.innerText.includes(` + quote(text) + `)), 50))`
	await := func(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }
	for there := false; !there; {
		if err := chromedp.Run(ctx, chromedp.Evaluate(look, &there, await)); ctx.Err() != nil {
			var body string
			last, cancel := context.WithTimeout(w.ctx, patience)
			defer cancel()
			_ = chromedp.Run(last, chromedp.Evaluate(document+`?.body?.innerHTML ?? "nothing"`, &body))
			w.t.Fatalf("the page never says %q: %v: %s", text, err, body)
		}
	}
}

func quote(s string) string { return "`" + s + "`" }

// sends fills in fields of a form, by its action's end, and sends it.
func (w *walker) sends(action string, fields ...string) {
	w.t.Helper()
	form := `form[action$="` + action + `"]`
	js := `(() => { const f = document.querySelector(` + quote(form) + `); f.closest("details")?.setAttribute("open", "");`
	for i := 0; i+1 < len(fields); i += 2 {
		js += `{ const e = f.querySelector(` + quote(`[name="`+fields[i]+`"]`) + `); if (e.type === "radio") f.querySelector(` +
			quote(`[name="`+fields[i]+`"][value="`+fields[i+1]+`"]`) + `).checked = true; else e.value = ` + quote(fields[i+1]) + `; }`
	}
	w.do(chromedp.WaitReady(form), chromedp.Evaluate(js+` f.requestSubmit(); })()`, nil))
}

// shoots keeps a picture of the page where CONSOLE_PICTURES names a folder.
func (w *walker) shoots(name string) {
	w.t.Helper()
	folder := os.Getenv("CONSOLE_PICTURES")
	if folder == "" {
		return
	}
	w.do(chromedp.ActionFunc(func(ctx context.Context) error {
		picture, err := page.CaptureScreenshot().WithFormat(page.CaptureScreenshotFormatWebp).WithQuality(70).Do(ctx)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(folder, name+".webp"), picture, 0o644)
	}))
}

func TestAPersonWalksThroughTheConsole(t *testing.T) {
	path, secrets := doortest.TokensFile(t, "angela operate,tickets")
	h, queued, _, review := storyIn(t, openQueues(t, path))
	w := walk(t, h)
	wrong, err := filepath.Abs(exampleBook)
	right := filepath.Join(t.TempDir(), "corrected.xlsx")
	if err = errors.Join(err, os.WriteFile(right, book(t, corrected), 0o600)); err != nil {
		t.Fatal(err)
	}

	w.open("/console/reviews")
	w.sends("/login", "token", secrets["angela"])
	w.sees("REVIEW1")
	w.shoots("console-reviews")
	w.open("/console/")
	w.shoots("console-orders")
	w.do(chromedp.SetValue(`input[name="q"]`, "QUEUED1"), chromedp.Submit(`input[name="q"]`))
	w.sees("What happened")
	w.shoots("console-order")

	// A form that is not the console's own changes nothing.
	w.sends("/cancel", "csrf", "forged", "reason", "x")
	w.sees("did not come from a page of the console")
	if h.state(queued) != order.Queued {
		t.Errorf("a forged form cancelled: %s", h.state(queued))
	}

	w.open(at(review))
	w.sends("/resolve", "as", "issued", "reason", "seen at the provider")
	w.sees("It is decided.")
	if h.state(review) != order.Issued {
		t.Errorf("the review is %s", h.state(review))
	}

	w.open("/console/?state=queued")
	w.sends("/jobs", "kind", "cancel")
	w.sees("ready to start")
	if h.state(queued) != order.Queued {
		t.Error("counting cancels")
	}
	w.sends("/start", "reason", "wrong event")
	w.sees("finished")
	if h.state(queued) != order.Cancelled {
		t.Errorf("after the job it is %s", h.state(queued))
	}

	w.open("/console/bulk")
	w.do(chromedp.SetUploadFiles(`input[name="file"]`, []string{wrong}))
	w.sends("/bulk")
	w.sees("Enqueue these 2 orders")
	for _, cell := range []string{"G3", "J4", "K5"} {
		w.sees(cell)
	}
	w.do(chromedp.Evaluate(`document.querySelector("table.list").scrollIntoView({block: "center"})`, nil))
	w.shoots("console-file")
	w.sends("/start", "reason", "the March sale")
	w.sees("enqueueing done")
	if s := h.state(order.Ref{Account: shop, OrderID: "BOOK1"}); s != order.Queued {
		t.Errorf("BOOK1 is %q", s)
	}
	w.open("/console/bulk")
	w.do(chromedp.SetUploadFiles(`input[name="file"]`, []string{right}))
	w.sends("/bulk")
	w.sees("Enqueue these 5 orders")
	w.sends("/start", "reason", "corrected")
	w.sees("enqueueing done")
	// Its results are followed to their ends.
	w.sees("queued")
	h.end(order.Ref{Account: shop, OrderID: "BOOK1"}, ledger.Ending{State: order.Issued})
	w.sees("issued")
	for _, id := range []string{"BOOK2", "BOOK3", "BOOK4"} {
		if s := h.state(order.Ref{Account: shop, OrderID: id}); s != order.Queued {
			t.Errorf("%s is %q", id, s)
		}
	}

	// asynq's own UI works in its frame: its scripts pass its policy.
	w.open("/console/queues/")
	w.seesIn(`document.querySelector("iframe")?.contentDocument`, "ecticket-checkout")
	w.shoots("console-queues")

	h.end(h.enqueue(shop, "DONE"), ledger.Ending{State: order.Issued})
	w.open("/console/language?to=zh-Hant-TW&back=%2Fconsole%2Faccounts")
	w.sees("等待最久")
	w.shoots("console-accounts")
	for page, text := range map[string]string{"/console/": "訂單查詢", "/console/reviews": "等待最久的排在最前面", "/console/jobs": "批次作業", "/console/bulk": "上傳並檢查", "/console/webhooks": "沒有前台程式提供任何端點", "/console/queues/": "僅供檢視", at(review): "歷程"} {
		w.open(page)
		w.sees(text)
	}
	var wide bool
	w.do(chromedp.EmulateViewport(480, 800))
	for _, page := range []string{"/console/", "/console/accounts", "/console/bulk", "/console/queues/", at(review)} {
		w.open(page)
		if w.do(chromedp.Evaluate(`document.documentElement.scrollWidth > 480`, &wide)); wide {
			t.Errorf("%s is wider than 480 pixels", page)
		}
	}

	w.sends("/logout")
	w.sees("請輸入具有 operate")
	for range 5 {
		w.open("/console/login")
		w.sends("/login", "token", "wrong")
		w.sees("權杖不正確")
	}
	w.open("/console/login")
	w.sends("/login", "token", secrets["angela"])
	w.sees("登入失敗次數過多")
}

// Without tokens a browser of this machine needs no login, and its forms are taken for what they are.
func TestAPersonOfThisMachineNeedsNoLogin(t *testing.T) {
	h := open(t, "")
	review := h.enqueue(shop, "REVIEW1")
	h.review(review)
	w := walk(t, h)
	wrong, err := filepath.Abs(exampleBook)
	if err != nil {
		t.Fatal(err)
	}
	w.open("/console/bulk")
	w.do(chromedp.SetUploadFiles(`input[name="file"]`, []string{wrong}))
	w.sends("/bulk")
	w.sees("Enqueue these 2 orders")
	w.open(at(review))
	w.sends("/resolve", "as", "issued", "reason", "seen at the provider")
	w.sees("It is decided.")
	if h.state(review) != order.Issued {
		t.Errorf("the review is %s", h.state(review))
	}
}
