package console

import (
	"errors"
	"fmt"
	"html/template"
	"slices"
	"strings"
	"time"

	"issuance/internal/budget"
	"issuance/internal/ledger"
	"issuance/internal/plain"
	"issuance/providers"
	"issuance/tasks/order"
)

// accounts shows how the accounts stand that the visitor sees.
func (v *visit) accounts() error {
	own, err := v.ownAccounts()
	if err != nil {
		return err
	}
	return v.page("accounts", "title.accounts", own)
}

// accountList are the accounts that a visitor sees.
type accountList []account

func (v *visit) ownAccounts() (own accountList, err error) {
	all, err := v.overview(v.r.Context())
	for _, a := range all {
		if v.who.Sees(a.Account) {
			own = append(own, a)
		}
	}
	return own, err
}

// accountForm is what a form about an account says. The lane is "" for all of them.
type accountForm struct {
	account providers.Account
	lane    order.Lane
	reason  string
}

func (v *visit) accountForm() (f accountForm, err error) {
	f.account, err = providers.ParseAccount(v.r.PathValue("account"))
	if err != nil || f.account.Merchant == "" || !v.who.Sees(f.account) {
		return f, notFound
	}
	f.lane = order.Lane(v.r.PostForm.Get("lane"))
	if f.lane != "" && !slices.Contains(order.Lanes(), f.lane) {
		return f, badFilter
	}
	f.reason, err = v.reason()
	return f, err
}

// pause holds the calls of an account, or of one lane of it.
func (v *visit) pause() error {
	f, err := v.accountForm()
	if err != nil {
		return err
	}
	h, added, err := budget.Pause(v.r.Context(), v.RDB, f.account, f.lane, v.who.Name, f.reason)
	switch {
	case errors.Is(err, budget.ErrNotAnnounced):
		return notFound
	case err != nil:
		return err
	case !added:
		return fail(conflict, "fail.paused", h.Who, v.clock(h.Since), h.Reason)
	}
	return v.accountDone(f, "pause", "paused")
}

// resume ends the pause of a lane, or every pause of an account.
func (v *visit) resume() error {
	f, err := v.accountForm()
	if err != nil {
		return err
	}
	ended, err := budget.Resume(v.r.Context(), v.RDB, f.account, f.lane)
	switch {
	case errors.Is(err, budget.ErrNotAnnounced):
		return notFound
	case err != nil:
		return err
	case len(ended) == 0:
		return v.resumedBefore(f)
	}
	return v.accountDone(f, "resume", "resumed")
}

// resumedBefore is the failure of a resume that found no pause.
func (v *visit) resumedBefore(f accountForm) error {
	first, err := v.before(func(d ledger.Decision) (about, did bool) {
		what, lane, _ := strings.Cut(d.What, " ")
		about = d.Account == f.account && (what == "pause" || what == "resume") && (lane == "" || f.lane == "" || lane == string(f.lane))
		return about, what == "resume"
	})
	switch {
	case err != nil:
		return err
	case first != nil:
		return fail(conflict, "fail.resumed", first.Who, v.clock(first.At), first.Why)
	}
	return fail(conflict, "fail.not_paused")
}

// accountDone records what was done to an account and leads back.
func (v *visit) accountDone(f accountForm, what, word string) error {
	v.accountsNow.forget()
	d := ledger.Decision{What: strings.TrimSpace(what + " " + string(f.lane)), Ref: order.Ref{Account: f.account}, Who: v.who.Name, Reason: f.reason}
	if err := v.Ledger.Decided(v.as(), d); err != nil {
		v.Log.Error("what an operator did has taken effect, and is not in the list of decisions", "what", d.What, "account", f.account.String(), "who", d.Who, "error", err)
	}
	return v.redirect(Path+"accounts", word)
}

// HealthBadge is the class of the badge of an account's health.
func (v *view) HealthBadge(h providers.Health) string {
	switch h {
	case providers.HealthOK:
		return "good"
	case providers.HealthPaused:
		return "off"
	case providers.HealthKeyMissing, providers.HealthBanned:
		return "warn"
	}
	return "bad"
}

// Size of the plot of an hour.
const (
	plotBar    = 4
	plotHeight = 40
)

// Plot draws the calls of an hour by minute, where there were any.
func (v *view) Plot(hour [budget.Minutes]int) template.HTML {
	most := slices.Max(hour[:])
	if most == 0 { // Peak says it
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<svg class="plot" viewBox="0 0 %d %d" role="img" aria-label="%s" preserveAspectRatio="none">`,
		plotBar*len(hour), plotHeight, template.HTMLEscapeString(v.T("acc.plot", thousands(fmt.Sprint(most)))))
	for i, n := range hour {
		if n > 0 {
			height := max(1, n*plotHeight/most)
			fmt.Fprintf(&b, `<rect x="%d" y="%d" width="%d" height="%d"/>`, i*plotBar, plotHeight-height, plotBar-1, height)
		}
	}
	b.WriteString(`</svg>`)
	return template.HTML(b.String())
}

// Peak is the most calls in a minute of an hour.
func (v *view) Peak(hour [budget.Minutes]int) string {
	return thousands(fmt.Sprint(slices.Max(hour[:])))
}

// Rate is a number of calls per second.
func (v *view) Rate(perSecond float64) string { return plain.Number(perSecond) }

// PerMinute is a rate's number of calls in a minute.
func (v *view) PerMinute(perSecond float64) string {
	return thousands(fmt.Sprintf("%.0f", perSecond*time.Minute.Seconds()))
}

// AllLanes are the lanes that can be paused.
func (v *view) AllLanes() []order.Lane { return order.Lanes() }

// mark changes when something on the page of accounts did that is worth renewing it.
func (list accountList) mark() string {
	var b strings.Builder
	for _, a := range list {
		fmt.Fprint(&b, a.Account, a.Health, a.Why, a.Since.UnixMilli(), a.PerSecond, a.Open, a.Reviews, a.Paused, a.Hour)
	}
	return b.String()
}
