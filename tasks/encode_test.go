package tasks

import (
	"encoding/json"
	"testing"
	"time"

	"issuance/internal/seal"
	"issuance/providers"
)

// The quick encoding of a payload is encoding/json's, byte for byte.
func FuzzAPayloadIsEncodedAsByTheLibrary(f *testing.F) {
	f.Add("ecticket", "O1", "", "bulk", "k.0123", "s1.k.abc", int64(1709283600), int64(123456789))
	f.Add("pass2u", "A-_.9", "R1", "", "", "", int64(0), int64(0))
	f.Add("<&>", "\"\\/", "\u2028券\n", "\x7f", "\xff", "é", int64(-1), int64(999_999_999))
	f.Fuzz(func(t *testing.T, provider, order, refund, lane, fingerprint, document string, seconds, nanos int64) {
		p := Payload{Version: 1, Provider: providers.Name(provider), OrderID: order, RefundID: refund, Lane: Lane(lane),
			EnqueuedAt: time.Unix(seconds%4e9, nanos%1e9).UTC(), Fingerprint: fingerprint, Document: seal.Sealed(document)}
		if order != "" {
			p.Shape = json.RawMessage(`{"tickets":2}`)
		}
		want, err := json.Marshal(p)
		if got := p.encode(); err != nil || string(got) != string(want) {
			t.Errorf("encoded\n%s\nwant\n%s (%v)", got, want, err)
		}
	})
}
