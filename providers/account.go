package providers

import (
	"fmt"
	"regexp"
	"strings"
)

// Account is whose sale an order is: a merchant at a provider, written "ecticket:2000132". It is part
// of an order's identity, because two merchants may use the same order number. An Account is
// comparable.
type Account struct {
	Provider Name
	// Merchant is the merchant's id at the provider, or a name of the operator's own where the
	// provider has none (Pass2U): 1 to 40 letters, digits, '-' or '_'. Empty stands for the
	// provider's default account, which only documents and questions may leave open.
	Merchant string
}

var merchantPattern = regexp.MustCompile(`^[A-Za-z0-9_-]{1,40}$`)

// ValidMerchant reports whether s can name a merchant. What is valid needs no quoting in Redis keys,
// task ids, URLs and shells.
func ValidMerchant(s string) bool { return merchantPattern.MatchString(s) }

// ParseAccount reads "PROVIDER" (the provider's default account) or "PROVIDER:MERCHANT". The provider
// must be registered.
func ParseAccount(s string) (Account, error) {
	name, merchant, named := strings.Cut(s, ":")
	a := Account{Provider: Name(name), Merchant: merchant}
	switch {
	case !a.Provider.Known():
		return Account{}, fmt.Errorf("unknown provider %q", name)
	case named && !ValidMerchant(merchant):
		return Account{}, fmt.Errorf("account %q: the merchant must be 1 to 40 letters, digits, '-' or '_'", s)
	}
	return a, nil
}

// String is "PROVIDER:MERCHANT", or "PROVIDER" for the default account.
func (a Account) String() string {
	if a.Merchant == "" {
		return string(a.Provider)
	}
	return string(a.Provider) + ":" + a.Merchant
}

// Covers reports whether b is meant where a is written: a itself, or any account of the provider where a names no
// merchant.
func (a Account) Covers(b Account) bool {
	return a == b || a.Merchant == "" && a.Provider == b.Provider
}

// IsZero reports whether no account is named.
func (a Account) IsZero() bool { return a == Account{} }

// MarshalText implements encoding.TextMarshaler.
func (a Account) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler. It takes any provider, registered or not: what
// was written by a program that knows more providers is still readable.
func (a *Account) UnmarshalText(text []byte) error {
	name, merchant, _ := strings.Cut(string(text), ":")
	if name == "" {
		return fmt.Errorf("an account names no provider")
	}
	*a = Account{Provider: Name(name), Merchant: merchant}
	return nil
}
