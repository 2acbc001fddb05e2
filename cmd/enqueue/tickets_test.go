package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"issuance/internal/ledger"
	"issuance/internal/looks"
	"issuance/internal/notices"
	"issuance/providers"
	"issuance/providers/ecticket"
	"issuance/providers/ecticket/ecticketsim"
	"issuance/providers/ecticket/wire"
	"issuance/tasks/order"
)

// tickets issue ORDER|redeem ORDER|refund ORDER|look|once is what happens to tickets at ECTicket: an order of paper
// tickets is issued, here and there, or the first unused ticket of one is used up. look has looks made until the script
// ends, as a worker does, and once those that are due.
func (w *world) tickets(ts *testscript.TestScript, _ bool, args []string) {
	account := ecticketsim.DefaultAccounts()[0]
	client, err := ecticket.New(ecticket.Config{BaseURL: w.simURL, MerchantID: account.MerchantID, Keys: wire.Keys{HashKey: account.HashKey, HashIV: account.HashIV}})
	ts.Check(err)
	ts.Defer(client.Close)
	ctx := context.Background()
	switch args[0] {
	case "issue":
		ts.Check(w.issue(ctx, client, order.Ref{Account: client.Account(), OrderID: args[1]}))
	case "redeem", "refund":
		sold, _ := w.sim.Books().Order(args[1])
		for _, t := range sold.Tickets {
			if t.UseStatus == ecticketsim.Unused {
				if args[0] == "refund" {
					ts.Check(w.sim.RefundInOffice(t.TicketNo))
				} else {
					ts.Check(w.sim.Redeem(t.TicketNo, ""))
				}
				return
			}
		}
		ts.Fatalf("%s has no unused ticket", args[1])
	default:
		looker := looks.New(looks.Config{Provider: client, Ledger: ledger.New(w.rdb, ledger.Options{}), Ring: w.worker.ring,
			Notices: notices.New(w.rdb, client.Account()), Log: slog.New(slog.DiscardHandler)})
		if args[0] == "once" {
			_, err := looker.Due(ctx)
			ts.Check(err)
			return
		}
		running, stop := context.WithCancel(ctx)
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			looks.Run(running, func() []*looks.Looker { return []*looks.Looker{looker} }, slog.New(slog.DiscardHandler))
		}()
		ts.Defer(func() { stop(); <-ended })
	}
}

// issue issues an order of three tickets.
func (w *world) issue(ctx context.Context, client *ecticket.Client, r order.Ref) error {
	request, err := json.Marshal(map[string]any{"MerchantTradeNo": r.OrderID, "IssueType": "2", "PrintType": "2", "Operator": "A",
		"TicketInfo": []map[string]any{{"ItemNo": "VQT04959", "TicketAmount": 3}}})
	if err != nil {
		return err
	}
	if err := w.worker.begin(ctx, r, "new"); err != nil {
		return err
	}
	a, _, err := w.worker.ledger.Submit(ctx, r, w.worker.fences[r], ledger.Intent{Host: client.Host(), Lease: time.Minute, Ticket: -1})
	if err := wanted(err, a.Applied); err != nil {
		return err
	}
	if out := client.Issue(ctx, providers.Order{ID: r.OrderID, Request: request}); out.Kind != providers.Done && out.Kind != providers.Accepted {
		return fmt.Errorf("issue: %v", out)
	}
	a, err = w.worker.ledger.Finish(ctx, r, w.worker.fences[r], ledger.Ending{State: order.Issued})
	return wanted(err, a.Applied)
}

// events prints those of tickets.
func (w *world) events(ts *testscript.TestScript, _ bool, _ []string) {
	list, err := w.worker.ledger.Events(context.Background(), "0", 1000, 0)
	ts.Check(err)
	for _, e := range list {
		if e.Ticket > 0 {
			ts.Stdout().Write(fmt.Appendf(nil, "%s ticket %d %s %s\n", e.Ref, e.Ticket, e.State, e.Code))
		}
	}
}
