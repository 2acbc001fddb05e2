package main

import (
	"bytes"
	"context"
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
