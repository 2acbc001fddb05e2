package handlertest

import (
	"context"
	"encoding/base64"
	"maps"
	"slices"
	"strings"
	"sync"

	"issuance/internal/ledger"
	"issuance/providers"
	"issuance/tasks/order"
)

// Canaries are values that must not be found in logs, errors or Redis. Documents and results of the
// bench are made of them.
const (
	CustomerName  = "金絲雀客人"
	CustomerPhone = "0987123654"
	CustomerEmail = "canary.customer@example.test"
	WriteOffNo    = "CANARYwriteoffno"
	VoucherURL    = "https://voucher.example.test/canary-link"
	Passcode      = "canary-passcode"
	Barcode       = "CANARYbarcode"
	// TicketNo begins every ticket number.
	TicketNo = "CANARYTICKET"
)

// Canaries lists them.
func Canaries() []string {
	return []string{CustomerName, CustomerPhone, CustomerEmail, WriteOffNo, VoucherURL, Passcode, Barcode, TicketNo}
}

// record keeps everything that was said. Safe for concurrent use.
type record struct {
	mu  sync.Mutex
	all strings.Builder
}

// Write implements io.Writer.
func (r *record) Write(p []byte) (int, error) {
	r.add(string(p))
	return len(p), nil
}

func (r *record) add(s string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all.WriteString(s + "\n")
}

func (r *record) text() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.all.String()
}

// watch fails the test when a canary is found anywhere.
func (b *Bench) watch() {
	for _, where := range b.Leaks() {
		b.T.Errorf("a secret can be read in %s", where)
	}
}

// Leaks lists the places where a canary can be read.
func (b *Bench) Leaks() []string {
	texts := map[string]string{"what was logged and returned": b.said.text()}
	if b.Redis != nil {
		for key, content := range b.Redis.Dump(context.Background()) {
			texts["Redis key "+key] = content
		}
	}
	var leaks []string
	for _, where := range slices.Sorted(maps.Keys(texts)) {
		for _, canary := range Canaries() {
			for _, form := range []string{canary, base64.StdEncoding.EncodeToString([]byte(canary))} {
				if strings.Contains(texts[where], form) {
					leaks = append(leaks, where)
				}
			}
		}
	}
	return leaks
}

// Record reads a record.
func (b *Bench) Record(r order.Ref) *ledger.Record {
	b.T.Helper()
	rec, err := b.Ledger.Load(context.Background(), r)
	if err != nil {
		b.T.Fatal(err)
	}
	return rec
}

// Events lists the ids of the final statuses published so far.
func (b *Bench) Events() []string {
	b.T.Helper()
	events, err := b.Ledger.Events(context.Background(), "0", 1000, 0)
	if err != nil {
		b.T.Fatal(err)
	}
	var ids []string
	for _, e := range events {
		ids = append(ids, e.ID)
	}
	return ids
}

// Gate is a providers.Gate that answers what a test sets.
type Gate struct {
	mu     sync.Mutex
	err    error
	passed int
}

// Refuse makes Pass answer err; nil lets calls through again.
func (g *Gate) Refuse(err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.err = err
}

// Pass implements providers.Gate.
func (g *Gate) Pass(context.Context) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.err == nil {
		g.passed++
	}
	return g.err
}

// Passed counts the calls let through.
func (g *Gate) Passed() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.passed
}

var _ providers.Gate = (*Gate)(nil)
