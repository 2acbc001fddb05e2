package console_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"issuance/internal/console"
	"issuance/internal/doortest"
	"issuance/internal/keys"
	"issuance/internal/ledger"
	"issuance/internal/webhooks"
	"issuance/tasks/order"
)

// receive gives a house a webhook, whose deliveries are counted by what path they came to.
func (h *house) receive(t *testing.T, got func()) {
	t.Helper()
	receiver := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { got() }))
	file := filepath.Join(t.TempDir(), "webhooks.yaml")
	secret := "whsec_" + base64.StdEncoding.EncodeToString([]byte(strings.Repeat("k", 32)))
	if err := os.WriteFile(file, fmt.Appendf(nil, "webhooks: [{name: shop, url: %q, secret: %s, allow_private: true}]\n", receiver.URL+"/canary-path", secret), 0o600); err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	read, err := webhooks.ReadFile(file, log)
	if err != nil {
		t.Fatal(err)
	}
	hooks, err := webhooks.New(webhooks.Config{RDB: h.rdb, Ledger: h.ledger, File: read, Log: log, Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := hooks.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { cancel(); wg.Wait(); receiver.Close() })
	h.with = func(c *console.Config) { c.Hooks = hooks }
	h.stop()
}

func TestWebhooksAreShownTestedAndReplayed(t *testing.T) {
	path, secrets := doortest.TokensFile(t, "angela operate", "bob operate "+shop.String())
	h := open(t, path)
	var got atomic.Int64
	more := make(chan struct{}, 100)
	h.receive(t, func() { got.Add(1); more <- struct{}{} })
	h.serve(path)
	b := h.loggedIn(secrets["angela"])
	// The front door announces its endpoints, and begins with what ends from then on.
	first := h.enqueue(shop, "FIRST")
	for strings.Contains(b.page("/console/webhooks"), "No front door has served") || strings.Contains(b.page("/console/webhooks"), ">new<") {
		if t.Context().Err() != nil {
			t.Fatal("the endpoint is not announced")
		}
	}
	h.end(first, ledger.Ending{State: order.Issued})
	<-more
	for !strings.Contains(b.page("/console/webhooks"), at(first)) {
	}
	if text := b.page("/console/webhooks"); strings.Contains(text, "canary-path") || strings.Contains(text, "whsec_") {
		t.Error("the page shows more of the URL than its host, or a secret")
	}
	if a := b.submit("/console/webhooks", "/console/webhooks/shop/test"); !strings.Contains(a.text, "it was taken") {
		t.Errorf("the test: %s", a.text)
	}
	<-more
	if a := b.submit("/console/webhooks", "/console/webhooks/shop/replay", "order", "FIRST"); a.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("a replay without a reason: %d", a.StatusCode)
	}
	if a := b.submit("/console/webhooks", "/console/webhooks/shop/replay", "order", "FIRST", "reason", "the shop lost it"); a.StatusCode != http.StatusOK {
		t.Errorf("the replay: %d: %s", a.StatusCode, a.text)
	}
	<-more
	if d := h.decisions(first); len(d) != 1 || d[0].Reason != "the shop lost it" {
		t.Errorf("the decisions: %+v", d)
	}
	for !strings.Contains(b.page(at(first)), "the same event again") { // and not a second sale
		if t.Context().Err() != nil {
			t.Fatal("a notice that is sent again looks like the first")
		}
	}
	if a := b.submit("/console/webhooks", "/console/webhooks/shop/replay", "since", "w24h", "reason", "all of it"); a.StatusCode != http.StatusOK {
		t.Errorf("the replay since a time: %d", a.StatusCode)
	}
	<-more
	if err := h.rdb.HSet(t.Context(), keys.Webhook("shop")+"state", "off", time.Now().UnixMilli()).Err(); err != nil {
		t.Fatal(err)
	}
	if a := b.submit("/console/webhooks", "/console/webhooks/shop/enable", "reason", "it is back"); !strings.Contains(a.text, "It is on.") {
		t.Errorf("enable: %d: %s", a.StatusCode, a.text)
	}
	bob := h.loggedIn(secrets["bob"])
	for _, what := range []string{"enable", "test", "replay"} {
		if a := bob.submit("/console/webhooks", "/console/webhooks/shop/"+what, "since", "w24h", "reason", "x"); a.StatusCode != http.StatusForbidden {
			t.Errorf("%s by one who sees one account: %d", what, a.StatusCode)
		}
	}
	if a := b.submit("/console/webhooks", "/console/webhooks/nobody/enable", "reason", "x"); a.StatusCode != http.StatusNotFound {
		t.Errorf("an endpoint that is not there: %d", a.StatusCode)
	}
	// One that front doors have gone on without is removed, and nothing can be done about it here.
	long := fmt.Sprintf(`{"host":"https://old.example","seen":%q}`, time.Now().Add(-time.Hour).Format(time.RFC3339))
	if err := h.rdb.HSet(t.Context(), keys.Webhooks, "old", long).Err(); err != nil {
		t.Fatal(err)
	}
	if text := b.page("/console/webhooks"); !strings.Contains(text, ">removed<") || strings.Contains(text, "/console/webhooks/old/") || !strings.Contains(text, "/console/webhooks/shop/replay") {
		t.Error(text)
	}
	if b.lang = "zh-TW"; !strings.Contains(b.page("/console/webhooks"), "最近的傳送") {
		t.Error("not in Chinese")
	}
}
