package bulk

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"issuance/tasks"
)

// batch is a part of the file on its way.
type batch struct {
	lines    []line
	end      int64 // place in the file behind it
	checked  chan struct{}
	prepared []tasks.Prepared // of the lines that are right, in their order
	err      error            // what keeps the batch from being checked
}

// line is one record on its way.
type line struct {
	record
	blank    bool
	before   int // the line that has the same number, where that is known when it is read
	problems []Problem
	refused  bool // see RefusedError
	account  tasks.Account
	calls    int
}

// RefusedError is Prepare's or Account's for an order that whoever sends the file may not enqueue.
type RefusedError struct {
	Rule string // that the line breaks, as a whole
}

func (e *RefusedError) Error() string { return e.Rule }

// maxBatchText bounds the text of a batch, in bytes; one more record may come on top.
const maxBatchText = 256 << 10

// batchWait is how long a batch waits, from its first line on, for lines that are not there yet.
const batchWait = 100 * time.Millisecond

// next reads a batch. With an error, it holds what was read before.
func (r *run) next() (*batch, error) {
	b := &batch{checked: make(chan struct{}), lines: make([]line, 0, r.Batch)}
	text := 0
	var err error
	var until time.Time
	for len(b.lines) < r.Batch && text < maxBatchText {
		if len(b.lines) > 0 && !r.file.source.atHand(until) {
			break
		}
		var rec record
		if rec, err = r.file.source.next(); err != nil {
			break
		}
		if blankLine(rec.raw) {
			continue
		}
		rec.raw = bytes.Clone(rec.raw)
		text += len(rec.raw)
		if b.lines = append(b.lines, line{record: rec, before: r.lineBefore(rec)}); len(b.lines) == 1 {
			until = time.Now().Add(batchWait)
		}
	}
	b.end = r.file.source.place()
	return b, err
}

// check finds out what is wrong with the lines of a batch and seals the others.
func (r *run) check(ctx context.Context, b *batch) {
	var orders []*tasks.Order
	var at []int // their lines
	for i := range b.lines {
		if ctx.Err() != nil {
			b.err = ctx.Err()
			return
		}
		if o := r.parse(&b.lines[i]); o != nil {
			orders, at = append(orders, o), append(at, i)
		}
	}
	if r.Check != nil && len(orders) > 0 {
		found, err := r.Check(ctx, orders)
		if err != nil {
			b.err = err
			return
		}
		for n, violations := range found {
			if l := &b.lines[at[n]]; len(violations) > 0 {
				l.problems = r.file.Problems(l.raw, violations)
			}
		}
	}
	if r.Prepare == nil {
		r.complete(ctx, b.lines)
		return
	}
	b.prepared = make([]tasks.Prepared, 0, len(orders))
	for n, o := range orders {
		if len(b.lines[at[n]].problems) > 0 {
			continue
		}
		p, err := r.Prepare(ctx, o)
		if b.lines[at[n]].ofWrongAccount(err) {
			continue
		}
		if err != nil {
			b.err = err
			return
		}
		b.lines[at[n]].account = p.Ref().Account
		b.prepared = append(b.prepared, p)
	}
}

// complete finds out the accounts of a dry run's lines.
func (r *run) complete(ctx context.Context, lines []line) {
	for i := range lines {
		l := &lines[i]
		if r.Account == nil || l.blank || len(l.problems) > 0 {
			continue
		}
		account, err := r.Account(ctx, l.account)
		if err == nil {
			l.account = account
		}
		l.ofWrongAccount(err)
	}
}

// ofWrongAccount rejects the line if an error says that its account is not known, or none of the sender's.
func (l *line) ofWrongAccount(err error) bool {
	unknown, refused := new(tasks.UnknownAccountError), new(RefusedError)
	switch {
	case errors.As(err, &unknown):
		l.problems = wrong(unknown.Error())
	case errors.As(err, &refused):
		l.problems, l.refused = wrong(refused.Rule), true
	default:
		return false
	}
	return true
}

// parse returns the order of a line, or nil and says in the line why there is none.
func (r *run) parse(l *line) *tasks.Order {
	if l.long {
		l.problems = wrong("is longer than 256 KiB")
		return nil
	}
	o, problems := r.file.Order(l.raw, r.Rules)
	l.problems, l.blank = problems, o == nil && len(problems) == 0
	if p, ok := r.repeats(l); ok && !l.blank {
		l.problems = append(l.problems, p)
		return nil
	}
	if o != nil {
		l.account, l.calls = o.Account, o.Calls
	}
	return o
}

