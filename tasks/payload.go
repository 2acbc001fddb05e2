package tasks

import (
	"encoding/json"
	"fmt"
	"time"

	"issuance/internal/doccheck"
	"issuance/internal/ledger"
	"issuance/internal/seal"
	"issuance/providers"
)

// PayloadVersion is the newest payload this program reads and the one it writes. A worker that
// meets a newer one leaves it to a newer worker.
const PayloadVersion = 1

// Payload is what a task carries: the order's shape in the clear, the document sealed.
type Payload struct {
	Version     int             `json:"v"`
	Provider    providers.Name  `json:"provider"`
	OrderID     string          `json:"order_id"`
	RefundID    string          `json:"refund_id,omitempty"`
	Lane        Lane            `json:"lane,omitempty"`
	EnqueuedAt  time.Time       `json:"enqueued_at"`
	Shape       json.RawMessage `json:"shape,omitempty"`
	Fingerprint string          `json:"fingerprint,omitempty"`
	Document    seal.Sealed     `json:"document,omitempty"`
}

// NewerPayloadError says that a payload was written by a newer program.
type NewerPayloadError struct{ Version int }

func (e *NewerPayloadError) Error() string {
	return fmt.Sprintf("payload version %d is newer than this worker's %d; upgrade the worker", e.Version, PayloadVersion)
}

// DecodePayload reads a task's payload. A *NewerPayloadError comes with as much of the payload as
// could be read. Errors never hold any of the payload's text.
func DecodePayload(raw []byte) (Payload, error) {
	var p Payload
	err := json.Unmarshal(raw, &p)
	switch {
	case p.Version > PayloadVersion:
		return p, &NewerPayloadError{Version: p.Version}
	case err != nil || p.Version < 1:
		return p, fmt.Errorf("the payload (%d bytes) is none of this program's", len(raw))
	case !p.Provider.Known() || p.OrderID == "":
		return p, fmt.Errorf("the payload names no provider and order")
	}
	return p, nil
}

// Key is the order's name in the ledger.
func (p Payload) Key() ledger.Key { return ledger.Key{Provider: p.Provider, OrderID: p.OrderID} }

// RefundKey is the refund's name in the ledger.
func (p Payload) RefundKey() ledger.RefundKey {
	return ledger.RefundKey{Key: p.Key(), RefundID: p.RefundID}
}

// documentField names the sealed document in ledger.Key.SealContext.
const documentField = "document"

// OpenOrder opens and reads an order's sealed document, from a payload or a record. It is not
// validated against rules that change with time; see Order and Rules.
func OpenOrder(ring *seal.Ring, k ledger.Key, s seal.Sealed) (json.RawMessage, error) {
	return ring.Open(s, k.SealContext(documentField))
}

// OpenRefund opens a refund's sealed document.
func OpenRefund(ring *seal.Ring, k ledger.RefundKey, s seal.Sealed) (json.RawMessage, error) {
	return ring.Open(s, k.SealContext(documentField))
}

func (o *Order) payload(ring *seal.Ring, lane Lane, now time.Time) ([]byte, Payload, error) {
	sealed, err := ring.Seal(o.Request, o.Key().SealContext(documentField))
	if err != nil {
		return nil, Payload{}, err
	}
	p := Payload{Version: PayloadVersion, Provider: o.Provider, OrderID: o.ID, Lane: lane, EnqueuedAt: now.UTC(),
		Shape: o.shape, Fingerprint: ring.Fingerprint(o.canonical), Document: sealed}
	return p.encode(), p, nil
}

func (r *Refund) payload(ring *seal.Ring, lane Lane, now time.Time) ([]byte, Payload, error) {
	sealed, err := ring.Seal(r.Request, r.Key().SealContext(documentField))
	if err != nil {
		return nil, Payload{}, err
	}
	p := Payload{Version: PayloadVersion, Provider: r.Provider, OrderID: r.OrderID, RefundID: r.RefundID, Lane: lane,
		EnqueuedAt: now.UTC(), Shape: r.shape, Fingerprint: ring.Fingerprint(r.canonical), Document: sealed}
	return p.encode(), p, nil
}

// encode writes what json.Marshal would, in a third of the time, which a bulk notices. Shape is
// compact JSON.
func (p Payload) encode() []byte {
	b := append(make([]byte, 0, 256+len(p.Shape)+len(p.Document)), '{')
	b = doccheck.AppendInt(b, "v", p.Version)
	b = doccheck.AppendString(doccheck.AppendName(b, "provider"), string(p.Provider))
	b = doccheck.AppendString(doccheck.AppendName(b, "order_id"), p.OrderID)
	b = doccheck.AppendMember(b, "refund_id", p.RefundID)
	b = doccheck.AppendMember(b, "lane", string(p.Lane))
	b = append(doccheck.AppendName(b, "enqueued_at"), '"')
	b = append(p.EnqueuedAt.AppendFormat(b, time.RFC3339Nano), '"')
	if len(p.Shape) > 0 {
		b = append(doccheck.AppendName(b, "shape"), p.Shape...)
	}
	b = doccheck.AppendMember(b, "fingerprint", p.Fingerprint)
	b = doccheck.AppendMember(b, "document", string(p.Document))
	return append(b, '}')
}

// PollPayload is the payload of an order's poll task.
func PollPayload(k ledger.Key, now time.Time) ([]byte, error) {
	return json.Marshal(Payload{Version: PayloadVersion, Provider: k.Provider, OrderID: k.OrderID, Lane: Poll, EnqueuedAt: now.UTC()})
}
