package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"issuance/internal/bulk"
	"issuance/internal/cli/table"
	"issuance/internal/ledger"
	"issuance/providers"
	"issuance/tasks"
)

// watchFile follows the orders of a bulk's file until all of them are final. It fails when some of
// them are failed, in review, or unknown.
func (a *app) watchFile(ctx context.Context, name, provider string, timeout time.Duration) error {
	r, _, err := enqueueFlags{provider: provider}.reading(false)
	if err != nil {
		return err
	}
	if name == "-" {
		return usagef("--file needs a file, which is read again and again; standard input cannot be")
	}
	w := fileWatch{app: a, name: name, reading: bulk.Reading{Provider: r.provider}}
	file, err := a.openBulk(ctx, name, w.reading) // what is wrong with it is told even when Redis is away
	if err != nil {
		return err
	}
	file.close()
	s, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	if w.client, err = s.reader(); err != nil {
		return err
	}
	w.session = s
	limited, cancel := ctx, context.CancelFunc(func() {})
	if timeout > 0 {
		limited, cancel = context.WithTimeout(ctx, timeout)
	}
	defer cancel()
	w.shown.Store(&tally{})
	err = w.run(ctx, limited)
	return w.end(ctx, err, timeout)
}

// fileWatch follows the orders of a file. It keeps one bit for each line and reads the file anew
// for every look.
type fileWatch struct {
	*app
	session *session
	client  *tasks.Client
	name    string
	reading bulk.Reading
	stat    os.FileInfo // of the file when it was read last

	final bits  // lines whose order is final
	ended tally // those
	bad   []watchedLine
	shown atomic.Pointer[tally]
}

// watchedLine is one line of the file.
type watchedLine struct {
	n, line int // its number among lines with an order, and its line
	key     ledger.Key
	calls   int // that issuing it takes
	state   ledger.State
}

// tally counts lines by the state of their order.
type tally struct {
	Total      int64   `json:"total"`
	Queued     int64   `json:"queued"`
	Submitting int64   `json:"submitting"`
	Accepted   int64   `json:"accepted"`
	Issued     int64   `json:"issued"`
	Failed     int64   `json:"failed"`
	Review     int64   `json:"review"`
	Unknown    int64   `json:"unknown"`
	NoNumber   int64   `json:"no_number"` // lines without an order's number
	Seconds    float64 `json:"seconds"`   // that the call budget implies for those that are not final

	calls [2]int64 // the same, in calls to each of providers.All
	bans  string   // that are on
}

// add counts a line.
func (t *tally) add(l watchedLine) {
	t.Total++
	calls := int64(l.calls) // that its order still takes, at most
	switch l.state {
	case ledger.Queued:
		t.Queued++
	case ledger.Submitting:
		t.Submitting++
	case ledger.Accepted:
		t.Accepted++
		calls = max(1, calls-1)
	case ledger.Issued:
		t.Issued++
	case ledger.Failed:
		t.Failed++
	case ledger.Review:
		t.Review++
	default:
		t.Unknown++
		return
	}
	if !l.state.Final() {
		t.calls[slices.Index(providers.All(), l.key.Provider)] += calls
	}
}

// estimate says how long the calls take. The providers are called side by side.
func (t *tally) estimate(paces map[providers.Name]pace, zone *time.Location) {
	t.Seconds, t.bans = 0, ""
	for i, p := range providers.All() {
		if t.calls[i] == 0 {
			continue
		}
		t.Seconds = max(t.Seconds, paces[p].duration(t.calls[i]).Seconds())
		if ban := paces[p].ban(zone); ban != "" {
			t.bans += fmt.Sprintf(", %s is %s", p, ban)
		}
	}
}

// counts is a tally without its estimate, which changes with the clock alone.
func (t *tally) counts() tally {
	c := *t
	c.Seconds, c.bans = 0, ""
	return c
}

func (t *tally) pending() int64 { return t.Queued + t.Submitting + t.Accepted }

func (t *tally) String() string {
	var parts []string
	for _, p := range []struct {
		n    int64
		name string
	}{{t.Issued, "issued"}, {t.Failed, "failed"}, {t.Review, "in review"}, {t.Accepted, "accepted"}, {t.Submitting, "submitting"}, {t.Queued, "queued"},
		{t.Unknown, "unknown"}, {t.NoNumber, "without a number"}} {
		if p.n > 0 {
			parts = append(parts, thousands(p.n)+" "+p.name)
		}
	}
	text := strings.Join(parts, ", ")
	if t.pending() > 0 {
		text += fmt.Sprintf("; about %s by the call budget%s", about(time.Duration(t.Seconds*float64(time.Second))), t.bans)
	}
	return text
}

func (w *fileWatch) state() state {
	t := w.shown.Load()
	return state{done: t.Total - t.pending(), all: t.Total, text: t.String(), estimated: true}
}