// lineBefore is the line before this one that has its number, 0 where there is none, or where a survey
// knows it.
func (r *run) lineBefore(rec record) int {
	if r.seen == nil || rec.long {
		return 0
	}
	ref, ok := r.file.Number(rec.raw)
	if !ok {
		return 0
	}
	return r.seen.add(numberHash(ref), rec.line)
}

// repeats is the problem of a line whose number stands in another.
func (r *run) repeats(l *line) (Problem, bool) {
	if l.before == 0 && len(r.repeated) == 0 {
		return Problem{}, false
	}
	ref, ok := r.file.Number(l.raw)
	if !ok || aboutNumber(ref.Account.Provider, l.problems) && !rounded(ref.OrderID) {
		return Problem{}, false
	}
	if l.before > 0 {
		return repeated(ref, fmt.Sprintf("line %d", l.before)), true
	}
	lines := r.repeated[numberHash(ref)]
	if lines == nil {
		return Problem{}, false
	}
	return repeated(ref, lines.others(l.line)), true
}

// lacks is the error of a file of which every line of the first batch needs a column that the header lacks.
func (r *run) lacks(b *batch) error {
	var columns []string
	first, last := 0, 0
	for _, l := range b.lines {
		if l.blank {
			continue
		}
		lacking := false
		for _, p := range l.problems {
			if lacking = lacking || p.absent; p.absent && !slices.Contains(columns, p.Where) {
				columns = append(columns, p.Where)
			}
		}
		if !lacking {
			return nil
		}
		first, last = cmp.Or(first, l.line), l.line
	}
	if len(columns) == 0 {
		return nil
	}
	lines := fmt.Sprintf("line %d needs", first)
	if last > first {
		lines = fmt.Sprintf("lines %d to %d need", first, last)
	}
	return &FileError{[]Problem{{Where: "header", Rule: "lacks columns that " + lines + ": " + strings.Join(columns, ", ")}}}
}

// report counts a batch and reports what is wrong. enqueued are the answers to its prepared
// orders, none in a dry run. A batch that comes after the end of the run is not counted, but for
// what was enqueued of it.
func (r *run) report(ctx context.Context, b *batch, enqueued []tasks.Enqueued) {
	for i := range b.lines {
		l := &b.lines[i]
		done, err := false, error(nil)
		switch {
		case l.blank:
			done = true
		case len(l.problems) > 0:
			done, err = r.reject(ctx, l, &r.Progress.Invalid)
		case r.Enqueue == nil:
			if done = ctx.Err() == nil; done {
				r.Progress.count(l.account, l.calls)
				r.Progress.Lines.Add(1)
			}
		default:
			done, err = r.settle(ctx, l, enqueued[0])
			enqueued = enqueued[1:]
		}
		if err != nil {
			r.cancel(err)
		}
		switch {
		case !done || err != nil:
			r.gap = true
		case !r.gap:
			r.Progress.LastLine.Store(int64(l.line))
		case !l.blank:
			r.Progress.Beyond.Add(1)
		}
	}
	if !r.gap {
		r.Progress.Bytes.Store(b.end)
	}
}

// reject reports a line that is wrong, unless the run has ended; done is false then.
func (r *run) reject(ctx context.Context, l *line, n *atomic.Int64) (done bool, err error) {
	if ctx.Err() != nil {
		return false, nil
	}
	n.Add(1)
	r.Progress.Lines.Add(1)
	out := Rejected{Line: l.line, Raw: l.raw, Problems: l.problems, Long: l.long, Conflict: n == &r.Progress.Conflicts, Refused: l.refused}
	if ref, ok := r.file.Number(l.raw); ok && !l.long && !aboutNumber(ref.Account.Provider, l.problems) {
		out.Order = ref
	}
	return true, r.Reject(out)
}

// settle counts what became of an order; done is false where nothing is known of it.
func (r *run) settle(ctx context.Context, l *line, e tasks.Enqueued) (done bool, err error) {
	var conflict *tasks.ConflictError
	switch {
	case e.Err == nil && e.Receipt.Duplicate:
		r.Progress.Duplicates.Add(1)
	case e.Err == nil:
		r.Progress.count(l.account, l.calls)
	case errors.As(e.Err, &conflict):
		l.problems = wrong("another order was enqueued under this number before (it is " + string(conflict.State) + "); a new order needs a number of its own")
		return r.reject(ctx, l, &r.Progress.Conflicts)
	case ctx.Err() != nil: // the run has ended, and this order with it
		return false, nil
	default:
		r.Progress.Failed.Add(1)
		r.Progress.Lines.Add(1)
		return true, r.Failed(l.line, e.Err)
	}
	r.Progress.Lines.Add(1)
	return true, nil
}
