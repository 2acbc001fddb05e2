package console

import (
	"net/http"
	"slices"
	"time"

	"issuance/internal/ledger"
	"issuance/internal/typed"
	"issuance/internal/webhooks"
	"issuance/tasks/order"
)

const hooksPath = Path + "webhooks"

func (c *Console) hookPages() {
	c.see("GET "+hooksPath, (*visit).endpoints)
	c.act("POST "+hooksPath+"/{name}/enable", (*visit).enable)
	c.act("POST "+hooksPath+"/{name}/test", (*visit).test)
	c.act("POST "+hooksPath+"/{name}/replay", (*visit).replay)
}

// endpoint is where events are sent, and how that goes.
type endpoint struct {
	webhooks.Announced
	webhooks.State
	Behind time.Duration // the age of the oldest event that is not on its way yet
	Last   []delivery
}

// Word says in a word where the endpoint stands.
func (e endpoint) Word() string { return e.Announced.Word(e.State) }

// hooksData is the page of webhooks.
type hooksData struct {
	Endpoints []endpoint
	Tests     bool            // this front door can test them
	Whole     bool            // the visitor's token is limited to no accounts
	Tested    string          // the endpoint that was just tested
	Result    webhooks.Result // how that ended
}

// lastDeliveries are shown of each endpoint.
const lastDeliveries = 20

// replayAges are how far back a replay may go, by the form's value.
var replayAges = map[string]time.Duration{"w1h": time.Hour, "w24h": 24 * time.Hour, "w7d": 7 * 24 * time.Hour, "w30d": 30 * 24 * time.Hour}

func (v *visit) endpoints() error { return v.hooksPage(http.StatusOK, "", webhooks.Result{}) }

func (v *visit) hooksPage(status int, tested string, r webhooks.Result) error {
	ctx := v.r.Context()
	all, err := v.hooks.Announced(ctx)
	if err != nil {
		return err
	}
	data := hooksData{Tests: v.Hooks != nil, Whole: len(v.who.Accounts) == 0, Tested: tested, Result: r}
	for _, a := range all {
		e := endpoint{Announced: a}
		if e.State, err = v.hooks.State(ctx, a.Name); err != nil {
			return err
		}
		late, err := a.Oldest(ctx, v.Ledger, v.Now(), e.State.Cursor)
		if err != nil {
			return err
		}
		e.Behind = late.Round(time.Second)
		if e.Last, err = v.lastOf(a.Name); err != nil {
			return err
		}
		data.Endpoints = append(data.Endpoints, e)
	}
	return v.answer(status, "webhooks", "title.webhooks", data)
}

// lastOf are the last deliveries to an endpoint that are about accounts which the visitor sees.
func (v *visit) lastOf(name string) (out []delivery, err error) {
	most := int64(lastDeliveries)
	if len(v.who.Accounts) > 0 {
		most = mostDeliveries
	}
	list, err := v.hooks.Deliveries(v.r.Context(), name, most)
	for _, d := range list {
		if one, ok := deliveryOf(d, name); ok && v.who.Sees(one.Ref.Account) && len(out) < lastDeliveries {
			out = append(out, one)
		}
	}
	return out, err
}

// announced is the endpoint of the path. An endpoint concerns all accounts whose events it gets, so whoever acts on the whole
// of it must see all accounts.
func (v *visit) announced(whole bool) (webhooks.Announced, error) {
	all, err := v.hooks.Announced(v.r.Context())
	i := slices.IndexFunc(all, func(a webhooks.Announced) bool { return a.Name == v.r.PathValue("name") })
	switch {
	case err != nil:
		return webhooks.Announced{}, err
	case i < 0:
		return webhooks.Announced{}, notFound
	case whole && len(v.who.Accounts) > 0:
		return webhooks.Announced{}, notAllowed
	}
	return all[i], nil
}

