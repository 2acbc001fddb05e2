package main

import (
	"encoding/base64"
	"maps"
	"net/http"
	"strings"
	"testing"
	"unicode/utf8"

	"issuance/internal/seal"
	"issuance/internal/testredis"
)

// canaries are secrets of a production environment; nothing may ever show them.
var canaries = []string{"Kanarie-hash-key", "Kanarie--hash-iv", "Kanarie-api", sealKey}

var sealKey = base64.StdEncoding.EncodeToString([]byte("Kanarie-Kanarie-Kanarie-Kanarie!"))

// production is a complete environment.
func production(redisURL string) map[string]string {
	return map[string]string{
		"REDIS_URL": redisURL, "ISSUANCE_SEAL_KEYS": sealKey, "WORKER_HTTP_ADDR": "127.0.0.1:0",
		"ECTICKET_MERCHANT_ID": "2000132", "ECTICKET_HASH_KEY": "Kanarie-hash-key", "ECTICKET_HASH_IV": "Kanarie--hash-iv",
		"PASS2U_API_KEY": "Kanarie-api", "WORKER_IDLE_PROBE": "0s", // the providers' own addresses are never called
	}
}

// Wrong flags and a wrong environment are all reported at once, by name, with exit code 2, before
// anything is started or connected to.
func TestMistakes(t *testing.T) {
	t.Parallel()
	full := production("redis://127.0.0.1:1/0") // nothing listens there
	with := func(more map[string]string) map[string]string {
		env := maps.Clone(full)
		maps.Copy(env, more)
		return env
	}
	without := func(names ...string) map[string]string {
		env := maps.Clone(full)
		for _, n := range names {
			delete(env, n)
		}
		return env
	}
	for _, c := range []struct {
		name string
		env  map[string]string
		args []string
		want []string
	}{
		{"nothing set names both ways out", nil, nil, []string{"REDIS_URL is missing", "redis://", "worker --sandbox", "ISSUANCE_SEAL_KEYS is missing", "PASS2U_API_KEY"}},
		{"environment and flags together", with(map[string]string{"ECTICKET_TIMEOUT": "20", "POLL_DEADLINE": "soon"}), []string{"--queues", "ecticket-checkout,fast", "--once"},
			[]string{"ECTICKET_TIMEOUT is \"20\"", "POLL_DEADLINE is \"soon\"", `--queues has "fast"`, "pass2u-bulk", "--once is for a sandbox"}},
		{"a queue without credentials", without("PASS2U_API_KEY"), []string{"--queues", "pass2u-poll"}, []string{"pass2u-poll", "PASS2U_API_KEY"}},
		{"no queue at all", full, []string{"--queues", ""}, []string{"--queues is empty"}},
		{"the sandbox's seal key", with(map[string]string{"ISSUANCE_SEAL_KEYS": sealKey + "," + seal.SandboxKey()}), nil, []string{"ISSUANCE_SEAL_KEYS", "sandbox"}},
		{"a writing web UI for everybody", full, []string{"--ui-write", "--http-addr", "0.0.0.0:0"}, []string{"--ui-write", "127.0.0.1", "login"}},
		{"sandbox flags without a sandbox", full, []string{"--demo", "1", "--sandbox-job-every", "1s", "--sandbox-pass2u-addr", ":1"},
			[]string{"--demo is for", "--sandbox-job-every is for", "--sandbox-pass2u-addr is for"}},
		{"sandbox flags that make no sense", nil, []string{"--sandbox", "--demo", "-1", "--sandbox-job-every", "1ms", "--sandbox-ecticket-addr", "10.1.2.3:80", "--sandbox-pass2u-addr", "x"},
			[]string{"--demo is -1", "--sandbox-job-every is 1ms", "--sandbox-ecticket-addr", "--sandbox-pass2u-addr"}},
		{"nothing to wait for", nil, []string{"--sandbox", "--once", "--demo", "0"}, []string{"--once", "--demo 0"}},
		{"nothing the demo could wait for", nil, []string{"--sandbox", "--once", "--queues", "ecticket-checkout"}, []string{"--once", "--queues"}},
		{"an unknown flag", nil, []string{"--sandboxx"}, []string{"--sandboxx", "--help"}},
		{"an argument", nil, []string{"sandbox"}, []string{"sandbox", "--help"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := start(t, c.env, c.args...)
			if code := p.wait(); code != exitWrong {
				t.Errorf("exit code %d", code)
			}
			for _, want := range c.want {
				if !strings.Contains(p.err.String(), want) {
					t.Errorf("%q is not reported in\n%s", want, p.err)
				}
			}
			if p.out.String() != "" {
				t.Errorf("stdout: %s", p.out)
			}
			no(t, "stderr", p.err.String(), canaries...)
		})
	}
}

