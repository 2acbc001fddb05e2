package cli

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"issuance/internal/cli/input"
	"issuance/internal/cli/table"
	"issuance/internal/ledger"
	"issuance/providers"
	"issuance/tasks"
)

// job is one checked document on its way into the queue.
type job struct {
	at     string // its place in the input
	n      int    // the document's number, for sorting
	ref    ledger.Ref
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
	provider providers.Name // wraps bare requests; empty: documents name their provider
	refundID string         // of bare refund requests
}

// violation is one rule broken by one document.
type violation struct {
	n              int // the document's number, for sorting
	at, path, text string
}

// String names the document's place before every field.
func (v violation) String() string {
	var where []string
	for _, p := range strings.Split(v.path, ", ") {
		where = append(where, input.Where(v.at, p))
	}
	return table.Clean(strings.Join(where, ", ") + ": " + v.text)
}

// read reads FILE, "-" for standard input, and takes it apart.
func (a *app) read(file string) ([]input.Document, []violation, error) {
	r := a.in
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return nil, nil, badInput("%w", err)
		}
		defer f.Close()
		r = f
	}
	if r == nil {
		r = strings.NewReader("")
	}
	docs, problems, err := input.Read(r)
	if err != nil {
		name := file
		if file == "-" {
			name = "standard input"
		}
		return nil, nil, badInput("%s: %w", name, err)
	}
	var wrong []violation
	for _, p := range problems {
		wrong = append(wrong, violation{n: p.N, at: p.At, text: p.Text})
	}
	return docs, wrong, nil
}

// check turns documents into jobs, or finds everything that is wrong with them.
func (r reading) check(docs []input.Document, rules tasks.Rules) ([]job, []violation) {
	var jobs []job
	var wrong []violation
	known := map[ledger.Ref]int{}
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
		case sameDocument(&jobs[at], &j, rules):
			j.first = at
		default:
			wrong = append(wrong, violation{n: d.N, at: d.At, text: fmt.Sprintf(
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
		return job{}, []violation{{n: d.N, at: d.At, text: err.Error()}}
	}
	j := job{at: d.At, n: d.N}
	if r.refunds {
		if j.refund, err = tasks.ParseRefund(raw, rules); err == nil {
			j.ref = ledger.Ref(j.refund.Key())
		}
	} else if j.order, err = tasks.ParseOrder(raw, rules); err == nil {
		j.ref = ledger.Ref{Key: j.order.Key()}
	}
	if err == nil {
		return j, nil
	}
	var invalid *providers.InvalidError
	if !errors.As(err, &invalid) {
		return job{}, []violation{{n: d.N, at: d.At, text: err.Error()}}
	}
	return job{}, told(d.N, d.At, bare, invalid.Violations)
}

// told are the violations of the document number n, which is at a place of the input.
func told(n int, at string, bare bool, found []providers.Violation) []violation {
	var wrong []violation
	for _, v := range found {
		path := v.Path
		if bare { // the envelope is ours, its names would mislead
			path = unwrapped(path)
		}
		text := v.Rule
		if v.Shape != "" {
			text += " (found: " + v.Shape + ")"
		}
		wrong = append(wrong, violation{n: n, at: at, path: path, text: text})
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
	case r.provider != "" && (named || enclosed):
		return nil, false, errors.New("is wrapped already (it has provider or request); leave --provider out")
	case r.provider != "":
		envelope := struct {
			Provider providers.Name  `json:"provider"`
			RefundID string          `json:"refund_id,omitempty"`
			Request  json.RawMessage `json:"request"`
		}{r.provider, r.refundID, raw}
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
	for _, p := range providers.All() {
		for _, field := range bareFields[p] {
			if _, ok := fields[field]; ok {
				return r.wrapHint(p)
			}
		}
	}
	return nil
}

// bareFields are fields that only a provider's own request has.
var bareFields = map[providers.Name][]string{
	providers.ECTicket: {"MerchantTradeNo", "FreeTradeNo", "IssueType", "TicketInfo"},
	providers.Pass2U:   {"channelOrderId", "productSaleId", "pass2uOrderId"},
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
		default:
			parts[i] = strings.TrimPrefix(p, "request.")
		}
	}
	return strings.Join(parts, ", ")
}

// sameDocument reports whether two documents under one id mean the same.
func sameDocument(a, b *job, rules tasks.Rules) bool {
	x, y := canonical(a, rules), canonical(b, rules)
	return x != nil && bytes.Equal(x, y)
}

// maxListed bounds how many violations are listed.
const maxListed = 1000

// refuse lists everything that is wrong.
func (a *app) refuse(wrong []violation) error {
	slices.SortStableFunc(wrong, func(x, y violation) int { return cmp.Compare(x.n, y.n) })
	documents := map[int]bool{}
	for i, v := range wrong {
		documents[v.n] = true
		if i < maxListed {
			fmt.Fprintln(a.err, v)
		}
	}
	if more := len(wrong) - maxListed; more > 0 {
		fmt.Fprintf(a.err, "… and %d more\n", more)
	}
	verb := "is"
	if len(documents) > 1 {
		verb = "are"
	}
	return badInput("%s %s wrong; nothing was enqueued", count(len(documents), "document"), verb)
}
