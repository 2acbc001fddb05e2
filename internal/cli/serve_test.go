package cli_test

import (
	"bytes"
	"context"
	"io"
	"maps"
	"strings"
	"testing"

	"issuance/internal/announce"
	"issuance/internal/cli"
	"issuance/internal/redisconn"
	"issuance/internal/testredis"
)

// until is an output that does something when a text has been written to it.
type until struct {
	hook
	text string
	do   func()
}

func (u *until) Write(p []byte) (int, error) {
	n, err := u.hook.Write(p)
	if bytes.Contains(p, []byte(u.text)) {
		u.do()
	}
	return n, err
}

// served is what enqueue serve logs until it serves.
func served(t *testing.T, env map[string]string) string {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	log := &until{text: `"msg":"serving"`, do: stop}
	env = maps.Clone(env)
	env["GATEWAY_HTTP_ADDR"], env["LOG_FORMAT"] = "127.0.0.1:0", "json"
	if code := cli.Run(ctx, []string{"serve"}, env, cli.Streams{In: strings.NewReader(""), Out: io.Discard, Err: log}); code != 0 {
		t.Errorf("enqueue serve: %d\n%s", code, log)
	}
	return log.String()
}

// A front door that is open because of a typing error, or takes no order because of its keys, says so at its start.
func TestServeWarnsOfAnOpenDoorAndOfWrongKeys(t *testing.T) {
	s := testredis.Start(t)
	must(t, redisconn.Mark(t.Context(), s.Client(), redisconn.Production))
	env := environment(s)
	env["GATEWAY_TOKEN_FILE"] = "/secret/tokens.yaml"
	log := served(t, env)
	for _, want := range []string{`"level":"WARN"`, "GATEWAY_TOKEN_FILE is not a variable of this program; did you mean GATEWAY_TOKENS_FILE?", "no tokens", "may do everything"} {
		if !strings.Contains(log, want) {
			t.Errorf("the log lacks %q: %s", want, log)
		}
	}
	if strings.Contains(log, "/secret/") || strings.Contains(log, "nothing can be enqueued") {
		t.Errorf("%s", log)
	}
	must(t, announce.SealKeys(t.Context(), s.Client(), []string{"another"}))
	if log := served(t, env); !strings.Contains(log, "nothing can be enqueued") || !strings.Contains(log, "ISSUANCE_SEAL_KEYS") {
		t.Errorf("wrong keys are not warned of: %s", log)
	}
}
