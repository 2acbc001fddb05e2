package main

import (
	"issuance/internal/looks"
	noticestore "issuance/internal/notices" // the package has a function of the bare name
)

// lookAtTickets has what notices and operators ask about an account's tickets looked at, where its provider shows them.
func (w *worker) lookAtTickets(a *account) {
	if p, ok := a.provider.(looks.Provider); ok {
		w.chores = append(w.chores, looks.New(looks.Config{Provider: p, Ledger: w.ledger, Ring: w.ring, Notices: noticestore.New(w.rdb, a.name()), Log: w.log}).Run)
	}
}
