package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"issuance/internal/webhooks"
)

// hook is the receiver of a script's webhooks.
type hook struct {
	status, got atomic.Int64
}

// webhook serve FILE|answer STATUS|wait STATE|received N drives the script's webhook "shop": serve writes FILE, with a receiver
// for it, and runs what a front door runs; wait waits until it is in a state and nothing is on its way.
func (w *world) webhook(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: webhook serve FILE|answer STATUS|wait STATE|received N")
	}
	switch args[0] {
	case "serve":
		w.serveWebhook(ts, ts.MkAbs(args[1]))
	case "answer":
		n, err := strconv.Atoi(args[1])
		ts.Check(err)
		w.hook.status.Store(int64(n))
	case "wait":
		w.waitFor(ts, args[1])
	case "received":
		if got := strconv.FormatInt(w.hook.got.Load(), 10); got != args[1] {
			ts.Fatalf("%s deliveries were received, want %s", got, args[1])
		}
	}
}

func (w *world) serveWebhook(ts *testscript.TestScript, file string) {
	w.hook.status.Store(http.StatusNoContent)
	receiver := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		w.hook.got.Add(1)
		rw.WriteHeader(int(w.hook.status.Load()))
	}))
	ts.Defer(receiver.Close)
	text := fmt.Sprintf("webhooks:\n  - name: shop\n    url: %s/path-token-canary\n    secret: whsec_c2NyaXB0cy1vbmx5LTMyLWJ5dGVzLWZvci10ZXN0cyE=\n    allow_private: true\n    events: [order.*]\n", receiver.URL)
	ts.Check(os.WriteFile(file, []byte(text), 0o600))
	log := slog.New(slog.DiscardHandler)
	f, err := webhooks.ReadFile(file, log)
	ts.Check(err)
	d, err := webhooks.New(webhooks.Config{RDB: w.rdb, Ledger: w.worker.ledger, File: f, Log: log, Version: "test"})
	ts.Check(err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	ts.Defer(func() { cancel(); ts.Check(<-ended) })
	w.waitFor(ts, "ok")
}

// waitFor waits until the webhook is in a state and, if it takes events, nothing is on its way.
func (w *world) waitFor(ts *testscript.TestScript, state string) {
	store := webhooks.NewStore(w.rdb)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(20 * time.Second)
	for {
		st, err := store.State(context.Background(), "shop")
		ts.Check(err)
		last, err := w.worker.ledger.LastEvent(context.Background())
		ts.Check(err)
		if st.Word() == state && (state != "ok" || st.Outstanding == 0 && st.Cursor == last && st.ReplaySince.IsZero()) {
			return
		}
		select {
		case <-tick.C:
		case <-limit:
			ts.Fatalf("waited in vain for %s: %+v", state, st)
		}
	}
}
