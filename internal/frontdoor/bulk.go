package frontdoor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"issuance/internal/bulk"
	"issuance/internal/bulk/workbook"
	"issuance/providers"
	"issuance/tasks"
)

// pause is how long a bulk may take for its next line, and its caller for the next line of the answer. The whole may take
// any time.
func (s *Server) pause() time.Duration { return 3 * s.Timeout }

const xlsx = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

// BulkLine is one line of the answer to a bulk: a receipt, what is wrong with a line, or the end.
type BulkLine struct {
	Receipt *tasks.Receipt `json:"receipt,omitempty" doc:"an order that is recorded"`
	Line    int            `json:"line,omitempty" doc:"the line that is wrong, or could not be enqueued"`
	OrderID string         `json:"order_id,omitempty" doc:"the order that a wrong line is about, where it is known"`
	Code    Code           `json:"code,omitempty" doc:"invalid: the line breaks rules; forbidden: the token is not for its order's account; conflict, unreachable, …: as in problems"`
	Detail  string         `json:"detail,omitempty"`
	// Violations are in the terms of the file: a column's title, or a path.
	Violations []BulkViolation `json:"violations,omitempty"`
	Done       *BulkDone       `json:"done,omitempty" doc:"the last line; an answer without it was cut off, and the file is to be sent again"`
}

// BulkViolation is one thing that is wrong with a line.
type BulkViolation struct {
	Where   string `json:"where,omitempty" doc:"a column, a path, or nothing for the whole line"`
	Pointer string `json:"pointer,omitempty" example:"/request/TicketInfo/0/TicketAmount" doc:"JSON pointer (RFC 6901) into the line's document; absent for the whole line, and where lines are rows of a table"`
	Cell    string `json:"cell,omitempty" example:"C17" doc:"of a workbook"`
	Rule    string `json:"rule" doc:"what must be"`
	Shape   string `json:"shape,omitempty" doc:"what is there instead, without its value"`
	Advice  string `json:"advice,omitempty" doc:"what a spreadsheet has probably done to it"`
}

// BulkDone counts lines.
type BulkDone struct {
	Complete   bool  `json:"complete" doc:"the whole file was read; false: see code and detail, and send the file again"`
	Lines      int64 `json:"lines"`
	Enqueued   int64 `json:"enqueued" doc:"in a dry run: valid"`
	Duplicates int64 `json:"duplicates"`
	Conflicts  int64 `json:"conflicts"`
	Invalid    int64 `json:"invalid" doc:"lines that break rules, or are forbidden"`
	Failed     int64 `json:"failed"`
}

func (s *Server) bulk() {
	op := operation(http.MethodPost, "/v1/bulk", "post-bulk", "bulk", "Enqueue a file of orders",
		"NDJSON (an order document on each line), CSV or an Excel workbook (.xlsx), recognised by its content, of any length. The answer is NDJSON and comes while the file is read: a receipt for each order, or what is wrong with its line; wrong lines do not keep the others from being enqueued. After a broken connection send the file again: what was enqueued is a duplicate. "+
			bulkColumns()+" With account, each line of NDJSON is the provider's own request alone.",
		http.StatusOK, 415)
	op.MaxBodyBytes, op.BodyReadTimeout = -1, -1
	file := &huma.MediaType{Schema: &huma.Schema{Type: "string", Description: "an order document on each line, CSV with a header, or a workbook"}}
	op.RequestBody = &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{"application/x-ndjson": file, "text/csv": file, xlsx: file}}
	op.Responses = lines("application/x-ndjson", "A BulkLine on each line", s.schema(reflect.TypeFor[BulkLine]()))
	register(s, op, s.postBulk)
}

func (s *Server) postBulk(ctx context.Context, in *bulkIn) (*huma.StreamResponse, error) {
	account, err := in.read(ctx, s)
	if err != nil {
		return nil, err
	}
	if !in.DryRun {
		if err := s.Client.Ready(ctx); err != nil {
			return nil, noted(ctx, explain(err, accountInQuery))
		}
	}
	return &huma.StreamResponse{Body: func(c huma.Context) {
		r, w := humago.Unwrap(c)
		l := &load{server: s, token: seenOf(ctx).token, w: w, control: http.NewResponseController(w), dry: in.DryRun}
		l.run(r, bulk.Reading{Account: account, Sheet: in.Sheet})
	}}, nil
}

