package webhooks

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/internal/ledger"
	"issuance/internal/queue"
	"issuance/internal/servers"
)

// Config of a Dispatcher. Everything is required unless a default is given.
type Config struct {
	RDB    redis.UniversalClient
	Ledger *ledger.Ledger
	File   *File
	Log    *slog.Logger
	// ProxyURL is a proxy for endpoints that are not private. Default: none, whatever the environment says.
	ProxyURL string
	Version  string
	// Now is the clock. Default: Redis' own for what is kept there, time.Now for the rest.
	Now func() time.Time
}

// Dispatcher has events delivered. Any number of processes may run one. Safe for concurrent use.
type Dispatcher struct {
	Config
	store *Store
	queue *queue.Client
	send  *sender

	deliveries deliveries
	unserved   sync.Map    // names of endpoints that only other front doors serve
	scraping   atomic.Bool // a scrape waits for Redis

	mu    sync.Mutex
	lines map[string]*line // of the endpoints served
	proxy bool             // our proxy failed at the last delivery through it
}

// line is what runs for one endpoint.
type line struct {
	wake chan struct{}
	stop context.CancelFunc
	done chan struct{}
}

// New makes a dispatcher.
func New(c Config) (*Dispatcher, error) {
	d := &Dispatcher{Config: c, store: NewStore(c.RDB), queue: queue.NewClient(c.RDB, queue.Options{}), lines: map[string]*line{}, deliveries: newDeliveries()}
	d.store.now = c.Now
	if d.Now == nil {
		d.Now = time.Now
	}
	var err error
	d.send, err = newSender(c.ProxyURL, c.Version, d.Now)
	return d, err
}

const (
	// tick is how often an endpoint is looked after without a reason, and the longest a reading waits for events.
	tick = time.Second
	// announceEvery is how often a front door announces its endpoints.
	announceEvery = time.Minute
	// concurrency is how many deliveries one process makes at a time: enough for many slow endpoints, of which none
	// gets more than window.
	concurrency = 256
	// checkEvery is short, because a backlog has no more than window tasks at a time. For the same reason one fetcher is enough.
	checkEvery = 25 * time.Millisecond
)

// Run delivers until the context ends; deliveries that are under way are finished.
func (d *Dispatcher) Run(ctx context.Context) error {
	set := servers.New(d.RDB, []servers.Lane{{Named: Queue, Concurrency: concurrency, Fetchers: 1, Handler: relay{d}}},
		servers.Options{ShutdownTimeout: taskTimeout + 5*time.Second, CheckEvery: checkEvery, Log: d.Log})
	if err := set.Start(); err != nil {
		return err
	}
	d.dispatch(ctx)
	set.Stop()
	d.send.close()
	return nil
}

// dispatch keeps a line running for each endpoint of the file, and wakes them when something has ended.
func (d *Dispatcher) dispatch(ctx context.Context) {
	defer d.follow(ctx, nil)
	var announced time.Time
	var known []*Endpoint
	last := "$"
	failing := false
	for ctx.Err() == nil {
		endpoints := d.File.Endpoints()
		d.follow(ctx, endpoints)
		var err error
		if d.Now().Sub(announced) >= announceEvery || !slices.Equal(endpoints, known) {
			if err = d.store.announce(ctx, endpoints, d.Now()); err == nil {
				announced, known = d.Now(), endpoints
			}
		}
		if err == nil {
			err = d.listen(ctx, &last)
		}
		if err != nil && ctx.Err() == nil {
			if !failing {
				d.Log.Warn("webhooks: the events cannot be read, trying again", "error", err)
			}
			pause(ctx, tick)
		}
		failing = err != nil
	}
}

