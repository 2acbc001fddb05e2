package doctor_test

import (
	"testing"

	"issuance/internal/budget"
	"issuance/internal/doctor"
	"issuance/providers"
	"issuance/providers/ecticket"
	"issuance/providers/ecticket/wire"
)

// A doctor with keys that are not the workers' finds that its own call is refused; the workers' account is as well as before.
func TestADoctorWithWrongKeysHarmsNobody(t *testing.T) {
	w := newWard(t)
	gate := doctor.NewGate(w.budget)
	client, err := ecticket.New(ecticket.Config{BaseURL: w.url, MerchantID: shop.Merchant, Keys: wire.Keys{HashKey: "0000000000000000", HashIV: "0000000000000000"}, Gate: gate})
	w.must(err)
	t.Cleanup(client.Close)
	w.config.Clients = []doctor.Client{{Provider: client, Gate: gate}}
	for range 4 {
		w.finds(doctor.Wrong, doctor.Accounts, "our call from here")
	}
	s, err := w.budget.State(t.Context())
	w.must(err)
	if s.Trouble != nil || w.calls.Load() != 4 {
		t.Errorf("%+v after %d calls", s.Trouble, w.calls.Load())
	}
	// Nor does a doctor end what the workers have found.
	w.budget.Answered(t.Context(), providers.Condition{State: providers.HealthRefused, Code: "http_401"})
	w.config.Clients = w.config.Clients[:0]
	fresh, err := budget.New(w.rdb, budget.Config{Account: shop, PerSecond: 100})
	w.must(err)
	doctor.NewGate(fresh).Answered(t.Context(), providers.Condition{State: providers.HealthOK})
	if s, err = w.budget.State(t.Context()); err != nil || s.Trouble == nil {
		t.Errorf("%+v, %v", s.Trouble, err)
	}
}
