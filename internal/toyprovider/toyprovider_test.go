package toyprovider_test

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"issuance/internal/toyprovider"
	"issuance/providers"
	_ "issuance/providers/codecs"
	"issuance/providers/conformance"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const key = "toy-secret-key"

func TestTheToyConforms(t *testing.T) {
	conformance.Run(t, conformance.Subject{
		Codec: toyprovider.Codec(),
		Sim:   func(testing.TB) conformance.Sim { return toyprovider.NewSim(key, "main") },
		Client: func(t testing.TB, o conformance.Options) providers.Provider {
			cfg := toyprovider.Config{BaseURL: o.BaseURL, Key: key, Timeout: o.Timeout, Gate: o.Gate}
			if o.WrongCredentials {
				cfg.Key = "another"
			}
			c, err := toyprovider.New(cfg)
			if err != nil {
				t.Fatal(err)
			}
			return c
		},
		Order: func(id string, n int) json.RawMessage {
			return json.RawMessage(fmt.Sprintf(`{"toyNumber":%q,"seats":%d,"buyer":"王珊珊"}`, id, n))
		},
		Refund: func(id string, n int) json.RawMessage {
			if n == 0 {
				return json.RawMessage(fmt.Sprintf(`{"toyNumber":%q,"all":true}`, id))
			}
			return json.RawMessage(fmt.Sprintf(`{"toyNumber":%q,"seats":%d}`, id, n))
		},
		Customer:    []string{"王珊珊"},
		Credentials: []string{key},
		Examples:    map[string]string{"order": `{"toyNumber":"A1","seats":2,"buyer":"Ann Lee","clerk":"Bob"}`},
		Times:       []string{"2026-03-01T12:00:00+08:00"},
	})
}

// A third provider stands beside those of the product: it needs nothing but its registration.
func TestTheToyStandsBesideTheOthers(t *testing.T) {
	if c, ok := providers.CodecOf(toyprovider.Name); !ok || c.Title != "Toy" || len(providers.All()) != 3 {
		t.Errorf("registered: %v", providers.All())
	}
	if a, err := providers.ParseAccount("toy:main"); err != nil || a.Provider != toyprovider.Name {
		t.Errorf("%v, %v", a, err)
	}
}

// A whole order against the running simulator: accepted, then issued, with its tickets.
func TestTheToyRunsByItself(t *testing.T) {
	sim, client := toyprovider.Start(t, nil)
	o := providers.Order{ID: "A1", Request: json.RawMessage(`{"toyNumber":"A1","seats":2,"buyer":"Ann Lee"}`)}
	if out := client.Issue(t.Context(), o); out.Kind != providers.Accepted {
		t.Fatalf("%+v", out)
	}
	sim.Settle()
	if f := client.LookUp(t.Context(), o); f.State != providers.FoundIssued || sim.Issued("A1") != 1 {
		t.Errorf("%+v", f)
	}
}

// No program of the product can sell the toy's tickets, nor carries the test's other tools.
func TestNoProgramHoldsTheToy(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "issuance/cmd/...", "issuance/tasks").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if !strings.Contains(string(out), "issuance/providers\n") {
		t.Fatal("the list of dependencies is not one")
	}
	for _, name := range []string{"toyprovider", "conformance", "fakeprovider"} {
		if strings.Contains(string(out), name) {
			t.Errorf("a program depends on %s", name)
		}
	}
}
