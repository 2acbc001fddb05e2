package chaos

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"issuance/tasks"
	"issuance/tasks/order"
)

// file is one bulk: its orders are sent as lines of one stream.
type file struct {
	at     time.Duration
	orders []*Order
}

// bulkLine is a line of the answer.
type bulkLine struct {
	Receipt *tasks.Receipt
	Line    int
	Code    string
	Detail  string
	Done    *struct {
		Complete                    bool
		Lines, Enqueued, Duplicates int
		Conflicts, Invalid, Failed  int
	}
}

// bulk sends a file again until a front door has answered for all of it.
func (p *Producers) bulk(ctx context.Context, f file) {
	for {
		once, cancel := context.WithTimeout(ctx, 20*time.Second)
		done, err := p.callers.stream(once, f, p.line(f))
		cancel()
		if done || ctx.Err() != nil {
			break
		}
		p.mu.Lock()
		p.brokenBulks++
		if err != nil {
			p.texts[err.Error()] = true
		}
		p.mu.Unlock()
		if !pause(ctx, 250*time.Millisecond) {
			break
		}
	}
	for _, o := range f.orders {
		if ctx.Err() == nil && !p.receipts.has(o.Ref()) {
			p.mu.Lock()
			p.wrong = append(p.wrong, fmt.Sprintf("%s: a bulk was answered to be complete, without a receipt of it", o.Ref()))
			p.mu.Unlock()
		}
	}
}

// line takes one line of the answer to a file. It reports whether the file is done.
func (p *Producers) line(f file) func(bulkLine) bool {
	documents := map[order.Ref][]byte{}
	for _, o := range f.orders {
		documents[o.Ref()] = o.Doc
	}
	return func(l bulkLine) bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		switch {
		case l.Receipt != nil:
			p.acked++
			if l.Receipt.Duplicate {
				p.repeated++
			}
			p.receipts.note(*l.Receipt, documents[l.Receipt.Ref()])
		case l.Code == "invalid" || l.Code == "conflict":
			p.wrong = append(p.wrong, fmt.Sprintf("line %d of a bulk: %s: %s", l.Line, l.Code, l.Detail))
		case l.Code != "":
			p.texts[l.Code+": "+l.Detail] = true
		}
		return l.Done != nil && l.Done.Complete && l.Done.Failed == 0
	}
}

// stream sends a file, line by line, while it reads the answer.
func (c *callers) stream(ctx context.Context, f file, take func(bulkLine) bool) (done bool, err error) {
	r := dice(c.seed, "bulk", strconv.FormatUint(c.count.Add(1), 10))
	body, lines := io.Pipe()
	defer body.Close() // ends the writer when the connection is gone
	go func() {
		for _, o := range f.orders {
			if _, err := lines.Write(append(o.Doc, '\n')); err != nil || !pause(ctx, between(r, 0, 60*time.Millisecond)) {
				_ = lines.CloseWithError(io.ErrUnexpectedEOF)
				return
			}
		}
		_ = lines.Close()
	}()
	at := c.front.doors[int(c.count.Load())%len(c.front.doors)].bulk.url()
	req, err := c.front.request(ctx, http.MethodPost, at+"/v1/bulk", body)
	if err != nil {
		return false, err
	}
	req.Header.Set("Content-Type", "application/x-ndjson")
	res, err := c.front.client.Do(req)
	if err != nil {
		return false, fmt.Errorf("bulk: %w", err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(res.Body)
		return false, fmt.Errorf("bulk: HTTP %d: %s", res.StatusCode, text)
	}
	return answers(res.Body, take)
}

// answers reads the lines of an answer. One that has not come to its end has not come.
func answers(body io.Reader, take func(bulkLine) bool) (done bool, err error) {
	in := bufio.NewReader(body)
	for {
		text, err := in.ReadBytes('\n')
		if err != nil {
			return done, err
		}
		var l bulkLine
		if err := json.Unmarshal(text, &l); err != nil {
			return false, fmt.Errorf("bulk: %w", err)
		}
		if done = take(l); done {
			return true, nil
		}
	}
}
