package config

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"issuance/providers"
)

// file writes an accounts file and returns an environment that names it.
func file(t *testing.T, text string) map[string]string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "accounts.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return map[string]string{"REDIS_URL": "redis://h/0", "ISSUANCE_SEAL_KEYS": key32, "ISSUANCE_ACCOUNTS_FILE": path}
}

const keysOfFile = "hash_key: Kanarie-hash-key\n    hash_iv: Kanarie--hash-iv\n"

// Every setting of the environment's account can be set in an entry, and has the same default there.
func TestAnEntryHasEverySettingOfTheEnvironment(t *testing.T) {
	values := map[string]string{"ECTICKET_BASE_URL": "https://ecticket-stage.ecpay.com.tw", "ECTICKET_PLATFORM_ID": "3085672", "ECTICKET_HASH_KEY": "Kanarie-hash-key",
		"ECTICKET_HASH_IV": "Kanarie--hash-iv", "ECTICKET_MODE": "escrow", "ECTICKET_CALLS_PER_SECOND": "3", "ECTICKET_BAN": "31m", "ECTICKET_TIMEOUT": "21s",
		"ECTICKET_SETTLE_AFTER": "13m", "ECTICKET_PATHS": "Refund=/r", "ECTICKET_CODES": "not_found=5", "ECTICKET_REFUND_FIELDS": "No={TicketNo}",
		"PASS2U_BASE_URL": "https://pass2u.example/api", "PASS2U_API_KEY": "Kanarie-api", "PASS2U_CALLS_PER_SECOND": "2", "PASS2U_BAN": "32m", "PASS2U_TIMEOUT": "22s",
		"PASS2U_SETTLE_AFTER": "14m", "PASS2U_PROXY_URL": "http://ann:Kanarie-proxy@proxy:3128", "PASS2U_REFUND_QUANTITY_KEY": "quanity", "PASS2U_QUERY_PATH": "/"}
	text, minimal, env := "accounts:\n", "accounts:\n", map[string]string{"REDIS_URL": "redis://h/0", "ISSUANCE_SEAL_KEYS": key32, "ECTICKET_MERCHANT_ID": "2000132"}
	for _, k := range kinds {
		for _, list := range []*string{&text, &minimal} {
			*list += "- provider: " + string(k.provider) + "\n"
			if k.merchant != "" {
				*list += "  account: 2000132\n"
			}
		}
		for _, v := range Table() {
			if !strings.HasPrefix(v.Name, k.prefix) || v.Name == k.merchant || !v.account {
				continue
			}
			if values[v.Name] == "" {
				t.Fatalf("%s has no value in this test", v.Name)
			}
			env[v.Name] = values[v.Name]
			text += fmt.Sprintf("  %s: %q\n", k.key(v.Name), values[v.Name])
			if slices.Contains(k.needs, v.Name) {
				minimal += fmt.Sprintf("  %s: %q\n", k.key(v.Name), values[v.Name])
			}
		}
	}
	compare := func(env map[string]string, text string) {
		t.Helper()
		own, ofFile := load(t, env, all...), load(t, file(t, text), all...)
		if len(own.Accounts) != len(kinds) || len(ofFile.Accounts) != len(kinds) {
			t.Fatalf("%v, %v", own.Accounts, ofFile.Accounts)
		}
		for i, a := range own.Accounts {
			if b := ofFile.Accounts[i]; !a.Equal(b) || !a.Default || !a.Configured() {
				t.Errorf("%s: %+v of the environment, %+v of the file", a, a.settings, b.settings)
			}
		}
	}
	compare(env, text)
	for name := range values {
		if !slices.ContainsFunc(kinds, func(k kind) bool { return slices.Contains(k.needs, name) }) {
			delete(env, name)
		}
	}
	compare(env, minimal)
}

// Two accounts differ as soon as one setting does, secrets included: otherwise a change would not be seen.
func TestEverySettingMakesAnAccountAnother(t *testing.T) {
	c := load(t, production(), all...)
	for _, a := range c.Accounts {
		if !a.Equal(a) {
			t.Errorf("%s is not itself", a)
		}
		fields := reflect.ValueOf(a.settings).Elem()
		for i := range fields.NumField() {
			b := a
			other := reflect.New(fields.Type())
			other.Elem().Set(fields)
			switch f := other.Elem().Field(i); f.Kind() {
			case reflect.String:
				f.SetString(f.String() + "x")
			case reflect.Int64:
				f.SetInt(f.Int() + 1)
			case reflect.Float64:
				f.SetFloat(f.Float() + 1)
			default:
				f.Set(reflect.ValueOf(NewSecret("other")))
			}
			b.settings = other.Interface().(settings)
			if a.Equal(b) {
				t.Errorf("%s: a change of %s is not seen", a, fields.Type().Field(i).Name)
			}
		}
		for _, b := range []Account{{Name: a.Name}, func(a Account) Account { a.Default = !a.Default; return a }(a), func(a Account) Account { a.Allowance = "x"; return a }(a)} {
			if b.settings == nil {
				b = a
				b.CallsPerSecond++
			}
			if a.Equal(b) {
				t.Errorf("%s: a change is not seen", a)
			}
		}
	}
}

