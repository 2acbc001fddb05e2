package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"issuance/internal/bulk"
	"issuance/internal/cli/table"
	"issuance/tasks"
)

// watchFile follows the orders of a bulk's file until all of them are final. It fails when some of
// them are failed, in review, or unknown.
func (a *app) watchFile(ctx context.Context, f fileFlags, timeout time.Duration) error {
	r, err := f.reading()
	if err != nil {
		return err
	}
	if f.name == "-" {
		return usagef("--file needs a file, which is read again and again; standard input cannot be")
	}
	w := fileWatch{app: a, name: f.name, reading: r}
	file, err := a.openBulk(ctx, f.name, r) // what is wrong with it is reported even when Redis is away
	if err != nil {
		return err
	}
	file.close()
	return a.read(ctx, func(s *session, c *tasks.Client) error {
		w.session, w.client, w.there = s, c, attendance{app: a, session: s, client: c}
		limited, cancel := limit(ctx, timeout)
		defer cancel()
		w.shown.Store(&tally{})
		return w.end(ctx, w.run(ctx, limited), timeout)
	})
}

// fileWatch follows the orders of a file. It keeps one bit for each line and reads the file anew
// for every look.
type fileWatch struct {
	*app
	session *session
	client  *tasks.Client
	there   attendance
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
	ref     tasks.Ref
	calls   int // that issuing it takes
	state   tasks.State
}

// tally counts lines by the state of their order.
type tally struct {
	Total      int64   `json:"total"`
	Queued     int64   `json:"queued"`
	Submitting int64   `json:"submitting"`
	Accepted   int64   `json:"accepted"`
	Issued     int64   `json:"issued"`
	Failed     int64   `json:"failed"`
	Cancelled  int64   `json:"cancelled"`
	Review     int64   `json:"review"`
	Unknown    int64   `json:"unknown"`
	NoNumber   int64   `json:"no_number"` // lines without an order's number
	Seconds    float64 `json:"seconds"`   // that the call budget implies for those that are not final

	calls map[tasks.Account]int64 // the same, in calls of each account
	bans  string                  // accounts that are banned, whose end the estimate includes
	holds string                  // accounts whose calls are held without a known end
}

// add counts a line.
func (t *tally) add(l watchedLine) {
	t.Total++
	calls := int64(l.calls) // that its order still takes, at most
	switch l.state {
	case tasks.Queued:
		t.Queued++
	case tasks.Submitting:
		t.Submitting++
	case tasks.Accepted:
		t.Accepted++
		calls = max(1, calls-1)
	case tasks.Issued:
		t.Issued++
	case tasks.Failed:
		t.Failed++
	case tasks.Cancelled:
		t.Cancelled++
	case tasks.Review:
		t.Review++
	default:
		t.Unknown++
		return
	}
	if l.state.Final() {
		return
	}
	if t.calls == nil {
		t.calls = map[tasks.Account]int64{}
	}
	t.calls[l.ref.Account] += calls
}

// estimate says how long the calls take, from the end of what holds them without a known one. Accounts are called side by side.
func (t *tally) estimate(paces paces, zone *time.Location) {
	t.Seconds = 0
	var bans, holds []string
	for account, calls := range t.calls {
		p := paces.of(account)
		t.Seconds = max(t.Seconds, p.duration(calls).Seconds())
		if p.paused != "" {
			holds = append(holds, fmt.Sprintf("%s (%s)", account, p.paused))
		} else if ban := p.banText(zone); ban != "" {
			bans = append(bans, fmt.Sprintf(", %s is %s", account, ban))
		}
	}
	slices.Sort(bans)
	slices.Sort(holds)
	t.bans, t.holds = strings.Join(bans, ""), strings.Join(holds, ", ")
}

// same reports whether two tallies differ in their estimates alone, which change with the clock.
func (t *tally) same(u *tally) bool {
	x, y := *t, *u
	x.Seconds, x.bans, x.holds, x.calls = 0, "", "", nil
	y.Seconds, y.bans, y.holds, y.calls = 0, "", "", nil
	return reflect.DeepEqual(x, y)
}

func (t *tally) pending() int64 { return t.Queued + t.Submitting + t.Accepted }

func (t *tally) String() string {
	var parts []string
	for _, p := range []struct {
		n    int64
		name string
	}{{t.Issued, "issued"}, {t.Failed, "failed"}, {t.Cancelled, "cancelled"}, {t.Review, "in review"}, {t.Accepted, "accepted"}, {t.Submitting, "submitting"}, {t.Queued, "queued"},
		{t.Unknown, "unknown"}, {t.NoNumber, "without a number"}} {
		if p.n > 0 {
			parts = append(parts, thousands(p.n)+" "+p.name)
		}
	}
	text := strings.Join(parts, ", ")
	switch takes := about(time.Duration(t.Seconds * float64(time.Second))); {
	case t.pending() == 0:
		return text
	case t.holds != "":
		return text + fmt.Sprintf("; calls are held without a known end: %s; about %s by the call budget from then on%s", t.holds, takes, t.bans)
	default:
		return text + fmt.Sprintf("; about %s by the call budget%s", takes, t.bans)
	}
}