// enable switches an endpoint on again and has what waits there tried now.
func (v *visit) enable() error {
	e, err := v.announced(true)
	if err != nil {
		return err
	}
	reason, err := v.reason()
	if err != nil {
		return err
	}
	_, changed, err := v.hooks.Enable(v.r.Context(), e.Name)
	switch {
	case err != nil:
		return err
	case !changed:
		return v.enabledBefore(e.Name)
	}
	v.hookDone("enable", e.Name, reason, order.Ref{})
	return v.redirect(hooksPath, "enabled")
}

// enabledBefore is the failure of enabling an endpoint that is on and has nothing that waits.
func (v *visit) enabledBefore(name string) error {
	first, err := v.before(func(d ledger.Decision) (about, did bool) {
		about = d.What == "enable to webhook "+name
		return about, about && v.Now().Sub(d.At) < time.Hour
	})
	switch {
	case err != nil:
		return err
	case first != nil:
		return fail(conflict, "fail.enabled", first.Who, v.clock(first.At), first.Why)
	}
	return fail(conflict, "fail.hook_on")
}

// test sends an endpoint an event of its own.
func (v *visit) test() error {
	e, err := v.announced(true)
	if err != nil {
		return err
	}
	if v.Hooks == nil {
		return notFound
	}
	r, known, err := v.Hooks.Test(v.r.Context(), e.Name)
	switch {
	case err != nil:
		return err
	case !known:
		return fail(http.StatusConflict, "fail.hook_elsewhere")
	}
	return v.hooksPage(http.StatusOK, e.Name, r)
}

// replay has an endpoint get again what has ended since a time, or what one order and its refunds have come to.
func (v *visit) replay() error {
	text := typed.Plain(v.r.PostForm.Get("order"))
	e, err := v.announced(text == "")
	if err != nil {
		return err
	}
	reason, err := v.reason()
	if err != nil {
		return err
	}
	if text == "" {
		age, known := replayAges[v.r.PostForm.Get("since")]
		if !known {
			return badFilter
		}
		if err := v.hooks.Replay(v.r.Context(), e.Name, v.Now().Add(-age)); err != nil {
			return err
		}
		v.hookDone("replay "+v.r.PostForm.Get("since"), e.Name, reason, order.Ref{})
		return v.redirect(hooksPath, "replayed")
	}
	r, err := v.oneOrder(text)
	if err != nil {
		return err
	}
	n, err := v.hooks.ReplayOrder(v.r.Context(), v.Ledger, e, r)
	switch {
	case err != nil:
		return err
	case n == 0:
		return fail(http.StatusConflict, "fail.nothing_ended")
	}
	v.hookDone("replay order", e.Name, reason, r)
	return v.redirect(hooksPath, "replayed")
}

// oneOrder is the order that a number means, among what the visitor sees.
func (v *visit) oneOrder(text string) (order.Ref, error) {
	accounts, err := v.sees()
	if err != nil {
		return order.Ref{}, err
	}
	list, err := v.locate(v.r.Context(), text, accounts)
	if err != nil {
		return order.Ref{}, err
	}
	if one := only(list); one != nil {
		return *one, nil
	}
	return order.Ref{}, fail(http.StatusNotFound, "fail.which_order", text)
}

// hookDone records what was done to an endpoint: with the order that it was about, where there is one, and in the log.
func (v *visit) hookDone(what, name, reason string, r order.Ref) {
	who := v.who.Name
	v.Log.Info("an operator acted on a webhook", "what", what, "webhook", name, "order", r.OrderID, "who", who, "address", v.Door.Address(v.r), "reason", reason)
	d := ledger.Decision{What: what + " to webhook " + name, Ref: r, Who: who, Reason: reason}
	if err := v.Ledger.Decided(v.as(), d); err != nil {
		v.Log.Error("what an operator did has taken effect, and is not in the list of decisions", "what", d.What, "who", who, "error", err)
	}
}

// HookBadge is the class of the badge of an endpoint's state.
func (v *view) HookBadge(word string) string {
	return map[string]string{"ok": "good", "failing": "bad", "off": "off", "removed": "off"}[word]
}

// ReplayAges are how far back a replay may go.
func (v *view) ReplayAges() []string { return []string{"w1h", "w24h", "w7d", "w30d"} }
