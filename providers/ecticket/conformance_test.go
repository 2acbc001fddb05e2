package ecticket_test

import (
	"encoding/json"
	"fmt"
	"os"
	"testing"
	"time"

	"issuance/providers"
	"issuance/providers/conformance"
	"issuance/providers/ecticket"
	"issuance/providers/ecticket/ecticketdoc"
	"issuance/providers/ecticket/ecticketsim"
)

// simulated is ecticketsim as the suite speaks to it.
type simulated struct{ *ecticketsim.Sim }

func (s simulated) Settle()             { s.RunJob() }
func (s simulated) Fail(id, why string) { s.FailOrder(id, why) }

func (s simulated) Stranger(id string, n int, created time.Time) {
	s.AddStranger(ecticketsim.Stranger{ID: id, IssuedAt: created, Items: []ecticketsim.StrangerItem{{ItemNo: "VQT04959", Count: n}}})
}

func (s simulated) Issued(id string) int {
	o, _ := s.Books().Order(id)
	return o.TimesIssued
}

func (s simulated) Refunded(id string) (n int) {
	o, _ := s.Books().Order(id)
	for _, t := range o.Tickets {
		if t.UseStatus == ecticketsim.Refunded {
			n++
		}
	}
	return n
}

// printed are the data examples of "ECTicket, Issue".
func printed(t testing.TB) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, name := range []string{"convenience", "paper", "electronic", "serial"} {
		raw, err := os.ReadFile("ecticketdoc/testdata/" + name + ".json")
		if err != nil {
			t.Fatal(err)
		}
		out[name] = string(raw)
	}
	return out
}

func TestECTicketConforms(t *testing.T) {
	conformance.Run(t, conformance.Subject{
		Codec: ecticketdoc.Codec(),
		Sim:   func(testing.TB) conformance.Sim { return simulated{ecticketsim.New(ecticketsim.Config{})} },
		Client: func(t testing.TB, o conformance.Options) providers.Provider {
			cfg := ecticket.Config{BaseURL: o.BaseURL, MerchantID: merchant, Keys: keys, Gate: o.Gate, Timeout: o.Timeout}
			if o.WrongCredentials {
				cfg.Keys.HashKey = "0000000000000000"
			}
			c, err := ecticket.New(cfg)
			if err != nil {
				t.Fatal(err)
			}
			c.SetRetryWait(time.Millisecond)
			return c
		},
		Order: func(id string, n int) json.RawMessage {
			return json.RawMessage(fmt.Sprintf(`{"MerchantTradeNo":%q,"IssueType":"3","IsImmediate":"1","Operator":"AngelaChan","StoreID":"TP1001",
				"CustomerName":"王珊珊","CustomerPhone":"0912345678","CustomerEmail":"abc@gmail.com","CustomerAddress":"台北市南港區三重路19號",
				"TicketInfo":[{"ItemNo":"VQT04959","TicketAmount":%d}]}`, id, n))
		},
		Refund: func(id string, n int) json.RawMessage {
			if n == 0 {
				return json.RawMessage(fmt.Sprintf(`{"MerchantTradeNo":%q,"all":true}`, id))
			}
			return json.RawMessage(fmt.Sprintf(`{"MerchantTradeNo":%q,"quantity":%d}`, id, n))
		},
		Customer:    []string{"王珊珊", "0912345678", "abc@gmail.com", "台北市南港區三重路19號"},
		Credentials: []string{keys.HashKey, keys.HashIV},
		Examples:    printed(t),
		Now:         time.Date(2022, 3, 2, 0, 0, 0, 0, providers.Taiwan),
		Times:       []string{"20220302 15:30", "2022/03/02 15:30:06"},
	})
}

// A stub names no item: what remains of an old order can be asked for and refunded, never issued again.
func TestAStubIsNeverIssued(t *testing.T) {
	sim, c, _ := start(t, ecticketsim.Config{})
	doc, bad := ecticketdoc.Codec().ParseOrder("request", serialOrder.Request, providers.Rules{})
	if bad != nil {
		t.Fatal(bad)
	}
	out := c.Issue(t.Context(), providers.Order{ID: serialOrder.ID, Request: doc.Stub})
	if out.Kind != providers.Rejected || out.Code != "invalid_document" || sim.Books().Calls["Issue"] != 0 {
		t.Errorf("%+v after %d calls", out, sim.Books().Calls["Issue"])
	}
}
