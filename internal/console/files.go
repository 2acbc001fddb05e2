package console

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"issuance/internal/bulk"
	"issuance/internal/bulk/workbook"
	"issuance/internal/frontdoor"
	"issuance/providers"
	"issuance/tasks"
)

// files holds uploaded files: each is checked, waits for a person, and is enqueued by the front door that has it. What is
// known of it is in Redis, so that every front door shows it; the file itself is not, and when its front door ends, what was
// enqueued is enqueued, and uploading the file again adds what is missing.
type files struct {
	fileStore
	c       *Console
	arrived chan *held
	slots   chan struct{}
	seen    peeks[file]
	counted tallies

	mu   sync.Mutex
	here map[string]*held // by their ids
}

// held is a file in this front door's hands.
type held struct {
	*file
	raw     *os.File
	account providers.Account // whose requests they are, where lines do not say it
	token   *frontdoor.Token  // of who uploaded it
	lang    Lang              // in which that one reads what is wrong with lines
	kick    chan struct{}

	// Of files, under its lock.
	waits bool          // it is checked, and nobody has started it
	heir  bool          // its place goes to an upload that waits for it
	gone  chan struct{} // closed when it has left its place to the heir
}

// Limits of one front door.
const (
	mostHeld  = 4
	heldFor   = time.Hour // a checked file waits so long for a person
	beatEvery = time.Second
)

func newFiles(c *Console) *files {
	return &files{fileStore: fileStore{c.RDB, c.Ring}, c: c, arrived: make(chan *held), slots: make(chan struct{}, mostHeld), here: map[string]*held{}}
}

var (
	errStopped  = errors.New("stopped by an operator")
	errTooLate  = errors.New("nobody has started it")
	errStarted  = errors.New("started")
	errNoBearer = errors.New("the token is not in the file any more")
)

// run holds files until the context ends.
func (s *files) run(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	for {
		select {
		case h := <-s.arrived:
			wg.Go(func() { s.hold(ctx, h) })
		case <-ctx.Done():
			return
		}
	}
}

// wake has this front door look at a file at once, if it holds it.
func (s *files) wake(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if h := s.here[id]; h != nil {
		select {
		case h.kick <- struct{}{}:
		default:
		}
	}
}

func (s *files) hold(ctx context.Context, h *held) {
	s.enter(h)
	state, problem, detail := s.carry(ctx, h)
	s.leave(h) // so that whoever reads how it ended finds its place free
	if err := s.end(context.WithoutCancel(ctx), h.ID, state, problem, detail); err != nil {
		s.c.Log.Warn("how an uploaded file ended could not be recorded", "file", h.ID, "error", err)
	}
}

// drop removes the file.
func (h *held) drop() {
	_ = h.raw.Close()
	_ = os.Remove(h.raw.Name()) // it was removed when it was opened, where the system allows that
}

// carry takes a file through its states, and says how it ended.
func (s *files) carry(ctx context.Context, h *held) (state, problem, detail string) {
	if err := s.pass(ctx, h, true); err != nil {
		return s.why(ctx, h, err)
	}
	if h.Enqueued == 0 {
		return fileRejected, "", ""
	}
	err := s.waitsUntil(ctx, h.ID, s.c.Now().Add(heldFor))
	var refused *standing
	if err == nil {
		refused, err = s.move(ctx, h.ID, step{from: fileChecking, to: fileChecked})
	}
	if err == nil && refused == nil {
		err = s.await(ctx, h)
	}
	if err == nil {
		refused, err = s.move(ctx, h.ID, step{from: fileStarting, to: fileRunning})
	}
	if err == nil && refused != nil {
		err = errStopped
	}
	if err == nil {
		err = s.pass(ctx, h, false)
	}
	if err != nil {
		return s.why(ctx, h, err)
	}
	return fileFinished, "", ""
}

// await returns when a person has started the file, or why it never will be.
func (s *files) await(ctx context.Context, h *held) error {
	ctx, cancel := context.WithTimeoutCause(ctx, heldFor, errTooLate)
	defer cancel()
	s.waiting(h, true)
	defer s.waiting(h, false)
	before := h.count
	err := s.beats(ctx, h, func() count { return before }, fileChecked)
	if errors.Is(err, errStarted) {
		return nil
	}
	return err
}

