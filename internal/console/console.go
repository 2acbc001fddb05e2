package console

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/internal/budget"
	"issuance/internal/frontdoor"
	"issuance/internal/ledger"
	"issuance/internal/operate"
	"issuance/internal/seal"
	"issuance/internal/webhooks"
	"issuance/providers"
	"issuance/tasks"
)

// Path is where the console is served.
const Path = "/console/"

// Config of a Console. Everything is required unless a default is given.
type Config struct {
	Door   *frontdoor.Server
	Client *tasks.Client
	Ledger *ledger.Ledger
	RDB    redis.UniversalClient
	Log    *slog.Logger
	// Ring opens what is sealed. Default: what is sealed cannot be shown.
	Ring *seal.Ring
	// Tokens are who may log in. Default: nobody has to, and only browsers of this machine are answered.
	Tokens *frontdoor.Tokens
	// Hooks tests webhooks. Default: nobody can test them here.
	Hooks *webhooks.Dispatcher
	// Pages is the client of asynq's UI, made by queueui.Connect. Default: there is no page of queues.
	Pages redis.UniversalClient
	// TraceURL is where a trace is looked at, {trace_id} in place of its id. Default: the id is shown as text.
	TraceURL string
	// Zone is the time zone of the pages. Default Asia/Taipei.
	Zone *time.Location
	// Now is the clock. Default time.Now.
	Now func() time.Time
}

// Console serves the pages. Safe for concurrent use.
type Console struct {
	Config
	mux      *http.ServeMux
	desk     *operate.Desk
	hooks    *webhooks.Store
	sessions sessions
	jobs     *jobs
	files    *files
	queues   queuesUI

	accountsNow overview

	mu       sync.Mutex
	accounts []providers.Account
	idle     map[providers.Account]bool // those of accounts that no worker serves and that have no orders
	read     time.Time                  // when accounts was
}

// New makes a console and mounts it at the front door. Run has to run for jobs and uploaded files.
func New(c Config) *Console {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Zone == nil {
		c.Zone = providers.Taiwan
	}
	o := &Console{Config: c, mux: http.NewServeMux(), desk: operate.New(c.RDB, c.Ledger), hooks: webhooks.NewStore(c.RDB),
		sessions: sessions{c.RDB, c.Now}}
	o.jobs, o.files = newJobs(o), newFiles(o)
	o.routes()
	c.Door.Mount(Path, o)
	return o
}

// Run works on jobs and uploaded files until the context ends.
func (c *Console) Run(ctx context.Context) {
	var wg sync.WaitGroup
	wg.Go(func() { c.files.run(ctx) })
	c.jobs.run(ctx)
	wg.Wait()
}

func (c *Console) routes() {
	c.mux.Handle("GET "+Path+"static/", static())
	c.open("GET "+Path+"login", (*visit).loginPage)
	c.open("POST "+Path+"login", (*visit).login)
	c.open("GET "+Path+"language", (*visit).language)
	c.open("POST "+Path+"logout", (*visit).logout)
	c.see("GET "+Path+"{$}", (*visit).list)
	c.see("GET "+Path+"export.csv", (*visit).export)
	c.see("GET "+Path+"live", (*visit).live)
	c.see("GET "+Path+"reviews", (*visit).reviews)
	const one = Path + "orders/{account}/{order}"
	c.see("GET "+one, (*visit).order)
	c.act("POST "+one+"/cancel", (*visit).cancel)
	c.act("POST "+one+"/resolve", (*visit).resolve)
	c.act("POST "+one+"/retry", (*visit).retry)
	c.act("POST "+one+"/show", (*visit).reveal)
	c.see("GET "+Path+"jobs", (*visit).jobList)
	c.act("POST "+Path+"jobs", (*visit).newJob)
	c.see("GET "+Path+"jobs/{id}", (*visit).job)
	c.act("POST "+Path+"jobs/{id}/start", (*visit).startJob)
	c.act("POST "+Path+"jobs/{id}/stop", (*visit).stopJob)
	c.see("GET "+Path+"accounts", (*visit).accounts)
	c.act("POST "+Path+"accounts/{account}/pause", (*visit).pause)
	c.act("POST "+Path+"accounts/{account}/resume", (*visit).resume)
	c.filePages()
	c.hookPages()
	c.queuePages()
	c.see(Path, func(*visit) error { return notFound })
}

// fresh is how long the list of accounts is believed.
const fresh = 10 * time.Second

// known are the accounts that there are.
func (c *Console) known(ctx context.Context) ([]providers.Account, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.read.IsZero() && c.Now().Sub(c.read) < fresh {
		return c.accounts, nil
	}
	list, err := c.desk.Accounts(ctx, c.Client, providers.Account{})
	if err != nil {
		return nil, err
	}
	idle, err := c.withoutOrders(ctx, list)
	if err != nil {
		return nil, err
	}
	c.accounts, c.idle, c.read = list, idle, c.Now()
	return list, nil
}

// withoutOrders are those of some accounts that no worker has announced lately and that have no order to show in a list.
func (c *Console) withoutOrders(ctx context.Context, list []providers.Account) (map[providers.Account]bool, error) {
	served, err := budget.Announced(ctx, c.RDB)
	if err != nil {
		return nil, err
	}
	open, reviews, err := c.Ledger.Counts(ctx, list)
	if err != nil {
		return nil, err
	}
	out := map[providers.Account]bool{}
	for i, a := range list {
		out[a] = open[i]+reviews[i] == 0 && !slices.ContainsFunc(served, func(n budget.Announcement) bool { return n.Account == a })
	}
	return out, nil
}
