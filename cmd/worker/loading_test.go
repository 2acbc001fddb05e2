package main

import (
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/alicebob/miniredis/v2/server"

	"issuance/internal/testredis"
)

// A Redis that reads its data, or takes no writes for a while, at whatever moment of the start, is waited for: one line says so when
// the wait begins, and one when it ends.
func TestAWorkerWaitsForARedisThatIsNotReadyYet(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, command, answer, says string }{
		{"loading from the first", "PING", "LOADING Redis is loading the dataset in memory", "still reading its data from disk"},
		{"loading when it is looked at", "INFO", "LOADING Redis is loading the dataset in memory", "still reading its data from disk"},
		{"loading when it is marked", "SET", "LOADING Redis is loading the dataset in memory", "still reading its data from disk"},
		{"loading when the worker is announced", "HSET", "LOADING Redis is loading the dataset in memory", "still reading its data from disk"},
		{"loading when the queues are registered", "SADD", "LOADING Redis is loading the dataset in memory", "still reading its data from disk"},
		{"a replica", "HSET", "READONLY You can't write against a read only replica.", "a read-only replica"},
		{"a replica alone", "SET", "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.", "lost its master"},
		{"full", "SET", "OOM command not allowed when used memory > 'maxmemory'.", "memory is full"},
		{"a script runs", "SADD", "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.", "BUSY"},
		{"too many connections", "PING", "ERR max number of clients reached", "max number of clients"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := testredis.Mini(t)
			over := refuse(s, c.command, c.answer)
			p := start(t, production(s.URL()))
			url := "http://" + p.sees(p.err, `"not ready, waiting","addr":"([^"]+)"`)[1]
			if status, body := get(t, url+"/readyz"); status != http.StatusServiceUnavailable || !strings.Contains(body, c.says) {
				t.Errorf("/readyz: %d %s", status, body)
			}
			stopped := start(t, production(s.URL()))
			stopped.sees(stopped.err, `"not ready, waiting"`)
			if code := stopped.stop(); code != exitFine || !strings.Contains(stopped.err.String(), `"msg":"stopped"`) {
				t.Errorf("stopped while it waits: %d %s", code, stopped.err)
			}
			over()
			p.sees(p.err, `"ready, no longer waiting"(.|\n)*"msg":"serving"`)
			text := p.err.String()
			for _, line := range []string{`"not ready, waiting"`, `"ready, no longer waiting"`} {
				if n := strings.Count(text, line); n != 1 {
					t.Errorf("%d times %s:\n%s", n, line, text)
				}
			}
			if !strings.Contains(text, c.says) || strings.Contains(text, "check that it runs") != (c.name == "too many connections") {
				t.Errorf("the log does not say why:\n%s", text)
			}
			if code := p.stop(); code != exitFine {
				t.Errorf("exit code %d", code)
			}
		})
	}
}

// What no waiting mends ends the worker at once, also where it shows late.
func TestAWorkerDoesNotWaitForARefusal(t *testing.T) {
	t.Parallel()
	for answer, says := range map[string]string{
		"NOAUTH Authentication required.":                             "Redis wants a password",
		"WRONGPASS invalid username-password pair":                    "check USER:PASSWORD in REDIS_URL",
		"NOPERM this user has no permissions to run the 'x' command":  `to run "x" (ACL)`,
		"ERR unknown command 'x', with args beginning with: 'secret'": "unknown command",
	} {
		for _, command := range []string{"SET", "HSET", "SADD"} {
			s := testredis.Mini(t)
			refuse(s, command, answer)
			p := start(t, production(s.URL()))
			if code := p.wait(); code != exitFailed || !strings.Contains(p.err.String(), says) || strings.Contains(p.err.String(), "waiting") {
				t.Errorf("%s at %s: %d %s", answer, command, code, p.err)
			}
		}
	}
}

// refuse has a Redis answer a command with an error until it is over.
func refuse(s *testredis.Server, command, answer string) (over func()) {
	var mu sync.Mutex
	refuses := true
	s.Embedded.Server().SetPreHook(func(p *server.Peer, cmd string, _ ...string) bool {
		mu.Lock()
		defer mu.Unlock()
		if refuses && strings.EqualFold(cmd, command) {
			p.WriteError(answer)
			return true
		}
		return false
	})
	return func() { mu.Lock(); defer mu.Unlock(); refuses = false }
}
