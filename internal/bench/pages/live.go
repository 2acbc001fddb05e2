package pages

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"issuance/internal/bench/lab"
	"issuance/internal/console"
)

// Live is what Redis runs a second, beside what is measured.
type Live struct {
	Door    float64 `json:"front_door"`   // a front door that nobody looks at
	Viewers float64 `json:"ten_consoles"` // more with ten consoles open
	Worker  float64 `json:"an_idle_worker"`
}

// viewed are the pages that ten consoles show.
var viewed = []url.Values{
	{"accounts": {""}}, {"accounts": {""}}, {"accounts": {""}}, {"reviews": {""}}, {"reviews": {""}}, {"reviews": {""}},
	{"order": {ref(queuedID).String()}}, {"order": {ref(queuedID).String()}}, {"order": {ref(endedID).String()}}, {"order": {ref(reviewID).String()}},
}

// watch counts the commands of a front door, of ten consoles at it, and of a worker that has nothing to do.
func (h *house) watch(ctx context.Context, c Config) (l Live, err error) {
	run, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { h.door.Run(run) })
	wg.Go(func() { h.pages.Run(run) })
	web := httptest.NewServer(h.door)
	defer func() { h.door.Drain(); web.CloseClientConnections(); web.Close(); stop(); wg.Wait() }()
	c.Progress("a front door that nobody looks at")
	if l.Door, err = perSecond(ctx, h.redis, c.Watch); err != nil {
		return l, err
	}
	c.Progress("ten consoles")
	for _, q := range viewed {
		if err := view(run, &wg, web.URL, q); err != nil {
			return l, err
		}
	}
	with, err := perSecond(ctx, h.redis, c.Watch)
	if err != nil {
		return l, err
	}
	l.Viewers = with - l.Door
	c.Progress("an idle worker")
	l.Worker, err = idleWorker(ctx, c)
	return l, err
}

// view opens a page's stream, and asks for the page whenever it says that something has changed, as console.js does.
func view(ctx context.Context, wg *sync.WaitGroup, base string, q url.Values) error {
	base = strings.Replace(base, "127.0.0.1", "localhost", 1)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+at(console.Path+"live", q), nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		_ = res.Body.Close()
		return fmt.Errorf("%s: %s", req.URL, res.Status)
	}
	page := console.Path + "reviews"
	if q.Has("accounts") {
		page = console.Path + "accounts"
	} else if id := q.Get("order"); id != "" {
		page = console.Path + "orders/" + id
	}
	wg.Go(func() {
		defer res.Body.Close()
		for lines := bufio.NewScanner(res.Body); lines.Scan(); {
			if strings.HasPrefix(lines.Text(), "data:") {
				if again, err := http.Get(base + page); err == nil {
					_ = again.Body.Close()
				}
			}
		}
	})
	return nil
}

// perSecond is how many commands Redis runs in a second.
func perSecond(ctx context.Context, r *lab.Redis, over time.Duration) (float64, error) {
	before, err := r.Commands(ctx)
	if err != nil {
		return 0, err
	}
	select {
	case <-time.After(over):
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	after, err := r.Commands(ctx)
	return float64(after-before-1) / over.Seconds(), err
}

// idleWorker is how many commands a second a worker runs that has both providers' queues and no orders.
func idleWorker(ctx context.Context, c Config) (float64, error) {
	r, err := lab.StartRedis(ctx, append([]string{"--appendonly", "no"}, lab.InMemory...)...)
	if err != nil {
		return 0, err
	}
	defer r.Close()
	port, err := lab.FreePort()
	if err != nil {
		return 0, err
	}
	key := make([]byte, 32)
	rand.Read(key) // never fails
	addr := fmt.Sprintf("127.0.0.1:%d", port)
	w, err := lab.StartProcess(c.Command, nil, map[string]string{"REDIS_URL": r.URL(), "ISSUANCE_SEAL_KEYS": base64.StdEncoding.EncodeToString(key),
		"ECTICKET_MERCHANT_ID": "2000132", "ECTICKET_HASH_KEY": "5294y06JbISpM5x9", "ECTICKET_HASH_IV": "v77hoKGq4kWxNNIS", "ECTICKET_BASE_URL": "http://127.0.0.1:9",
		"PASS2U_API_KEY": "bench", "PASS2U_BASE_URL": "http://127.0.0.1:9", "WORKER_HTTP_ADDR": addr, "HOME": os.TempDir()})
	if err != nil {
		return 0, err
	}
	defer w.Close()
	if err := w.Ready(ctx, func() error {
		res, err := http.Get("http://" + addr + "/healthz")
		if err == nil {
			_ = res.Body.Close()
		}
		return err
	}); err != nil {
		return 0, err
	}
	n, err := perSecond(ctx, r, c.Watch)
	if err == nil && n == 0 {
		err = fmt.Errorf("the worker does nothing:\n%s", w.Output())
	}
	return n, err
}
