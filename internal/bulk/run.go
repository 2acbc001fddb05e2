package bulk

import (
	"cmp"
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"

	"issuance/providers"
	"issuance/tasks"
)

// Options of a run.
type Options struct {
	// Rules for documents.
	Rules tasks.Rules
	// Workers parse and seal lines side by side. Default 2.
	Workers int
	// Batch is how many lines are enqueued at a time. Default 256.
	Batch int
	// Check finds what more is wrong with valid orders, in their order; nil for none. Its error
	// ends the run. Default: nothing more is checked. It is called from several goroutines.
	Check func(context.Context, []*tasks.Order) ([][]providers.Violation, error)
	// Account completes an order's account in a dry run, or its *tasks.UnknownAccountError or *RefusedError rejects the
	// line; nil leaves accounts as they are. Of another error nothing is said. It is called from several goroutines.
	Account func(context.Context, tasks.Account) (tasks.Account, error)
	// Prepare and Enqueue enqueue orders, see tasks.Client.Prepare and EnqueuePrepared. Prepare's *tasks.UnknownAccountError
	// or *RefusedError rejects the line, any other error ends the run. Default nil: a dry run, nothing is enqueued.
	Prepare func(context.Context, *tasks.Order) (tasks.Prepared, error)
	Enqueue func(context.Context, []tasks.Prepared) []tasks.Enqueued
	// Reject is called for every line that is wrong, in the order of the file. Its error ends
	// the run.
	Reject func(Rejected) error
	// Failed is called for every order that is right but could not be enqueued; its answer, when
	// it is not nil, ends the run. Default: the error itself.
	Failed func(line int, err error) error
	// Stop is called when the run ends before its file, so that a reading of the file that waits may end. Default: the
	// run waits for it.
	Stop func()
	// Progress is kept up to date while the run goes on. Default: a new one.
	Progress *Progress
}

// Rejected is a line that is wrong.
type Rejected struct {
	Line     int
	Raw      []byte // as it came; good until the call ends
	Problems []Problem
	// Long says that the line is longer than MaxRecord and Raw only its beginning.
	Long bool
	// Order is the order that the line is about; zero where it names none, or its number is what is wrong.
	Order tasks.Ref
	// Conflict says that another order was enqueued under its number before.
	Conflict bool
	// Refused says that the sender may not enqueue it, see RefusedError.
	Refused bool
}

// Progress counts what is done. Its fields may be read at any time.
type Progress struct {
	Bytes      atomic.Int64 // of the file
	Lines      atomic.Int64 // blank ones not counted; the sum of those below
	Enqueued   atomic.Int64 // in a dry run: valid
	Duplicates atomic.Int64 // the same document was enqueued before
	Conflicts  atomic.Int64 // another document was enqueued under this number; rejected, too
	Invalid    atomic.Int64 // rejected because of the rules, or refused
	Failed     atomic.Int64 // right, but not enqueued
	LastLine   atomic.Int64 // everything up to this line is done
	Beyond     atomic.Int64 // lines behind it that are done all the same, where a run has ended before its file

	mu    sync.Mutex
	loads map[tasks.Account]Load
}

// Load is what was enqueued for an account.
type Load struct {
	Orders int64
	Calls  int64 // that issuing them takes
}

// Loads are the orders counted under Enqueued, by account. In a dry run an account that no document names
// is the provider's default, without a merchant.
func (p *Progress) Loads() map[tasks.Account]Load {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := make(map[tasks.Account]Load, len(p.loads))
	for a, l := range p.loads {
		out[a] = l
	}
	return out
}

func (p *Progress) count(of tasks.Account, calls int) {
	p.Enqueued.Add(1)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.loads == nil {
		p.loads = map[tasks.Account]Load{}
	}
	l := p.loads[of]
	p.loads[of] = Load{l.Orders + 1, l.Calls + int64(calls)}
}

// Run leads every line of the file through validation and, unless it is a dry run, into the
// queue. Lines that are wrong do not keep the others from being enqueued; lines with one number are
// wrong, all of them where the file can be read twice, else those behind the first. It ends with the
// file (nil), ErrEmpty, a *FileError (then nothing was enqueued), the file's error, one of the options'
// functions, or the context's; what it has counted by then is done, and running the file again enqueues
// only what is missing.
func Run(ctx context.Context, f *File, opt Options) error {
	if opt.Workers <= 0 {
		opt.Workers = 2
	}
	if opt.Batch <= 0 {
		opt.Batch = 256
	}
	if opt.Progress == nil {
		opt.Progress = &Progress{}
	}
	if opt.Failed == nil {
		opt.Failed = func(_ int, err error) error { return err }
	}
	repeated, err := f.survey(ctx)
	if err != nil {
		return err
	}
	inner, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if opt.Stop != nil {
		defer context.AfterFunc(inner, opt.Stop)()
	}
	r := run{Options: opt, file: f, cancel: cancel, repeated: repeated}
	if repeated == nil {
		r.seen = newNumbers(0)
	}
	r.work(inner)
	if err := context.Cause(inner); err != nil {
		return err
	}
	if r.unreadable != nil {
		return r.unreadable
	}
	if opt.Progress.Lines.Load() > 0 {
		return nil
	}
	if _, ok := f.Format.(*table); ok {
		return errHeaderOnly
	}
	return ErrEmpty
}

// run is a pipeline: one goroutine reads, Workers parse and seal, and Run's own enqueues and reports batch
// by batch, in the order of the file. Between them are a few batches and no more.
type run struct {
	Options
	file       *File
	cancel     context.CancelCauseFunc
	unreadable error    // the file's; what was read before it is done all the same
	repeated   repeats  // known from a survey, or nil
	seen       *numbers // of the lines so far, without a survey
	useless    error    // the header's, see lacks
	gap        bool     // a line was not done, and everything done from now on is behind it
}

// underWay bounds the batches between reading and enqueueing.
const underWay = 4

func (r *run) work(ctx context.Context) {
	toCheck := make(chan *batch)
	inOrder := make(chan *batch, underWay)
	var wg sync.WaitGroup
	wg.Go(func() { r.read(ctx, toCheck, inOrder) })
	for range r.Workers {
		wg.Go(func() {
			for b := range toCheck {
				r.check(ctx, b)
				close(b.checked)
			}
		})
	}
	for b := range inOrder {
		<-b.checked
		if b.err == nil && r.Progress.LastLine.Load() == 0 {
			r.useless = r.lacks(b)
		}
		if err := cmp.Or(r.useless, b.err); err != nil {
			r.cancel(err)
			r.gap = true
			continue
		}
		var enqueued []tasks.Enqueued
		if len(b.prepared) > 0 {
			enqueued = r.Enqueue(ctx, b.prepared)
		}
		r.report(ctx, b, enqueued)
	}
	wg.Wait()
}

// read fills batches until the file or the run ends.
func (r *run) read(ctx context.Context, toCheck, inOrder chan<- *batch) {
	defer close(inOrder)
	defer close(toCheck)
	for {
		b, err := r.next()
		if len(b.lines) > 0 {
			select {
			case toCheck <- b:
				inOrder <- b
			case <-ctx.Done():
				return
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return
		case err != nil:
			r.unreadable = err
			return
		case ctx.Err() != nil:
			return
		}
	}
}
