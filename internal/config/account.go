package config

import (
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"time"

	"issuance/providers"
	_ "issuance/providers/codecs" // default merchants
	"issuance/providers/ecticket/wire"
)

// Account is one account at a provider with all its settings, whether the environment or the accounts file has it. What
// is printed of one is its name.
type Account struct {
	Name providers.Account
	// Default says that the provider's name alone means this account.
	Default bool
	// Allowance is what the account shares with others: calls per second and bans. Default "": an allowance of its own.
	Allowance      string
	CallsPerSecond float64
	Ban, Timeout   time.Duration

	settings settings // a pointer, so that nothing prints what it points to
}

// settings are a provider's own of one account.
type settings interface {
	merchant() string                                // that they name; "" for none
	configured() bool                                // whether everything is there that calls need
	pace() (perSecond float64, ban, t time.Duration) // t is the longest wait for one answer
	rules() providers.Rules
	client(name providers.Account, o ClientOptions) (Client, error)
	equal(settings) bool
	access() []string // credentials and addresses: what a provider may refuse
	// sole is what alone tells the account from others for the provider, and the variable that sets it; "" where its name does.
	sole() (variable, value string)
}

// Configured reports whether the account is complete, so that it can be called.
func (a Account) Configured() bool { return a.settings.configured() }

// Rules are what the account's documents are checked against, as of now.
func (a Account) Rules() providers.Rules {
	r := a.settings.rules()
	r.Now = time.Now()
	return r
}

// Client makes the account's client.
func (a Account) Client(o ClientOptions) (Client, error) { return a.settings.client(a.Name, o) }

// Equal reports whether two accounts are the same in every setting, secrets included.
func (a Account) Equal(b Account) bool {
	same := a.settings.equal(b.settings)
	a.settings, b.settings = nil, nil
	return same && a == b
}

// Access is a keyed digest of the account's credentials and addresses, the same wherever these are the same.
func (a Account) Access(digest func([]byte) string) string {
	var b []byte
	for _, text := range a.settings.access() {
		b = strconv.AppendQuote(b, text)
	}
	return digest(b)
}

// NoticeKeys are what notices of an ECTicket account are verified with; ok is false for others, and where they are not set.
func (a Account) NoticeKeys() (keys wire.Keys, platformID string, ok bool) {
	e, ok := a.settings.(*ECTicket)
	if !ok || !e.configured() {
		return keys, "", false
	}
	return e.Keys(), e.PlatformID, true
}

// String is the account's name.
func (a Account) String() string { return a.Name.String() }

// Format keeps every verb from looking inside.
func (a Account) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(a.String())) }

// LogValue is the account's name.
func (a Account) LogValue() slog.Value { return slog.StringValue(a.String()) }

// kind is what this package has to know of a provider's settings.
type kind struct {
	provider providers.Name
	prefix   string // of its variables; the rest, in lower case, is the key in the accounts file
	merchant string // the variable that names the merchant, which a file's entry has as "account"; "" where there is none
	needs    []string
	of       func(*Config) settings // a copy
	check    func(*loader)          // the rules of one account's settings
}

// kinds are the providers that can be configured. needs are the variables without which an account cannot be called.
var kinds = []kind{
	{providers.ECTicket, "ECTICKET_", "ECTICKET_MERCHANT_ID", []string{"ECTICKET_MERCHANT_ID", "ECTICKET_HASH_KEY", "ECTICKET_HASH_IV"},
		func(c *Config) settings { e := c.ECTicket; return &e }, (*loader).ecticket},
	{providers.Pass2U, "PASS2U_", "", []string{"PASS2U_API_KEY"},
		func(c *Config) settings { p := c.Pass2U; return &p }, (*loader).pass2u},
}

func kindOf(p providers.Name) (kind, bool) {
	i := slices.IndexFunc(kinds, func(k kind) bool { return k.provider == p })
	if i < 0 {
		return kind{}, false
	}
	return kinds[i], true
}

// Needs are the variables that have to be set for the environment's account of a provider to be served.
func Needs(p providers.Name) []string {
	k, _ := kindOf(p)
	return k.needs
}

// accountOf is the account that a provider's settings make up.
func (k kind) accountOf(c *Config, merchant string) Account {
	s := k.of(c)
	a := Account{Name: providers.Account{Provider: k.provider, Merchant: merchant}, settings: s}
	a.CallsPerSecond, a.Ban, a.Timeout = s.pace()
	return a
}

// ofEnvironment are the accounts that the environment has, whether they are complete or not.
func (c Config) ofEnvironment() (list []Account) {
	for _, k := range kinds {
		s := k.of(&c)
		merchant := s.merchant()
		if codec, ok := providers.CodecOf(k.provider); ok && merchant == "" && s.configured() {
			merchant = codec.DefaultMerchant
		}
		if merchant != "" {
			a := k.accountOf(&c, merchant)
			a.Default = true
			list = append(list, a)
		}
	}
	return list
}

// Callable are the accounts that are complete, by name.
func (c Config) Callable() []Account {
	return slices.DeleteFunc(slices.Clone(c.Accounts), func(a Account) bool { return !a.Configured() })
}

// Find is the account of a name. One without a merchant is the provider's default, where there is one.
func Find(list []Account, name providers.Account) (Account, bool) {
	for _, a := range list {
		if a.Name == name || name.Merchant == "" && a.Default && a.Name.Provider == name.Provider {
			return a, true
		}
	}
	return Account{}, false
}
