package providers_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"issuance/providers"
)

// entry is a complete codec.
func entry(name providers.Name) providers.Codec {
	return providers.Codec{
		Name: name, Title: "Entry", DefaultMerchant: "main",
		ParseOrder: func(string, json.RawMessage, providers.Rules) (*providers.OrderDocument, *providers.InvalidError) {
			return nil, nil
		},
		ParseRefund: func(string, json.RawMessage, providers.Rules) (*providers.RefundDocument, *providers.InvalidError) {
			return nil, nil
		},
		Canonical:     func(json.RawMessage) ([]byte, error) { return nil, nil },
		OtherOrder:    func(json.RawMessage, providers.Order) string { return "" },
		RefundedBy:    func(json.RawMessage, json.RawMessage) (string, string) { return "", "" },
		Tickets:       func(json.RawMessage) int { return 0 },
		Calls:         func(json.RawMessage) int { return 1 },
		Mentions:      []string{"id"},
		NumberField:   func(json.RawMessage) string { return "id" },
		Columns:       providers.Columns{Scalars: []string{"id", "other_id"}, IDs: []string{"id", "other_id"}},
		Templates:     []providers.Template{{Name: "entry"}},
		EscrowColumns: [][2]string{{"a", "b"}},
		Probe:         func() providers.Order { return providers.Order{ID: "PROBE"} },
		Check:         func(providers.ReviewFacts) string { return "" },
		Time:          func(string) (time.Time, bool) { return time.Time{}, false },
	}
}

// panicked is what f panicked with, "" when it did not.
func panicked(f func()) (text string) {
	defer func() {
		if p := recover(); p != nil {
			text = fmt.Sprint(p)
		}
	}()
	f()
	return ""
}

// Whatever a codec lacks is noticed when the program starts, or it would accept anything.
func TestAnIncompleteCodecIsNeverRegistered(t *testing.T) {
	optional := map[string]bool{"DefaultMerchant": true, "EscrowColumns": true, "StoredNames": true, "ShapeOf": true, "RulesInChinese": true, "AnswersInChinese": true}
	fields := reflect.TypeFor[providers.Codec]()
	for i := range fields.NumField() {
		name := fields.Field(i).Name
		c := entry("incomplete")
		reflect.ValueOf(&c).Elem().Field(i).SetZero()
		if optional[name] {
			continue // registering it would leave it in the table
		}
		if text := panicked(func() { providers.Register(c) }); !strings.Contains(text, name) {
			t.Errorf("without %s: %q", name, text)
		}
	}
	for what, change := range map[string]func(*providers.Codec){
		"a name that needs quoting": func(c *providers.Codec) { c.Name = "a:b" },
		"too many stored names": func(c *providers.Codec) {
			c.StoredNames = strings.Fields(strings.Repeat("x ", providers.MaxStoredNames+1))
		},
		"a name stored twice":   func(c *providers.Codec) { c.StoredNames = []string{"x", "x"} },
		"an empty stored name":  func(c *providers.Codec) { c.StoredNames = []string{""} },
		"items without a field": func(c *providers.Codec) { c.Columns.Items = []string{"x"} },
	} {
		c := entry("incomplete")
		change(&c)
		if panicked(func() { providers.Register(c) }) == "" {
			t.Errorf("%s is registered", what)
		}
	}
	if providers.Name("incomplete").Known() {
		t.Error("an incomplete codec is in the table")
	}
}

func TestANameIsRegisteredOnce(t *testing.T) {
	if !providers.Name("once").Known() { // the table outlives a test that runs twice
		providers.Register(entry("once"))
	}
	if c, ok := providers.CodecOf("once"); !ok || c.Title != "Entry" {
		t.Fatalf("registered: %v", providers.All())
	}
	if text := panicked(func() { providers.Register(entry("once")) }); !strings.Contains(text, "twice") {
		t.Errorf("a second time: %q", text)
	}
}

func TestAccountsAreReadAsTheyAreWritten(t *testing.T) {
	if !providers.Name("acct").Known() {
		providers.Register(entry("acct"))
	}
	for text, want := range map[string]providers.Account{
		"acct": {Provider: "acct"}, "acct:2000132": {Provider: "acct", Merchant: "2000132"}, "acct:my_shop-1": {Provider: "acct", Merchant: "my_shop-1"},
		"acct:" + strings.Repeat("x", 40): {Provider: "acct", Merchant: strings.Repeat("x", 40)},
	} {
		a, err := providers.ParseAccount(text)
		if err != nil || a != want || a.String() != text || a.IsZero() {
			t.Errorf("%q is read as %+v, written %q, %v", text, a, a, err)
		}
		raw, err := json.Marshal(map[providers.Account]int{a: 1})
		var back map[providers.Account]int
		if err != nil || json.Unmarshal(raw, &back) != nil || back[a] != 1 {
			t.Errorf("%q comes back from JSON as %v", text, back)
		}
	}
	for _, text := range []string{"", ":", "nobody", "nobody:1", ":1", "acct:", "acct:a b", "acct:a:b", "acct:a/b", "acct:王", "acct:" + strings.Repeat("x", 41), "acct\n"} {
		if a, err := providers.ParseAccount(text); err == nil || !a.IsZero() {
			t.Errorf("%q is read as %+v", text, a)
		}
	}
	var a providers.Account
	if err := a.UnmarshalText([]byte("newer:1")); err != nil || a != (providers.Account{Provider: "newer", Merchant: "1"}) {
		t.Errorf("what a newer program wrote cannot be read: %+v, %v", a, err)
	}
	if err := a.UnmarshalText([]byte(":1")); err == nil {
		t.Error("an account without a provider is read")
	}
}
