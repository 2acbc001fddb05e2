package pages

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"issuance/internal/console"
)

// Row is what one page costs.
type Row struct {
	Page     string  `json:"page"`
	P50MS    float64 `json:"p50_ms"`
	P99MS    float64 `json:"p99_ms"`
	Commands int64   `json:"redis_commands"` // of the costliest answer
	RedisMS  float64 `json:"redis_cpu_ms"`   // of an answer, on average
	KiB      int     `json:"kib"`
}

// Config of a measurement.
type Config struct {
	Sizes    Sizes
	Rounds   int // answers of each page
	Watch    time.Duration
	Command  string // the built worker
	Progress func(string)
}

// Result is what was measured.
type Result struct {
	Redis string `json:"redis"`
	Pages []Row  `json:"pages"`
	Live  Live   `json:"live"`
}

// asked are the pages: a name and an address. What finds nothing has looked at as much as a page may.
func asked() [][2]string {
	order := func(id string) string { return console.Path + "orders/" + account.String() + "/" + id }
	list := func(q string) string { return console.Path + "?" + q }
	return [][2]string{
		{"orders: unfinished", console.Path},
		{"orders: unfinished, of an account", list("account=" + account.String())},
		{"orders: unfinished, accepted", list("state=accepted")},
		{"orders: unfinished, of an item that nobody has ordered", list("item=NONE")},
		{"orders: unfinished, of a lane without any", list("lane=checkout")},
		{"orders: ended", list("state=ended")},
		{"orders: ended, of the last hour", list("state=ended&age=w1h")},
		{"orders: ended, more than a day ago", list("state=ended&age=o24h")},
		{"orders: ended as failed, of which there is none", list("state=failed")},
		{"orders: ended, of an item that nobody has ordered", list("state=ended&item=NONE")},
		{"orders: in review", list("state=review")},
		{"search: our number", list("q=" + queuedID)},
		{"search: the provider's number of very many", list("q=" + providerRef)},
		{"search: nothing", list("q=NOTHING")},
		{"order: queued", order(queuedID)},
		{"order: issued, 100 decisions, two endpoints", order(endedID)},
		{"order: in review", order(reviewID)},
		{"reviews", console.Path + "reviews"},
		{"accounts", console.Path + "accounts"},
		{"files", console.Path + "bulk"},
		{"webhooks", console.Path + "webhooks"},
		{"jobs", console.Path + "jobs"},
		{"queues", console.Path + "queues/"},
		{"queues: all of them", console.Path + "queues/ui/api/queues"},
		{"queues: 100 tasks that wait", console.Path + "queues/ui/api/queues/ecticket-bulk/pending_tasks?size=100&page=500"},
	}
}

// Measure fills a Redis, asks every page, and counts what open consoles cost.
func Measure(ctx context.Context, c Config) (*Result, error) {
	h, err := open(ctx)
	if err != nil {
		return nil, err
	}
	defer h.close()
	if err := h.fill(ctx, c.Sizes, c.Progress); err != nil {
		return nil, err
	}
	res := &Result{Redis: "redis-server " + h.redis.Version(ctx)}
	for _, page := range append(asked(), h.further(ctx)...) {
		c.Progress(page[0])
		row, err := h.measure(ctx, page[0], page[1], c.Rounds)
		if err != nil {
			return nil, err
		}
		res.Pages = append(res.Pages, row)
	}
	res.Live, err = h.watch(ctx, c)
	return res, err
}

// further are the second pages of lists, which the first lead to.
func (h *house) further(ctx context.Context) (out [][2]string) {
	for _, name := range []string{"open", "ended", "review"} {
		path := console.Path + "?state=" + name
		if a, _, err := h.ask(ctx, path); err == nil {
			if next := a.next(); next != "" {
				out = append(out, [2]string{"orders: " + name + ", the second page", next})
			}
		}
	}
	return out
}

// next is where the link to the next page leads.
func (a *answer) next() string {
	before, _, found := strings.Cut(string(a.whole), `" rel="next"`)
	if !found {
		return ""
	}
	path := before[strings.LastIndex(before, `href="`)+len(`href="`):]
	return strings.ReplaceAll(path, "&amp;", "&")
}

// measure asks for a page again and again. What the front door remembers for all browsers is made anew each time.
func (h *house) measure(ctx context.Context, name, path string, rounds int) (Row, error) {
	row := Row{Page: name}
	var took []time.Duration
	var cpu time.Duration
	for round := range rounds + 1 {
		h.renew()
		before, used, err := h.spent(ctx)
		if err != nil {
			return row, err
		}
		a, t, err := h.ask(ctx, path)
		if err != nil {
			return row, err
		}
		after, now, err := h.spent(ctx)
		if err != nil {
			return row, err
		}
		if round == 0 {
			continue // it loads scripts
		}
		row.Commands = max(row.Commands, after-before-infos)
		row.KiB = max(row.KiB, len(a.whole)>>10)
		took, cpu = append(took, t), cpu+now-used
	}
	slices.Sort(took)
	row.P50MS, row.P99MS = ms(took[len(took)/2]), ms(took[(len(took)*99+99)/100-1])
	row.RedisMS = ms(cpu) / float64(rounds)
	return row, nil
}

// infos are the benchmark's own commands between two looks of spent.
const infos = 2

// spent is how many commands Redis has run, and its processor time.
func (h *house) spent(ctx context.Context) (int64, time.Duration, error) {
	n, err := h.redis.Commands(ctx)
	return n, h.redis.CPU(ctx), err
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// at is a path with a query.
func at(path string, q url.Values) string { return fmt.Sprintf("%s?%s", path, q.Encode()) }