// load is one bulk under way.
type load struct {
	server  *Server
	token   *Token
	w       http.ResponseWriter
	control *http.ResponseController
	body    *pacedBody
	dry     bool
	// workbook is set when the file is one, whose lines have cells.
	workbook bool

	mu  sync.Mutex // of w
	err error      // the caller is gone
}

func (l *load) run(r *http.Request, reading bulk.Reading) {
	if r.ProtoMajor == 1 { // what is left of a file that was not read to its end must not be taken for the next request
		l.w.Header().Set("Connection", "close")
	}
	_ = l.control.EnableFullDuplex() // HTTP/2 always is
	l.body = newPacedBody(r, l.control, l.server.pause())
	defer l.body.drain()
	f, err := bulk.Open(l.body, reading)
	if p := l.refusal(err); p != nil {
		writeProblem(l.w, r, p)
		_ = l.control.Flush() // before the rest of the file is read
		return
	}
	l.w.Header().Set("Content-Type", "application/x-ndjson")
	l.w.WriteHeader(http.StatusOK)
	progress := &bulk.Progress{}
	done := BulkLine{Done: &BulkDone{Complete: true}}
	if err == nil {
		defer f.Close()
		l.workbook = f.Sheet != ""
		err = bulk.Run(r.Context(), f, l.options(progress))
	}
	if err != nil {
		done.Done.Complete = false
		done.Code, done.Detail = l.why(err)
		var file *bulk.FileError
		if errors.As(err, &file) {
			done.Violations = bulkViolations(file.Problems, 0)
		}
	}
	at := seenOf(r.Context())
	if at.outcome = "complete"; err != nil {
		at.outcome = string(done.Code)
	}
	d := done.Done
	d.Lines, d.Enqueued, d.Duplicates = progress.Lines.Load(), progress.Enqueued.Load(), progress.Duplicates.Load()
	d.Conflicts, d.Invalid, d.Failed = progress.Conflicts.Load(), progress.Invalid.Load(), progress.Failed.Load()
	_ = l.write(done) // a caller that is gone needs no answer
	_ = l.control.Flush()
}

// refusal is the answer to a file that is none of orders, or did not begin to come; nil for any other.
func (l *load) refusal(err error) *Problem {
	if err == nil {
		return nil
	}
	if cut := l.body.cut.Load(); cut != nil {
		return cut
	}
	code, detail := l.why(err)
	if code != codeInvalid {
		return nil
	}
	p := problem(http.StatusUnprocessableEntity, code, "%s", detail)
	var file *bulk.FileError
	if errors.As(err, &file) {
		for _, v := range bulkViolations(file.Problems, 0) {
			p.Violations = append(p.Violations, ProblemViolation{Where: strings.TrimSuffix(inBody+" "+v.Where, " "), Rule: v.Rule, Shape: v.Shape})
		}
	}
	if len(p.Violations) == 0 { // the file as a whole breaks one
		p.Violations = []ProblemViolation{{Where: inBody, Rule: detail}}
	}
	return p
}

// bulkAdvice puts in the place of the command line's options what a caller of HTTP has.
var bulkAdvice = strings.NewReplacer("; print one with --template", "; /docs lists them", "; see: enqueue bulk --help", "; /docs lists them",
	"; see: enqueue refund --help", "; PUT each one at its order's /refunds/ID",
	"--provider names an account", "?account= names one", "of --rejects", "of a rejected line", "as --rejects writes it", "as rejected lines have it")

// bulkColumns lists what the first line of a table may hold.
func bulkColumns() string {
	var b strings.Builder
	b.WriteString("The first line of a table holds the titles.")
	for _, codec := range providers.Codecs() {
		fmt.Fprintf(&b, " %s: %s", codec.Title, strings.Join(codec.Columns.Scalars, ", "))
		if items := codec.Columns.Items; len(items) > 0 {
			fmt.Fprintf(&b, "; of the first item %s1, of the second %s2, …", strings.Join(items, "1, "), strings.Join(items, "2, "))
		}
		b.WriteString(".")
	}
	return b.String()
}