// What a provider may refuse is told apart by a keyed digest: it is another one with another secret or address, and the same otherwise.
func TestAccessDiffersWithEverySecretAndAddress(t *testing.T) {
	digest := func(b []byte) string { return string(b) }
	for _, a := range load(t, production(), all...).Accounts {
		fields := reflect.ValueOf(a.settings).Elem()
		for i := range fields.NumField() {
			b, name := a, fields.Type().Field(i).Name
			other := reflect.New(fields.Type())
			other.Elem().Set(fields)
			secret := fields.Field(i).Type() == reflect.TypeFor[Secret]()
			switch f := other.Elem().Field(i); {
			case secret:
				f.Set(reflect.ValueOf(NewSecret("other")))
			case f.Kind() == reflect.String:
				f.SetString(f.String() + "x")
			case f.Kind() == reflect.Float64:
				f.SetFloat(f.Float() + 1)
			default:
				f.SetInt(f.Int() + 1)
			}
			b.settings = other.Interface().(settings)
			wanted := secret || slices.Contains([]string{"BaseURL", "PlatformID", "MerchantID", "Paths", "QueryPath"}, name)
			if differs := a.Access(digest) != b.Access(digest); differs != wanted {
				t.Errorf("%s: with another %s the digest differs: %t", a, name, differs)
			}
		}
	}
}

// Every mistake of a file is reported at once, with its line and the entry's name, and no secret.
func TestAllMistakesOfAFileTogether(t *testing.T) {
	text := `accounts:
  - provider: ecticket
    account: "2000132"
    default: true
    hash_key: Kanarie
    hash_iv: Kanarie--hash-iv
    calls_per_second: fast
  - provider: ecticket
    account: "2000132"
    ` + keysOfFile + `
  - provider: ecticket
    account: "3085676"
    default: yes please
    hash_keys: Kanarie-hash-key
    hash_iv_file: /nowhere/Kanal
    mode: both
    timeout: 60s
  - provider: nobody
    api_key: Kanarie
  - provider: pass2u
    account: "a b"
    api_key: Bearer Kanarie
    proxy_url: Kanarie:3128
  - account: "1"
  - provider: ecticket
    ` + keysOfFile + `
  - [Kanarie]
  - provider: pass2u
    account: {Kanarie: x}
extra: Kanarie
`
	_, err := Load(file(t, text), all...)
	var e *Error
	if !errors.As(err, &e) {
		t.Fatal(err)
	}
	for _, want := range []string{
		`line 5: ecticket:2000132: hash_key has 7 characters`, `line 7: ecticket:2000132: calls_per_second is "fast", which is not a number`,
		`line 8: ecticket:2000132: is there twice; the first is in line 2`,
		`line 15: ecticket:3085676: default must be true or false`, `line 16: ecticket:3085676: hash_keys is unknown; did you mean hash_key?`,
		`line 13: ecticket:3085676: hash_key is missing: write it, or hash_key_file`, `line 17: ecticket:3085676: hash_iv_file names a file that cannot be read`,
		`line 18: ecticket:3085676: mode is "both"; write pure or escrow`, `line 19: ecticket:3085676: timeout is 1m0s; it must be shorter than WORKER_TASK_TIMEOUT (1m0s)`,
		`line 20: nobody: provider must be ecticket or pass2u`, `line 23: entry 5: account must be 1 to 40`, `line 24: entry 5: api_key holds a space`, `line 25: entry 5: proxy_url must look like`,
		`line 26: entry 6: provider must be ecticket or pass2u`, `line 27: ecticket: account is missing`, `line 31: entry 8: it must be keys and values`,
		`line 32: pass2u: line 33: a key has no single value`, `line 34: unknown key; there are accounts`,
	} {
		if !strings.Contains(err.Error(), "ISSUANCE_ACCOUNTS_FILE "+want) {
			t.Errorf("%q is not in\n%v", want, err)
		}
	}
	for _, m := range e.Mistakes {
		if m.Variable != "ISSUANCE_ACCOUNTS_FILE" {
			t.Errorf("%+v", m)
		}
	}
	if strings.Contains(err.Error(), "Kanarie") {
		t.Errorf("a secret is shown: %v", err)
	}
}

