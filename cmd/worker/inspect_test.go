package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

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

// At a narrow terminal no line is longer than it, and what goes on is further to the right, of warnings and mistakes alike.
func TestWorkerCheckFitsItsTerminal(t *testing.T) {
	t.Parallel()
	s := testredis.Start(t)
	wrong := production(s.URL())
	wrong["ECTICKET_TIMEOUT"] = "20"
	away := production("redis://127.0.0.1:1/0")
	for name, env := range map[string]map[string]string{"warnings": production(s.URL()), "mistakes": wrong, "no Redis": away} {
		env["COLUMNS"], env["REDIS_ULR"] = "60", "redis://:Kanarie-redis@h"
		var out, stderr bytes.Buffer
		run(t.Context(), []string{"check"}, env, &out, &stderr)
		text := out.String() + stderr.String()
		folds := 0
		for line := range strings.Lines(text) {
			if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > 60 {
				t.Errorf("%s: %d wide: %s", name, n, line)
			}
			if strings.HasPrefix(line, "  ") {
				folds++
			}
		}
		if folds == 0 {
			t.Errorf("%s: nothing is folded:\n%s", name, text)
		}
		if n := strings.Count(text, "REDIS_ULR"); n != 1 && name != "no Redis" || strings.Contains(text, "Kanarie") {
			t.Errorf("%s: the misspelled variable is named %d times:\n%s", name, n, text)
		}
	}
}

// A variable that is misspelled is named once in the log of a worker that starts, and beside what is missing because of it.
func TestAMisspelledVariableIsNamed(t *testing.T) {
	t.Parallel()
	s := testredis.Start(t)
	env := production(s.URL())
	env["REDIS_ULR"] = "redis://:Kanarie-redis@h"
	p := start(t, env)
	p.sees(p.err, `"msg":"serving"`)
	const says = "REDIS_ULR is not a variable of this program; did you mean REDIS_URL?"
	if text := p.err.String(); strings.Count(text, says) != 1 || strings.Contains(text, "Kanarie-redis") {
		t.Errorf("%s", text)
	}
	delete(env, "REDIS_URL")
	for _, args := range [][]string{nil, {"check"}} {
		missing := start(t, env, args...)
		if code, text := missing.wait(), missing.err.String(); code != exitWrong || strings.Count(text, "warning: "+says) != 1 || !strings.Contains(text, "REDIS_URL is missing") {
			t.Errorf("%v: %d %s", args, code, text)
		}
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
	text.WriteString("- {provider: pass2u, account: gifts, api_key: Kanarie-gifts}\n- {provider: pass2u, account: main, api_key: Kanarie-api}\n")
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
		{[]string{"--accounts", "pass2u:gone,pass2u:main"}, exitFine, []string{"--accounts has pass2u:gone, which is not configured", "would serve 1 of 32 accounts\n"}},
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
