package tasks_test

import (
	"context"
	"encoding/base64"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"issuance/internal/ledger"
	"issuance/tasks"
)

// shop is what the examples share: a Redis, a client, and somebody who plays the worker.
type shop struct {
	redis  *miniredis.Miniredis
	rdb    *redis.Client
	client *tasks.Client
}

func openShop() *shop {
	key := make([]byte, 32)
	for i := range key {
		key[i] = byte(i)
	}
	s := &shop{redis: miniredis.NewMiniRedis()}
	if err := s.redis.Start(); err != nil {
		panic(err)
	}
	s.rdb = redis.NewClient(&redis.Options{Addr: s.redis.Addr()})
	var err error
	s.client, err = tasks.NewClient(s.rdb, tasks.Options{
		SealKeys: base64.StdEncoding.EncodeToString(key), // the workers' ISSUANCE_SEAL_KEYS
		Rules:    tasks.Rules{MerchantID: "2000132"},
	})
	if err != nil {
		panic(err)
	}
	return s
}

func (s *shop) close() {
	_ = s.rdb.Close()
	s.redis.Close()
}

// worker brings an order or a refund to its end, as a worker does.
func (s *shop) worker(r tasks.Ref, end tasks.State) {
	ctx := context.Background()
	l := ledger.New(s.rdb, ledger.Options{})
	c, err := l.Claim(ctx, r, "example", time.Minute)
	if err != nil {
		panic(err)
	}
	if r.IsRefund() {
		_, _ = l.WritePlan(ctx, r, c.Record.Fence, ledger.Plan{Count: 2})
	}
	_, _, _ = l.Submit(ctx, r, c.Record.Fence, ledger.Intent{Host: "provider.example", Lease: time.Minute, Ticket: -1})
	if _, err := l.Finish(ctx, r, c.Record.Fence, ledger.Ending{State: end, ProviderRef: "EC20240501000001", Refunded: 2}); err != nil {
		panic(err)
	}
}

func document(number string, tickets string) []byte {
	return []byte(`{"provider": "ecticket", "request": {
		"MerchantTradeNo": "` + number + `", "IssueType": "2", "PrintType": "1", "Operator": "shop",
		"TicketInfo": [{"ItemNo": "VQT04959", "TicketAmount": ` + tickets + `}]}}`)
}