// run looks until nothing is pending or ctx ends. whole is the context without the limit of time.
func (w *fileWatch) run(whole, ctx context.Context) error {
	reached := time.Now()
	stop := func() {}
	defer func() { stop() }()
	for first := true; ; first = false {
		began := time.Now()
		looking := ctx
		if first {
			looking = whole // however short the time is, how things stand is told
		}
		t, err := w.look(looking)
		switch {
		case looking.Err() != nil:
			return looking.Err()
		case err == nil:
			reached = time.Now()
			if w.shown.Load().counts() != t.counts() && w.json {
				if err := w.printJSON(t); err != nil {
					return err
				}
			}
			if w.shown.Store(t); t.pending() == 0 {
				return nil
			}
			if first {
				stop = w.follow(w.state)
			}
		case first || errors.Is(err, errFile) || time.Since(reached) > patience:
			return err
		}
		pause := time.NewTimer(max(lookEvery, 4*time.Since(began)))
		select {
		case <-ctx.Done():
			pause.Stop()
			return ctx.Err()
		case <-pause.C:
		}
	}
}

// look reads the file once and asks for every order that was not final before.
func (w *fileWatch) look(ctx context.Context) (*tally, error) {
	if stat, err := os.Stat(w.name); w.stat == nil || err != nil || stat.Size() != w.stat.Size() || !stat.ModTime().Equal(w.stat.ModTime()) {
		w.final, w.ended, w.bad, w.stat = nil, tally{}, nil, stat // another file
	}
	pending := tally{}
	var noNumber int64
	err := w.read(ctx, func(batch []watchedLine) error {
		var ask []watchedLine
		var keys []ledger.Key
		for _, l := range batch {
			switch {
			case l.key.OrderID == "":
				noNumber++
			case !w.final.has(l.n):
				ask, keys = append(ask, l), append(keys, l.key)
			}
		}
		states, err := w.client.States(ctx, keys)
		if err != nil {
			return err
		}
		for i, l := range ask {
			l.state = states[i]
			if !l.state.Final() {
				pending.add(l)
				continue
			}
			w.final.set(l.n)
			w.ended.add(l)
			if l.state != ledger.Issued && len(w.bad) < maxTold {
				w.bad = append(w.bad, l)
			}
		}
		return nil
	})
	pending.Total += w.ended.Total
	pending.Issued, pending.Failed, pending.Review, pending.NoNumber = w.ended.Issued, w.ended.Failed, w.ended.Review, noNumber
	if err == nil && pending.pending() > 0 {
		pending.estimate(w.paces(ctx, w.session), w.zone)
	}
	return &pending, err
}

// errFile is an error of the file, which waiting does not mend.
var errFile = errors.New("the file cannot be read")

// read calls each for a few hundred lines of the file at a time.
func (w *fileWatch) read(ctx context.Context, each func([]watchedLine) error) error {
	f, err := w.openBulk(ctx, w.name, w.reading)
	if err != nil {
		return errors.Join(errFile, err)
	}
	defer f.close()
	batch := make([]watchedLine, 0, peekBatch)
	n := 0
	var failure error
	flush := func() error {
		failure = each(batch)
		batch = batch[:0]
		return failure
	}
	err = f.IDs(func(line int, id bulk.ID, ok bool) error {
		l := watchedLine{n: n, line: line}
		if n++; ok {
			l.key, l.calls = ledger.Key{Provider: id.Provider, OrderID: id.OrderID}, id.Calls
		}
		if batch = append(batch, l); len(batch) < cap(batch) {
			return nil
		}
		return flush()
	})
	switch {
	case failure != nil:
		return failure
	case err != nil:
		return errors.Join(errFile, err)
	case n == 0:
		return errors.Join(errFile, badInput("%s: %w", w.name, bulk.ErrEmpty))
	}
	return flush()
}

// end prints what came of it.
func (w *fileWatch) end(ctx context.Context, err error, timeout time.Duration) error {
	t := w.shown.Load()
	if err != nil && (ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded)) {
		return err
	}
	if !w.json {
		if err := w.print("%s: %s\n", orders(t.Total), t); err != nil {
			return err
		}
	}
	for _, l := range w.bad {
		_, why, provider, err := w.session.ending(ctx, ledger.Ref{Key: l.key})
		if err != nil {
			return err
		}
		text := fmt.Sprintf("line %d  %s  %s  %s", l.line, l.key, l.state, describe(why, provider))
		fmt.Fprintln(w.err, strings.TrimRight(table.Clean(text), " "))
	}
	bad := t.Failed + t.Review
	if more := bad - int64(len(w.bad)); more > 0 {
		fmt.Fprintf(w.err, "… and %s more\n", thousands(more))
	}
	switch {
	case err != nil:
		w.tell("%s not final after %s; the workers go on", orders(t.pending()), timeout)
		return errTold
	case t.Unknown+t.NoNumber > 0:
		w.tell("%s of the file unknown here: rejected, not enqueued yet, or finished more than 90 days ago", lines(t.Unknown+t.NoNumber))
		return errTold
	case bad > 0:
		w.tell("%s did not end as wished; see: enqueue history PROVIDER ORDER", orders(bad))
		return errTold
	}
	return nil
}

// bits are one bit for each line of a file.
type bits []uint64

func (b bits) has(n int) bool { return n/64 < len(b) && b[n/64]&(1<<(n%64)) != 0 }

func (b *bits) set(n int) {
	for n/64 >= len(*b) {
		*b = append(*b, 0)
	}
	(*b)[n/64] |= 1 << (n % 64)
}
