package door

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/internal/bench/lab"
	"issuance/internal/keys"
	"issuance/internal/ledger"
	"issuance/providers"
	"issuance/tasks/order"
)

// Endpoints of the benchmark: the one that is measured, and those beside it that must delay nobody.
const (
	good = "good"
	slow = "slow" // answers after slowFor
	dead = "dead" // nothing listens there
)

const slowFor = 5 * time.Second

// hooksSecret is of no use outside the benchmark.
const hooksSecret = "whsec_YmVuY2htYXJrLXNlY3JldC1vZi0zMi1ieXRlcyEhISE="

// Hooks is a front door that delivers to receivers in this process.
type Hooks struct {
	*Door
	Good    *Receiver
	command string
	redis   *lab.Redis
	file    string
	servers []*httptest.Server
}

// OpenHooks starts a front door with webhooks. beside adds the slow and the dead endpoint.
func OpenHooks(ctx context.Context, command string, redis *lab.Redis, orders int, beside bool) (h *Hooks, err error) {
	h = &Hooks{Good: newReceiver(orders), command: command, redis: redis, file: filepath.Join(filepath.Dir(command), "webhooks.yaml")}
	defer func() {
		if err != nil {
			h.Close()
		}
	}()
	urls := map[string]string{good: h.serve(h.Good)}
	if beside {
		urls[slow] = h.serve(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			select {
			case <-time.After(slowFor):
			case <-r.Context().Done():
			}
		}))
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		urls[dead] = "http://" + l.Addr().String()
		_ = l.Close()
	}
	var b strings.Builder
	b.WriteString("webhooks:\n")
	for name, url := range urls {
		fmt.Fprintf(&b, "  - {name: %s, url: %q, secret: %q, allow_private: true}\n", name, url, hooksSecret)
	}
	if err := os.WriteFile(h.file, []byte(b.String()), 0o600); err != nil {
		return nil, err
	}
	return h, h.Start(ctx)
}

func (h *Hooks) serve(handler http.Handler) (url string) {
	s := httptest.NewServer(handler)
	h.servers = append(h.servers, s)
	return s.URL
}

// Start starts the front door, and waits until it has begun to follow the events for every endpoint.
func (h *Hooks) Start(ctx context.Context) (err error) {
	if h.Door, err = Open(ctx, h.command, h.redis.URL(), h.file); err != nil {
		return err
	}
	return h.Ready(ctx, func() error {
		n, err := h.redis.RDB.HExists(ctx, keys.Webhook(good)+"state", "cursor").Result()
		if err == nil && !n {
			err = fmt.Errorf("no events are followed yet")
		}
		return err
	})
}

// Stop ends the front door and leaves the receivers.
func (h *Hooks) Stop() {
	if h.Door != nil {
		h.Door.Close()
		h.Door = nil
	}
}

// Close ends everything.
func (h *Hooks) Close() {
	h.Stop()
	for _, s := range h.servers {
		s.CloseClientConnections()
		s.Close()
	}
}

// account is whose events they are.
var account = providers.Account{Provider: providers.ECTicket, Merchant: strings.TrimPrefix(Account, "ecticket:")}

func orderID(n int) string { return fmt.Sprintf("W%09d", n) }

// End has orders come to a final status through the ledger, so many a second, and returns how long each took from there
// to the receiver.
func (h *Hooks) End(ctx context.Context, orders int, perSecond float64) ([]time.Duration, error) {
	l := ledger.New(h.redis.RDB, ledger.Options{})
	pace := time.NewTicker(time.Duration(float64(time.Second) / perSecond))
	defer pace.Stop()
	for n := range orders {
		r := order.Ref{Account: account, OrderID: orderID(n)}
		if _, err := l.Record(ctx, ledger.Intake{Ref: r, Lane: order.Checkout, Fingerprint: "f", Shape: []byte(`{}`), Document: "sealed"}); err != nil {
			return nil, err
		}
		select {
		case <-pace.C:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		h.Good.expect(n)
		if a, err := l.Cancel(ctx, r, "bench", ""); err != nil || !a.Applied {
			return nil, fmt.Errorf("cancel %s: %w", r, err)
		}
	}
	if err := h.Good.wait(ctx, orders); err != nil {
		return nil, err
	}
	return h.Good.took.take(), nil
}

// Fill writes the events of n orders to the stream, two of each: it needs review, and is issued then.
func (h *Hooks) Fill(ctx context.Context, n int) error {
	const batch = 1000
	at := time.Now().UnixMilli()
	for from := 0; from < n; from += batch {
		_, err := h.redis.RDB.Pipelined(ctx, func(p redis.Pipeliner) error {
			for _, state := range []order.State{order.Review, order.Issued} {
				for i := from; i < min(from+batch, n); i++ {
					id := orderID(i)
					p.XAdd(ctx, &redis.XAddArgs{Stream: keys.Events, Values: []any{"event_id", fmt.Sprintf("%s/%s/%s/1", Account, id, state), "ref", Account + "/" + id,
						"provider", string(account.Provider), "account", Account, "order_id", id, "state", string(state), "at", at}})
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
