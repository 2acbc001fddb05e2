package chaos

import (
	"encoding/base64"
	"math/rand/v2"

	"issuance/providers/ecticket/ecticketsim"
)

// Secrets are an installation's own, made for one run. None may show up anywhere.
type Secrets struct {
	HashKey, HashIV string
	APIKey          string
	RedisPassword   string
	SealKeys        string // as ISSUANCE_SEAL_KEYS takes them: two keys, the first of which seals
	sealKeys        []string
	Token           string // of the front doors' callers
	WebhookKey      string // base64; with whsec_ before it, a receiver's secret
}

func newSecrets(r *rand.Rand) Secrets {
	key := func() string {
		b := make([]byte, 32)
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		return base64.StdEncoding.EncodeToString(b)
	}
	s := Secrets{HashKey: letters(r, 16), HashIV: letters(r, 16), APIKey: letters(r, 32), RedisPassword: letters(r, 24),
		sealKeys: []string{key(), key()}}
	s.Token, s.WebhookKey = letters(r, 40), key()
	s.SealKeys = s.sealKeys[0] + "," + s.sealKeys[1]
	return s
}

func letters(r *rand.Rand, n int) string {
	const alphabet = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789"
	b := make([]byte, n)
	for i := range b {
		b[i] = alphabet[r.IntN(len(alphabet))]
	}
	return string(b)
}

func (s Secrets) account() ecticketsim.Account {
	return ecticketsim.Account{MerchantID: merchantID, HashKey: s.HashKey, HashIV: s.HashIV}
}

// all lists the secrets by name, for the search.
func (s Secrets) all() map[string]string {
	return map[string]string{"HashKey": s.HashKey, "HashIV": s.HashIV, "API key": s.APIKey, "Redis password": s.RedisPassword,
		"token": s.Token, "webhook's secret": s.WebhookKey, "first seal key": s.sealKeys[0], "second seal key": s.sealKeys[1]}
}
