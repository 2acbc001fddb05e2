package chaos

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"issuance/internal/webhooks"
	"issuance/tasks"
	"issuance/tasks/order"
)

// FrontDoors are the front doors and everything around them: connections that break, receivers of webhooks, readers of events.
type FrontDoors struct {
	rig       *Rig
	doors     []*door
	receivers []*Receiver
	readers   []*Reader
	client    *http.Client
	hooks     *webhooks.Store
	calm      atomic.Bool // no connection breaks any more

	reading sync.WaitGroup
	endRead context.CancelFunc

	// statuses are what a front door answered in the end about every order and refund with a receipt.
	statuses map[order.Ref]tasks.State
	bodies   []string // of these answers
}

// door is a front door and the ways to it.
type door struct {
	*Worker
	requests, bulk, events *proxy
}

// newFrontDoors prepares front doors, receivers and readers. All of it ends with the test.
func newFrontDoors(r *Rig, dir string) *FrontDoors {
	l := &FrontDoors{rig: r, hooks: webhooks.NewStore(r.Place.Connect()),
		// A connection for each request, so that a break is one request's.
		client: &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: dialer().DialContext}}}
	files := r.t.TempDir()
	env := append(r.environment(), "GATEWAY_HTTP_ADDR=127.0.0.1:0", "GATEWAY_SHUTDOWN_TIMEOUT=10s",
		"GATEWAY_TOKENS_FILE="+l.write(filepath.Join(files, "tokens.yaml"), l.tokens()),
		"GATEWAY_WEBHOOKS_FILE="+l.write(filepath.Join(files, "webhooks.yaml"), l.webhooks()))
	for i := range r.Doors {
		name := fmt.Sprintf("door%d", i+1)
		d := &door{Worker: &Worker{Name: name, bin: r.DoorBinary, args: []string{"serve"}, env: env, log: filepath.Join(dir, name+".log")}}
		d.requests = l.proxy(d, name+" requests", shortBreaks)
		d.bulk = l.proxy(d, name+" bulk", bulkBreaks)
		d.events = l.proxy(d, name+" events", streamBreaks)
		l.doors = append(l.doors, d)
	}
	for i := range 2 {
		l.readers = append(l.readers, &Reader{front: l, rand: dice(r.Seed, "reader", fmt.Sprint(i))})
	}
	return l
}

func (l *FrontDoors) write(path, text string) string {
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		l.rig.t.Fatal(err)
	}
	return path
}

func (l *FrontDoors) tokens() string {
	return fmt.Sprintf("tokens:\n  - name: checkout\n    sha256: %x\n    scopes: [orders, refunds, events]\n", sha256.Sum256([]byte(l.rig.Secrets.Token)))
}

// webhooks starts the receivers, and writes the front doors' file.
func (l *FrontDoors) webhooks() string {
	text := "webhooks:\n"
	for _, name := range []string{"flaky", "shaky", "slow"} {
		rec, err := newReceiver(name, l.rig.Seed, l.rig.Secrets.WebhookKey)
		if err != nil {
			l.rig.t.Fatal(err)
		}
		l.rig.t.Cleanup(func() { rec.server.CloseClientConnections(); rec.server.Close() })
		rec.script = l.rig.Answers
		if rec.flaky = name != "slow"; !rec.flaky {
			rec.slow = slowReceiver
		}
		l.receivers = append(l.receivers, rec)
		text += fmt.Sprintf("  - name: %s\n    url: %s/hook\n    secret: whsec_%s\n    allow_private: true\n", name, rec.server.URL, l.rig.Secrets.WebhookKey)
	}
	return text
}

func (l *FrontDoors) proxy(d *door, name string, draw func(*rand.Rand) breaking) *proxy {
	p := &proxy{name: name, seed: l.rig.Seed, door: d.address, draw: draw, calm: &l.calm}
	if err := p.listen(); err != nil {
		l.rig.t.Fatal(err)
	}
	l.rig.t.Cleanup(p.close)
	return p
}

// address is where the process listens, "" while it does not.
func (d *door) address() string {
	p := d.current()
	if p == nil || p.ended() {
		return ""
	}
	at, err := servingAt(d.log, p.from)
	if err != nil {
		return ""
	}
	return strings.TrimPrefix(at, "http://")
}

