package providers_test

import (
	"context"
	"errors"
	"testing"

	"issuance/providers"
)

// failing is a gate that nobody may pass.
type failing struct{ err error }

func (f failing) Pass(context.Context) error { return f.err }

// Neither a held call nor an unanswered question is a pass, taken ahead or not, and the context of a
// failed attempt holds none either.
func TestAGatesErrorIsNoPass(t *testing.T) {
	for _, err := range []error{errors.New("no answer from Redis"), &providers.HeldError{Reason: "call budget"}, context.Canceled} {
		gate := providers.Prepayable(failing{err})
		ctx, got := gate.Prepay(t.Context())
		if !errors.Is(got, err) {
			t.Errorf("prepaid: %v, want %v", got, err)
		}
		if got := gate.Pass(ctx); !errors.Is(got, err) {
			t.Errorf("after a failed attempt: %v, want %v", got, err)
		}
		if got := gate.Pass(t.Context()); !errors.Is(got, err) {
			t.Errorf("passed: %v, want %v", got, err)
		}
	}
}
