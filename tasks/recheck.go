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

// wrap puts a request back into its envelope.
func wrap(p providers.Name, request json.RawMessage) ([]byte, error) {
	return json.Marshal(struct {
		Provider providers.Name  `json:"provider"`
		Request  json.RawMessage `json:"request"`
	}{p, request})
}

// Recheck validates an opened request again: rules about dates change with time, and another
// program may have enqueued it. Its error lists every violation.
func Recheck(k ledger.Key, request json.RawMessage, rules Rules) error {
	raw, err := wrap(k.Provider, request)
	if err != nil {
		return errors.New("the document is not JSON")
	}
	o, err := ParseOrder(raw, rules)
	if err != nil {
		return err
	}
	if o.ID != k.OrderID {
		return fmt.Errorf("the document is of order %s", o.ID)
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
