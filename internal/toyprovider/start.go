package toyprovider

import (
	"net/http/httptest"
	"testing"

	"issuance/providers"
)

// Start runs a simulator, and a client of it that passes gate (nil: no limit), until the test ends.
func Start(t testing.TB, gate providers.Gate) (*Sim, *Client) {
	t.Helper()
	const key, merchant = "toy-secret-key", "main"
	sim := NewSim(key, merchant)
	server := httptest.NewServer(sim)
	client, err := New(Config{BaseURL: server.URL, Key: key, Merchant: merchant, Gate: gate})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		client.Close()
		server.Close()
	})
	return sim, client
}