// processes are the front doors; l may be nil.
func (l *FrontDoors) processes() (list []*Worker) {
	if l == nil {
		return nil
	}
	for _, d := range l.doors {
		list = append(list, d.Worker)
	}
	return list
}

// open waits until every receiver gets what happens from now on, and has the readers read; l may be nil.
func (l *FrontDoors) open(ctx context.Context) error {
	if l == nil {
		return nil
	}
	for _, rec := range l.receivers {
		for {
			st, err := l.hooks.State(ctx, rec.name)
			if err != nil {
				return err
			}
			if st.Cursor != "" {
				break
			}
			if !pause(ctx, 20*time.Millisecond) {
				return fmt.Errorf("chaos: no front door serves the webhook %s: %w", rec.name, ctx.Err())
			}
		}
	}
	ctx, l.endRead = context.WithCancel(context.WithoutCancel(ctx))
	l.rig.t.Cleanup(l.stopReading)
	for _, s := range l.readers {
		l.reading.Go(func() { s.run(ctx) })
	}
	return nil
}

func (l *FrontDoors) stopReading() {
	l.endRead()
	l.reading.Wait()
}

// request is one of a caller with a token.
func (l *FrontDoors) request(ctx context.Context, method, url string, body io.Reader) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+l.rig.Secrets.Token)
	return req, nil
}

// clear ends all breaks of connections; l may be nil.
func (l *FrontDoors) clear() {
	if l != nil {
		l.calm.Store(true)
	}
}

// outstanding counts what receivers and readers still have to get. l may be nil.
func (l *FrontDoors) outstanding(ctx context.Context) (n int, err error) {
	if l == nil {
		return 0, nil
	}
	last, err := l.rig.Ledger.LastEvent(ctx)
	if err != nil {
		return 0, err
	}
	for _, rec := range l.receivers {
		st, err := l.hooks.State(ctx, rec.name)
		if err != nil {
			return 0, err
		}
		if n += st.Outstanding; st.Cursor != last {
			n++
		}
	}
	for _, s := range l.readers {
		if s.at() != last {
			n++
		}
	}
	return n, nil
}

// ask reads, at a front door, the status of everything that there are receipts of. l may be nil.
func (l *FrontDoors) ask(ctx context.Context, receipts *Receipts) error {
	if l == nil {
		return nil
	}
	l.statuses = map[order.Ref]tasks.State{}
	for i, ref := range receipts.refs() {
		at := "http://" + l.doors[i%len(l.doors)].address() + orderPath(ref.Order())
		st, text, err := l.status(ctx, at)
		if err != nil {
			return fmt.Errorf("chaos: the status of %s: %w", ref, err)
		}
		l.bodies = append(l.bodies, text)
		l.statuses[ref] = stateOf(st, ref)
	}
	return nil
}

// stateOf is what a status says of its order or of one of its refunds, "" for nothing.
func stateOf(st tasks.Status, ref order.Ref) tasks.State {
	if !ref.IsRefund() {
		return st.State
	}
	for _, f := range st.Refunds {
		if f.RefundID == ref.RefundID {
			return f.State
		}
	}
	return ""
}

func (l *FrontDoors) status(ctx context.Context, url string) (st tasks.Status, text string, err error) {
	req, err := l.request(ctx, http.MethodGet, url, nil)
	if err != nil {
		return st, "", err
	}
	res, err := l.client.Do(req)
	if err != nil {
		return st, "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK && res.StatusCode != http.StatusNotFound {
		err = errors.New(res.Status)
	}
	if err == nil {
		err = json.Unmarshal(body, &st)
	}
	return st, string(body), err
}

// shown shows what receivers were sent, and what was answered about orders. l may be nil.
func (l *FrontDoors) shown(look func(kind, place, text string)) {
	if l == nil {
		return
	}
	for _, text := range l.bodies {
		look("statuses", "a status", text)
	}
	for _, rec := range l.receivers {
		rec.mu.Lock()
		for _, d := range rec.arrivals {
			look("webhooks", "a webhook", d.body)
		}
		rec.mu.Unlock()
	}
}

// orderPath is where an order is, of a refund where the refund is.
func orderPath(r order.Ref) string {
	path := "/v1/orders/" + r.Account.String() + "/" + r.OrderID
	if r.IsRefund() {
		path += "/refunds/" + r.RefundID
	}
	return path
}