// An only account is its provider's default by itself; of several, the one that says so.
func TestDefaults_OfAFile(t *testing.T) {
	entry := func(account, more string) string {
		return "  - provider: ecticket\n    account: " + account + "\n    " + keysOfFile + more
	}
	c := load(t, file(t, "accounts:\n"+entry("a1", "")), all...)
	if a, ok := Find(c.Accounts, providers.Account{Provider: providers.ECTicket}); !ok || a.Name.Merchant != "a1" {
		t.Errorf("%v %t", a, ok)
	}
	c = load(t, file(t, "accounts:\n"+entry("a1", "")+entry("b2", "")), all...)
	if a, ok := Find(c.Accounts, providers.Account{Provider: providers.ECTicket}); ok {
		t.Errorf("%v is the default of two", a)
	}
	c = load(t, file(t, "accounts:\n"+entry("a1", "")+entry("b2", "    default: true\n")), all...)
	if a, ok := Find(c.Accounts, providers.Account{Provider: providers.ECTicket}); !ok || a.Name.Merchant != "b2" {
		t.Errorf("%v %t", a, ok)
	}
	// Of Pass2U it is the one that orders without an account go to.
	for text, want := range map[string]string{"{provider: pass2u, account: a1, api_key: k}, {provider: pass2u, api_key: l}": "main", "{provider: pass2u, account: a1, api_key: k}": ""} {
		c = load(t, file(t, "accounts: ["+text+"]"), all...)
		if a, ok := Find(c.Accounts, providers.Account{Provider: providers.Pass2U}); ok != (want != "") || a.Name.Merchant != want {
			t.Errorf("%s: %v %t", text, a, ok)
		}
	}
}

// A program that needs no secrets reads a file whose secrets are not there, and names the accounts.
func TestASecretIsReadOnlyWhereItIsNeeded(t *testing.T) {
	env := file(t, "accounts: [{provider: ecticket, account: a1, mode: escrow, calls_per_second: 2, hash_key_file: /nowhere, hash_iv_file: /nowhere}, {provider: pass2u, api_key_file: /nowhere}]")
	c, err := LoadParts(env, Documents, Estimates)
	if err != nil {
		t.Fatal(err)
	}
	live := c.Live(slog.New(slog.DiscardHandler))
	if merchant, escrow, ok := live.Merchant(""); merchant != "a1" || !escrow || !ok {
		t.Errorf("%s %t %t", merchant, escrow, ok)
	}
	if name, rate := c.Pace(providers.Account{Provider: providers.ECTicket}); name.Merchant != "a1" || rate != 2 {
		t.Errorf("%s %g", name, rate)
	}
	if len(c.Callable()) != 0 {
		t.Errorf("without keys %v can be called", c.Callable())
	}
	if _, err := LoadParts(env, Lookups); err == nil || !strings.Contains(err.Error(), "hash_key_file names a file") {
		t.Error(err)
	}
}

// Two entries with one key at one address are one account of the provider's: each would find the other's orders, and both together
// would call twice as often as it allows.
func TestTwoAccountsAreNotOne(t *testing.T) {
	dir := t.TempDir()
	secret := filepath.Join(dir, "key")
	if err := os.WriteFile(secret, []byte("Kanarie-one\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	const same = "pass2u:gifts: api_key is the same as that of pass2u:main in line 2"
	for entries, want := range map[string]string{
		"- {provider: pass2u, api_key: Kanarie-one}\n- {provider: pass2u, account: gifts, api_key: Kanarie-two}\n":                                                                                 "",
		"- {provider: pass2u, api_key: Kanarie-one}\n- {provider: pass2u, account: gifts, api_key: Kanarie-one, base_url: https://pass2u.example}\n":                                               "",
		"- {provider: pass2u, api_key: Kanarie-one}\n- {provider: pass2u, account: gifts, api_key: Kanarie-one, timeout: 20s}\n":                                                                   same,
		"- {provider: pass2u, api_key: Kanarie-one}\n- {provider: pass2u, account: gifts, api_key_file: " + secret + "}\n":                                                                         same,
		"- {provider: pass2u, api_key_file: " + secret + "}\n- {provider: pass2u, account: gifts, api_key_file: " + secret + "}\n":                                                                 same,
		"- {provider: ecticket, account: a1, hash_key: Kanarie-hash-key, hash_iv: Kanarie--hash-iv}\n- {provider: ecticket, account: a2, hash_key: Kanarie-hash-key, hash_iv: Kanarie--hash-iv}\n": "", // a platform's
	} {
		_, err := Load(file(t, "accounts:\n"+entries), all...)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "Kanarie")) {
			t.Errorf("%s: %v, not %q", entries, err, want)
		}
	}
	// Who reads no secrets cannot know.
	if _, err := LoadParts(file(t, "accounts:\n- {provider: pass2u, api_key_file: /nowhere}\n- {provider: pass2u, account: gifts, api_key_file: /nowhere}\n"), Documents, Estimates); err != nil {
		t.Error(err)
	}
}

