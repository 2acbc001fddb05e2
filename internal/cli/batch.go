package cli

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"issuance/internal/bulk"
	"issuance/internal/cli/input"
	"issuance/internal/cli/table"
	"issuance/providers"
	"issuance/tasks"
)

// job is one checked document on its way into the queue.
type job struct {
	at     string       // its place in the input
	n      int          // the document's number, for sorting
	ref    tasks.Ref    // its account has no merchant when neither the document nor the environment names one
	order  *tasks.Order // one of the two
	refund *tasks.Refund
	first  int // the job of the same document earlier in the input, or its own place
}

func (j *job) enqueue(ctx context.Context, c *tasks.Client, lane tasks.Lane) (tasks.Receipt, error) {
	if j.refund != nil {
		return c.EnqueueParsedRefund(ctx, j.refund, tasks.InLane(lane))
	}
	return c.EnqueueOrder(ctx, j.order, tasks.InLane(lane))
}

// reading says how documents are read.
type reading struct {
	refunds  bool
	account  tasks.Account // wraps bare requests; zero: documents name their provider
	refundID string        // of bare refund requests
}

// violation is one rule broken by one document.
type violation struct {
	n               int    // the document's number, for sorting
	at, path, field string // field is path as the input has it, without an envelope of ours
	rule, shape     string
}

// String names the document's place before every field.
func (v violation) String() string {
	var where []string
	for _, p := range strings.Split(v.field, ", ") {
		where = append(where, input.Where(v.at, p))
	}
	text := v.rule
	if v.shape != "" {
		text += " (found: " + v.shape + ")"
	}
	return table.Clean(strings.Join(where, ", ") + ": " + text)
}

// readDocuments reads FILE, "-" for standard input, and splits it into documents.
func (a *app) readDocuments(ctx context.Context, file string, r reading) ([]input.Document, []violation, error) {
	f, err := a.openInput(ctx, file)
	if err != nil {
		return nil, nil, err
	}
	defer f.close()
	docs, problems, err := input.Read(f)
	switch {
	case ctx.Err() != nil:
		return nil, nil, ctx.Err()
	case errors.Is(err, input.ErrWorkbook):
		return nil, nil, f.wrong(fmt.Errorf("%w; %s", err, r.table()))
	case errors.Is(err, input.ErrTable):
		return nil, nil, f.wrong(fmt.Errorf("%w; %s", err, r.table()))
	case err != nil:
		return nil, nil, f.wrong(err)
	}
	var wrong []violation
	for _, p := range problems {
		wrong = append(wrong, violation{n: p.N, at: p.At, rule: p.Text})
	}
	return docs, wrong, nil
}

// table is what to do with a table of what is read.
func (r reading) table() string {
	if r.refunds {
		return `refunds are taken as JSON or NDJSON only, such as {"provider":"ecticket","refund_id":"R1","request":{"MerchantTradeNo":"…","quantity":2}} on each line`
	}
	return "enqueue it with: enqueue bulk"
}

// check turns documents into jobs, or finds everything that is wrong with them.
func (r reading) check(docs []input.Document, rules tasks.Rules) ([]job, []violation) {
	var jobs []job
	var wrong []violation
	known := map[tasks.Ref]int{}
	for _, d := range docs {
		j, bad := r.document(d, rules)
		if len(bad) > 0 {
			wrong = append(wrong, bad...)
			continue
		}
		at, twice := known[j.ref]
		switch {
		case !twice:
			j.first = len(jobs)
			known[j.ref] = j.first
		case sameDocument(&jobs[at], &j):
			j.first = at
		default:
			wrong = append(wrong, violation{n: d.N, at: d.At, rule: fmt.Sprintf(
				"is not the document that %s holds under the same id (%s); each order and each refund needs an id of its own", jobs[at].at, j.ref)})
			continue
		}
		jobs = append(jobs, j)
	}
	return jobs, wrong
}

// document checks one document.
func (r reading) document(d input.Document, rules tasks.Rules) (job, []violation) {
	raw, bare, err := r.wrap(d.Raw)
	if err != nil {
		return job{}, []violation{{n: d.N, at: d.At, rule: err.Error()}}
	}
	j := job{at: d.At, n: d.N}
	if r.refunds {
		if j.refund, err = tasks.ParseRefund(raw, rules); err == nil {
			j.ref = j.refund.Ref()
		}
	} else if j.order, err = tasks.ParseOrder(raw, rules); err == nil {
		j.ref = j.order.Ref()
	}
	if err == nil {
		return j, nil
	}
	if !r.refunds && bulk.IsRefund(raw) {
		return job{}, []violation{{n: d.N, at: d.At, path: "refund_id", field: "refund_id",
			rule: "is not a field here, as the document is a refund and no order; enqueue it with: enqueue refund"}}
	}
	if r.refunds {
		if _, err := tasks.ParseOrder(raw, rules); err == nil {
			return job{}, []violation{{n: d.N, at: d.At, rule: "is an order, and no refund; enqueue it with: enqueue issue"}}
		}
	}
	var invalid *providers.InvalidError
	if !errors.As(err, &invalid) {
		return job{}, []violation{{n: d.N, at: d.At, rule: err.Error()}}
	}
	return job{}, violationsAt(d.N, d.At, bare, invalid.Violations)
}

