package config

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

var parts = []Part{Connection, Keys, Records, Tasks, Documents, Prechecks, Lookups, Estimates, FrontDoor, Notices}

// Every part holds variables, and every variable's parts are known.
func TestPartsAreKnown(t *testing.T) {
	held := map[Part]int{}
	for _, v := range Table() {
		for _, p := range v.parts {
			held[p]++
			if !slices.Contains(parts, p) {
				t.Errorf("%s belongs to the unknown part %q", v.Name, p)
			}
		}
	}
	for _, p := range parts {
		if held[p] == 0 {
			t.Errorf("nothing belongs to %q", p)
		}
	}
}

// A command is stopped by a mistake in a setting that it uses, with the worker's own words, and by no
// other.
func TestOnlyWhatACommandUsesIsChecked(t *testing.T) {
	for name, value := range map[string]string{
		"REDIS_URL": "localhost", "REDIS_CLUSTER_ADDRS": "a:b:c", "ISSUANCE_SEAL_KEYS": "x", "WORKER_TASK_TIMEOUT": "soon", "WORKER_RETENTION": "500ms",
		"ECTICKET_MERCHANT_ID": "2000132 ", "ECTICKET_MODE": "both", "ECTICKET_PRECHECK": "perhaps", "ECTICKET_BASE_URL": "http://ecticket.ecpay.com.tw",
		"ECTICKET_HASH_KEY": "short", "ECTICKET_SETTLE_AFTER": "1m", "ECTICKET_CALLS_PER_SECOND": "0", "PASS2U_CALLS_PER_SECOND": "fast",
		"PASS2U_API_KEY": "a b", "POLL_SENTINEL": "x", "WORKER_HTTP_ADDR": "8080", "ISSUANCE_KEEP_EVENTS": "1",
	} {
		env := production()
		delete(env, "REDIS_URL")
		delete(env, "REDIS_CLUSTER_ADDRS")
		env[name] = value
		_, whole := Load(env)
		var mistakes *Error
		if !errors.As(whole, &mistakes) {
			t.Fatalf("%s=%s is no mistake", name, value)
		}
		for _, p := range parts {
			_, err := LoadParts(env, p)
			i := slices.IndexFunc(Table(), func(v Variable) bool { return v.Name == name })
			uses := slices.Contains(Table()[i].parts, p)
			if uses != (err != nil) || uses && err.Error() != whole.Error() {
				t.Errorf("%s=%s, reading %s: %v, want %v", name, value, p, err, whole)
			}
		}
	}
}

// What several settings say together is a mistake only where all of them are read: a producer need not
// repeat the workers' timeouts.
func TestRulesAmongSettingsHoldWhereAllAreRead(t *testing.T) {
	env := map[string]string{"WORKER_TASK_TIMEOUT": "10s", "ECTICKET_MERCHANT_ID": "2000132"}
	if _, err := Load(env); err == nil {
		t.Fatal("no mistake for a worker")
	}
	c, err := LoadParts(env, Tasks, Documents)
	if err != nil || c.Worker.TaskTimeout != 10*time.Second || c.ECTicket.MerchantID != "2000132" {
		t.Errorf("%v, %v", c.Worker, err)
	}
	if _, err := LoadParts(env, Documents, Lookups); err == nil || !strings.Contains(err.Error(), "ECTICKET_HASH_KEY is missing") {
		t.Errorf("half an account: %v", err)
	}
}

// What is not read has its default, and nothing is warned of.
func TestWhatIsNotReadHasItsDefault(t *testing.T) {
	env := production()
	env["ECTICKET_CALLS_PER_SECOND"], env["POLL_SENTINAL"] = "6", "5s"
	defaults := load(t, nil)
	if c, err := LoadParts(env); err != nil || c.String() != defaults.String() {
		t.Errorf("%v\n%v", err, c)
	}
	c, err := LoadParts(env, Keys, Lookups)
	if err != nil || c.Warnings != nil || c.Pass2U.Configured() || c.Redis.URL.Set() || !c.ECTicket.Configured() || c.ECTicket.CallsPerSecond != 6 ||
		c.Seal.Keys.Reveal() != key32 {
		t.Errorf("%v\n%v", err, c)
	}
}

