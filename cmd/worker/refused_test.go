package main

import (
	"bytes"
	"strings"
	"testing"

	"issuance/internal/cli"
)

// A user of Redis with too few rights reads which right is missing and what to do, at the worker and at the
// command line, and nothing of the Redis library's.
func TestAUserWithTooFewRightsReadsWhatIsMissing(t *testing.T) {
	t.Parallel()
	_, addresses := guarded(t)
	for user, missing := range map[string]string{"reader": "(ACL)", "operator": `to run "info" (ACL)`} {
		for _, args := range [][]string{nil, {"check"}} {
			var out, stderr bytes.Buffer
			code := run(t.Context(), args, production(addresses[user]), &out, &stderr)
			if code != exitFailed || strings.Count(stderr.String(), "\n") != 1 || !strings.Contains(stderr.String(), missing) ||
				!strings.Contains(stderr.String(), "give the worker the user worker of deploy/users.acl") || strings.Contains(stderr.String(), "NOPERM") {
				t.Errorf("worker %q as %s: %d\n%s", args, user, code, &stderr)
			}
		}
	}
	o := newOutside(t, addresses["worker"])
	w := start(t, o.env)
	w.sees(w.err, `"msg":"serving"`)
	for command, missing := range map[string]string{
		"pause ecticket --reason x": `to run "hsetnx" (ACL)`, "resume ecticket": `to run "del" (ACL)`, "resume ecticket poll": `to run "hdel" (ACL)`,
		"issue ../../examples/ecticket-order.json --provider ecticket": "to use one of the keys that this needs (ACL)",
		"bulk ../../examples/orders.csv":                               "to use one of the keys that this needs (ACL)",
	} {
		var out, stderr bytes.Buffer
		env := map[string]string{"REDIS_URL": addresses["reader"], "ISSUANCE_SEAL_KEYS": sealKey, "USER": "ann"}
		code := cli.Run(t.Context(), strings.Fields(command), env, cli.Streams{In: strings.NewReader(""), Out: &out, Err: &stderr})
		text := stderr.String()
		if code != cli.CouldNot || !strings.Contains(text, missing) || !strings.Contains(text, "operator run every command") ||
			strings.Contains(text, "NOPERM") || strings.Contains(text, "EXECABORT") || strings.Contains(text, "full") {
			t.Errorf("%s: %d\n%s", command, code, text)
		}
	}
}
