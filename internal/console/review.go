package console

import (
	"context"
	"net/url"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"issuance/internal/ledger"
	"issuance/internal/operate"
	"issuance/providers"
	"issuance/tasks/order"
)

// reviewData is the evidence of one review.
type reviewData struct {
	*ledger.Record
	Seen  int64 // of which end of the record this is; see unchanged
	Check string
	Ends  []order.State
	Last  []ledger.Step
}

// reviewsData is the inbox's.
type reviewsData struct {
	Reviews  []reviewData
	Accounts []providers.Account
	Account  string
	Count    int64
	NextPath string
	First    string
	Filter   filter
	All      string
}

// reviewRows is how many reviews a page shows.
const reviewRows = 20

func (v *visit) reviews() error {
	accounts, err := v.sees()
	if err != nil {
		return err
	}
	q := v.r.URL.Query()
	f, err := parseFilter(url.Values{"state": {string(order.Review)}, "account": {q.Get("account")}})
	if err != nil {
		return err
	}
	ctx := v.r.Context()
	chosen := f.chosen(accounts)
	page, err := v.find(ctx, f, chosen, q.Get("cursor"), reviewRows)
	if err != nil {
		return err
	}
	data := reviewsData{Accounts: v.offered(accounts, f.Account), Account: f.Account.String(), Filter: f, All: jobRetry}
	if _, data.Count, err = v.totals(ctx, chosen); err != nil {
		return err
	}
	if data.Reviews, err = v.evidence(ctx, page.Rows); err != nil {
		return err
	}
	at := url.Values{}
	if data.Account != "" {
		at.Set("account", data.Account)
	}
	if q.Get("cursor") != "" {
		data.First = Path + "reviews?" + at.Encode()
	}
	if page.Next != "" {
		at.Set("cursor", page.Next)
		data.NextPath = Path + "reviews?" + at.Encode()
	}
	return v.page("reviews", "title.reviews", data)
}

// evidence reads the records of reviews.
func (v *visit) evidence(ctx context.Context, rows []ledger.Found) (out []reviewData, err error) {
	refs := make([]order.Ref, len(rows))
	for i, r := range rows {
		refs[i] = r.Ref
	}
	if len(refs) == 0 {
		return nil, nil
	}
	records, _, err := v.Ledger.LoadMany(ctx, refs)
	if err != nil {
		return nil, err
	}
	for _, rec := range slices.DeleteFunc(records, func(r *ledger.Record) bool { return r == nil || r.State != order.Review }) {
		one, err := v.review(ctx, rec)
		if err != nil {
			return nil, err
		}
		out = append(out, one)
	}
	return out, nil
}

// lastSteps is how much of the history a review shows.
const lastSteps = 6

// review is the evidence of one review.
func (v *visit) review(ctx context.Context, rec *ledger.Record) (reviewData, error) {
	d := reviewData{Record: rec, Seen: rec.FinalAt.UnixMilli(), Ends: operate.Ends(rec.Ref), Last: rec.History[max(0, len(rec.History)-lastSteps):]}
	question := operate.QuestionOf(rec)
	if question != operate.AtProvider {
		d.Check = v.lang.T("check."+string(question), rec.OrderID)
		return d, nil
	}
	list, err := v.desk.OtherRefunds(ctx, rec)
	var others []string
	for _, o := range list {
		others = append(others, v.lang.T("check.other", o.RefundID, v.lang.or("state.", string(o.State)), o.Count))
	}
	d.Check = sentence(operate.AskProvider(rec, others, v.lang.T("check.late"), v.lang.codec()))
	return d, err
}

// sentence is a text that begins with a capital letter and ends with a stop.
func sentence(text string) string {
	first, size := utf8.DecodeRuneInString(text)
	text = string(unicode.ToUpper(first)) + text[size:]
	if !strings.HasSuffix(text, "。") && !strings.HasSuffix(text, ".") {
		text += "."
	}
	return text
}

// Sent is how often a record was sent.
func (d reviewData) Sent() int { return d.Attempts - d.Unsent }