// At a sandbox its accounts are used and no others, and its seal key unless another one is set.
func TestAtASandboxItsAccountsAreUsed(t *testing.T) {
	left := map[string]string{"SANDBOX_ID": "x", "ECTICKET_MERCHANT_ID": "2000132", "ECTICKET_BASE_URL": "http://127.0.0.1:9301", "PASS2U_API_KEY": "simulated",
		"ECTICKET_CALLS_PER_SECOND": "100", "ECTICKET_HASH_KEY_FILE": "/etc/passwd", "PASS2U_PROXY_URL": "http://elsewhere", "WORKER_TASK_TIMEOUT": "1s", "ISSUANCE_SEAL_KEYS": "sandbox's"}
	env := map[string]string{"ECTICKET_MERCHANT_ID": "3362787", "ECTICKET_HASH_KEY_FILE": "/run/secrets/k", "ECTICKET_BASE_URL": "http://127.0.0.1:9301",
		"ECTICKET_MODE": "", "PASS2U_PROXY_URL": "http://proxy", "ECTICKET_PRECHECK": "off", "WORKER_TASK_TIMEOUT": "90s", "REDIS_URL": "redis://h"}
	before := maps.Clone(env)
	got, ignored := AtSandbox(env, left)
	want := map[string]string{"ECTICKET_MERCHANT_ID": "2000132", "ECTICKET_BASE_URL": "http://127.0.0.1:9301",
		"ECTICKET_CALLS_PER_SECOND": "100", "ISSUANCE_SEAL_KEYS": "sandbox's", "ECTICKET_PRECHECK": "off", "WORKER_TASK_TIMEOUT": "90s", "REDIS_URL": "redis://h"}
	if !maps.Equal(got, want) || fmt.Sprint(ignored) != "[ECTICKET_HASH_KEY_FILE ECTICKET_MERCHANT_ID PASS2U_PROXY_URL]" || !maps.Equal(env, before) {
		t.Errorf("%v, %v", got, ignored)
	}
	for _, name := range []string{"ISSUANCE_SEAL_KEYS", "ISSUANCE_SEAL_KEYS_FILE"} {
		if got, _ := AtSandbox(map[string]string{name: "mine"}, left); got[name] != "mine" || got["ISSUANCE_SEAL_KEYS"] == "sandbox's" {
			t.Errorf("%s: %v", name, got)
		}
	}
	for _, base := range []string{"https://elsewhere.example", "http://10.0.0.1", ""} {
		left["ECTICKET_BASE_URL"] = base
		if got, ignored := AtSandbox(env, left); got["ECTICKET_BASE_URL"] != "" || got["ECTICKET_MERCHANT_ID"] != "" || !slices.Contains(ignored, "ECTICKET_MERCHANT_ID") {
			t.Errorf("an account at %q is used: %v", base, got)
		}
	}
	if got, _ := AtSandbox(nil, left); got["ISSUANCE_SEAL_KEYS"] != "sandbox's" {
		t.Errorf("without an environment: %v", got)
	}
}

// Whatever Redis holds, only the eight settings that a sandbox leaves are taken from it, never a file's name, and
// only for simulators on this machine.
func TestOnlyASandboxesOwnSettingsAreBelieved(t *testing.T) {
	left := map[string]string{}
	for _, v := range Table() {
		left[v.Name] = "x"
		left[v.Name+"_FILE"] = "/etc/passwd"
	}
	left["ECTICKET_BASE_URL"], left["PASS2U_BASE_URL"] = "http://127.0.0.1:1", "http://[::1]:1/base"
	got, _ := AtSandbox(nil, left)
	if names := slices.Sorted(maps.Keys(got)); len(LeftBySandbox) != 8 || !slices.Equal(names, slices.Sorted(slices.Values(LeftBySandbox))) {
		t.Errorf("believed: %v", names)
	}
	for _, base := range []string{"http://127.0.0.1@evil.example", "http://127.0.0.1.evil.example", "https://evil.example", "//127.0.0.1.evil.example", "x"} {
		left["ECTICKET_BASE_URL"], left["PASS2U_BASE_URL"] = base, base
		if got, _ := AtSandbox(nil, left); len(got) != 1 || got["ISSUANCE_SEAL_KEYS"] == "" {
			t.Errorf("at %s: %v", base, got)
		}
	}
}
