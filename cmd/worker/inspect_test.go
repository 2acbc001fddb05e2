package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"issuance/internal/keys"
	"issuance/internal/redisconn"
	"issuance/internal/testredis"
)

// "worker check" says what a worker would say at its start, starts nothing, and leaves Redis as it is.
func TestWorkerCheck(t *testing.T) {
	t.Parallel()
	s := testredis.Start(t)
	checked := func(env map[string]string) (int, string) {
		var out, stderr bytes.Buffer
		code := run(t.Context(), []string{"check"}, env, &out, &stderr)
		return code, out.String() + stderr.String()
	}
	code, text := checked(production(s.URL()))
	if code != exitFine || !strings.Contains(text, "would serve ecticket-checkout\n") || s.Kind == testredis.Real && !strings.Contains(text, "warning: Redis keeps orders in memory") {
		t.Errorf("%d %s", code, text)
	}
	if n, err := s.Client().DBSize(t.Context()).Result(); err != nil || n != 0 {
		t.Errorf("it wrote %d keys, %v", n, err)
	}
	if code, text := checked(nil); code != exitWrong || !strings.Contains(text, "REDIS_URL is missing") {
		t.Errorf("%d %s", code, text)
	}
	if err := redisconn.Mark(context.Background(), s.Client(), redisconn.Sandbox); err != nil {
		t.Fatal(err)
	}
	if code, text := checked(production(s.URL())); code != exitFailed || !strings.Contains(text, "holds a sandbox's orders (key "+keys.Mode+")") {
		t.Errorf("%d %s", code, text)
	}
	s.Kill()
	if code, text := checked(production(s.URL())); code != exitFailed || !strings.Contains(text, "does not answer") {
		t.Errorf("%d %s", code, text)
	}
}

// A worker of some accounts is checked as such: the flags of a production worker are the check's, too, and an account that is not
// configured is answered with those of its provider, the nearest spelled first.
func TestAWorkerOfSomeAccountsIsChecked(t *testing.T) {
	t.Parallel()
	s := testredis.Start(t)
	env := production(s.URL())
	var text strings.Builder
	text.WriteString("accounts:\n")
	for n := range 30 {
		fmt.Fprintf(&text, "- {provider: ecticket, account: M%d, hash_key: Kanarie-hash-key, hash_iv: Kanarie--hash-iv}\n", n)
	}
	text.WriteString("- {provider: pass2u, account: gifts, api_key: Kanarie-api}\n- {provider: pass2u, account: main, api_key: Kanarie-api}\n")
	env["ISSUANCE_ACCOUNTS_FILE"] = filepath.Join(t.TempDir(), "accounts.yaml")
	if err := os.WriteFile(env["ISSUANCE_ACCOUNTS_FILE"], []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"ECTICKET_MERCHANT_ID", "ECTICKET_HASH_KEY", "ECTICKET_HASH_IV", "PASS2U_API_KEY"} {
		delete(env, name)
	}
	for _, c := range []struct {
		args []string
		code int
		says []string
	}{
		{[]string{"--accounts", "pass2u"}, exitFine, []string{"would serve pass2u-checkout\n", "would serve 2 of 32 accounts\n"}},
		{[]string{"--accounts", "pass2u:main,ecticket:M3", "--queues", "pass2u-poll"}, exitFine, []string{"would serve pass2u-poll\n", "would serve 2 of 32 accounts\n"}},
		{[]string{"--accounts", "pass2u:mian"}, exitWrong, []string{"--accounts has pass2u:mian, which is not configured; there are pass2u:main, pass2u:gifts\n"}},
		{[]string{"--accounts", "ecticket:M299"}, exitWrong, []string{"there are ecticket:M29, ", ", and 10 more"}},
		{[]string{"--accounts", ""}, exitWrong, []string{"--accounts is empty"}},
		{[]string{"--queues", ""}, exitWrong, []string{"--queues is empty"}},
		{[]string{"--ui-write", "--http-addr", "0.0.0.0:0"}, exitWrong, []string{"--ui-write needs"}},
	} {
		var out, stderr bytes.Buffer
		code := run(t.Context(), append([]string{"check"}, c.args...), env, &out, &stderr)
		for _, want := range c.says {
			if text := out.String() + stderr.String(); code != c.code || !strings.Contains(text, want) {
				t.Errorf("%v: %d, not %q: %s", c.args, code, want, text)
			}
		}
	}
}