// listen waits for an event for up to a tick, and wakes the lines when one comes.
func (d *Dispatcher) listen(ctx context.Context, last *string) error {
	if *last == "$" {
		var err error
		if *last, err = d.Ledger.LastEvent(ctx); err != nil {
			*last = "$"
			return err
		}
	}
	list, err := d.Ledger.Events(ctx, *last, 500, tick)
	if err != nil || len(list) == 0 {
		return err
	}
	*last = list[len(list)-1].StreamID
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, l := range d.lines {
		l.rouse()
	}
	return nil
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

func (l *line) rouse() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// follow starts lines for endpoints that have none, and ends those whose endpoint is gone.
func (d *Dispatcher) follow(ctx context.Context, endpoints []*Endpoint) {
	d.mu.Lock()
	names := map[string]bool{}
	for _, e := range endpoints {
		names[e.Name] = true
		if d.lines[e.Name] != nil {
			continue
		}
		of, stop := context.WithCancel(ctx)
		l := &line{wake: make(chan struct{}, 1), stop: stop, done: make(chan struct{})}
		d.lines[e.Name] = l
		go func() { defer close(l.done); d.tend(of, e.Name, l) }()
	}
	var ended []*line
	for name, l := range d.lines {
		if !names[name] {
			delete(d.lines, name)
			l.stop()
			ended = append(ended, l)
		}
	}
	d.mu.Unlock()
	for _, l := range ended {
		<-l.done
	}
}

// tend looks after one endpoint until the context ends.
func (d *Dispatcher) tend(ctx context.Context, name string, l *line) {
	failing := false
	for ctx.Err() == nil {
		more, err := false, error(nil)
		if e := d.File.Find(name); e != nil {
			more, err = d.advance(ctx, e)
		}
		if err != nil && ctx.Err() == nil && !failing {
			d.Log.Warn("webhooks: cannot go on, trying again", "webhook", name, "error", err)
		}
		failing = err != nil
		if more && err == nil {
			continue
		}
		select {
		case <-l.wake:
		case <-time.After(tick):
		case <-ctx.Done():
		}
	}
}

// rouse has the line of an endpoint run without waiting for its tick.
func (d *Dispatcher) rouse(name string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if l := d.lines[name]; l != nil {
		l.rouse()
	}
}

// advance does for an endpoint what there is to do: it admits events, from the stream and from a replay, and makes
// tasks. more reports that there is more to do at once.
func (d *Dispatcher) advance(ctx context.Context, e *Endpoint) (more bool, err error) {
	st, err := d.store.State(ctx, e.Name)
	if err != nil {
		return false, err
	}
	if st.Cursor == "" {
		return true, d.store.start(ctx, d.Ledger, e.Name)
	}
	if st.OffAt.IsZero() {
		if st.replay != "" && st.Outstanding < mostOutstanding/2 {
			if err := d.replay(ctx, e, st); err != nil {
				return false, err
			}
			more = true
		}
		if !st.first {
			read, err := d.admit(ctx, e, st)
			if err != nil {
				return false, err
			}
			more = more || read
		}
	}
	list, err := d.store.take(ctx, e.Name)
	if err != nil {
		return false, err
	}
	for _, next := range list {
		if err := enqueue(ctx, d.queue, e.Name, next); err != nil {
			return false, err
		}
	}
	return more, nil
}

// admit takes events from the stream into the line, as many as there is room for. read reports that there were some.
func (d *Dispatcher) admit(ctx context.Context, e *Endpoint, st State) (read bool, err error) {
	room := min(mostOutstanding-st.Outstanding, batch)
	if room <= 0 {
		return false, nil
	}
	list, err := d.Ledger.Events(ctx, st.Cursor, int64(room), 0)
	if err != nil || len(list) == 0 {
		return false, err
	}
	if st.Cursor != "0" {
		kept, err := d.Ledger.HasEvent(ctx, st.Cursor)
		if err != nil {
			return false, err
		}
		if !kept {
			return true, d.bridge(ctx, e, st.Cursor)
		}
	}
	_, err = d.store.admit(ctx, e.Name, cursorField, st.Cursor, list[len(list)-1].StreamID, e.wanted(list))
	return true, err
}