// Secrets that every user of the machine can read are warned of, some of them by name.
func TestExposedSecretsAreWarnedOf(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "key")
	if err := errors.Join(os.WriteFile(secret, []byte("Kanarie-hash-key"), 0o600), os.Chmod(secret, 0o644)); err != nil {
		t.Fatal(err)
	}
	text := "accounts:\n"
	for i := range 30 {
		text += fmt.Sprintf("- {provider: ecticket, account: a%d, hash_key_file: %s, hash_iv_file: %[2]s}\n", i, secret)
	}
	env := file(t, text)
	if err := os.Chmod(env["ISSUANCE_ACCOUNTS_FILE"], 0o644); err != nil {
		t.Fatal(err)
	}
	warnings := strings.Join(load(t, env, all...).Warnings, "\n")
	for _, want := range []string{"every user of this machine can read " + env["ISSUANCE_ACCOUNTS_FILE"], "line 2: ecticket:a0: every user of this machine can read the secret in " + secret, "and 40 more warnings"} {
		if !strings.Contains(warnings, want) {
			t.Errorf("%q is not in\n%s", want, warnings)
		}
	}
}

// Accounts follow the file and the files with their secrets. What is wrong with them later changes nothing.
func TestAccountsFollowTheFile(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	key := write("key", "one")
	path := write("accounts.yaml", "accounts: [{provider: pass2u, api_key_file: "+key+"}]")
	c := load(t, map[string]string{"ISSUANCE_ACCOUNTS_FILE": path})
	var log bytes.Buffer
	live := c.Live(slog.New(slog.NewTextHandler(&log, nil)))
	now := time.Now()
	live.file.SetClock(func() time.Time { now = now.Add(2 * time.Second); return now })
	before := live.Current()
	write("key", "two")
	after := live.Current()
	if len(after) != 1 || after[0].Equal(before[0]) || after[0].settings.(*Pass2U).APIKey.Reveal() != "two" {
		t.Errorf("the new key is not seen: %v", after)
	}
	write("accounts.yaml", "accounts: [{provider: pass2u, api_key: Kanarie Kanarie}]")
	if now := live.Current(); len(now) != 1 || !now[0].Equal(after[0]) {
		t.Errorf("a broken file changes something: %v", now)
	}
	if _, err := live.Reload(); err == nil || strings.Contains(log.String()+err.Error(), "Kanarie") || !strings.Contains(log.String(), "alarm: the accounts file cannot be used") {
		t.Errorf("%v %s", err, &log)
	}
	write("accounts.yaml", "accounts: [{provider: pass2u, api_key: a}, {provider: pass2u, account: b, api_key: b, base_url: https://x.example}]")
	if list, err := live.Reload(); err != nil || len(list) != 2 {
		t.Errorf("%v %v", list, err)
	}
	// The key of another account, in a file with a secret, is noticed as well.
	write("key", "three")
	write("accounts.yaml", "accounts: [{provider: pass2u, api_key: a}, {provider: pass2u, account: b, api_key_file: "+key+"}]")
	if list, err := live.Reload(); err != nil || len(list) != 2 {
		t.Errorf("%v %v", list, err)
	}
	write("key", "a")
	if now := live.Current(); len(now) != 2 || now[0].settings.(*Pass2U).APIKey.Reveal() != "three" || !strings.Contains(log.String(), "api_key is the same as that of pass2u:main") {
		t.Errorf("%v %s", now, &log)
	}
}

// Nothing that prints accounts shows their secrets.
func TestAccountsHideTheirSecrets(t *testing.T) {
	c := load(t, production(), all...)
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "a", c.Accounts[0], "all", c.Accounts, "c", c)
	text := log.String() + fmt.Sprintf("%v %+v %#v %s %d %x|%+v %v", c.Accounts, c.Accounts[0], c.Accounts, c.Accounts[0], c.Accounts, c.Accounts[1], struct{ a Account }{c.Accounts[0]}, &c)
	if strings.Contains(text, "Kanarie") || strings.Contains(text, fmt.Sprintf("%x", "Kanarie")) {
		t.Error(text)
	}
}

// A thousand accounts are read in well under a second each start.
func BenchmarkAThousandAccounts(b *testing.B) {
	text := "accounts:\n"
	for i := range 1000 {
		text += fmt.Sprintf("  - provider: ecticket\n    account: M%d\n    %s", i, keysOfFile)
	}
	path := filepath.Join(b.TempDir(), "accounts.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if list, _, err := CheckAccounts(nil, path); err != nil || len(list) != 1000 {
			b.Fatal(err)
		}
	}
}
