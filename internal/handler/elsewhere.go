package handler

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"

	"issuance/internal/ledger"
	"issuance/providers"
	"issuance/tasks/order"
)

// Elsewhere reports whether something of a record can have been sent to another host of the provider than p calls, or to
// another account there: nothing that p finds, or does not find, says anything of it then. Of a provider that knows its
// accounts by their credentials alone, another credential is another account until it has shown an order that was made with the
// earlier one, under the provider's own number. Two accounts may have the same number of ours.
func Elsewhere(ctx context.Context, log *slog.Logger, p providers.Provider, l *ledger.Ledger, rec *ledger.Record) (bool, error) {
	site := providers.Site(p)
	if !rec.SentElsewhere(site) {
		return false, nil
	}
	if site == p.Host() || rec.Host != "" && providers.HostOf(rec.Host) != p.Host() {
		return true, nil
	}
	same, err := l.SameSites(ctx, rec.Account, site)
	if err != nil || slices.ContainsFunc(same, func(s string) bool { return !rec.SentElsewhere(s) }) {
		return err != nil, err
	}
	control, err := madeAlike(ctx, l, rec)
	if err != nil || control == nil {
		return true, err
	}
	f := p.LookUp(ctx, providers.Order{ID: control.OrderID, Request: control.Stub, Ref: control.ProviderRef})
	shown := f.State == providers.FoundIssued && f.Result != nil && f.Result.Ref == control.ProviderRef
	log.Info("looked up an order that was made with another credential of the account", "control", control.OrderID, "finding", string(f.State), "code", f.Outcome.Code, "same", shown)
	earlier := cmp.Or(rec.Host, control.Host)
	if !shown || earlier == "" { // where neither is known any more, it was this order's own account, and is asked for again
		return !shown, nil
	}
	return false, l.AreSameSites(ctx, rec.Account, earlier, site)
}

// madeAlike is an order that the provider has issued, under a number of its own, to the credential with which something of a
// record was sent: the record's order, or the account's latest. nil when there is none.
func madeAlike(ctx context.Context, l *ledger.Ledger, rec *ledger.Record) (*ledger.Record, error) {
	own := rec
	if rec.Ref.IsRefund() {
		var err error
		if own, err = l.Load(ctx, rec.Ref.Order()); err != nil && !errors.Is(err, ledger.ErrNotFound) {
			return nil, err
		}
	}
	if own != nil && own.State == order.Issued && own.ProviderRef != "" && len(own.Stub) > 0 && (own == rec || rec.Host != "" && !own.SentElsewhere(rec.Host)) {
		return own, nil
	}
	if rec.Host == "" {
		return nil, nil
	}
	latest, err := l.LatestIssued(ctx, rec.Account, rec.Host)
	if err != nil || latest == nil || latest.Host == "" || latest.ProviderRef == "" {
		return nil, err
	}
	return latest, nil
}
