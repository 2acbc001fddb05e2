package bulk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"issuance/providers"
	"issuance/tasks"
)

// Every line is enqueued, in the order of the file; wrong ones are reported in that order and keep no
// other from being enqueued.
func TestWrongLinesKeepNoOtherFromBeingEnqueued(t *testing.T) {
	var text strings.Builder
	text.WriteString(csvHeader)
	var ids, wrong []string
	for i := range 1000 {
		id := fmt.Sprintf("ORDER%d", i)
		if i%7 == 3 {
			text.WriteString(csvRow("wrong-number"))
			wrong = append(wrong, fmt.Sprintf("%d: MerchantTradeNo: must be half-width letters and digits only (A-Z, a-z, 0-9) (found: string of 12 characters)", i+2))
			continue
		}
		text.WriteString(csvRow(id))
		ids = append(ids, id)
	}
	q := newQueue(t)
	out := run_(t, strings.NewReader(text.String()), Reading{}, q.options())
	out.want(t, int64(len(ids)), wrong...)
	if !slices.Equal(q.ids, ids) {
		t.Errorf("enqueued %d orders, or in another order", len(q.ids))
	}
	if load, n := out.Loads()[ecticket], int64(len(ids)); load != (Load{n, 2 * n}) {
		t.Errorf("%+v", out.Loads())
	}
	if out.Bytes.Load() != int64(text.Len()) || out.Lines.Load() != 1000 || out.LastLine.Load() != 1001 {
		t.Errorf("progress: %d bytes, %d lines, last line %d", out.Bytes.Load(), out.Lines.Load(), out.LastLine.Load())
	}
}

// Duplicates are counted and fine; another order under a used number is rejected.
func TestDuplicatesAreFineAndConflictsAreNot(t *testing.T) {
	q := newQueue(t)
	q.answer = func(id string) tasks.Enqueued {
		switch id {
		case "SAME":
			return tasks.Enqueued{Receipt: tasks.Receipt{Duplicate: true}}
		case "OTHER":
			return conflict()
		}
		return tasks.Enqueued{}
	}
	out := run_(t, strings.NewReader(jsonLine("NEW")+jsonLine("SAME")+"\n"+jsonLine("OTHER")), Reading{}, q.options())
	out.want(t, 1, "4: another order was enqueued under this number before (it is issued); a new order needs a number of its own")
	if out.Duplicates.Load() != 1 || out.Conflicts.Load() != 1 || out.Invalid.Load() != 0 || out.Lines.Load() != 3 {
		t.Errorf("%d duplicates, %d conflicts of %d", out.Duplicates.Load(), out.Conflicts.Load(), out.Lines.Load())
	}
	if load := out.Loads()[pass2u]; load != (Load{1, 1}) {
		t.Errorf("%+v", out.Loads())
	}
}

// An order that cannot be enqueued ends the run, unless the caller says that it may go on.
func TestAnOrderThatCannotBeEnqueued(t *testing.T) {
	text := csvHeader
	for i := range 100 {
		text += csvRow(fmt.Sprintf("O%d", i))
	}
	for _, goOn := range []bool{false, true} {
		q := newQueue(t)
		q.answer = func(id string) tasks.Enqueued {
			if id == "O50" {
				return tasks.Enqueued{Err: errQueue}
			}
			return tasks.Enqueued{}
		}
		opt := q.options()
		failedAt := 0
		opt.Failed = func(line int, err error) error {
			failedAt = line
			if goOn {
				return nil
			}
			return err
		}
		out := run_(t, strings.NewReader(text), Reading{}, opt)
		switch {
		case failedAt != 52 || out.Failed.Load() != 1:
			t.Errorf("line %d, %d failed", failedAt, out.Failed.Load())
		case goOn && (out.err != nil || out.Enqueued.Load() != 99):
			t.Errorf("went on to %d, %v", out.Enqueued.Load(), out.err)
		case !goOn && (!errors.Is(out.err, errQueue) || out.Enqueued.Load() < 50 || int(out.Enqueued.Load()) != len(q.ids)):
			t.Errorf("counted %d, enqueued %d, %v", out.Enqueued.Load(), len(q.ids), out.err)
		}
	}
}

