package console

import (
	"context"
	"crypto/rand"
	"errors"
	"time"

	"issuance/internal/frontdoor"
	"issuance/internal/ledger"
	"issuance/providers"
	"issuance/tasks"
	"issuance/tasks/order"
)

// jobs works on jobs. Any front door may; a lease keeps them from doing the same at once, and were two to, nothing would
// happen twice: a job holds the records that it is about, cancelling one again is the same, and a review is retried only while
// it is the one that was counted.
type jobs struct {
	jobStore
	c      *Console
	holder string
	kick   chan struct{}
	seen   peeks[job]
}

func newJobs(c *Console) *jobs {
	return &jobs{jobStore: jobStore{c.RDB}, c: c, holder: rand.Text(), kick: make(chan struct{}, 1)}
}

// lookEvery is how often a front door looks whether there is a job without one that works on it.
const lookEvery = 10 * time.Second

func (s *jobs) run(ctx context.Context) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		if err := s.all(ctx); err != nil && ctx.Err() == nil {
			s.c.Log.Warn("jobs of the console wait: Redis does not answer", "error", err)
		}
		select {
		case <-s.kick:
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// wake has this front door look for work at once.
func (s *jobs) wake() {
	select {
	case s.kick <- struct{}{}:
	default:
	}
}

// all works on every job that nobody works on, one after the other.
func (s *jobs) all(ctx context.Context) error {
	list, err := s.busy(ctx)
	if err != nil {
		return err
	}
	for _, j := range list {
		if mine, err := s.take(ctx, j.ID, s.holder); err != nil || !mine {
			if err != nil {
				return err
			}
			continue
		}
		err := s.work(ctx, j.ID)
		if left := s.leave(context.WithoutCancel(ctx), j.ID); err == nil {
			err = left
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// work does steps of a job until there is none left, or it is not this front door's any more.
func (s *jobs) work(ctx context.Context, id string) error {
	for ctx.Err() == nil {
		j, err := s.load(ctx, id)
		if err != nil || j == nil {
			return err
		}
		var more []entry
		switch j.State {
		case jobCounting:
			more, err = s.count(ctx, j)
		case jobRunning:
			err = s.act(ctx, j)
		default:
			return nil
		}
		if err != nil {
			return err
		}
		if mine, err := s.step(ctx, j, s.holder, more); err != nil || !mine {
			return err
		}
	}
	return ctx.Err()
}

// holderOf is who made a job, as far as the tokens file says so now; nil where that one may not act any more.
func (s *jobs) holderOf(j *job) *frontdoor.Token {
	if s.c.Tokens == nil {
		return &frontdoor.Token{Name: j.By, Scopes: frontdoor.Scopes()}
	}
	if k := s.c.Tokens.Marked(j.Mark); k != nil && k.May(frontdoor.Operate) {
		return k
	}
	return nil
}

// count looks for some more of a job's records.
func (s *jobs) count(ctx context.Context, j *job) ([]entry, error) {
	k := s.holderOf(j)
	if k == nil {
		j.State = jobStopped
		return nil, nil
	}
	all, err := s.c.known(ctx)
	if err != nil {
		return nil, err
	}
	var seen []providers.Account
	for _, a := range all {
		if k.Sees(a) {
			seen = append(seen, a)
		}
	}
	page, err := s.c.find(ctx, j.Filter, j.Filter.chosen(seen), j.Cursor, readAtOnce)
	if err != nil {
		return nil, err
	}
	var more []entry
	for _, r := range page.Rows {
		if j.Found+len(more) == mostJob {
			page.Next, j.Full = "", true
			break
		}
		more = append(more, entryOf(r))
	}
	j.Found += len(more)
	if j.Cursor = page.Next; j.Cursor == "" {
		j.State = jobReady
	}
	return more, nil
}

// jobStep is how many records one step works on.
const jobStep = 25

// act works on some more of a job's records.
func (s *jobs) act(ctx context.Context, j *job) error {
	k := s.holderOf(j)
	if k == nil {
		j.State = jobStopped
		return nil
	}
	list, err := s.entries(ctx, j.ID, j.At, jobStep)
	if err != nil {
		return err
	}
	ctx = decides(ctx, j.Started.By, j.Started.Address)
	for _, e := range list {
		skipped, err := s.one(ctx, j, k, e)
		if err != nil {
			return err
		}
		if j.At++; skipped == nil {
			j.Done++
			continue
		}
		j.skip(e.String(), *skipped)
	}
	if len(list) < jobStep {
		j.State = jobFinished
	}
	return nil
}

// skip counts a record that was skipped.
func (j *job) skip(ref string, n note) {
	if j.Skipped++; j.Why == nil {
		j.Why = map[string]int{}
	}
	j.Why[n.Why]++
	if n.Ref = ref; len(j.Notes) < mostNotes {
		j.Notes = append(j.Notes, n)
	}
}

// one works on one record; skipped says why it was left as it is, nil where it was not.
func (s *jobs) one(ctx context.Context, j *job, k *frontdoor.Token, e entry) (skipped *note, err error) {
	if !k.Sees(e.Account) {
		return &note{Why: "job.note.gone"}, nil
	}
	if j.Kind == jobRetry {
		return s.retry(ctx, j, e)
	}
	err = s.c.Client.Cancel(ctx, e.Ref, j.Started.By, j.Reason)
	refused := (*tasks.NotCancellableError)(nil)
	switch {
	case errors.Is(err, tasks.ErrUnknownOrder):
		return &note{Why: "job.note.gone"}, nil
	case errors.As(err, &refused):
		return &note{Why: string(refused.State)}, nil
	case err != nil:
		return nil, err
	}
	first, err := s.c.another(ctx, e.Ref, j.Started.By, j.Reason)
	if first == nil || err != nil {
		return nil, err
	}
	return &note{Why: string(order.Cancelled), Who: first.Who, What: first.What, At: first.At}, nil
}

func (s *jobs) retry(ctx context.Context, j *job, e entry) (skipped *note, err error) {
	list, err := s.c.matching(ctx, filter{State: string(order.Review)}, []order.Ref{e.Ref}, endedAt)
	if err != nil {
		return nil, err
	}
	if len(list) == 0 || list[0].FinalAt.UnixMilli() != e.Since {
		return s.changed(ctx, e.Ref)
	}
	done, err := s.c.desk.Retry(ctx, e.Ref, j.Started.By, j.Reason)
	if err != nil || done.Applied {
		return nil, err
	}
	return s.changed(ctx, e.Ref)
}

// changed says what became of a review since it was counted.
func (s *jobs) changed(ctx context.Context, r order.Ref) (*note, error) {
	rec, err := s.c.Ledger.Load(ctx, r)
	switch {
	case errors.Is(err, ledger.ErrNotFound):
		return &note{Why: "job.note.gone"}, nil
	case err != nil:
		return nil, err
	}
	n := note{Why: "job.note.again"}
	if d := deciderOf(rec); d != nil {
		n.Who, n.What, n.At = d.Who, d.What, d.At
	}
	return &n, nil
}

// peek is a job as it was a moment ago.
func (s *jobs) peek(ctx context.Context, id string) (*job, error) {
	return s.seen.get(s.c.Now(), id, func() (*job, error) { return s.load(ctx, id) })
}