func (w *fileWatch) state() state {
	t := w.shown.Load()
	return state{done: t.Total - t.pending(), all: t.Total, text: t.String(), estimated: true}
}

// run looks until nothing is pending or ctx ends. whole is the context without the limit of time.
func (w *fileWatch) run(whole, ctx context.Context) error {
	stop := func() {}
	defer func() { stop() }()
	first := true
	return again(ctx, func() (bool, error) {
		looking := ctx
		if first {
			looking = whole // however short the time is, how things stand is reported
		}
		t, err := w.look(looking)
		if err != nil {
			return false, err
		}
		if w.json && !w.shown.Load().same(t) {
			if err := w.printJSON(t); err != nil {
				return true, err
			}
		}
		w.shown.Store(t)
		done := t.pending() == 0
		if !done && first {
			stop = w.follow(w.state)
		}
		if first = false; !done {
			w.attend(looking, t)
		}
		return done, nil
	})
}

// attend says when no worker serves the accounts that are waited for. Which lanes their orders are in is not
// asked one by one: workers serve all of an account's.
func (w *fileWatch) attend(ctx context.Context, t *tally) {
	var places []place
	for account := range t.calls {
		places = append(places, place{account, tasks.Bulk})
	}
	w.there.look(ctx, places)
}

// look reads the file once and asks for every order that was not final before.
func (w *fileWatch) look(ctx context.Context) (*tally, error) {
	if stat, err := os.Stat(w.name); w.stat == nil || err != nil || stat.Size() != w.stat.Size() || !stat.ModTime().Equal(w.stat.ModTime()) {
		w.final, w.ended, w.bad, w.stat = nil, tally{}, nil, stat // another file
	}
	pending := tally{}
	var noNumber int64
	err := w.readLines(ctx, func(batch []watchedLine) error {
		var ask []watchedLine
		var refs []tasks.Ref
		for _, l := range batch {
			switch {
			case l.ref.OrderID == "":
				noNumber++
			case !w.final.has(l.n):
				ask, refs = append(ask, l), append(refs, l.ref)
			}
		}
		if err := complete(ctx, w.client, refs); err != nil {
			return err
		}
		states, err := w.client.States(ctx, refs)
		if err != nil {
			return err
		}
		for i, l := range ask {
			l.state, l.ref = states[i], refs[i]
			if !l.state.Final() {
				pending.add(l)
				continue
			}
			w.final.set(l.n)
			w.ended.add(l)
			if l.state != tasks.Issued && len(w.bad) < maxListedLines {
				w.bad = append(w.bad, l)
			}
		}
		return nil
	})
	pending.Total += w.ended.Total
	pending.Issued, pending.Failed, pending.Cancelled, pending.Review = w.ended.Issued, w.ended.Failed, w.ended.Cancelled, w.ended.Review
	pending.NoNumber = noNumber
	if err == nil && pending.pending() > 0 {
		pending.estimate(w.pacesOf(ctx, w.session), w.zone)
	}
	return &pending, err
}

// errFile is an error of the file, which waiting does not mend.
var errFile = errors.New("the file cannot be read")

// readLines calls each for a few hundred lines of the file at a time.
func (w *fileWatch) readLines(ctx context.Context, each func([]watchedLine) error) error {
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
			l.ref, l.calls = tasks.Ref{Account: id.Account, OrderID: id.OrderID}, id.Calls
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
		return errors.Join(errFile, f.input.unusable(bulk.ErrEmpty))
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
	if err := w.list(ctx, t); err != nil {
		return err
	}
	bad := t.Failed + t.Cancelled + t.Review
	switch {
	case err != nil:
		return coded(codeTimeout, "%s not final after %s; the workers go on%s", orders(t.pending()), timeout, w.there.note())
	case t.Unknown+t.NoNumber > 0:
		return coded(codeOtherwise, "%s of the file unknown here: rejected, not enqueued yet, or settled longer ago than records are kept (ISSUANCE_KEEP_RECORDS)",
			lines(t.Unknown+t.NoNumber))
	case bad > 0:
		return coded(codeOtherwise, "%s did not end as wished; see: enqueue history ACCOUNT ORDER", orders(bad))
	}
	return nil
}

// list lists the first orders that did not end as wished.
func (w *fileWatch) list(ctx context.Context, t *tally) error {
	for _, l := range w.bad {
		rec, err := w.session.ledger.Load(ctx, l.ref)
		if err != nil {
			return err
		}
		fmt.Fprintln(w.err, table.Line(w.errWidth, fmt.Sprintf("line %d", l.line), l.ref.String(), string(l.state), describe(rec.Reason, rec.ProviderRef)))
	}
	if more := t.Failed + t.Cancelled + t.Review - int64(len(w.bad)); more > 0 {
		fmt.Fprintf(w.err, "… and %s more\n", thousands(more))
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
