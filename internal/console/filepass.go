package console

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"issuance/internal/bulk"
	"issuance/providers"
	"issuance/tasks"
)

// pass is one reading of a file.
type pass struct {
	*files
	held     *held
	file     *bulk.File
	dry      bool
	progress bulk.Progress
	wrong    []string // the first wrong lines, as wrongLine
	rejects  []byte   // wrong lines as they came
	dropped  bool     // and there are more
	failed   int
}

func (p *pass) counted() count {
	g := &p.progress
	return count{g.Bytes.Load(), g.Lines.Load(), g.Enqueued.Load(), g.Duplicates.Load(), g.Conflicts.Load(), g.Invalid.Load(), g.Failed.Load()}
}

func (p *pass) options() bulk.Options {
	o := bulk.Options{Rules: p.c.Door.Rules, Progress: &p.progress, Check: p.check, Reject: p.reject, Failed: p.fail}
	if !p.dry {
		o.Prepare = func(ctx context.Context, ord *tasks.Order) (tasks.Prepared, error) {
			return p.c.Client.Prepare(ctx, ord, tasks.Bulk)
		}
		o.Enqueue = p.enqueue
	}
	return o
}

// check rejects orders of accounts that are not those of who uploaded the file.
func (p *pass) check(ctx context.Context, list []*tasks.Order) ([][]providers.Violation, error) {
	k, err := p.bearer(p.held)
	if err != nil {
		return nil, err
	}
	out := make([][]providers.Violation, len(list))
	for i, o := range list {
		a, err := p.c.Client.Account(ctx, o.Account)
		switch unknown := new(tasks.UnknownAccountError); {
		case errors.As(err, &unknown):
			out[i] = []providers.Violation{{Rule: unknown.Error()}}
		case err != nil:
			return nil, err
		case !k.Sees(a):
			out[i] = []providers.Violation{{Rule: "the token is not for account " + a.String()}}
		}
	}
	return out, nil
}

func (p *pass) enqueue(ctx context.Context, batch []tasks.Prepared) []tasks.Enqueued {
	out := p.c.Client.EnqueuePrepared(ctx, batch)
	var refs []string
	for i, e := range out {
		if e.Err == nil {
			refs = append(refs, batch[i].Ref().String())
		}
	}
	if err := p.enqueued(context.WithoutCancel(ctx), p.held.ID, refs); err != nil {
		p.c.Log.Warn("orders of an uploaded file are enqueued, and not in its list", "file", p.held.ID, "orders", len(refs), "error", err)
	}
	return out
}

// reject keeps a wrong line.
func (p *pass) reject(r bulk.Rejected) error {
	if len(p.wrong) < mostWrong {
		row := 0
		if p.file.Sheet != "" {
			row = r.Line
		}
		if err := p.note(wrongLine{Line: r.Line, OrderID: r.Order.OrderID, Problems: mistakes(r.Problems, row)}); err != nil {
			return err
		}
	}
	text := []byte(nil)
	if !r.Long {
		notes := make([]string, len(r.Problems))
		for i, problem := range r.Problems {
			notes[i] = p.held.lang.note(problem)
		}
		text = p.file.Noted(r.Raw, notes)
	}
	if len(p.rejects) == 0 && len(text) > 0 {
		text = append(p.file.Header(), text...)
	}
	if r.Long || p.dropped || len(p.rejects)+len(text) > mostRejects {
		p.dropped = true
		return nil
	}
	p.rejects = append(p.rejects, text...)
	return nil
}

// note is a problem of a line as one text.
func (l Lang) note(p bulk.Problem) string {
	if l != Chinese {
		return p.String()
	}
	say := ruleTexts().say
	text := say(p.Rule)
	if p.Where != "" {
		text = say(p.Where) + "：" + text
	}
	if p.Shape != "" {
		text += "（目前：" + say(p.Shape) + "）"
	}
	if p.Advice != "" {
		text += "；" + say(p.Advice)
	}
	return text
}

func (p *pass) note(w wrongLine) error {
	raw, err := json.Marshal(w)
	p.wrong = append(p.wrong, string(raw))
	return err
}

// How many orders may fail to be enqueued before a file is given up, and how long Redis may take to say that it answers.
const (
	mostFailed  = 100
	readyWithin = 5 * time.Second
)

// fail notes an order that is right and could not be enqueued.
func (p *pass) fail(line int, err error) error {
	if p.failed++; p.failed > mostFailed || errors.Is(err, context.Canceled) {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), readyWithin)
	defer cancel()
	if p.c.Client.Ready(ctx) != nil { // as of every other
		return err
	}
	p.c.Log.Warn("an order of an uploaded file could not be enqueued", "file", p.held.ID, "line", line, "error", err)
	return p.note(wrongLine{Line: line, Problems: []mistake{{Rule: fmt.Sprintf("it could not be enqueued (%s)", reasonOf(err))}}})
}

// reasonOf is why an order could not be enqueued, in a word.
func reasonOf(err error) string {
	if errors.Is(err, tasks.ErrWrongKeys) {
		return "wrong_keys"
	}
	return "failed"
}