func (l *load) options(progress *bulk.Progress) bulk.Options {
	s := l.server
	o := bulk.Options{Rules: s.Rules, Progress: progress, Stop: l.body.stop,
		Reject: func(r bulk.Rejected) error {
			wrong := BulkLine{Line: r.Line, OrderID: r.Order.OrderID, Code: codeInvalid}
			switch {
			case r.Conflict:
				wrong.Code = codeConflict
			case r.Refused:
				wrong.Code = codeForbidden
			}
			if l.workbook {
				wrong.Violations = bulkViolations(r.Problems, r.Line)
			} else {
				wrong.Violations = bulkViolations(r.Problems, 0)
			}
			return l.write(wrong)
		},
		Failed: func(line int, err error) error {
			p := explain(err, accountInQuery)
			if werr := l.write(BulkLine{Line: line, Code: p.Code, Detail: p.Detail}); werr != nil {
				return werr
			}
			return err
		}}
	if l.dry {
		o.Account = l.seen
		return o
	}
	o.Prepare = func(ctx context.Context, ord *tasks.Order) (tasks.Prepared, error) {
		if err := l.permitted(ord.Account); err != nil {
			return tasks.Prepared{}, err
		}
		p, err := s.Client.Prepare(ctx, ord, tasks.Bulk)
		if err == nil {
			err = l.permitted(p.Ref().Account)
		}
		return p, err
	}
	o.Enqueue = func(ctx context.Context, batch []tasks.Prepared) []tasks.Enqueued {
		out := s.Client.EnqueuePrepared(ctx, batch)
		for _, e := range out {
			if e.Err == nil {
				_ = l.write(BulkLine{Receipt: &e.Receipt}) // the next line notices that the caller is gone
			}
		}
		_ = l.control.Flush()
		return out
	}
	return o
}

// permitted is a *bulk.RefusedError where an account is none of the token's. One whose merchant is still to be found is
// judged then.
func (l *load) permitted(a tasks.Account) error {
	if a.Merchant == "" || l.token.Sees(a) {
		return nil
	}
	return &bulk.RefusedError{Rule: "is of account " + a.String() + ", which the token is not for"}
}

// seen judges the account of a dry run's order by the token, and asks which one is meant only where the token is for some.
func (l *load) seen(ctx context.Context, a tasks.Account) (tasks.Account, error) {
	if a.Merchant == "" && len(l.token.Accounts) > 0 {
		completed, err := l.server.Client.Account(ctx, a)
		if err != nil {
			return a, err
		}
		a = completed
	}
	return a, l.permitted(a)
}

// write writes a line of the answer.
func (l *load) write(line BulkLine) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err == nil {
		_ = l.control.SetWriteDeadline(time.Now().Add(l.server.pause()))
		l.err = json.NewEncoder(l.w).Encode(line)
	}
	return l.err
}

// why says why a bulk has ended before its file did.
func (l *load) why(err error) (code Code, detail string) {
	var file *bulk.FileError
	cut := l.body.cut.Load()
	switch {
	case cut != nil: // whatever came of it
		return cut.Code, cut.Detail
	case errors.Is(err, bulk.ErrEmpty):
		return codeInvalid, bulk.ErrEmpty.Error()
	case errors.As(err, new(*workbook.SheetsError)):
		return codeInvalid, err.Error() + "; choose one with ?sheet=NAME"
	case errors.As(err, new(*workbook.Error)):
		return codeInvalid, err.Error()
	case errors.As(err, &file):
		return codeInvalid, "the file cannot be read as one of orders; nothing was enqueued"
	}
	p := explain(err, accountInQuery)
	return p.Code, p.Detail
}

// bulkViolations writes what is wrong with a line; row is the line's in a workbook, else 0.
func bulkViolations(list []bulk.Problem, row int) []BulkViolation {
	var out []BulkViolation
	for _, whole := range list {
		for _, p := range whole.Fields() {
			v := BulkViolation{Where: p.Where, Rule: bulkAdvice.Replace(p.Rule), Shape: p.Shape, Advice: bulkAdvice.Replace(p.Advice)}
			if p.IsPath {
				v.Pointer = pointer(p.Where, "")
			}
			if row > 0 && p.Column > 0 {
				v.Cell = workbook.Cell(p.Column, row)
			}
			out = append(out, v)
		}
	}
	return out
}
