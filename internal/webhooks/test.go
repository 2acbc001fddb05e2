package webhooks

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"time"
)

// TestType is the type of the event that Test sends, which no ledger knows.
const TestType = "webhook.test"

// Result is how a test ended.
type Result struct {
	OK     bool
	Status int // 0 without an answer
	Took   time.Duration
	Text   string // what is wrong; safe to show
}

// Test sends an endpoint an event of its own, once, signed like any other. Nothing is recorded.
func Test(ctx context.Context, e *Endpoint, proxyURL, version string) (Result, error) {
	s, err := newSender(proxyURL, version, time.Now)
	if err != nil {
		return Result{}, err
	}
	defer s.close()
	id := "test/" + rand.Text()
	body, err := json.Marshal(map[string]any{"type": TestType, "timestamp": time.Now().UTC(), "data": map[string]string{"event_id": id, "webhook": e.Name}})
	if err != nil {
		return Result{}, err
	}
	a := s.send(ctx, e, id, body)
	return Result{a.kind == delivered, a.status, a.took, a.text}, nil
}

// Test is Test for an endpoint of the dispatcher's file; known is false where the file has none of that name.
func (d *Dispatcher) Test(ctx context.Context, name string) (r Result, known bool, err error) {
	e := d.File.Find(name)
	if e == nil {
		return Result{}, false, nil
	}
	r, err = Test(ctx, e, d.ProxyURL, d.Version)
	return r, true, err
}