// --help names every variable and shows examples; --version says something; neither needs a
// configuration.
func TestHelp(t *testing.T) {
	p := start(t, nil, "--help")
	if code := p.wait(); code != exitFine || p.err.String() != "" {
		t.Fatalf("%d %s", code, p.err)
	}
	for _, want := range []string{"REDIS_URL", "ISSUANCE_SEAL_KEYS_FILE", "worker --sandbox --once", "--queues", "--sandbox-job-every"} {
		if !strings.Contains(p.out.String(), want) {
			t.Errorf("%s is not in\n%s", want, p.out)
		}
	}
	for _, args := range [][]string{{"--help"}, {"help", "check"}, {"health", "--help"}} {
		narrow := start(t, map[string]string{"COLUMNS": "60"}, args...)
		if code := narrow.wait(); code != exitFine {
			t.Errorf("%v: exit code %d, %s", args, code, narrow.err)
		}
		for line := range strings.Lines(narrow.out.String()) {
			words := strings.Fields(line)
			copied := strings.HasPrefix(line, "  REDIS_URL=redis") || strings.HasPrefix(line, "  ECTICKET_MERCHANT_ID=…")
			if utf8.RuneCountInString(strings.TrimSuffix(line, "\n")) > 60 && len(words) > 1 && !copied {
				t.Errorf("%v: not folded: %s", args, line)
			}
		}
	}
	if w := start(t, nil, "help", "nothing"); w.wait() != exitWrong {
		t.Error("help about an unknown command is no mistake")
	}
	v := start(t, nil, "--version")
	if code := v.wait(); code != exitFine || !strings.HasPrefix(v.out.String(), "worker ") || !strings.Contains(v.out.String(), "go1.") {
		t.Errorf("%d %s", code, v.out)
	}
}

// A worker that is started before its Redis lives and says why it is not ready. Once Redis is there it serves, or ends where
// Redis refuses it.
func TestAWorkerWaitsForARedisThatIsAway(t *testing.T) {
	t.Parallel()
	s := testredis.Start(t)
	s.Kill()
	right := start(t, production(s.URL()))
	right.sees(right.err, `"not ready, waiting"`)
	p := start(t, production(strings.Replace(s.URL(), "redis://", "redis://nobody:Kanarie-redis@", 1)))
	url := "http://" + p.sees(p.err, `"not ready, waiting","addr":"([^"]+)"`)[1]
	if status, body := get(t, url+"/healthz"); status != http.StatusOK || body != "ok\n" {
		t.Errorf("/healthz: %d %s", status, body)
	}
	if status, body := get(t, url+"/readyz"); status != http.StatusServiceUnavailable || !strings.Contains(body, s.Addr) || !strings.Contains(body, "REDIS_URL") {
		t.Errorf("/readyz: %d %s", status, body)
	}
	no(t, "stderr", p.err.String(), append(canaries, "Kanarie-redis")...)
	s.Restart()
	right.sees(right.err, `"msg":"serving"`)
	if code := p.wait(); code != exitFailed || !strings.Contains(p.err.String(), "check USER:PASSWORD in REDIS_URL") { // it takes none
		t.Errorf("%d %s", code, p.err)
	}
}
