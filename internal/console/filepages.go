package console

import (
	"bytes"
	"errors"
	"net/http"
	"slices"
	"strconv"

	"issuance/internal/bulk"
	"issuance/internal/bulk/workbook"
	"issuance/internal/frontdoor"
	"issuance/internal/ledger"
	"issuance/providers"
	"issuance/tasks"
	"issuance/tasks/order"
)

func (c *Console) filePages() {
	c.see("GET "+bulkPath, (*visit).bulk)
	c.act("POST "+uploadPath, (*visit).upload)
	c.see("GET "+Path+"templates/{name}", (*visit).template)
	const one = bulkPath + "/{id}"
	c.see("GET "+one, (*visit).fileOf)
	c.act("POST "+one+"/start", (*visit).startFile)
	c.act("POST "+one+"/stop", (*visit).stopFile)
	c.act("POST "+one+"/rejects", (*visit).rejectsOf)
	c.see("GET "+one+"/results.csv", (*visit).results)
	c.act("POST "+one+"/tickets", (*visit).ticketsOf)
}

// bulkData is the page of uploads.
type bulkData struct {
	Files     []*file
	Accounts  []providers.Account
	Templates []bulk.Template
	Most      int
	Full      bool     // an upload was refused, because these hold all places
	Holders   []holder // where Full
}

// holder is a file that holds a place of the front door.
type holder struct {
	*file
	Unseen bool // which one it is may not be seen
}

func (v *visit) bulk() error { return v.bulkPage(http.StatusOK, bulkData{}) }

// full says which files hold all places of this front door, and until when.
func (v *visit) full() error {
	list, err := v.files.holders(v.r.Context())
	if err != nil {
		return err
	}
	data := bulkData{Full: true}
	for _, f := range list {
		data.Holders = append(data.Holders, holder{f, !v.mayOpen(f)})
	}
	return v.bulkPage(http.StatusServiceUnavailable, data)
}

func (v *visit) bulkPage(status int, data bulkData) error {
	list, err := v.files.list(v.r.Context(), v.Now())
	if err != nil {
		return err
	}
	data.Templates, data.Most = bulk.Templates(), mostUpload>>20
	for _, f := range list {
		if v.mayOpen(f) {
			data.Files = append(data.Files, f)
		}
	}
	accounts, err := v.sees()
	if err != nil {
		return err
	}
	data.Accounts = v.offered(accounts, providers.Account{})
	return v.answer(status, "bulk", "title.bulk", data)
}

// mayOpen reports whether a visitor may see a file: it is its own, or the visitor's token is limited to no accounts.
func (v *visit) mayOpen(f *file) bool { return len(v.who.Accounts) == 0 || f.Mark == v.who.Mark() }

// named is the file of the path.
func (v *visit) namedFile() (*file, error) {
	f, err := v.files.load(v.r.Context(), v.r.PathValue("id"))
	if err == nil && (f == nil || !v.mayOpen(f)) {
		err = notFound
	}
	return f, err
}

// fileData is the page of one file.
type fileData struct {
	*file
	Path    string
	Mistake []wrongLine
	Rows    []ledger.Found
	From    int64
	Orders  int64 // that are remembered
	States  []stateCount
	Counted int64 // of the orders, in States
	Open    int64 // of those, which may change
	Next    string
	First   string
	Most    int
	Tickets bool // the visitor may see them
}

// More reports whether there are more wrong lines than are listed.
func (d fileData) More() bool { return d.Wrong() > int64(len(d.Mistake)) }

// Follows is the page of results that is followed, "" when every order of the file has ended.
func (d fileData) Follows() string {
	if d.Open > 0 || d.Counted < d.Orders || slices.ContainsFunc(d.Rows, func(f ledger.Found) bool { return !f.State.Settled() }) {
		return resultsFrom(d.ID, d.From)
	}
	return ""
}

// fileRows is how many orders or wrong lines of a file a page has.
const fileRows = 100

