package console

import (
	"context"
	"encoding/csv"
	"strings"
	"time"

	"issuance/internal/ledger"
	"issuance/providers"
	"issuance/tasks/order"
)

// refer is what names a record.
type refer interface{ Order() order.Ref }

// listData is the list page's.
type listData struct {
	found
	Query    string // what was searched for
	Filter   filter
	Accounts []providers.Account
	States   []string
	Lanes    []order.Lane
	Ages     []string
	Counts   struct{ Open, Reviews int64 }
	NextPath string
	Export   string
	First    string // path of the first page, "" on it
	Unsorted bool
	All      string // what can be done to all that match: "cancel", "retry" or nothing
	Mostly   bool   // Next is there
}

func (v *visit) list() error {
	accounts, err := v.sees()
	if err != nil {
		return err
	}
	ctx, q := v.r.Context(), v.r.URL.Query()
	data := listData{Query: strings.TrimSpace(q.Get("q")), States: states(), Lanes: order.Lanes()}
	for _, a := range ages {
		data.Ages = append(data.Ages, a.name)
	}
	if data.Filter, err = parseFilter(q); err != nil {
		return err
	}
	data.Accounts = v.offered(accounts, data.Filter.Account)
	if data.Counts.Open, data.Counts.Reviews, err = v.totals(ctx, accounts); err != nil {
		return err
	}
	if data.Query != "" {
		if data.Rows, err = v.locate(ctx, data.Query, accounts); err != nil {
			return err
		}
		if one := only(data.Rows); one != nil {
			return v.redirect(orderPath(*one), "")
		}
		return v.page("list", "title.list", data)
	}
	cursor := q.Get("cursor")
	chosen := data.Filter.chosen(accounts)
	if data.found, err = v.find(ctx, data.Filter, chosen, cursor, pageRows); err != nil {
		return err
	}
	data.paths(cursor)
	return v.page("list", "title.list", data)
}

// paths fills in where the links of a list lead.
func (d *listData) paths(cursor string) {
	at := d.Filter.values()
	d.Export = Path + "export.csv?" + at.Encode()
	if cursor != "" {
		d.First = Path + "?" + at.Encode()
	}
	if d.Next != "" {
		at.Set("cursor", d.Next)
		d.NextPath = Path + "?" + at.Encode()
	}
	d.Unsorted = strings.HasPrefix(d.Next, "z") || strings.HasPrefix(cursor, "z")
	switch {
	case len(d.Rows) == 0:
	case d.Filter.State == string(order.Review):
		d.All = jobRetry
	case d.Filter.State == openStates || d.Filter.State == string(order.Queued):
		d.All = jobCancel
	}
}

// totals are how many records of accounts are not finished, and how many need review.
func (c *Console) totals(ctx context.Context, accounts []providers.Account) (open, reviews int64, err error) {
	o, r, err := c.Ledger.Counts(ctx, accounts)
	for i := range o {
		open, reviews = open+o[i], reviews+r[i]
	}
	return open, reviews, err
}

// only is the one order that all rows are of, nil where there are several or none.
func only(rows []ledger.Found) *order.Ref {
	if len(rows) == 0 {
		return nil
	}
	one := rows[0].Ref.Order()
	for _, r := range rows {
		if r.Ref.Order() != one {
			return nil
		}
	}
	return &one
}

// mostExported is how many rows an export has at most, and exportTime how long it may take.
const (
	mostExported = 20_000
	exportTime   = 30 * time.Second
)

// export writes what a list shows as CSV for Excel, from the first page on.
func (v *visit) export() error {
	f, err := parseFilter(v.r.URL.Query())
	if err != nil {
		return err
	}
	accounts, err := v.sees()
	if err != nil {
		return err
	}
	ctx := v.r.Context()
	page, err := v.find(ctx, f, f.chosen(accounts), "", readAtOnce)
	if err != nil {
		return err
	}
	out := v.csv("orders-" + v.Now().In(v.Zone).Format("20060102-150405"))
	row := out.row
	t := v.lang.T
	row(t("account"), t("order"), t("refund"), t("state"), t("code"), t("lane"), t("created"), t("ended"), t("review.since"))
	written, began := 0, v.Now()
	for {
		for _, r := range page.Rows {
			row(r.Account.String(), r.OrderID, r.RefundID, v.lang.or("state.", string(r.State)), r.Code+r.ReviewCode, v.lang.or("lane.", string(r.Lane)), v.clock(r.CreatedAt), v.clock(settledAt(r)), v.clock(reviewAt(r)))
		}
		written += len(page.Rows)
		if out.Flush(); out.Error() != nil || page.Next == "" {
			return nil
		}
		if written >= mostExported || v.Now().Sub(began) > exportTime {
			break
		}
		if page, err = v.find(ctx, f, f.chosen(accounts), page.Next, readAtOnce); err != nil {
			v.Log.Warn("an export of the console ended early", "error", err)
			break
		}
	}
	row(t("export.more"))
	out.Flush()
	return nil
}

// settledAt is when a record came to its end, zero for one that has none: a review is not yet one.
func settledAt(r ledger.Found) time.Time {
	if r.State == order.Review {
		return time.Time{}
	}
	return r.FinalAt
}

// reviewAt is since when a record needs review, zero for one that does not.
func reviewAt(r ledger.Found) time.Time {
	if r.State == order.Review {
		return r.FinalAt
	}
	return time.Time{}
}

// spreadsheet is an answer that is CSV for Excel.
type spreadsheet struct{ *csv.Writer }

func (v *visit) csv(name string) spreadsheet {
	v.attach("text/csv; charset=utf-8", name+".csv")
	_, _ = v.w.Write([]byte("\ufeff")) // Excel takes it for UTF-8 by this
	out := spreadsheet{csv.NewWriter(v.w)}
	out.UseCRLF = true
	return out
}

func (s spreadsheet) row(cells ...string) {
	for i := range cells {
		cells[i] = cell(cells[i])
	}
	_ = s.Write(cells) // Flush's error says it
}

// clock is a time in a file, "" for none.
func (v *visit) clock(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.In(v.Zone).Format(timeFormat)
}

// cell keeps a spreadsheet from taking a text for a formula.
func cell(text string) string {
	if text != "" && strings.ContainsRune("=+-@\t\r", rune(text[0])) {
		return "'" + text
	}
	return text
}