// beats keeps the lease, and looks every second whether the file is still in a state. It returns why that ended.
func (s *files) beats(ctx context.Context, h *held, counted func() count, in string) error {
	tick := time.NewTicker(beatEvery)
	defer tick.Stop()
	for {
		state, err := s.beat(ctx, h.ID, counted())
		switch {
		case err != nil && ctx.Err() == nil:
			s.c.Log.Warn("an uploaded file's state could not be written", "file", h.ID, "error", err)
		case err == nil && state == fileStarting && in == fileChecked:
			return errStarted
		case err == nil && state != in:
			return errStopped
		}
		select {
		case <-tick.C:
		case <-h.kick:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// pass leads every line through validation and, unless it is a dry run, into the queue.
func (s *files) pass(ctx context.Context, h *held, dry bool) error {
	if _, err := h.raw.Seek(0, 0); err != nil {
		return err
	}
	if err := s.begin(ctx, h.ID); err != nil {
		return err
	}
	f, err := bulk.Open(h.raw, bulk.Reading{Account: h.account, Sheet: h.Sheet})
	if err != nil {
		return err
	}
	defer f.Close()
	p := &pass{files: s, held: h, file: f, dry: dry}
	inner, cancel := context.WithCancelCause(ctx)
	in := fileRunning
	if dry {
		in = fileChecking
	}
	var beating sync.WaitGroup
	beating.Go(func() { cancel(s.beats(inner, h, p.counted, in)) })
	err = bulk.Run(inner, f, p.options())
	if cause := context.Cause(inner); err != nil && cause != nil {
		err = cause
	}
	cancel(nil)
	beating.Wait()
	h.count = p.counted()
	return errors.Join(err, s.found(context.WithoutCancel(ctx), h.ID, h.count, p.wrong, p.rejects, !p.dropped, f.Hidden, f.Sheet))
}

// why says how a file ended that did not finish.
func (s *files) why(ctx context.Context, h *held, err error) (state, problem, detail string) {
	bad, sheets := new(bulk.FileError), new(workbook.SheetsError)
	switch {
	case errors.Is(err, errStopped) && s.replaced(h):
		return fileStopped, "file.why.replaced", ""
	case errors.Is(err, errStopped):
		return fileStopped, "", ""
	case errors.Is(err, errTooLate):
		return fileStopped, "file.why.late", ""
	case errors.Is(err, errNoBearer):
		return fileBroken, "file.why.token", ""
	case ctx.Err() != nil:
		return fileBroken, "file.why.door", ""
	case errors.As(err, &sheets):
		return fileUnread, "file.why.sheet", detailOf(mistake{Rule: sheets.Error()})
	case errors.As(err, &bad):
		return fileUnread, "file.why.unread", detailOf(mistakes(bad.Problems, 0)...)
	case errors.Is(err, bulk.ErrEmpty):
		return fileUnread, "file.why.unread", detailOf(mistake{Rule: err.Error()})
	case errors.Is(err, tasks.ErrWrongKeys):
		return fileBroken, "show.key", ""
	}
	s.c.Log.Warn("an uploaded file ended before its last line", "file", h.ID, "error", err)
	return fileBroken, "file.why.redis", ""
}

// bearer is who uploaded a file, as far as the tokens file says so now.
func (s *files) bearer(h *held) (*frontdoor.Token, error) {
	if s.c.Tokens == nil {
		return h.token, nil
	}
	if k := s.c.Tokens.Marked(h.Mark); k != nil && k.May(frontdoor.Operate) {
		return k, nil
	}
	return nil, errNoBearer
}

// mark changes when something of a file does.
func (f *file) mark() string { return fmt.Sprint(f.State, f.count) }

// peek is a file as it was a moment ago.
func (s *files) peek(ctx context.Context, id string) (*file, error) {
	return s.seen.get(s.c.Now(), id, func() (*file, error) { return s.load(ctx, id) })
}
