package config

import (
	"strings"
	"testing"
)

// What concerns the whole file, or two entries together.
func TestMistakesAmongEntries(t *testing.T) {
	two := func(first, second string) string {
		return "accounts:\n  - provider: ecticket\n    account: a1\n    " + keysOfFile + first + "  - provider: ecticket\n    account: b2\n    " + keysOfFile + second
	}
	for name, c := range map[string]struct{ text, want string }{
		"two defaults":        {two("    default: true\n", "    default: true\n"), "line 7: ecticket:b2: default is ecticket:a1 already, in line 2"},
		"different rates":     {two("    allowance: p\n", "    allowance: p\n    calls_per_second: 3\n"), "line 7: ecticket:b2: calls_per_second is 3, and 4 for ecticket:a1 in line 2, with which it shares the allowance p"},
		"different bans":      {two("", "    allowance: ecticket:a1\n    ban: 1h\n"), "ban is 1h0m0s, and 30m0s for ecticket:a1"},
		"a wrong allowance":   {two("    allowance: a b\n", ""), "allowance must be 1 to 100"},
		"providers share":     {"accounts: [{provider: pass2u, api_key: k, allowance: x}, {provider: ecticket, account: a1, hash_key: Kanarie-hash-key, hash_iv: Kanarie--hash-iv, allowance: x}]", "provider is ecticket, and pass2u for pass2u:main"},
		"another default":     {"accounts: [{provider: pass2u, account: a1, default: true, api_key: Kanarie}]", "line 1: pass2u:a1: default is always pass2u:main: leave it out, or name the account main"},
		"a key twice":         {"accounts:\n- provider: pass2u\n  api_key: Kanarie\n  api_key: other\n", "line 4: pass2u: a key is there twice"},
		"no accounts":         {"accounts: []\n", "it has no accounts"},
		"nothing":             {"", "it has no accounts"},
		"no list":             {"accounts: Kanarie\n", "line 1: accounts must be a list"},
		"no YAML":             {"accounts: [\n\tKanarie", "it is no YAML"},
		"a list":              {"- Kanarie\n", "line 1: it must be accounts"},
		"too short to settle": {two("    settle_after: 9m\n", ""), "settle_after is 9m0s; it must be longer than the validity"},
		"an unknown key":      {two("    colour_of_door: red\n", ""), "line 6: ecticket:a1: colour_of_door is unknown; docs/accounts.md"},
		"a secret as a key":   {two("    Kanarie-x y: 1\n", ""), "a key is unknown"},
	} {
		_, err := Load(file(t, c.text), all...)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "Kanarie") {
			t.Errorf("%s: %v; should say %q", name, err, c.want)
		}
	}
	env := file(t, "accounts: [{provider: pass2u, api_key: k}]")
	for name, value := range production() {
		env[name] = value
	}
	if _, err := Load(env, all...); err == nil || !strings.Contains(err.Error(), "it has accounts of pass2u, and so has the environment (PASS2U_API_KEY)") {
		t.Errorf("both: %v", err)
	}
	delete(env, "PASS2U_API_KEY")
	delete(env, "PASS2U_PROXY_URL")
	if c := load(t, env, all...); len(c.Accounts) != 2 {
		t.Errorf("one provider of each: %v", c.Accounts)
	}
	env["ISSUANCE_ACCOUNTS_FILE"] = "/nowhere"
	if _, err := Load(env, all...); err == nil || !strings.Contains(err.Error(), "ISSUANCE_ACCOUNTS_FILE open /nowhere") {
		t.Error(err)
	}
}

// An entry with mistakes of its own is compared with the others all the same, but for what is not known of it.
func TestMistakesAmongEntriesThatHaveOthers(t *testing.T) {
	const second = "  - provider: ecticket\n    account: b2\n    default: true\n    allowance: p\n    calls_per_second: 3\n    " + keysOfFile
	for name, c := range map[string]struct {
		first      string
		want, none []string
	}{
		"a secret": {"hash_key: short\n", []string{"hash_key", "line 7: ecticket:b2: default is ecticket:a1 already, in line 2", "calls_per_second is 3, and 4 for ecticket:a1"}, nil},
		"a rate":   {keysOfFile + "    calls_per_second: many\n", []string{"calls_per_second", "default is ecticket:a1 already"}, []string{"and 4 for"}},
		"a ban":    {keysOfFile + "    ban: long\n", []string{"ban", "default is ecticket:a1 already"}, []string{"with which it shares"}},
	} {
		_, err := Load(file(t, "accounts:\n  - provider: ecticket\n    account: a1\n    default: true\n    allowance: p\n    "+c.first+second), all...)
		if err == nil {
			t.Fatalf("%s: no mistake", name)
		}
		for _, want := range c.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v; should say %q", name, err, want)
			}
		}
		for _, none := range c.none {
			if strings.Contains(err.Error(), none) {
				t.Errorf("%s: %v; should not say %q", name, err, none)
			}
		}
	}
}