// endless gives rows for ever, and counts those it gave.
type endless struct {
	rows atomic.Int64
	rest string
}

func (e *endless) Read(p []byte) (int, error) {
	if e.rest == "" {
		n := e.rows.Add(1)
		if e.rest = csvRow(fmt.Sprintf("O%d", n)); n == 1 {
			e.rest = csvHeader
		}
	}
	n := copy(p, e.rest)
	e.rest = e.rest[n:]
	return n, nil
}

// The run ends with its context, however long the file is, and what it has counted is what was
// enqueued. Behind the order that is reported, only a few batches have been read: memory does not
// grow with the file.
func TestARunEndsWithItsContextAndReadsOnlyALittleAhead(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	q := newQueue(t)
	opt := q.options()
	opt.Rules, opt.Progress = rules, &Progress{}
	opt.Reject = func(r Rejected) error { return fmt.Errorf("line %d is rejected: %v", r.Line, r.Problems) }
	source := &endless{}
	ahead := 0
	q.answer = func(id string) tasks.Enqueued {
		ahead = max(ahead, int(source.rows.Load())-len(q.ids))
		if len(q.ids) == 5000 {
			cancel()
		}
		return tasks.Enqueued{}
	}
	f, err := Open(source, Reading{})
	if err != nil {
		t.Fatal(err)
	}
	if err := Run(ctx, f, opt); !errors.Is(err, context.Canceled) {
		t.Errorf("it ended with %v", err)
	}
	if n := int(opt.Progress.Enqueued.Load()); n != len(q.ids) || n < 5000 {
		t.Errorf("counted %d, enqueued %d", n, len(q.ids))
	}
	// The reader's own buffer, and the batches between the pipeline's stages.
	if most := 2*readAhead/len(csvRow("O5000")) + (underWay+12)*opt.Batch; ahead > most {
		t.Errorf("read %d lines ahead, want at most %d", ahead, most)
	}
}

// TestAnInterruptedRunSaysUpToWhereItCame: every line up to the last one is done, and what is done behind it is counted.
func TestAnInterruptedRunSaysUpToWhereItCame(t *testing.T) {
	for name, c := range map[string]struct {
		unknown      string // the order of which nothing is known
		last, beyond int64
	}{
		"the batch came through":     {"", 31, 0},
		"one order has no answer":    {"O25", 24, 6},
		"the first of its batch has": {"O22", 21, 9},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			q := newQueue(t)
			opt := q.options() // batches of ten
			opt.Rules, opt.Progress = rules, &Progress{}
			opt.Reject = func(r Rejected) error { return fmt.Errorf("line %d is rejected: %v", r.Line, r.Problems) }
			opt.Enqueue = func(_ context.Context, batch []tasks.Prepared) []tasks.Enqueued {
				out := q.enqueue(ctx, batch)
				for i, p := range batch {
					if p.Ref().OrderID == "O30" { // the interruption comes while the batch is on its way
						cancel()
					}
					if p.Ref().OrderID == c.unknown {
						out[i] = tasks.Enqueued{Err: context.Canceled}
					}
				}
				return out
			}
			f, err := Open(&endless{}, Reading{})
			if err != nil {
				t.Fatal(err)
			}
			if err := Run(ctx, f, opt); !errors.Is(err, context.Canceled) {
				t.Errorf("it ended with %v", err)
			}
			p := opt.Progress
			if p.LastLine.Load() != c.last || p.Beyond.Load() != c.beyond {
				t.Errorf("up to line %d and %d behind it, want %d and %d", p.LastLine.Load(), p.Beyond.Load(), c.last, c.beyond)
			}
			if done := p.LastLine.Load() - 1 + p.Beyond.Load(); done != p.Enqueued.Load() {
				t.Errorf("%d lines are done, and %d enqueued", done, p.Enqueued.Load())
			}
		})
	}
}

// typist gives a text a piece at a time, each when the test lets it.
type typist struct {
	pieces chan string
	rest   string
}

