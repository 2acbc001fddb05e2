package pages

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/internal/bench/lab"
	"issuance/internal/budget"
	"issuance/internal/console"
	"issuance/internal/frontdoor"
	"issuance/internal/ledger"
	"issuance/internal/queueui"
	"issuance/internal/redisconn"
	"issuance/internal/seal"
	"issuance/providers"
	"issuance/tasks"
	"issuance/tasks/order"
)

// account is whose orders they are.
var account = providers.Account{Provider: providers.ECTicket, Merchant: "2000132"}

func ref(id string) order.Ref { return order.Ref{Account: account, OrderID: id} }

// house is a front door with a console over a Redis of its own.
type house struct {
	redis  *lab.Redis
	rdb    *redis.Client         // the front door's
	looks  redis.UniversalClient // of asynq's UI
	ledger *ledger.Ledger
	client *tasks.Client
	door   *frontdoor.Server
	pages  *console.Console
	ring   *seal.Ring
}

// quiet is no log.
var quiet = slog.New(slog.DiscardHandler)

// open starts a Redis with the settings that are shipped, and a front door that nothing has asked yet.
func open(ctx context.Context) (*house, error) {
	server, err := lab.StartRedis(ctx, append([]string{"--hash-max-listpack-value", "2048"}, lab.InMemory...)...)
	if err != nil {
		return nil, err
	}
	h := &house{redis: server, rdb: server.Client()}
	if err := h.wire(ctx); err != nil {
		h.close()
		return nil, err
	}
	return h, nil
}

func (h *house) wire(ctx context.Context) error {
	o, err := redisconn.Parse(redisconn.Source{URL: h.redis.URL()})
	if err != nil {
		return err
	}
	h.ring, err = seal.ParseRing(seal.SandboxKey())
	if err != nil {
		return err
	}
	if h.client, err = tasks.NewClient(h.rdb, tasks.Options{SealKeys: seal.SandboxKey()}); err != nil {
		return err
	}
	acc, err := budget.New(h.rdb, budget.Config{Account: account, PerSecond: 4})
	if err == nil {
		err = acc.Announce(ctx)
	}
	if err != nil {
		return err
	}
	h.looks, h.ledger = queueui.Connect(o), ledger.New(h.rdb, ledger.Options{})
	h.renew()
	return nil
}

func (h *house) close() {
	if h.looks != nil {
		_ = h.looks.Close()
	}
	_ = h.rdb.Close()
	h.redis.Close()
}

// renew has the front door forget what it remembers for all browsers: it is one that was just started.
func (h *house) renew() {
	h.door = frontdoor.New(frontdoor.Config{Client: h.client, Ledger: h.ledger, RDB: h.rdb, Log: quiet, Version: "bench"})
	h.pages = console.New(console.Config{Door: h.door, Client: h.client, Ledger: h.ledger, RDB: h.rdb, Log: quiet, Ring: h.ring, Pages: h.looks})
}

// answer is a page that is measured.
type answer struct {
	header http.Header
	status int
	whole  []byte
}

func (a *answer) Header() http.Header    { return a.header }
func (a *answer) WriteHeader(status int) { a.status = status }
func (a *answer) Write(b []byte) (int, error) {
	a.whole = append(a.whole, b...)
	return len(b), nil
}

// ask has the front door answer a request of this machine.
func (h *house) ask(ctx context.Context, path string) (*answer, time.Duration, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://localhost"+path, nil)
	if err != nil {
		return nil, 0, err
	}
	req.RemoteAddr, req.RequestURI = "127.0.0.1:1", path
	a := &answer{header: http.Header{}, status: http.StatusOK}
	began := time.Now()
	h.door.ServeHTTP(a, req)
	took := time.Since(began)
	if a.status >= 400 {
		return a, took, fmt.Errorf("%s: %d: %s", path, a.status, a.whole[:min(len(a.whole), 300)])
	}
	return a, took, nil
}