func (v *visit) fileOf() error {
	f, err := v.namedFile()
	if err != nil {
		return err
	}
	ctx := v.r.Context()
	data := fileData{file: f, Path: bulkPath + "/" + f.ID, Most: mostWithTickets, Tickets: v.who.May(frontdoor.Tickets)}
	data.From, _ = strconv.ParseInt(v.r.URL.Query().Get("from"), 10, 64)
	data.From = max(0, data.From)
	if data.Mistake, err = v.files.wrong(ctx, f.ID, fileRows); err != nil {
		return err
	}
	refs, all, err := v.files.refs(ctx, f.ID, data.From, fileRows)
	if err != nil {
		return err
	}
	if data.Orders = all; data.From > 0 {
		data.First = data.Path
	}
	if data.From+fileRows < all {
		data.Next = data.Path + "?from=" + strconv.FormatInt(data.From+fileRows, 10)
	}
	if data.Rows, err = v.Ledger.Find(ctx, ledger.Query{}, refs); err != nil {
		return err
	}
	if all > 0 {
		t, err := v.files.tally(ctx, f.ID)
		if err != nil {
			return err
		}
		data.States, data.Counted, data.Open = t.counts()
	}
	return v.page("file", "title.file", data)
}

func (v *visit) startFile() error {
	f, err := v.namedFile()
	if err != nil {
		return err
	}
	reason, err := v.reason()
	if err != nil {
		return err
	}
	if f.Mark != v.who.Mark() { // it goes by the accounts of who uploaded it
		return notAllowed
	}
	return v.moveFile(f, v.step(fileChecked, fileStarting, didStart, reason), "file_started")
}

func (v *visit) stopFile() error {
	f, err := v.namedFile()
	if err != nil {
		return err
	}
	return v.moveFile(f, v.step(fileChecking+","+fileChecked+","+fileStarting+","+fileRunning, fileStopping, didStop, ""), "file_stopped")
}

func (v *visit) moveFile(f *file, to step, word string) error {
	if f.State == fileLost {
		return fail(http.StatusConflict, "fail.file_state", v.lang.T("file.state."+f.State))
	}
	refused, err := v.files.move(v.r.Context(), f.ID, to)
	switch {
	case err != nil:
		return err
	case refused != nil:
		return v.stands("file", refused)
	}
	v.Log.Info("an uploaded file was "+to.did, "file", f.ID, "lines", f.Lines, "who", to.By, "address", to.Address, "reason", to.reason)
	v.files.wake(f.ID)
	return v.redirect(bulkPath+"/"+f.ID, word)
}

// rejectsOf is the file of wrong lines, which holds customers' data. Who downloads it, and why, is recorded first.
func (v *visit) rejectsOf() error {
	f, err := v.namedFile()
	if err != nil {
		return err
	}
	reason, err := v.reason()
	if err != nil {
		return err
	}
	text, err := v.files.rejects(v.r.Context(), f.ID)
	switch {
	case err != nil:
		return err
	case text == nil:
		return fail(http.StatusNotFound, "fail.no_rejects")
	}
	if err := v.Ledger.Decided(v.as(), ledger.Decision{What: "show wrong lines of file " + f.ID, Who: v.who.Name, Reason: reason}); err != nil {
		return err
	}
	v.Log.Info("the wrong lines of an uploaded file were downloaded", "file", f.ID, "who", v.who.Name, "address", v.Door.Address(v.r), "reason", reason)
	kind, ending := "text/csv; charset=utf-8", ".csv"
	if first := bytes.TrimLeft(text, "\ufeff \t\r\n"); len(first) > 0 && first[0] == '{' {
		kind, ending = "application/x-ndjson", ".ndjson"
	}
	if f.Book != "" {
		book, err := f.bookOf(text)
		if err == nil {
			text, kind, ending = book, "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", ".xlsx"
		} else if !errors.Is(err, workbook.ErrTooLarge) { // which no other program minds
			return err
		}
	}
	v.attach(kind, "rejects-"+f.ID[:8]+ending)
	_, _ = v.w.Write(text) // a browser that is gone needs no file
	return nil
}

// bookOf are the wrong lines of a workbook as one, for Excel changes cells of CSV that were right.
func (f *file) bookOf(rejects []byte) (text []byte, err error) {
	book, err := bulk.NewBook(f.Book)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, book.Close()) }()
	if err := book.Add(rejects); err != nil {
		return nil, err
	}
	var out bytes.Buffer
	err = book.Finish(&out)
	return out.Bytes(), err
}

