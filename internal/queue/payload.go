package queue

import (
	"encoding/json"
	"fmt"

	"issuance/providers"
	"issuance/tasks/order"
)

// Version is the newest payload this program reads and the one it writes. A worker that meets a newer
// one leaves it to a newer worker.
const Version = 2

// payload is what a task carries.
type payload struct {
	Version int    `json:"v"`
	Ref     string `json:"ref"` // as order.Ref writes it
	Trace   string `json:"trace,omitempty"`
}

// Encode is the payload of a record's task. trace is a W3C traceparent, or "".
func Encode(r order.Ref, trace string) []byte {
	raw, err := json.Marshal(payload{Version: Version, Ref: r.String(), Trace: trace})
	if err != nil {
		panic(err) // strings and a number always marshal
	}
	return raw
}

// NewerVersionError says that a payload was written by a newer program.
type NewerVersionError struct{ Version int }

func (e *NewerVersionError) Error() string {
	return fmt.Sprintf("payload version %d is newer than this worker's %d", e.Version, Version)
}

// Decode reads a task's payload. A *NewerVersionError comes with the record's name where that could be
// read. Errors never hold any of the payload's text.
func Decode(raw []byte) (r order.Ref, trace string, err error) {
	var p payload
	err = json.Unmarshal(raw, &p)
	r, named := order.ParseRef(p.Ref)
	switch {
	case p.Version > Version:
		return r, p.Trace, &NewerVersionError{Version: p.Version}
	case err != nil || p.Version < Version:
		return order.Ref{}, "", fmt.Errorf("the payload (%d bytes) is not this program's", len(raw))
	case !named || !providers.ValidMerchant(r.Account.Merchant):
		return order.Ref{}, "", fmt.Errorf("the payload names no account and order")
	}
	return r, p.Trace, nil
}
