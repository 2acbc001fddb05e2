package chaos

import (
	"issuance/providers"
	"issuance/providers/pass2u/pass2udoc"
)

// merchantID is the installation's merchant at ECTicket.
const merchantID = "2000132"

// accountOf is the installation's account at a provider.
func accountOf(p providers.Name) providers.Account {
	if p == providers.Pass2U {
		return providers.Account{Provider: p, Merchant: pass2udoc.DefaultMerchant}
	}
	return providers.Account{Provider: p, Merchant: merchantID}
}

// accounts are all of the installation.
func accounts() []providers.Account {
	return []providers.Account{accountOf(providers.ECTicket), accountOf(providers.Pass2U)}
}
