package console_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"

	"issuance/internal/console"
	"issuance/internal/doortest"
	"issuance/internal/ledger"
	"issuance/tasks/order"
)

// Every page fits into a narrow and a wide window, in both languages: nothing has to be scrolled sideways but what says so itself.
// CONSOLE_PAGES names a folder for pictures of them all.
func TestEveryPageFitsItsWindow(t *testing.T) {
	path, secrets := doortest.TokensFile(t, "angela operate,tickets")
	h, queued, issued, review := storyIn(t, openQueues(t, path))
	failed := h.enqueue(other, "ARATHERLONGNUMBER123")
	h.end(failed, ledger.Ending{State: order.Failed, Reason: ledger.Reason{Code: "in_doubt", Message: "whether the provider took this order could not be found out in 24h0m0s (last: broken_connection); ask the provider"}})
	w := walk(t, h)
	w.open("/console/login")
	w.sends("/login", "token", secrets["angela"])
	w.sees("Unfinished")
	w.open("/console/?state=queued")
	w.sends("/jobs", "kind", "cancel")
	w.sees("ready to start")
	var job string
	w.do(chromedp.Evaluate("location.pathname", &job))
	pages := map[string]string{"list": "/console/?state=open", "ended": "/console/?state=ended", "found": "/console/?q=nothing", "order": at(queued), "issued": at(issued),
		"review": at(review), "failed": at(failed), "reviews": "/console/reviews", "jobs": "/console/jobs", "job": job, "bulk": "/console/bulk", "accounts": "/console/accounts",
		"webhooks": "/console/webhooks", "queues": "/console/queues/", "failure": "/console/nothing"}
	folder := os.Getenv("CONSOLE_PAGES")
	for _, width := range []int64{480, 1280} {
		w.do(chromedp.EmulateViewport(width, 800))
		for _, l := range console.Languages() {
			w.open("/console/language?to=" + l.Tag() + "&back=/console/")
			for name, path := range pages {
				w.open(path)
				if name == "queues" {
					w.seesIn(frame, "ecticket-checkout")
				}
				w.fits(fmt.Sprintf("%s-%s-%d", name, l.Tag(), width), folder)
			}
		}
	}
	// In a narrow frame the UI's charts stand below one another, beside a menu of icons.
	w.do(chromedp.EmulateViewport(480, 800))
	w.open("/console/queues/")
	w.seesIn(frame, "ecticket-checkout")
	var least float64
	w.do(chromedp.Evaluate(`Math.min(...[...`+frame+`.querySelectorAll(".MuiGrid-item")].map(e => e.getBoundingClientRect().width))`, &least))
	if least < 300 {
		t.Errorf("a part of asynq's UI is %g pixels wide", least)
	}
}

// frame is the document of asynq's own UI.
const frame = `document.querySelector("iframe")?.contentDocument`

// fits reports what stands out of the window.
func (w *walker) fits(name, folder string) {
	w.t.Helper()
	var out []string
	w.do(chromedp.Evaluate(`document.documentElement.scrollWidth <= innerWidth ? [] : [...document.querySelectorAll("body *")]
		.filter(e => e.getBoundingClientRect().right > innerWidth + 1).slice(0, 5).map(e => e.outerHTML.slice(0, 120))`, &out))
	if len(out) > 0 {
		w.t.Errorf("%s is wider than its window: %q", name, out)
	}
	if folder != "" {
		w.do(chromedp.ActionFunc(func(ctx context.Context) error {
			var picture []byte
			if err := chromedp.FullScreenshot(&picture, 100).Do(ctx); err != nil {
				return err
			}
			return os.WriteFile(filepath.Join(folder, name+".png"), picture, 0o600)
		}))
	}
}
