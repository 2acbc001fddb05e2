package tasks

import (
	"encoding/json"
	"errors"
	"fmt"

	"issuance/internal/ledger"
	"issuance/internal/seal"
	"issuance/providers"
	"issuance/providers/ecticket/ecticketdoc"
	"issuance/providers/pass2u/pass2udoc"
)

// Recheck validates an opened request again: rules about dates change with time, and another
// program may have enqueued it. Its error lists every violation.
func Recheck(k ledger.Key, request json.RawMessage, rules Rules) error {
	var d interface{ ID() string }
	var bad *providers.InvalidError
	switch k.Provider {
	case providers.ECTicket:
		d, bad = ecticketdoc.Parse("request", request, rules.ecticket())
	case providers.Pass2U:
		d, bad = pass2udoc.Parse("request", request)
	default:
		return fmt.Errorf("there are no rules for provider %q", k.Provider)
	}
	if bad != nil {
		return bad
	}
	if d.ID() != k.OrderID {
		return fmt.Errorf("the document is of order %s", d.ID())
	}
	return nil
}

// SameOrder reports whether a request is the document that made the fingerprint, under whichever
// key of the ring. Rules about dates are not applied.
func SameOrder(ring *seal.Ring, p providers.Name, request json.RawMessage, fingerprint string) (bool, error) {
	canonical, err := canonicalOrder(p, request)
	if err != nil {
		return false, err
	}
	same, known := ring.SameFingerprint(fingerprint, canonical)
	if !known {
		return false, seal.ErrUnknownKey
	}
	return same, nil
}

// canonicalOrder is the canonical form of a request that has been validated before.
func canonicalOrder(p providers.Name, request json.RawMessage) ([]byte, error) {
	var d interface{ Canonical() []byte }
	switch p {
	case providers.ECTicket:
		d = &ecticketdoc.Order{}
	case providers.Pass2U:
		d = &pass2udoc.Order{}
	default:
		return nil, fmt.Errorf("unknown provider")
	}
	if err := json.Unmarshal(request, d); err != nil {
		return nil, errors.New("the document cannot be read")
	}
	return d.Canonical(), nil
}
