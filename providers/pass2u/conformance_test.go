package pass2u_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"issuance/providers"
	"issuance/providers/conformance"
	"issuance/providers/pass2u"
	"issuance/providers/pass2u/pass2udoc"
	"issuance/providers/pass2u/pass2usim"
)

// conforming is pass2usim as the suite speaks to it.
type conforming struct{ *pass2usim.Sim }

// Settle has nothing to do: Pass2U issues at once.
func (conforming) Settle() {}

func (c conforming) Fail(id, why string) {
	if why == "" {
		why = pass2usim.MsgStock
	}
	c.FailOrder(id, why)
}

func (c conforming) Stranger(id string, n int, created time.Time) {
	c.AddStranger(pass2usim.Stranger{ChannelOrderID: id, Quantity: n, CreatedAt: created})
}

func (c conforming) Issued(id string) int {
	o, _ := c.Order(id)
	return o.Generated
}

func (c conforming) Refunded(id string) int {
	o, _ := c.Order(id)
	return o.Refunded()
}

func TestPass2UConforms(t *testing.T) {
	conformance.Run(t, conformance.Subject{
		Codec: pass2udoc.Codec(),
		Sim: func(t testing.TB) conformance.Sim {
			sim := pass2usim.New(pass2usim.Config{})
			t.Cleanup(sim.Close)
			return conforming{sim}
		},
		Client: func(t testing.TB, o conformance.Options) providers.Provider {
			cfg := pass2u.Config{BaseURL: o.BaseURL + base, APIKey: pass2usim.DefaultAPIKey, Gate: o.Gate, Timeout: o.Timeout}
			if o.WrongCredentials {
				cfg.APIKey = "another-key"
			}
			c, err := pass2u.New(cfg)
			if err != nil {
				t.Fatal(err)
			}
			return c
		},
		Order: func(id string, n int) json.RawMessage {
			return json.RawMessage(fmt.Sprintf(`{"channelOrderId":%q,"productSaleId":%q,"quantity":%d,"pickupType":"voucher","mailTo":"kan.secret@gmail.com"}`,
				id, pass2usim.DefaultCampaign, n))
		},
		Refund: func(id string, n int) json.RawMessage {
			if n == 0 {
				return json.RawMessage(fmt.Sprintf(`{"channelOrderId":%q,"all":true}`, id))
			}
			return json.RawMessage(fmt.Sprintf(`{"channelOrderId":%q,"quantity":%d}`, id, n))
		},
		Customer:    []string{"kan.secret@gmail.com"},
		Credentials: []string{pass2usim.DefaultAPIKey},
		Examples: map[string]string{
			"order":   `{"productSaleId":"02955ccca3352ef0734a4aecc9f86083","channelOrderId":"P00001","mailTo":"kan@gmail.com","quantity":2,"pickupType":"order"}`,
			"voucher": `{"productSaleId":"02955ccca3352ef0734a4aecc9f86083","channelOrderId":"P00001","mailTo":"kan@gmail.com","quantity":2,"pickupType":"voucher"}`,
		},
		Times: []string{"2022-03-02T15:30:06+08:00"},
	})
}