// results is what became of the orders of a file, without their tickets.
func (v *visit) results() error {
	f, err := v.namedFile()
	if err != nil {
		return err
	}
	t := v.lang.T
	return v.exportFile(f, []string{t("account"), t("order"), t("state"), t("code"), t("created"), t("ended"), t("review.since")}, mostRefs, func(list []ledger.Found, row func(...string)) error {
		for _, r := range list {
			row(r.Account.String(), r.OrderID, v.lang.or("state.", string(r.State)), r.Code+r.ReviewCode, v.clock(r.CreatedAt), v.clock(settledAt(r)), v.clock(reviewAt(r)))
		}
		return nil
	})
}

// mostWithTickets is how many orders an export with tickets holds.
const mostWithTickets = 5000

// ticketsOf is what became of the orders of a file, with ticket numbers and codes. Who looks, and why, is recorded first.
func (v *visit) ticketsOf() error {
	f, err := v.namedFile()
	if err != nil {
		return err
	}
	if !v.who.May(frontdoor.Tickets) {
		return fail(http.StatusForbidden, "show.tickets")
	}
	reason, err := v.reason()
	if err != nil {
		return err
	}
	refs, _, err := v.files.refs(v.r.Context(), f.ID, 0, mostWithTickets)
	if err != nil {
		return err
	}
	shown := map[providers.Account]bool{}
	for _, r := range refs {
		if !shown[r.Account] {
			shown[r.Account] = true
			d := ledger.Decision{What: "show tickets of file " + f.ID, Ref: order.Ref{Account: r.Account}, Who: v.who.Name, Reason: reason}
			if err := v.Ledger.Decided(v.as(), d); err != nil {
				return err
			}
		}
	}
	t := v.lang.T
	return v.exportFile(f, []string{t("account"), t("order"), t("state"), t("provider_ref"), t("ticket"), t("item"), t("use"), t("since.us"), t("redemption"), t("link"), t("pass")}, mostWithTickets, v.ticketRows)
}

// ticketRows writes a row for each ticket of some orders, and one for each order without any.
func (v *visit) ticketRows(list []ledger.Found, row func(...string)) error {
	for _, r := range list {
		if !v.who.Sees(r.Account) {
			continue
		}
		st, err := v.Client.Status(v.r.Context(), r.Account, r.OrderID, tasks.WithTickets())
		if err != nil {
			return err
		}
		first := []string{r.Account.String(), r.OrderID, v.lang.or("state.", string(st.State)), st.ProviderRef}
		for _, k := range st.Tickets {
			row(append(first[:4:4], k.TicketNo, k.ItemNo+" "+k.ItemName, string(k.UseStatus), v.lang.since(k), k.WriteOffNo+k.Barcode, k.URL, "")...)
		}
		if a := st.Access; a != nil {
			row(append(first[:4:4], "", "", "", "", "", a.URL, a.Passcode)...)
		} else if len(st.Tickets) == 0 {
			row(append(first[:4:4], "", "", "", "", "", "", "")...)
		}
	}
	return nil
}

// exportFile writes what there is of a file's orders as CSV for Excel.
func (v *visit) exportFile(f *file, titles []string, most int64, rows func([]ledger.Found, func(...string)) error) error {
	out := v.csv("results-" + f.ID[:8])
	row := out.row
	row(titles...)
	began := v.Now()
	for from := int64(0); ; from += readAtOnce {
		refs, all, err := v.files.refs(v.r.Context(), f.ID, from, min(readAtOnce, most-from))
		var list []ledger.Found
		if err == nil {
			list, err = v.Ledger.Find(v.r.Context(), ledger.Query{}, refs)
		}
		if err == nil {
			err = rows(list, row)
		}
		switch {
		case err != nil:
			v.Log.Warn("an export of the console ended early", "error", err)
		case from+readAtOnce >= all:
			out.Flush()
			return nil
		case from+readAtOnce < most && v.Now().Sub(began) < exportTime:
			if out.Flush(); out.Error() != nil {
				return nil
			}
			continue
		}
		row(v.lang.T("export.more"))
		out.Flush()
		return nil
	}
}

// FileBadge is the class of the badge of a file's state.
func (v *view) FileBadge(state string) string {
	switch state {
	case fileChecked:
		return "warn"
	case fileRejected, fileUnread, fileBroken, fileLost:
		return "bad"
	case fileStopped, fileFinished: // what became of its orders is another question
		return "off"
	}
	return "busy"
}
