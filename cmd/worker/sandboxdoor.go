package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"

	"issuance/internal/frontdoor"
	"issuance/internal/sandbox"
	"issuance/tasks"
)

// client is one of the sandbox's own producers.
func (w *worker) client() (*tasks.Client, error) {
	return tasks.NewClient(w.rdb, tasks.Options{SealKeys: w.Seal.Keys.Reveal(), Rules: tasks.Rules{MerchantID: w.ECTicket.MerchantID},
		Retention: w.Worker.Retention, TaskTimeout: w.Worker.TaskTimeout})
}

// door is the sandbox's front door.
type door struct {
	listener net.Listener
	stop     func()
}

// openDoor serves the HTTP API beside the worker, on a port near the configured one.
func (w *worker) openDoor(sb *sandbox.Sandbox) (*door, error) {
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
	log := slog.New(slog.NewTextHandler(io.Discard, nil)) // the story says what happens to orders
	s := frontdoor.New(frontdoor.Config{Client: client, Ledger: w.ledger, RDB: w.rdb, Rules: tasks.Rules{MerchantID: w.ECTicket.MerchantID}, Log: log, Version: version()})
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := s.Listen(ctx, l, nil, w.Gateway.ShutdownTimeout); err != nil {
			w.log.Error("the HTTP API ended", "error", err)
		}
	})
	return &door{listener: l, stop: func() { cancel(); wg.Wait() }}, nil
}

// url is how programs of this machine call it.
func (d *door) url() string {
	_, port, _ := net.SplitHostPort(d.listener.Addr().String()) // of a TCP listener
	return "http://localhost:" + port
}

// firstCalls are what a reader can paste to use the HTTP API.
func (d *door) firstCalls(number string) string {
	const body = `{"IssueType":"4","Operator":"me","TicketInfo":[{"ItemName":"一日入場券","TicketPrice":500,"TicketAmount":2}]}`
	return fmt.Sprintf(`Or over HTTP, as any program can (%[1]s/docs describes it all):

curl -sX PUT %[1]s/v1/orders/ecticket/%[2]s -H 'Content-Type: application/json' -d '%[3]s'
curl -s '%[1]s/v1/orders/ecticket/%[2]s?wait=60'
curl -s '%[1]s/v1/orders/ecticket/%[2]s?tickets=true'
curl -sN '%[1]s/v1/events/stream?after=0'

`, d.url(), number, body)
}