func (y *typist) Read(p []byte) (int, error) {
	if y.rest == "" {
		text, ok := <-y.pieces
		if !ok {
			return 0, io.EOF
		}
		y.rest = text
	}
	n := copy(p, y.rest)
	y.rest = y.rest[n:]
	return n, nil
}

func (y *typist) Ready(within time.Duration) bool {
	if y.rest != "" {
		return true
	}
	select {
	case text, ok := <-y.pieces:
		y.rest = text
		return ok
	case <-time.After(within):
		return false
	}
}

// A line that is complete is enqueued although the next one is not, and is not lost when it is.
func TestALineDoesNotWaitForTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := &typist{pieces: make(chan string, 3)}
		q := newQueue(t)
		came := make(chan string)
		q.answer = func(id string) tasks.Enqueued {
			came <- id
			return tasks.Enqueued{}
		}
		var out outcome
		go func() {
			in.pieces <- csvHeader + csvRow("O1") + "O2,2,2,\"An"
			for i, piece := range []string{"gela\",VQT04959,1\n" + csvRow("O3") + "O4", csvRow("")} {
				began := time.Now()
				if id := <-came; id != fmt.Sprintf("O%d", i+1) {
					t.Errorf("%s was enqueued", id)
				}
				if i == 1 {
					<-came // O3, in the same batch
				}
				if waited := time.Since(began); waited > batchWait {
					t.Errorf("a line waited for %s", waited)
				}
				in.pieces <- piece
			}
			close(in.pieces)
			if id := <-came; id != "O4" {
				t.Errorf("%s was enqueued", id)
			}
		}()
		out = run_(t, in, Reading{}, q.options())
		out.want(t, 4)
	})
}

// What was read before the file broke is done.
func TestAFileThatBreaksInTheMiddle(t *testing.T) {
	broken := errors.New("the disk is gone")
	q := newQueue(t)
	text := csvHeader + csvRow("O1") + csvRow("O2") + "O3,2,2,An"
	out := run_(t, io.MultiReader(strings.NewReader(text), failing{broken}), Reading{}, q.options())
	if !errors.Is(out.err, broken) || !slices.Equal(q.ids, []string{"O1", "O2"}) || len(out.rejected) != 0 {
		t.Errorf("enqueued %v, rejected %v, %v", q.ids, out.rejected, out.err)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// What Check finds is reported like any broken rule, and its error ends the run.
func TestMoreChecks(t *testing.T) {
	text := csvHeader + csvRow("O1") + csvRow("BAD!") + csvRow("O2")
	check := func(_ context.Context, orders []*tasks.Order) ([][]providers.Violation, error) {
		found := make([][]providers.Violation, len(orders))
		for i, o := range orders {
			if o.ID == "O2" {
				found[i] = []providers.Violation{{Path: "request.TicketInfo[0].ItemNo", Rule: "must be listed"}}
			}
		}
		return found, nil
	}
	q := newQueue(t)
	opt := q.options()
	opt.Check = check
	out := run_(t, strings.NewReader(text), Reading{}, opt)
	out.want(t, 1, "3: MerchantTradeNo: must be half-width letters and digits only (A-Z, a-z, 0-9) (found: string of 4 characters)", "4: ItemNo1: must be listed")
	if !slices.Equal(q.ids, []string{"O1"}) {
		t.Errorf("enqueued %v", q.ids)
	}
	opt.Check = func(context.Context, []*tasks.Order) ([][]providers.Violation, error) { return nil, errQueue }
	if out := run_(t, strings.NewReader(text), Reading{}, opt); !errors.Is(out.err, errQueue) {
		t.Errorf("ended with %v", out.err)
	}
}

// When wrong lines cannot be kept, the run ends.
func TestRejectsThatCannotBeWritten(t *testing.T) {
	q := newQueue(t)
	opt := q.options()
	opt.Reject = func(Rejected) error { return errQueue }
	if out := run_(t, strings.NewReader(csvHeader+csvRow("!")+csvRow("O1")), Reading{}, opt); !errors.Is(out.err, errQueue) {
		t.Errorf("ended with %v", out.err)
	}
}
