package console

import (
	"slices"
	"strings"
	"time"

	"issuance/tasks"
	"issuance/tasks/order"
)

// part is what a part of a page sees: something, and the page's view.
type part struct {
	View *view
	Of   any
}

// With gives a part of a page something to show.
func (v *view) With(of any) part { return part{v, of} }

// Explain says what the code of a record in a state means, "" for one that is the provider's own.
func (v *view) Explain(state order.State, code string) string {
	return v.visit.lang.explainIn(state, code)
}

// Reviewed says what a code means as the reason of a review.
func (v *view) Reviewed(code string) string { return v.visit.lang.explainIn(order.Review, code) }

// explainIn is explain for the code of a record in a state: as the reason of a review a code may say more.
func (l Lang) explainIn(state order.State, code string) string {
	if text, known := words["reviewed."+code]; known && state == order.Review {
		return text[l]
	}
	return l.explain(code)
}

func (l Lang) explain(code string) string {
	for _, name := range []string{code, strings.TrimRight(code, "0123456789")} { // such as http_503
		if text, known := words["code."+name]; known {
			return text[l]
		}
	}
	return ""
}

// Clock is a time in a sentence.
func (v *view) Clock(t time.Time) string { return v.visit.clock(t) }

// Place is the number of what stands at an index.
func (v *view) Place(i int) int { return i + 1 }

// TicketBadge is the class of the badge of a ticket's state.
func (v *view) TicketBadge(s order.TicketState) string {
	switch s {
	case order.TicketRefunded:
		return "good"
	case order.TicketRejected:
		return "bad"
	case order.TicketDoubt:
		return "warn"
	case order.TicketElsewhere:
		return "off"
	}
	return "busy"
}

// JobBadge is the class of the badge of a job's state.
func (v *view) JobBadge(state string) string {
	switch state {
	case jobFinished:
		return "good"
	case jobReady:
		return "warn"
	case jobStopped:
		return "off"
	}
	return "busy"
}

// Nothing reports whether there was nothing to show.
func (s *shown) Nothing() bool {
	tickets := s.Status != nil && (len(s.Status.Tickets) > 0 || s.Status.Access != nil)
	return len(s.Documents) == 0 && !tickets && s.Problem == ""
}

// Looked counts an order's tickets by what the latest look has shown.
func (v *view) Looked(l *tasks.Looked) string {
	var parts []string
	for _, p := range []struct {
		n    int
		word string
	}{{l.Redeemed, "redeemed"}, {l.Refunded - l.Elsewhere, "refunded"}, {l.Elsewhere, "elsewhere"}, {l.Unused, "unused"}, {l.Other, "other"}} {
		if p.n > 0 {
			parts = append(parts, v.T("looked.count", v.Number(p.n), v.Or("ticket.", p.word)))
		}
	}
	return strings.Join(parts, v.T("looked.and"))
}

// byProvider are the codes of this product for what a provider rejected.
var byProvider = []order.Code{order.CodeRejected, order.CodeRefusal, order.CodeIssuingFailed}

// Story says what a state means. How something failed depends on who decided it, and on whether anything was sent.
func (v *view) Story(s tasks.Standing) string {
	if s.State == order.Failed {
		switch {
		case s.ResolvedBy != "":
			return v.T("story.failed.decided")
		case s.Attempts == 0:
			return v.T("story.failed.unsent")
		case s.Error != nil && ours(order.Code(s.Error.Code)):
			return v.T("story.failed.ours")
		}
	}
	return v.Or("story.", s.State)
}

// ours reports whether a code says that a record ended here, and not by a provider's rejection.
func ours(code order.Code) bool {
	return !slices.Contains(byProvider, code) && slices.ContainsFunc(order.Codes(), func(c struct {
		Code    order.Code
		Meaning string
	}) bool {
		return c.Code == code
	})
}