// violationsAt are the violations of the document number n, which is at a place of the input.
func violationsAt(n int, at string, bare bool, found []providers.Violation) []violation {
	var wrong []violation
	for _, v := range found {
		field := v.Path
		if bare { // the envelope is ours, its names would mislead
			field = unwrapped(field)
		}
		wrong = append(wrong, violation{n: n, at: at, path: v.Path, field: field, rule: v.Rule, shape: v.Shape})
	}
	return wrong
}

// wrap puts a bare request into its envelope when a provider is given, and otherwise makes sure
// that there is one, because a bare request would break a rule with each of its fields.
func (r reading) wrap(raw json.RawMessage) (wrapped json.RawMessage, bare bool, err error) {
	var fields map[string]json.RawMessage
	if json.Unmarshal(raw, &fields) != nil {
		fields = nil // the document's own check says what is wrong with it
	}
	_, named := fields["provider"]
	_, enclosed := fields["request"]
	switch {
	case !r.account.IsZero() && (named || enclosed):
		return nil, false, errors.New("is wrapped already (it has provider or request); leave --provider out")
	case !r.account.IsZero():
		envelope := struct {
			Provider providers.Name  `json:"provider"`
			Account  tasks.Account   `json:"account"`
			RefundID string          `json:"refund_id,omitempty"`
			Request  json.RawMessage `json:"request"`
		}{r.account.Provider, r.account, r.refundID, raw}
		wrapped, err = json.Marshal(envelope)
		return wrapped, true, err
	case named || enclosed:
		return raw, false, nil
	}
	return raw, false, r.bareHint(fields)
}

// explain is wrap for a document that has been found wrong: what it lacks as a whole, if anything.
func (r reading) explain(raw json.RawMessage) error {
	_, _, err := r.wrap(raw)
	return err
}

// bareHint says how to wrap what looks like a bare request.
func (r reading) bareHint(fields map[string]json.RawMessage) error {
	for _, c := range providers.Codecs() {
		for _, field := range c.Mentions {
			if _, ok := fields[field]; ok {
				return r.wrapHint(c.Name)
			}
		}
	}
	return nil
}

func (r reading) wrapHint(p providers.Name) error {
	if r.refunds {
		return fmt.Errorf(`names no provider, but looks like a request to %s; add --provider %s --refund-id ID, or write {"provider":"%s","refund_id":"ID","request":{…}}`, p, p, p)
	}
	return fmt.Errorf(`names no provider, but looks like a request to %s; add --provider %s, or write {"provider":"%s","request":{…}}`, p, p, p)
}

// unwrapped takes the envelope out of the paths of a violation.
func unwrapped(paths string) string {
	parts := strings.Split(paths, ", ")
	for i, p := range parts {
		switch {
		case p == "request":
			parts[i] = "document"
		case p == "refund_id":
			parts[i] = "--refund-id"
		case p == "account":
			parts[i] = "--provider"
		default:
			parts[i] = strings.TrimPrefix(p, "request.")
		}
	}
	return strings.Join(parts, ", ")
}

// sameDocument reports whether two documents under one id mean the same.
func sameDocument(a, b *job) bool { return bytes.Equal(a.canonical(), b.canonical()) }

// canonical is the document in the form that is the same for every way of writing it. It holds
// customer data.
func (j *job) canonical() []byte {
	if j.refund != nil {
		return j.refund.Canonical()
	}
	return j.order.Canonical()
}

// maxListed bounds how many violations are listed.
const maxListed = 1000

// reject lists everything that is wrong.
func (a *app) reject(wrong []violation) error {
	slices.SortStableFunc(wrong, func(x, y violation) int { return cmp.Compare(x.n, y.n) })
	documents := map[int]bool{}
	var listed []violationLine
	for i, v := range wrong {
		documents[v.n] = true
		if i < maxListed {
			a.errLine(v.String())
			listed = append(listed, violationLines(violationLine{At: v.at, Path: v.path, Rule: v.rule, Shape: v.shape})...)
		}
	}
	if more := len(wrong) - maxListed; more > 0 {
		a.errLine(fmt.Sprintf("… and %d more", more))
	}
	verb := "is"
	if len(documents) > 1 {
		verb = "are"
	}
	return &usageError{code: codeInvalid, err: fmt.Errorf("%s %s wrong; nothing was enqueued", count(len(documents), "document"), verb), violations: listed}
}
