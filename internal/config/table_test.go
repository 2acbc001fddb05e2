package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

// Every variable has a unique name and a meaning, and stands in --help.
func TestTableIsComplete(t *testing.T) {
	var help bytes.Buffer
	if err := WriteHelp(&help); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, v := range Table() {
		if v.Name == "" || v.Meaning == "" || seen[v.Name] {
			t.Errorf("incomplete or double: %+v", v)
		}
		seen[v.Name] = true
		if !strings.Contains(help.String(), v.Name+" ") || v.Secret && !strings.Contains(help.String(), v.Name+"_FILE") {
			t.Errorf("%s is not in the help", v.Name)
		}
	}
	for _, secret := range []string{"REDIS_URL", "ECTICKET_HASH_KEY", "ECTICKET_HASH_IV", "PASS2U_API_KEY", "PASS2U_PROXY_URL", "ISSUANCE_SEAL_KEYS"} {
		if !strings.Contains(help.String(), secret+"_FILE") {
			t.Errorf("%s cannot come from a file", secret)
		}
	}
}

// However a Config is printed, logged or encoded, no secret appears, and everything else does.
func TestNothingShowsASecret(t *testing.T) {
	c := load(t, production(), all...)
	var out strings.Builder
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(&out, verb+verb, c, &c)
		fmt.Fprintf(&out, verb+verb+verb, c.ECTicket, c.Redis, c.Seal)
		fmt.Fprintf(&out, verb+verb, c.Pass2U.APIKey, &c.Pass2U.APIKey)
	}
	slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "c", c, "secret", c.Pass2U.APIKey, "group", c.ECTicket)
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", "c", c, "secret", c.Pass2U.APIKey, "group", c.ECTicket)
	for _, v := range []any{c, c.ECTicket, c.Redis, c.Seal, c.Pass2U} {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		out.Write(b)
	}
	for _, canary := range []string{"Kanarie", key32, fmt.Sprintf("%x", "Kanarie")} {
		if strings.Contains(out.String(), canary) {
			t.Errorf("%q appears in %s", canary, out.String())
		}
	}
	for _, v := range Table() {
		if !strings.Contains(c.String(), v.Name+"=") {
			t.Errorf("%s is not shown", v.Name)
		}
	}
	if !strings.Contains(c.String(), "ECTICKET_HASH_KEY=[set]") || !strings.Contains(c.String(), "REDIS_CLUSTER_ADDRS=[not set]") {
		t.Error(c)
	}
}
