package ecticket_test

import (
	"context"
	"encoding/json"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"issuance/providers"
	"issuance/providers/ecticket"
	"issuance/providers/ecticket/wire"
)

const merchant = "2000132"

// keys are ECPay's public test keys.
var keys = wire.Keys{HashKey: "7b53896b742849d3", HashIV: "37a0ad3c6ffa428b"}

var order = providers.Order{ID: "CBX20220302153064851", Request: json.RawMessage(`{
	"MerchantTradeNo": "CBX20220302153064851", "IssueType": "3", "IsImmediate": "1", "Operator": "AngelaChan",
	"CustomerName": "王珊珊", "CustomerPhone": "0912345678", "CustomerEmail": "abc@gmail.com", "CustomerAddress": "台北市南港區三重路19號",
	"TicketInfo": [{"ItemNo": "VQT04959", "TicketAmount": 2}]}`)}

var serialOrder = providers.Order{ID: "CBX4", Request: json.RawMessage(`{
	"MerchantTradeNo": "CBX4", "IssueType": "4", "Operator": "AngelaChan", "TicketInfo": [
	{"ItemName": "五星渡假飯店假日住宿券", "TicketPrice": 6600, "TicketAmount": 2},
	{"ItemName": "SPA課程體驗券(A)", "TicketPrice": 3200, "TicketAmount": 4}]}`)}

var giftOrder = providers.Order{ID: "F1", Request: json.RawMessage(`{
	"FreeTradeNo": "F1", "IssueType": "2", "PrintType": "2", "Operator": "AngelaChan", "CustomerName": "Ann Lee",
	"TicketInfo": [{"ItemNo": "GFT00001", "TicketAmount": 3, "ExpireDate": "20991231"}]}`)}

// gate counts and may refuse.
type gate struct {
	passed atomic.Int32
	bans   atomic.Int32
	err    error
	hook   func()
}

func (g *gate) Pass(context.Context) error {
	g.passed.Add(1)
	if g.hook != nil {
		g.hook()
	}
	return g.err
}

func (g *gate) Banned(ctx context.Context, reason string) {
	if ctx.Err() == nil && reason != "" {
		g.bans.Add(1)
	}
}

// server is a scripted ECTicket that keeps what it was asked.
type server struct {
	*httptest.Server
	mu     sync.Mutex
	asked  []asked
	closed chan struct{}
}

type asked struct {
	path    string
	header  http.Header
	request wire.Request
	plain   []byte
}

func (s *server) calls() []asked {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]asked(nil), s.asked...)
}

// respond answers one call; n counts from 1.
type respond func(w http.ResponseWriter, r *http.Request, n int, a asked)

func listen(t testing.TB, answer respond) *server {
	t.Helper()
	s := &server{closed: make(chan struct{})}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Errorf("the request's body cannot be read: %v", err)
		}
		a := asked{path: r.URL.Path, header: r.Header}
		if err := json.Unmarshal(body, &a.request); err != nil {
			t.Errorf("the request is no envelope: %v", err)
		}
		if a.plain, err = wire.Open(keys, a.request.Data); err != nil {
			t.Errorf("the request's Data cannot be opened: %v", err)
		}
		if _, ok := wire.VerifyMAC(keys, a.plain, a.request.CheckMacValue); !ok {
			t.Error("the request's CheckMacValue is wrong")
		}
		s.mu.Lock()
		s.asked = append(s.asked, a)
		n := len(s.asked)
		s.mu.Unlock()
		answer(w, r, n, a)
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.Start()
	t.Cleanup(func() { close(s.closed); s.Close() })
	return s
}

// client makes a client of url; change may alter its configuration.
func client(t testing.TB, url string, change ...func(*ecticket.Config)) *ecticket.Client {
	t.Helper()
	cfg := ecticket.Config{BaseURL: url, MerchantID: merchant, Keys: keys}
	for _, f := range change {
		f(&cfg)
	}
	c, err := ecticket.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	c.SetRetryWait(time.Millisecond)
	t.Cleanup(c.Close)
	return c
}

// authentic writes an envelope around data as ECTicket would; change may spoil it.
func authentic(w http.ResponseWriter, data any, change ...func(envelope map[string]any)) {
	plain, ok := data.(string)
	if !ok {
		raw, err := json.Marshal(data)
		if err != nil {
			panic(err)
		}
		plain = string(raw)
	}
	sealed, mac := wire.Seal(keys, []byte(plain))
	env := map[string]any{
		"PlatformID": "", "MerchantID": merchant, "RpHeader": map[string]any{"Timestamp": time.Now().Unix()},
		"TransCode": 1, "TransMsg": "", "Data": sealed, "CheckMacValue": mac,
	}
	for _, f := range change {
		f(env)
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	if err := json.NewEncoder(w).Encode(env); err != nil {
		panic(err)
	}
}

func set(name string, value any) func(map[string]any) {
	return func(env map[string]any) { env[name] = value }
}

func drop(name string) func(map[string]any) {
	return func(env map[string]any) { delete(env, name) }
}

type data = map[string]any

// yes is an answer that every call takes for a success.
func yes() data {
	return data{
		"RtnCode": 1, "RtnMsg": "success", "MerchantID": merchant, "Status": 1, "TotalCount": 0, "UseStatus": 1,
		"TicketTradeNo": "2022030215301234", "TicketList": []any{}, "ItemInfoList": []any{},
	}
}

func with(name string, value any) data {
	d := yes()
	d[name] = value
	return d
}

// ops makes every call of the client and returns its outcome. A finding's is that of its outcome.
var ops = []struct {
	name    string
	mutates bool
	do      func(context.Context, *ecticket.Client) providers.Outcome
}{
	{"Issue", true, func(ctx context.Context, c *ecticket.Client) providers.Outcome { return c.Issue(ctx, order) }},
	{"RefundTicket", true, func(ctx context.Context, c *ecticket.Client) providers.Outcome {
		return c.RefundTicket(ctx, providers.TicketRefund{TicketNo: "CB2SY20220302153", Operator: "AngelaChan"})
	}},
	{"LookUp", false, func(ctx context.Context, c *ecticket.Client) providers.Outcome { return c.LookUp(ctx, order).Outcome }},
	{"Tickets", false, func(ctx context.Context, c *ecticket.Client) providers.Outcome {
		_, out := c.Tickets(ctx, order)
		return out
	}},
	{"TicketStatus", false, func(ctx context.Context, c *ecticket.Client) providers.Outcome {
		_, out := c.TicketStatus(ctx, "CB2SY20220302153")
		return out
	}},
	{"StatusByWriteOffNo", false, func(ctx context.Context, c *ecticket.Client) providers.Outcome {
		_, out := c.StatusByWriteOffNo(ctx, "LEU4loiSZ9TDTWAtxL")
		return out
	}},
	{"Items", false, func(ctx context.Context, c *ecticket.Client) providers.Outcome {
		_, out := c.Items(ctx, nil)
		return out
	}},
}

func clientWithGate(t testing.TB, url string, g providers.Gate) *ecticket.Client {
	return client(t, url, func(cfg *ecticket.Config) { cfg.Gate = g })
}
