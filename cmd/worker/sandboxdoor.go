package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"issuance/internal/config"
	"issuance/internal/console"
	"issuance/internal/frontdoor"
	"issuance/internal/sandbox"
	"issuance/internal/thinevent"
	"issuance/internal/webhooks"
	"issuance/tasks"
)

// client is one of the sandbox's own producers.
func (w *worker) client() (*tasks.Client, error) {
	return tasks.NewClient(w.rdb, tasks.Options{SealKeys: w.Seal.Keys.Reveal(), Rules: w.documents(),
		Retention: w.Worker.Retention, TaskTimeout: w.Worker.TaskTimeout})
}

// documents are the rules for the sandbox's documents.
func (w *worker) documents() tasks.Rules {
	merchant, _ := w.OwnMerchant()
	return tasks.Rules{MerchantID: merchant, Notices: w.Gateway.Notices(frontdoor.NoticePath)}
}

// door is the sandbox's front door.
type door struct {
	listener net.Listener
	stop     func()
}

// openDoor serves the HTTP API beside the worker, on a port near the configured one, and sends events to a receiver of
// its own, which the story shows.
func (w *worker) openDoor(sb *sandbox.Sandbox, story *sandbox.Story) (*door, error) {
	client, err := w.client()
	if err != nil {
		return nil, err
	}
	addr := w.Gateway.HTTPAddr
	l, err := sandbox.ListenNear("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("the HTTP API cannot be served: %w; set GATEWAY_HTTP_ADDR to another address", err)
	}
	if _, port, ok := strings.Cut(addr, ":"); ok && port != "0" && !strings.HasSuffix(l.Addr().String(), ":"+port) {
		sb.Moved = append(sb.Moved, fmt.Sprintf("%s is taken: the HTTP API is on %s", addr, l.Addr()))
	}
	if !loopback(l.Addr().String()) {
		sb.Moved = append(sb.Moved, fmt.Sprintf("%s can be reached from other machines, and its HTTP API has no tokens", l.Addr()))
	}
	log := slog.New(slog.NewTextHandler(io.Discard, nil)) // the story says what happens to orders
	s := frontdoor.New(frontdoor.Config{Client: client, Ledger: w.ledger, RDB: w.rdb, Rules: w.documents(), Log: log, Version: version(),
		Notices: &frontdoor.Notices{Merchant: frontdoor.MerchantsOf(w.rdb, w.roster.live.NoticeKeys), Ring: w.ring, Plain: w.Gateway.NoticeAck == config.AckPlain}})
	hooks, closeReceiver, err := w.sendWebhooks(story)
	if err != nil {
		return nil, err
	}
	pages := console.New(console.Config{Door: s, Client: client, Ledger: w.ledger, RDB: w.rdb, Log: log, Ring: w.ring, Hooks: hooks, Pages: w.pages, TraceURL: w.Gateway.TraceURL})
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := hooks.Run(ctx); err != nil {
			w.log.Error("the webhooks ended", "error", err)
		}
	})
	wg.Go(func() { pages.Run(ctx) })
	wg.Go(func() {
		if err := s.Listen(ctx, l, nil, w.Gateway.ShutdownTimeout); err != nil {
			w.log.Error("the HTTP API ended", "error", err)
		}
	})
	return &door{listener: l, stop: func() { cancel(); wg.Wait(); closeReceiver() }}, nil
}

// url is how programs of this machine call it.
func (d *door) url() string {
	_, port, _ := net.SplitHostPort(d.listener.Addr().String()) // of a TCP listener
	return "http://localhost:" + port
}

// consoleURL is where a browser of this machine opens the console.
func (d *door) consoleURL() string { return d.url() + console.Path }

// firstCalls are what a reader can paste to use the HTTP API.
func (d *door) firstCalls(number string) string {
	const body = `{"IssueType":"4","Operator":"me","TicketInfo":[{"ItemName":"一日入場券","TicketPrice":500,"TicketAmount":2}]}`
	return fmt.Sprintf(`Or over HTTP, as any program can (%[1]s/docs describes it all):

curl -sX PUT %[1]s/v1/orders/ecticket/%[2]s -H 'Content-Type: application/json' -d '%[3]s'
curl -s '%[1]s/v1/orders/ecticket/%[2]s?wait=60'
curl -s '%[1]s/v1/orders/ecticket/%[2]s?tickets=true'
curl -sN '%[1]s/v1/events/stream?after=0'

Every final status also goes to a webhook of the sandbox's own; what it receives is shown below as webhook.

`, d.url(), number, body)
}

// aboutNotices says how to see what becomes of tickets.
func aboutNotices(every time.Duration, url, enqueue, number string) string {
	if every <= 0 {
		return "To see tickets redeemed and refunded, and ECTicket's notices of it arrive, start with --sandbox-notices-every 15s.\n\n"
	}
	return fmt.Sprintf(`Every %[1]s a ticket of your latest order is redeemed or refunded at the simulator, which sends a notice. To see what
came of it:

curl -s '%[2]s/v1/orders/ecticket/%[3]s?tickets=true'
%[4]s tickets ecticket %[3]s --refresh

`, every, url, number, enqueue)
}

// sendWebhooks makes what sends events to a receiver inside this process, which verifies their signatures as any
// receiver does and prints what came.
func (w *worker) sendWebhooks(story *sandbox.Story) (d *webhooks.Dispatcher, closeReceiver func(), err error) {
	key := make([]byte, 32)
	rand.Read(key) // never fails
	secret := "whsec_" + base64.StdEncoding.EncodeToString(key)
	verifier, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		return nil, nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	receiver := &http.Server{ReadTimeout: 10 * time.Second, Handler: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(io.LimitReader(r.Body, 64<<10))
		if err != nil || verifier.Verify(body, r.Header) != nil {
			http.Error(rw, "not signed by this sandbox", http.StatusUnauthorized)
			return
		}
		var e thinevent.Event
		if json.Unmarshal(body, &e) == nil {
			order := e.Data.Account.String() + "/" + e.Data.OrderID
			if e.Data.RefundID != "" {
				order += "/" + e.Data.RefundID
			}
			if e.Data.Ticket > 0 {
				order += fmt.Sprintf(" (ticket %d)", e.Data.Ticket)
			}
			story.Printf("%s  webhook   %s of %s, signature verified\n", time.Now().Format(time.TimeOnly), e.Type, order)
		}
	})}
	served := make(chan struct{})
	go func() { defer close(served); _ = receiver.Serve(l) }() // ends when it is closed
	dir, err := os.MkdirTemp("", "issuance-sandbox-")
	closeReceiver = func() { _ = receiver.Close(); <-served; _ = os.RemoveAll(dir) }
	if err == nil {
		d, err = w.dispatcher(filepath.Join(dir, "webhooks.yaml"), fmt.Sprintf("webhooks: [{name: sandbox, url: http://%s/, secret: %s, allow_private: true}]\n", l.Addr(), secret))
	}
	if err != nil {
		closeReceiver()
		return nil, nil, err
	}
	return d, closeReceiver, nil
}

// dispatcher sends to the webhooks of a file, which it writes.
func (w *worker) dispatcher(path, content string) (*webhooks.Dispatcher, error) {
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		return nil, err
	}
	file, err := webhooks.ReadFile(path, w.log)
	if err != nil {
		return nil, err
	}
	return webhooks.New(webhooks.Config{RDB: w.rdb, Ledger: w.ledger, File: file, Log: w.log, Version: version()})
}
