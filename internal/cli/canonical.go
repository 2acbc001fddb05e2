package cli

import (
	"issuance/providers"
	"issuance/providers/ecticket/ecticketdoc"
	"issuance/providers/pass2u/pass2udoc"
	"issuance/tasks"
)

// canonical is the document of a job in the form that is the same for every way of writing it. It
// holds customer data. Nil for a document that has become invalid since it was checked.
func canonical(j *job, rules tasks.Rules) []byte {
	var d interface{ Canonical() []byte }
	var err *providers.InvalidError
	switch {
	case j.order != nil && j.order.Provider == providers.ECTicket:
		opt := ecticketdoc.Options{Escrow: rules.Escrow}
		if rules.Now != nil {
			opt.Now = rules.Now()
		}
		d, err = ecticketdoc.Parse("request", j.order.Request, opt)
	case j.order != nil:
		d, err = pass2udoc.Parse("request", j.order.Request)
	case j.refund.Provider == providers.ECTicket:
		d, err = ecticketdoc.ParseRefund("request", j.refund.Request, ecticketdoc.Options{})
	default:
		d, err = pass2udoc.ParseRefund("request", j.refund.Request)
	}
	if err != nil {
		return nil
	}
	return d.Canonical()
}
